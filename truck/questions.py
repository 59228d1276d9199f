"""Commands ask a running truck here: a Unix socket that only the truck's user can reach.

One question a connection: a line of JSON with one key in, {"sql": ...}, {"ruling": ...},
{"complete": stage or null} or {"stage": null}; out, a line of JSON, {"error": sentence, "exit":
code}, the same key with its answer, or {"rows": n} and then the table as an Arrow IPC stream.
"""

import base64
import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import cbor2
import pyarrow as pa

from hardware import home
from hardware.errors import (
    Damaged,
    Exit,
    Locked,
    Misconfigured,
    NotInitialised,
    TruckError,
    Unavailable,
)
from hardware.keys import Credentials
from truck.complete import answer_complete
from truck.config import TruckConfig, TruckHome
from truck.journal import Journal
from truck.opening import TruckKeys, open_journal
from truck.segment import Kind
from truck.store.append import Store
from truck.store.export import query
from truck.store.stored import Reached

_QUESTION_BYTES_MAX = 64 * 1024
_ANSWER_S_MAX = 30.0
_COMPLETE_S_MAX = 120.0  # a whole stage is gone through, beside everything else the truck does

Answers = dict[str, Callable[[Any], Any]]


class Questions:
    """The listening side."""

    def __init__(self, path: Path, answers: Answers) -> None:
        """Listen at `path`.

        Args:
            path: of the socket.
            answers: by the question's key what answers it, with a table or a JSON object; they
                are called in threads and may raise TruckError.

        Raises:
            Misconfigured: the path cannot be used.
        """

        class Handler(socketserver.StreamRequestHandler):
            timeout = _ANSWER_S_MAX

            def handle(self) -> None:
                _answer_one(self.rfile.readline(_QUESTION_BYTES_MAX), answers, self.wfile.write)

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


def _answer_one(line: bytes, answers: Answers, write: Callable[[bytes], object]) -> None:
    def say(document: dict[str, Any]) -> None:
        write(json.dumps(document).encode() + b"\n")

    try:
        ((key, question),) = json.loads(line).items()
        answer = answers[key](question)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        say({"error": "no question understood", "exit": Exit.MISCONFIGURED})
    except TruckError as error:
        say({"error": str(error), "exit": error.exit_code})
    else:
        if not isinstance(answer, pa.Table):
            say({key: answer})
            return
        say({"rows": answer.num_rows})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, answer.schema) as stream:
            stream.write_table(answer)
        write(sink.getvalue().to_pybytes())


def ask_table(folder: TruckHome, config: TruckConfig, sql: str) -> pa.Table:
    """The answer to one SELECT, from the running truck or else from its view.

    Raises:
        Misconfigured: the question was refused.
        NotInitialised: there is no view yet.
        Unavailable: a truck runs and does not answer.
    """
    return _ask_or_look(folder, config, {"sql": sql}, _read_table, lambda store: query(store, sql))


def ask_complete(
    folder: TruckHome, config: TruckConfig, stage: str | None, reached: Callable[[], Reached]
) -> dict[str, Any]:
    """A stage's completeness ledger, see `truck.ledger`, from the running truck or its view.

    `stage` is its name or a part of it, None the last one; `reached` says how far the outbox's
    rows have come.

    Raises:
        As `ask_table`; Damaged where the view holds less than was sealed.
    """
    return dict(
        _ask_or_look(
            folder, config, {"complete": stage}, lambda head, _: head["complete"],
            lambda store: answer_complete(store, config.stream, stage, reached()),
            _COMPLETE_S_MAX,
        )
    )  # fmt: skip


def _ask_or_look(
    folder: TruckHome,
    config: TruckConfig,
    question: dict[str, Any],
    read: Callable[[Any, BinaryIO], Any],
    look: Callable[[Store], Any],
    wait_s: float = _ANSWER_S_MAX,
) -> Any:
    """Ask the running truck, or look into its view where none runs."""
    try:
        held = home.lock(folder.folder, "truck")
    except Locked:
        return _ask(folder.socket, question, read, wait_s)
    try:
        if not folder.view.exists():
            raise NotInitialised(
                f"{folder.folder} has no view yet", f"Start it: `truck run {folder.folder}`."
            )
        store = Store(folder.view, TruckKeys.read(Credentials(config.credentials)).store)
        try:
            return look(store)
        finally:
            store.close()
    finally:
        os.close(held)  # the same command may ask again


def ask_stage(folder: TruckHome, config: TruckConfig) -> dict[str, bytes]:
    """The files of the stage in force, as journalled, from the running truck or its journal.

    Raises:
        NotInitialised: no truck has run in this home yet.
        Damaged: the journal.
        Unavailable: a truck runs and does not answer.
    """
    try:
        held = home.lock(folder.folder, "truck")
    except Locked:
        texts = _ask(folder.socket, {"stage": None}, lambda head, _: head["stage"])
    else:
        try:
            texts = _stage_of_journal(folder, config)
        finally:
            os.close(held)
    return {name: base64.b64decode(text) for name, text in texts.items()}


def _stage_of_journal(folder: TruckHome, config: TruckConfig) -> dict[str, str]:
    if not any(folder.journal.glob("*.journal")):
        raise NotInitialised(
            f"{folder.folder} has no journal yet", f"Start it: `truck run {folder.folder}`."
        )
    keys = TruckKeys.read(Credentials(config.credentials))
    journal = open_journal(folder, config, keys, 0)
    try:
        return text_of_stage(journal)
    finally:
        journal.close()


def text_of_stage(journal: Journal) -> dict[str, str]:
    """The stage's files as JSON carries them.

    Raises:
        Unavailable: no stage is journalled yet.
    """
    record = journal.last(Kind.STAGE)
    if record is None:
        raise Unavailable("the journal names no stage yet; ask again when the truck has started")
    return {
        str(name): base64.b64encode(data).decode()
        for name, data in cbor2.loads(record.payload).items()
    }


def ask_ruling(folder: TruckHome, wish: dict[str, Any]) -> dict[str, Any]:
    """Have the running truck make a ruling, see `truck.desk`.

    Raises:
        Misconfigured: the truck refused it.
        Unavailable: no truck answers there, or its journal did not take it.
    """
    return dict(_ask(folder.socket, {"ruling": wish}, lambda head, _: head["ruling"]))


def _ask(
    path: Path,
    question: dict[str, Any],
    read: Callable[[Any, BinaryIO], Any],
    wait_s: float = _ANSWER_S_MAX,
) -> Any:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(wait_s)
            connection.connect(str(path))
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("rb") as answer:
                head = json.loads(answer.readline())
                if "error" not in head:
                    return read(head, answer)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"no truck answers at {path}: {error}") from error
    kinds = {Exit.UNAVAILABLE: Unavailable, Exit.DAMAGED: Damaged}
    raise kinds.get(head.get("exit"), Misconfigured)(head["error"])


def _read_table(_: Any, answer: BinaryIO) -> pa.Table:
    return pa.ipc.open_stream(answer.read()).read_all()
