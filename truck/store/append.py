"""The open view: one encrypted DuckDB file, written by one thread, one transaction a tick."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_httpfs
import numpy.typing as npt
import pyarrow as pa

from hardware.errors import Damaged, Misconfigured

CATALOG = "truck"
TABLES = (
    "readings", "hearings", "bundles", "refusals", "evidence", "rulings", "incidents", "ticks",
    "snapshots",
)  # fmt: skip
_ROWS_AT_ONCE = 100_000
_SCHEMA = Path(__file__).with_name("schema.sql")
_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "checkpoint_threshold": "64MB",  # the default stalls for seconds at high rates (DESIGN 5)
    "memory_limit": "2GB",
    "threads": 2,
}


class Store:
    """The view, open; `commit` from one thread, `cursor` for readers of any."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Open the view at `path`, or make an empty one.

        Raises:
            Damaged: the file does not open or does not prove whole; rebuild it.
            Misconfigured: the folder cannot be used, or another process holds the file.
        """
        self.path = path
        self._lock = threading.Lock()
        fresh = not path.exists()
        if not fresh and path.stat().st_size == 0:
            raise Damaged(f"the view {path} is empty")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _connect(path, key)
        except OSError as error:
            raise Misconfigured(
                f"cannot use {path.parent}: {error.strerror}", "Choose a folder you may write to."
            ) from error
        except duckdb.IOException as error:
            if "lock" in str(error):
                raise Misconfigured(
                    f"another process has the view {path} open", "Ask the running truck instead."
                ) from error
            raise Damaged(f"the view {path} does not open: {_first_line(error)}") from error
        except duckdb.Error as error:
            raise Damaged(f"the view {path} does not open: {_first_line(error)}") from error
        try:
            if fresh:
                self._connection.execute(_SCHEMA.read_text())
            self._prove()
        except duckdb.Error as error:
            self.close()
            raise Damaged(f"the view {path} is damaged: {_first_line(error)}") from error

    def _prove(self) -> None:
        """Read every block once: a flipped byte anywhere fails its authentication tag here."""
        self._connection.execute("SELECT stage FROM readings LIMIT 0")  # older views had none
        for table, digest in self.digests().items():
            if table == "ticks" and digest[0] and self.row_end() != self._count("readings"):
                raise duckdb.DataError("its tables contradict each other")

    def _count(self, table: str) -> int:
        return int(self._one(f"SELECT count(*) FROM {table}"))  # noqa: S608 a constant of ours

    def digests(self) -> dict[str, tuple[int, int]]:
        """Per table: how many rows, and an order-free hash over all their values."""
        found = {}
        for table in TABLES:
            row = self._connection.execute(
                f"SELECT count(*), coalesce(sum(hash(t)), 0)::VARCHAR FROM {table} t"  # noqa: S608
            ).fetchone()
            if row is None:
                raise duckdb.DataError(f"no table {table}")
            found[table] = (int(row[0]), int(row[1]))
        return found

    def commit(self, batch: Iterable[dict[str, pa.Table]]) -> None:
        """Add rows of some records in one transaction; `batch` may make them as it goes.

        Raises:
            duckdb.Error: nothing of the batch is in the view then.
        """
        with self._lock:
            self._connection.begin()
            try:
                waiting: list[dict[str, pa.Table]] = []
                rows = 0
                for tables in batch:
                    waiting.append(tables)
                    rows += sum(table.num_rows for table in tables.values())
                    if rows >= _ROWS_AT_ONCE:
                        self._insert(waiting)
                        waiting, rows = [], 0
                self._insert(waiting)
                self._connection.commit()
            except BaseException:
                self._connection.rollback()
                raise

    def _insert(self, batch: list[dict[str, pa.Table]]) -> None:
        merged: dict[str, list[pa.Table]] = {}
        for tables in batch:
            for name, table in tables.items():
                merged.setdefault(name, []).append(table)
        if "snapshots" in merged:
            self._connection.execute("DELETE FROM snapshots")
            merged["snapshots"] = merged["snapshots"][-1:]
        for name, parts in merged.items():
            self._connection.register("incoming", pa.concat_tables(parts))
            self._connection.execute(
                f"INSERT INTO {name} BY NAME SELECT * FROM incoming"  # noqa: S608
            )
            self._connection.unregister("incoming")

    def records(self) -> int:
        """How many journal records the view has seen: the next one it needs."""
        newest = self._one(
            "SELECT max(record) FROM "
            "(SELECT record FROM ticks UNION ALL SELECT record FROM snapshots "
            "UNION ALL SELECT record FROM rulings)"
        )
        return 0 if newest is None else int(newest) + 1

    def row_end(self) -> int:
        """Rows committed; the next row's id."""
        return int(self._one("SELECT coalesce(max(row_end), 0) FROM ticks"))

    def snapshot(self) -> bytes | None:
        """The newest snapshot of the live state."""
        found = self._one("SELECT state FROM snapshots ORDER BY record DESC LIMIT 1")
        return None if found is None else bytes(found)

    def packet_digests(self, since_us: int) -> tuple[npt.NDArray[Any], ...]:
        """Columns device, boot, seq, digest of every packet measured since `since_us`."""
        return self._columns(
            "SELECT device, boot, seq, digest FROM readings "
            "WHERE fix_index = 0 AND epoch_us(measured_at) >= $since",
            {"since": since_us},
        )

    def bundle_digests(self) -> tuple[npt.NDArray[Any], ...]:
        """Columns relay (names), boot, number, digest of every bundle."""
        return self._columns("SELECT relay, boot, number, digest FROM bundles", {})

    def refused(self) -> dict[str, int]:
        """How many packets and bundles were refused, by reason."""
        rows = self.cursor().execute("SELECT reason, sum(count)::BIGINT FROM refusals GROUP BY 1")
        return {str(reason): int(count) for reason, count in sorted(rows.fetchall())}

    def counts(self) -> tuple[int, int]:
        """How many packets are stored, and how many further hearings of them there were."""
        return int(self._one("SELECT coalesce(sum(packets), 0)::BIGINT FROM ticks")), self._count(
            "hearings"
        )

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same view."""
        cursor = self._connection.cursor()
        cursor.execute(f"USE {CATALOG}")
        return cursor

    def close(self) -> None:
        """Close; what was committed stays."""
        self._connection.close()

    def _one(self, sql: str) -> Any:
        row = self.cursor().execute(sql).fetchone()
        return None if row is None else row[0]

    def _columns(self, sql: str, parameters: dict[str, int]) -> tuple[npt.NDArray[Any], ...]:
        table = self.cursor().execute(sql, parameters).to_arrow_table()
        return tuple(c.to_numpy(zero_copy_only=False) for c in table.combine_chunks().columns)


def _connect(path: Path, key: bytes) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with the view attached, encrypted; crypto comes from the extension."""
    temporary = path.with_suffix(".tmp")
    connection = duckdb.connect(":memory:", config={**_CONFIG, "temp_directory": str(temporary)})
    try:
        extensions = Path(duckdb_extension_httpfs.__path__[0], "extensions")
        (extension,) = extensions.glob("*/httpfs.duckdb_extension")
        connection.execute(f"LOAD '{_quoted(extension)}'")
        connection.execute("SET temp_file_encryption = true")
        connection.execute(
            f"ATTACH '{_quoted(path)}' AS {CATALOG} "
            f"(ENCRYPTION_KEY '{key.hex()}', ENCRYPTION_CIPHER 'GCM')"
        )
        connection.execute(f"USE {CATALOG}")
        # a question may read the view's tables and nothing else of this machine
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    except BaseException:
        connection.close()
        raise
    return connection


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]


def remove(path: Path) -> None:
    """Delete a view and what DuckDB keeps beside it."""
    for name in (path, path.with_name(path.name + ".wal")):
        name.unlink(missing_ok=True)
