"""Committed rows for replication, and for questions."""

import threading
from collections.abc import Callable
from typing import Protocol

import duckdb
import pyarrow as pa

from hardware.errors import Misconfigured, Unavailable
from truck.store.append import Store

QUERY_S_MAX = 10.0
QUERY_ROWS_MAX = 1_000_000
_ROWS_AT_ONCE = 50_000


_READINGS = "* EXCLUDE (power_w, heart_rate_bpm, cadence_rpm)"
_BIOMETRICS = "row_id, stage, bib, power_w, heart_rate_bpm, cadence_rpm"


class Readings:
    """The rows replication reads; a `cloud_sync.batch.BatchSource`.

    `store` gives the open view of the moment: a mended view is another one. Biometrics are left
    out; they travel as a stream of their own, see `biometrics`.
    """

    def __init__(self, store: Callable[[], Store], columns: str = _READINGS) -> None:
        self._store, self._columns = store, columns

    def row_end(self) -> int:
        """Rows [0, row_end) are committed.

        Raises:
            Unavailable: the store does not answer now.
        """
        try:
            return self._store().row_end()
        except duckdb.Error as error:
            raise Unavailable(f"the view does not answer: {error}") from error

    def rows(self, lo: int, hi: int) -> pa.Table:
        """Rows lo to hi - 1 in order of row_id.

        Raises:
            Unavailable: the store does not answer now.
        """
        try:
            return (
                self._store()
                .cursor()
                .execute(
                    f"SELECT {self._columns} FROM readings "  # noqa: S608 constants of ours
                    "WHERE row_id >= $lo AND row_id < $hi ORDER BY row_id",
                    {"lo": lo, "hi": hi},
                )
                .to_arrow_table()
            )
        except duckdb.Error as error:
            raise Unavailable(f"the view does not answer: {error}") from error


def biometrics(store: Callable[[], Store]) -> Readings:
    """The same rows: whose they are, power, heart rate and cadence."""
    return Readings(store, _BIOMETRICS)


class Asked(Protocol):
    """What questions are put to: the view, or a board's tables."""

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own."""
        ...


def query(
    store: Asked, sql: str, seconds_max: float = QUERY_S_MAX, rows_max: int = QUERY_ROWS_MAX
) -> pa.Table:
    """The answer to one question that reads.

    Raises:
        Misconfigured: not exactly one SELECT, wrong SQL, longer or of more rows than it may be.
    """
    late = threading.Event()
    try:
        cursor = store.cursor()
        statements = cursor.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise Misconfigured("only one SELECT at a time", "Write one statement that reads.")

        def end() -> None:
            late.set()
            cursor.interrupt()

        timer = threading.Timer(seconds_max, end)
        timer.start()
        try:
            reader = cursor.execute(statements[0]).to_arrow_reader(_ROWS_AT_ONCE)
            return _read(reader, rows_max)
        finally:
            timer.cancel()
    except (duckdb.Error, OSError, pa.ArrowException) as error:  # a later batch fails as OSError
        if late.is_set():
            raise Misconfigured(
                f"the query took more than {seconds_max:g} s",
                "Ask for less, or pull from the cloud.",
            ) from error
        sentence = str(error).splitlines()[0]
        raise Misconfigured(sentence, "See `truck query --help` for the tables.") from error


def _read(reader: pa.RecordBatchReader, rows_max: int) -> pa.Table:
    """All of an answer, and no more of it in memory than it may have."""
    batches, rows = [], 0
    for batch in reader:
        batches.append(batch)
        rows += batch.num_rows
        if rows > rows_max:
            raise Misconfigured(f"more than {rows_max} rows", f"Add LIMIT {rows_max}.")
    return pa.Table.from_batches(batches, reader.schema)
