"""Replication: committed rows become sealed, signed, chained objects, and come back proven."""
