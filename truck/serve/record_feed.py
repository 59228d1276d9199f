"""The boards as fixed-width records over TCP, as Ross XPression's DataLinq and its like read them.

Once a second everybody who listens gets one set of records of what the boards show, also when no
frame comes, so that a stalled truck is seen to be one. The bytes are in docs/FORMAT.md.
"""

import asyncio
import itertools
import socket
import threading
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from hardware.errors import Misconfigured
from truck.serve.boards import Boards

VERSION = "01"
RECORD_BYTES = 128
CLIENTS_MAX = 16
_EVERY_S = 1.0
_SKIPPED_MAX = 10  # who takes nothing for so many sets is let go
_SEND_BUFFER_BYTES = 16 * 1024
_NUMBERS = 1_000_000
_STOP_S = 5.0
_ENCODING = "iso-8859-1"


class Field(NamedTuple):
    """A field of a record: a board's column, its width, and the side its text stands on."""

    column: str
    width: int
    right: bool = False


LAYOUTS = {
    "L": ("leaders", (
        Field("rank", 4, True), Field("bib", 4, True), Field("name", 30), Field("team", 24),
        Field("gap", 10, True), Field("to_go_km", 7, True), Field("speed_kmh", 5, True),
        Field("group", 14), Field("quality", 10), Field("age_s", 6, True),
    )),
    "G": ("groups", (
        Field("place", 4, True), Field("group", 14), Field("size", 5, True),
        Field("first_bib", 4, True), Field("first_name", 30), Field("gap", 10, True),
        Field("to_go_km", 7, True), Field("speed_kmh", 5, True), Field("quality", 10),
        Field("age_s", 6, True),
    )),
    "S": ("standings", (
        Field("rank", 4, True), Field("bib", 4, True), Field("name", 30), Field("team", 24),
        Field("virtual_gap", 10, True), Field("bonus_s", 4, True), Field("gap", 10, True),
        Field("quality", 10), Field("age_s", 6, True),
    )),
}  # fmt: skip


def record_set(number: int, stage: str, boards: Boards) -> bytes:
    """One set: H, ten L, eight G, ten S and E, each `RECORD_BYTES` long.

    Args:
        number: of the set; its last six digits are written.
        stage: the stage's name.
        boards: as they are shown now.
    """
    lines: list[bytes] = []
    sheets = {kind: boards.sheet(name) for kind, (name, _) in LAYOUTS.items()}
    leaders = sheets["L"]
    count = sum(len(sheet.rows) for sheet in sheets.values()) + 2
    head = fixed(leaders.at, 20) + fixed(stage, 40) + f"{count:03}" + fixed(leaders.quality, 8)
    lines.append(_record("H", number, 0, head))
    for kind, (_, layout) in LAYOUTS.items():
        sheet = sheets[kind]
        for k, row in enumerate(sheet.rows, 1):
            cells = dict(zip(sheet.columns, row, strict=True))
            text = "".join(fixed(cells[of.column], of.width, of.right) for of in layout)
            lines.append(_record(kind, number, k, text))
    lines.append(_record("E", number, 0, ""))
    return b"".join(lines)


def fixed(text: str, width: int, right: bool = False) -> str:
    """A text in a field: names are cut, a figure that does not fit is asterisks, never a part."""
    plain = "".join(map(_plain, text))
    if right:
        return plain.rjust(width) if len(plain) <= width else "*" * width
    return plain[:width].ljust(width)


def _plain(character: str) -> str:
    """A character of ISO 8859-1, or its letter without marks, or a question mark."""
    if ord(character) < 256:
        return character
    folded = unicodedata.normalize("NFKD", character)[0]
    return folded if ord(folded) < 256 else "?"


def _record(kind: str, number: int, row: int, text: str) -> bytes:
    head = f"{kind}{VERSION}{number % _NUMBERS:06}{row:02}"
    return (head + text).ljust(RECORD_BYTES - 2).encode(_ENCODING) + b"\r\n"


class RecordFeed:
    """Serves the records from a thread of its own; `port` is the one in use.

    Attributes:
        turned_away: who came when the feed was full.
        let_go: who took nothing for ten sets.
    """

    def __init__(
        self, host: str, port: int, now_set: Callable[[int], bytes], every_s: float = _EVERY_S
    ) -> None:
        """Listen at once.

        Args:
            host: address to listen on.
            port: 0 takes any free one.
            now_set: the set to send now, by its number.
            every_s: how often.

        Raises:
            Misconfigured: the address or port cannot be used.
        """
        self._now_set, self._every_s = now_set, every_s
        self.turned_away = self.let_go = 0
        self._clients: dict[asyncio.Transport, int] = {}  # and how many sets it has skipped
        self._listener = _listen(host, port)
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let everybody go and free the port."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await self._loop.create_server(lambda: _Listener(self), sock=self._listener)
        next_s = self._loop.time()
        for number in itertools.count(1):
            self._send(self._now_set(number))
            next_s = max(next_s + self._every_s, self._loop.time())
            try:
                await asyncio.wait_for(self._end.wait(), next_s - self._loop.time())
            except TimeoutError:
                continue
            break
        server.close()
        for client in list(self._clients):
            client.abort()
        await asyncio.sleep(0)

    def _send(self, records: bytes) -> None:
        for client, skipped in list(self._clients.items()):
            if client.get_write_buffer_size() == 0:
                self._clients[client] = 0
                client.write(records)
            elif skipped + 1 < _SKIPPED_MAX:
                self._clients[client] = skipped + 1  # whole sets alone: this one is passed over
            else:
                self.let_go += 1
                client.abort()

    def came(self, client: asyncio.Transport) -> None:
        """Somebody listens."""
        if len(self._clients) >= CLIENTS_MAX:
            self.turned_away += 1
            client.abort()
        else:
            self._clients[client] = 0

    def went(self, client: asyncio.Transport | None) -> None:
        """He listens no more."""
        if client is not None:
            self._clients.pop(client, None)


class _Listener(asyncio.Protocol):
    """One connection; what it says is not listened to."""

    def __init__(self, feed: RecordFeed) -> None:
        self._feed = feed
        self._client: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._client = transport
            self._feed.came(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._feed.went(self._client)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.bind((host, port))
        listener.listen(CLIENTS_MAX)
    except OSError as error:
        listener.close()
        raise Misconfigured(
            f"records for TV cannot be served at {host}:{port}: {error.strerror or error}",
            "Stop what uses that port, or choose another tv_port.",
        ) from error
    return listener
