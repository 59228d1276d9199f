"""The cloud team's engines: questions in SQL, sealed files as they are, and a Spark cluster."""
