"""`truck query` asks a running truck here: a Unix socket that only the truck's user can reach.

One question a connection: a line of JSON {"sql": ...} in; out, a line of JSON {"error": sentence}
or {"rows": n}, then the table as an Arrow IPC stream.
"""

import json
import socket
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from hardware.errors import Misconfigured, TruckError, Unavailable

_QUESTION_BYTES_MAX = 64 * 1024
_ANSWER_S_MAX = 30.0


class Questions:
    """The listening side."""

    def __init__(self, path: Path, answer: Callable[[str], pa.Table]) -> None:
        """Listen at `path`; `answer` may raise TruckError.

        Raises:
            Misconfigured: the path cannot be used.
        """

        class Handler(socketserver.StreamRequestHandler):
            timeout = _ANSWER_S_MAX

            def handle(self) -> None:
                _answer_one(self.rfile.readline(_QUESTION_BYTES_MAX), answer, self.wfile.write)

        try:
            path.unlink(missing_ok=True)
            self._server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
            path.chmod(0o600)
        except OSError as error:
            raise Misconfigured(
                f"cannot listen at {path}: {error.strerror or error}",
                "Choose a home with a shorter path that the truck may write.",
            ) from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="questions", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _answer_one(
    line: bytes, answer: Callable[[str], pa.Table], write: Callable[[bytes], object]
) -> None:
    try:
        table = answer(str(json.loads(line)["sql"]))
    except (ValueError, KeyError, TypeError):
        write(json.dumps({"error": "no question understood"}).encode() + b"\n")
    except TruckError as error:
        write(json.dumps({"error": str(error)}).encode() + b"\n")
    else:
        write(json.dumps({"rows": table.num_rows}).encode() + b"\n")
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        write(sink.getvalue().to_pybytes())


def ask(path: Path, sql: str) -> pa.Table:
    """Ask the truck that listens at `path`.

    Raises:
        Misconfigured: the truck refused the question.
        Unavailable: no truck answers there.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_S_MAX)
            connection.connect(str(path))
            connection.sendall(json.dumps({"sql": sql}).encode() + b"\n")
            with connection.makefile("rb") as answer:
                head = json.loads(answer.readline())
                if "error" in head:
                    raise Misconfigured(head["error"])
                table: pa.Table = pa.ipc.open_stream(answer.read()).read_all()
                return table
    except (OSError, ValueError) as error:
        raise Unavailable(f"the truck does not answer at {path}: {error}") from error
