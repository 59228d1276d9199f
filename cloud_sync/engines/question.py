"""One question in SQL over pulled streams: DuckDB in memory, reading and nothing else.

Views: `readings`, and `biometrics` where a stream of them was pulled, each with the column
`stream` first. The question sees the proven files and nothing else of this machine.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from cloud_sync.batch import ledger_of
from cloud_sync.engines.pulled import PulledStream, read_pulled
from hardware.errors import Misconfigured

QUERY_S_MAX = 60.0
QUERY_ROWS_MAX = 1_000_000
BIOMETRICS = ".bio"
LEDGER = ledger_of("")
_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "memory_limit": "2GB",
}
_HIVE = (
    "hive_partitioning = true,"
    " hive_types = {'stream': VARCHAR, 'stage': VARCHAR}, union_by_name = true"
)
_NOT_PROVEN = "Ask of `readings`, or of `biometrics` where they were pulled."


def ask(folder: Path, sql: str, s_max: float = QUERY_S_MAX) -> pa.Table:
    """The answer to one SELECT over what was pulled into `folder`.

    Raises:
        Misconfigured: not exactly one SELECT, wrong SQL, longer than `s_max` seconds or more than
            1,000,000 rows; nothing pulled, or not proven.
        Damaged: a file is not as the pull left it.
    """
    streams = read_pulled(folder)
    with duckdb.connect(":memory:", config=_CONFIG) as connection:
        _offer(connection, streams)
        timer = threading.Timer(s_max, connection.interrupt)
        timer.start()
        try:
            return _answer(connection, sql)
        except duckdb.InterruptException as error:
            raise Misconfigured(
                f"the query took more than {s_max:g} s", "Ask for less, or use Spark."
            ) from error
        except duckdb.Error as error:
            raise Misconfigured(str(error).splitlines()[0], _NOT_PROVEN) from error
        finally:
            timer.cancel()


def _offer(connection: duckdb.DuckDBPyConnection, streams: Sequence[PulledStream]) -> None:
    """Make the views, then shut every other door."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET temp_directory = ''")
    proven = [path for stream in streams for path in stream.files]
    connection.execute(f"SET allowed_paths = {_list(proven)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    for view, chosen in (
        ("readings", [s for s in streams if not s.name.endswith((BIOMETRICS, LEDGER))]),
        ("ledger", [s for s in streams if s.name.endswith(LEDGER)]),
        ("biometrics", [s for s in streams if s.name.endswith(BIOMETRICS)]),
    ):
        parts = [
            f"SELECT stream, * EXCLUDE (stream) FROM read_parquet({_list(stream.files)}, {_HIVE})"  # noqa: S608
            for stream in chosen
            if stream.files
        ]
        if parts:
            connection.execute(f"CREATE VIEW {view} AS {' UNION ALL BY NAME '.join(parts)}")


def _answer(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise Misconfigured("only one SELECT at a time", "Write one statement that reads.")
    batches, rows = [], 0
    reader = connection.execute(statements[0]).to_arrow_reader()
    for batch in reader:
        batches.append(batch)
        rows += batch.num_rows
        if rows > QUERY_ROWS_MAX:
            raise Misconfigured(
                f"the answer has more than {QUERY_ROWS_MAX} rows",
                "Add a LIMIT, or read the files with an engine of your own: docs/CLOUD-ENGINES.md.",
            )
    return pa.Table.from_batches(batches, reader.schema)


def _list(paths: Sequence[Path]) -> str:
    """As DuckDB writes a list of text."""
    quoted = (str(path.absolute()).replace("'", "''") for path in paths)
    return "[" + ", ".join(f"'{path}'" for path in quoted) + "]"
