"""The DuckDB view of the journal; the only rooms of the truck that open DuckDB."""
