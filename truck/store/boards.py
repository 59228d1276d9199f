"""What boards are asked over: a race's tables in memory, and nothing else of this machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from truck.store.export import query

BOARD_S_MAX = 2.0
BOARD_ROWS_MAX = 500
_SAID_AT = ("measured_at", "raised_at", "at")  # when a row of a table was first known
_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "memory_limit": "2GB",
    "temp_directory": "",  # what does not fit is refused, not spilled to the disk
    "threads": 2,
}


class BoardTables:
    """Tables that boards may read, and no more.

    Args:
        tables: by name, held as they are or read from a Parquet file.
        until_us: leave out what was not known yet, microseconds since 1970 UTC; None keeps all.
        views: the SELECT of each further one over the tables.
    """

    def __init__(
        self,
        tables: Mapping[str, pa.Table | Path],
        until_us: int | None = None,
        views: Mapping[str, str] | None = None,
    ) -> None:
        self._connection = duckdb.connect(":memory:", config=_CONFIG)
        for name, table in tables.items():
            source = "incoming"
            if isinstance(table, Path):
                source = f"read_parquet('{str(table).replace(chr(39), chr(39) * 2)}')"
            else:
                self._connection.register("incoming", table)
            columns = self._connection.execute(f"DESCRIBE FROM {source}").fetchall()
            timed = [c[0] for c in columns if c[0] in _SAID_AT] if until_us is not None else []
            where = f'WHERE epoch_us("{timed[0]}") <= {until_us}' if timed else ""
            self._connection.execute(f'CREATE TABLE "{name}" AS FROM {source} {where}')
            if not isinstance(table, Path):
                self._connection.unregister("incoming")
        for name, select in (views or {}).items():
            self._connection.execute(f'CREATE VIEW "{name}" AS {select}')
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same tables."""
        return self._connection.cursor()

    def ask(self, sql: str) -> pa.Table:
        """A board's rows.

        Raises:
            Misconfigured: not exactly one SELECT, wrong SQL, over 2 s or 500 rows.
        """
        return query(self, sql, BOARD_S_MAX, BOARD_ROWS_MAX)

    def close(self) -> None:
        """Forget the tables."""
        self._connection.close()
