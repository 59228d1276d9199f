"""The records over TCP, read by a client that knows the byte table of docs/FORMAT.md alone."""

import re
import socket
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from board_race import OnAir

from hardware.errors import Misconfigured
from truck.serve.record_feed import CLIENTS_MAX, RecordFeed, fixed, record_set

FORMAT = Path(__file__).parents[3] / "docs" / "FORMAT.md"


class Ross:
    """A client as a graphics machine has one; its fields come from the documentation."""

    def __init__(self, port: int) -> None:
        text = FORMAT.read_text()
        page = text[text.index("## TV records") :]
        self.length = int(re.search(r"(\d+) bytes a record", page)[1])  # type: ignore[index]
        self.fields: dict[str, dict[str, tuple[int, int, str]]] = {}
        for kinds, name, at, width, side in re.findall(
            r"^\| ([HLGSE ]+) \| `(\w+)` \| (\d+) \| (\d+) \| (left|right|zeros) \|", page, re.M
        ):
            for kind in kinds.split():
                self.fields.setdefault(kind, {})[name] = (int(at), int(width), side)
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def next_set(self) -> list[dict[str, str]]:
        """The records from the next H to its E."""
        records: list[dict[str, str]] = []
        while not records or records[-1]["kind"] != "E":
            raw = b""
            while len(raw) < self.length:
                part = self.socket.recv(self.length - len(raw))
                assert part, "the feed ended"
                raw += part
            assert raw.endswith(b"\r\n")
            fields = self.fields[chr(raw[0])]
            cells = {}
            for name, (at, width, side) in fields.items():
                cell = raw[at : at + width].decode("iso-8859-1")
                cells[name] = cell.rstrip(" ") if side == "left" else cell.lstrip(" ")
            records.append(cells)
        return records


@pytest.fixture(scope="module")
def air(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnAir]:
    shown = OnAir(tmp_path_factory.mktemp("air"), 130)
    yield shown
    shown.stop()


@pytest.fixture
def feed(air: OnAir) -> Iterator[RecordFeed]:
    opened = RecordFeed("127.0.0.1", 0, lambda n: record_set(n, "Uphill \u2013 4 %", air.boards))
    yield opened
    opened.stop()


def test_a_client_that_knows_the_byte_table_alone_reads_every_board(
    air: OnAir, feed: RecordFeed
) -> None:
    client = Ross(feed.port)
    assert client.length == 128
    records = client.next_set()
    kinds = [record["kind"] for record in records]
    assert kinds == ["H", *"L" * 10, *"G" * 8, *"S" * 10, "E"]
    head = records[0]
    assert (head["version"], head["at"]) == ("01", "2026-07-16T10:37:09Z")
    assert (head["stage"], int(head["records"]), head["quality"]) == ("Uphill ? 4 %", 30, "live")
    for kind, name in (("L", "leaders"), ("G", "groups"), ("S", "standings")):
        sheet = air.boards.sheet(name)
        sent = [record for record in records if record["kind"] == kind]
        assert [int(record["row"]) for record in sent] == list(range(1, len(sheet.rows) + 1))
        for record, row in zip(sent, sheet.rows, strict=True):
            cells = dict(zip(sheet.columns, row, strict=True))
            named = {n: v for n, v in record.items() if n in cells}
            plain = {n: cells[n].replace("č", "c") for n in named}
            assert named == plain
    again = client.next_set()
    assert int(again[0]["set"]) == int(head["set"]) + 1
    client.socket.close()


def test_the_table_of_fields_leaves_no_byte_out() -> None:
    text = FORMAT.read_text()
    fields: dict[str, list[tuple[int, int]]] = {}
    for kinds, at, width in re.findall(
        r"^\| ([HLGSE ]+) \| `\w+` \| (\d+) \| (\d+) \| ", text, re.M
    ):
        for kind in kinds.split():
            fields.setdefault(kind, []).append((int(at), int(width)))
    assert set(fields) == set("HLGSE")
    for kind, spans in fields.items():
        spans.sort()
        assert spans[0][0] == 0, kind
        for (at, width), (following, _) in pairwise(spans):
            assert at + width == following, kind


def test_an_empty_row_is_spaces_and_a_stalled_truck_is_seen_to_be_one(air: OnAir) -> None:
    records = record_set(7, "x", air.boards).decode("iso-8859-1").split("\r\n")
    assert records[1 + 10 + 3].startswith("G0100000704")  # only three groups ride
    assert records[1 + 10 + 3][11:].strip() == ""
    air.wait(30.0)
    late = record_set(8, "x", air.boards).decode("iso-8859-1").split("\r\n")
    air.wait(-30.0)
    assert late[0][74:82].strip() == "stale"
    assert late[3][73:83].strip() == "(+0:40)"


@pytest.mark.parametrize(
    ("text", "width", "right", "field"),
    [
        ("Pogačar", 8, False, "Pogacar "), ("O'Brien", 4, False, "O'Br"), ("", 3, True, "   "),
        ("+1:23", 10, True, "     +1:23"), ("+123:45:67", 5, True, "*****"), ("李", 2, False, "? "),
        ("Ørsted", 6, False, "Ørsted"),
    ],
)  # fmt: skip
def test_a_field_is_as_wide_as_it_is(text: str, width: int, right: bool, field: str) -> None:
    assert fixed(text, width, right) == field


def test_who_does_not_read_is_passed_over_and_then_let_go_and_nobody_waits_for_him() -> None:
    big = b"x" * 126 + b"\r\n"
    sent = RecordFeed("127.0.0.1", 0, lambda n: big * 1000, every_s=0.2)
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.connect(("127.0.0.1", sent.port))
    brisk = socket.create_connection(("127.0.0.1", sent.port), timeout=10)
    until_s, come = time.monotonic() + 20, 0
    while not sent.let_go and time.monotonic() < until_s:
        come += len(brisk.recv(1 << 20))
    assert sent.let_go == 1
    assert come > 2 * len(big) * 1000
    assert brisk.recv(1 << 20)
    sent.stop()
    stalled.close()
    brisk.close()


def test_clients_are_bounded_and_a_place_that_is_left_is_free(feed: RecordFeed) -> None:
    there = ("127.0.0.1", feed.port)
    held = [socket.create_connection(there, timeout=10) for _ in range(CLIENTS_MAX)]
    for client in held:
        assert client.recv(1) == b"H"
    more = socket.create_connection(("127.0.0.1", feed.port), timeout=10)
    assert _end(more)
    more.close()
    assert feed.turned_away == 1
    held.pop().close()
    until_s, come = time.monotonic() + 10, b""
    while come != b"H" and time.monotonic() < until_s:
        with socket.create_connection(("127.0.0.1", feed.port), timeout=10) as other:
            try:
                come = other.recv(1)
            except ConnectionError:
                come = b""
    assert come == b"H"
    for client in held:
        client.close()


def test_a_port_in_use_is_one_sentence(feed: RecordFeed) -> None:
    with pytest.raises(Misconfigured, match=rf"127\.0\.0\.1:{feed.port}.*choose another tv_port"):
        RecordFeed("127.0.0.1", feed.port, lambda n: b"")


def _end(client: socket.socket) -> Any:
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True
