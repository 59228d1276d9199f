"""A board's SQL, asked in a process of its own that can be lost: `python -m truck.store.board`.

DuckDB's own bounds do not hold everything: `repeat('a', 1500000000)` and `list_reduce` over a long
range neither heed an interrupt nor count as its memory. Here the kernel bounds what a board takes:
the time of a question ends the process, its memory cannot grow, no file can be written.

In, on stdin: a line {"tables": {name: bytes}, "boards": {name: sql}}, then the tables as Arrow IPC
streams. Out, for each board in turn, a line {"board", "columns", "rows"} or {"board", "refused",
"bound"}: why not, and whether it took more than it may.
"""

import json
import os
import re
import resource
import signal
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

CPU_S_MAX = 0.5
WALL_S_MAX = 3.0  # where the machine has no core to spare
MEMORY_BYTES_MAX = 256 << 20
SQL_BYTES_MAX = 16 << 10
ROWS_MAX = 500
COLUMNS_MAX = 40
TEXT_BYTES_MAX = 1000
COLUMN_CHARACTERS_MAX = 32
_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "memory_limit": "128MB",
    "temp_directory": "",  # what does not fit is refused, not spilled to the disk
    "threads": 1,
}


def answer(lines: BinaryIO, out: BinaryIO) -> None:
    """Answer questions until there are no more."""
    connection = _open()
    _bound_memory()
    while header := lines.readline():
        asked = json.loads(header)
        for name, size in asked["tables"].items():
            table = pa.ipc.open_stream(lines.read(size)).read_all()
            connection.register("incoming", table)
            connection.execute(f'CREATE OR REPLACE TABLE "{name}" AS FROM incoming')
            connection.unregister("incoming")
        for name, sql in asked["boards"].items():
            _bound_time(CPU_S_MAX, WALL_S_MAX)
            try:
                found = {"board": name} | ask(connection.cursor(), sql)
            except (duckdb.Error, ValueError, MemoryError, pa.ArrowException) as error:
                found = {"board": name} | _refusal(error)
            _bound_time(0.0, 0.0)
            out.write(json.dumps(found, default=str).encode() + b"\n")
        out.flush()


def ask(cursor: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """The columns and rows of one question that reads.

    Raises:
        ValueError: not one SELECT, or more than a board may be.
        duckdb.Error: wrong SQL, or too much memory.
    """
    statements = cursor.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise ValueError("only one SELECT: a board reads")
    cursor.execute(statements[0])
    columns = [column[0] for column in cursor.description or []]
    if len(columns) > COLUMNS_MAX:
        raise ValueError(f"{len(columns)} columns, and a board has {COLUMNS_MAX} at most")
    rows = cursor.fetchmany(ROWS_MAX + 1)
    if len(rows) > ROWS_MAX:
        raise ValueError(f"more than {ROWS_MAX} rows: add LIMIT {ROWS_MAX}")
    if any(isinstance(v, str | bytes) and len(v) > TEXT_BYTES_MAX for row in rows for v in row):
        raise ValueError(f"a text of more than {TEXT_BYTES_MAX} bytes")
    return {"columns": named(columns), "rows": [list(map(_plain, row)) for row in rows]}


def named(columns: Sequence[str]) -> list[str]:
    """Names that JSON, XML and CSV can all carry: a-z, 0-9 and _, each once."""
    names: list[str] = []
    for k, column in enumerate(columns, 1):
        name = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")[:COLUMN_CHARACTERS_MAX]
        if not name[:1].isalpha() or name in names:
            name = f"c{k}_{name}".rstrip("_")
        names.append(name)
    return names


def _open() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=_CONFIG)
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    connection.register("incoming", pa.table({"warm": [1]}))
    connection.execute("SELECT sum(warm) FROM incoming").fetchall()
    connection.unregister("incoming")
    return connection


def _bound_memory() -> None:
    """From here on so much more may be mapped, and no byte written to a file."""
    with open("/proc/self/statm") as pages:  # noqa: PTH123 the kernel's own, no file
        mapped = int(pages.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    bound = mapped + MEMORY_BYTES_MAX
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)


def _bound_time(cpu_s: float, wall_s: float) -> None:
    """The process ends when these are used up, whatever it is doing; 0 takes the bounds off."""
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    signal.setitimer(signal.ITIMER_REAL, wall_s)


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _refusal(error: BaseException) -> dict[str, Any]:
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException | pa.ArrowMemoryError):
        return {"refused": "it needs more memory than a board may have", "bound": True}
    sentence = str(error).splitlines()[0] if str(error) else type(error).__name__
    return {"refused": sentence, "bound": isinstance(error, ValueError)}


if __name__ == "__main__":
    answer(sys.stdin.buffer, sys.stdout.buffer)
