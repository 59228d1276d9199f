"""Where a truck asks the boards that are SQL: a process that can be lost, and is begun anew."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

import pyarrow as pa

from hardware.errors import Unavailable
from truck.store.board import CPU_S_MAX, MEMORY_BYTES_MAX, SQL_BYTES_MAX

_LATE = (-signal.SIGPROF, -signal.SIGALRM)


class _Child(NamedTuple):
    process: subprocess.Popen[bytes]
    questions: IO[bytes]
    answers: IO[bytes]


class BoardRoom:
    """Asks boards over tables. One thread at a time; `close` from any."""

    def __init__(self) -> None:
        self._child: _Child | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def ask(
        self, tables: Mapping[str, pa.Table], boards: Mapping[str, str]
    ) -> dict[str, dict[str, Any]]:
        """Each board's `columns` and `rows`, or why it is `refused`, and whether by a `bound`.

        A board that takes more than it may ends the process; the others are asked again without it.
        """
        found: dict[str, dict[str, Any]] = {}
        for name, sql in boards.items():
            if len(sql.encode()) > SQL_BYTES_MAX:
                found[name] = _bound(f"its SQL is longer than {SQL_BYTES_MAX >> 10} KiB")
        sent = {name: _bytes_of(table) for name, table in tables.items()}
        while waiting := {name: sql for name, sql in boards.items() if name not in found}:
            if self._closed:
                return found
            found |= self._ask(sent, waiting)
        return found

    def close(self) -> None:
        """End the process; a question under way ends with it."""
        self._closed = True
        self._end()

    def _ask(
        self, sent: Mapping[str, bytes], boards: Mapping[str, str]
    ) -> dict[str, dict[str, Any]]:
        _, questions, answers = self._begun()
        sizes = {name: len(data) for name, data in sent.items()}
        header = json.dumps({"tables": sizes, "boards": boards}).encode() + b"\n"
        found: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(BrokenPipeError):
            questions.write(header + b"".join(sent.values()))
            questions.flush()
        for name in boards:
            line = answers.readline()
            if not line.endswith(b"\n"):
                found[name] = _bound(self._why_it_ended())
                break
            answer = json.loads(line)
            found[answer.pop("board")] = answer
        return found

    def _begun(self) -> _Child:
        if self._child is None:
            process = subprocess.Popen(
                [sys.executable, "-m", "truck.store.board"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            if process.stdin is None or process.stdout is None:
                raise Unavailable("a process for boards has no pipes")
            self._child = _Child(process, process.stdin, process.stdout)
        return self._child

    def _why_it_ended(self) -> str:
        code = self._child.process.wait() if self._child is not None else None
        self._end()
        if code in _LATE:
            return f"it runs longer than {CPU_S_MAX:g} s"
        return f"it needs more than {MEMORY_BYTES_MAX >> 20} MiB, or brought DuckDB down ({code})"

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.process.kill()
        child.process.wait()
        for pipe in (child.questions, child.answers):
            with contextlib.suppress(OSError):
                pipe.close()


def _bound(sentence: str) -> dict[str, Any]:
    return {"refused": sentence, "bound": True}


def _bytes_of(table: pa.Table) -> bytes:
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return bytes(out.getvalue())
