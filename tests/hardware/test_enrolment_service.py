"""The desk over the network: real TLS, relays served, hostile ones refused by name and counted."""

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware import clock, enrolment_service, keys
from hardware.authority import create_event, newest_roster, open_authority
from hardware.ca import new_tls_key
from hardware.enrolment import DESK_HOST, PATH, make_relay_request
from hardware.enrolment_desk import new_token
from hardware.enrolment_service import EnrolmentService, Rate
from hardware.errors import Misconfigured, Unavailable
from hardware.node import Address
from hardware.signing import SigningKey
from relay.desk import DeskRefused, ask_desk


class Open:
    """A desk that is open for one event."""

    def __init__(self, folder: Path) -> None:
        self.event, self.said = folder, list[str]()
        self.service = EnrolmentService(
            folder, open_authority(folder), "127.0.0.1", 0, clock.Clock(), self.said.append
        )
        self.address = Address(host="127.0.0.1", port=self.service.port)
        self.ca = (folder / "ca.crt").read_text()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self.service.serve, args=(self._over.is_set,))
        self._thread.start()

    def ask(self, request: bytes) -> bytes:
        return ask_desk(self.address, self.ca, request).body

    def request(self, name: str, seed: bytes = b"k") -> bytes:
        token = new_token(self.event, name, time.time())
        return make_relay_request(
            event="race", name=name, serial="pi", key=SigningKey(seed * 32),
            tls_key=new_tls_key(), token=token, nonce=bytes(16),
        )  # fmt: skip

    def raw(self, data: bytes, *, tls: bool = True) -> bytes:
        """What comes back for these bytes."""
        with socket.create_connection(("127.0.0.1", self.service.port), 5) as plain:
            context = ssl.create_default_context(cadata=self.ca)
            wire = context.wrap_socket(plain, server_hostname=DESK_HOST) if tls else plain
            with wire, contextlib.suppress(OSError):
                wire.sendall(data)
                if tls:
                    return b"".join(iter(lambda: wire.recv(65536), b""))
                plain.shutdown(socket.SHUT_WR)
                return plain.recv(100)
        return b""

    def refused(self, why: str, count: int = 1) -> None:
        until = time.monotonic() + 10
        while self.service.refused[why] < count:
            assert time.monotonic() < until, self.service.refused
            time.sleep(0.02)

    def close(self) -> None:
        self._over.set()
        self._thread.join(10)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Open]:
    create_event(tmp_path / "event", event="race", now_s=time.time(), bibs=[], relays=[])
    opened = Open(tmp_path / "event")
    yield opened
    opened.close()


def test_relays_are_served_side_by_side_and_each_is_in_the_roster(desk):
    names = [f"moto-{n}" for n in range(6)]
    requests = [desk.request(name, bytes([65 + n])) for n, name in enumerate(names)]
    threads = [threading.Thread(target=desk.ask, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(desk.service.enrolled) == names
    assert [r.name for r in newest_roster(desk.event)[1].relays] == names
    assert desk.ask(requests[0]) == desk.ask(requests[0])
    assert not desk.service.refused


def test_each_hostile_request_is_one_refusal_with_its_name(desk):
    post = f"POST {PATH} HTTP/1.0\r\n".encode()
    for why, data in [
        ("no_such_page", b"GET / HTTP/1.0\r\n\r\n"),
        ("no_such_page", b"POST /elsewhere HTTP/1.0\r\nContent-Length: 0\r\n\r\n"),
        ("malformed", b"\x00\xff rubbish\r\n\r\n"),
        ("malformed", post + b"\r\n"),
        ("malformed", post + b"Content-Length: 2\r\n\r\n{}"),
        ("oversize", post + b"Content-Length: 99999999999999\r\n\r\n"),
        ("oversize", post + b"Content-Length: 8193\r\n\r\n"),
    ]:
        before = desk.service.refused[why]
        answer = desk.raw(data)
        desk.refused(why, before + 1)
        assert b'"sentence"' in answer, (why, data)
    before = desk.service.refused["malformed"]
    desk.raw(b"GET / HTTP/1.0\r\n\r\n", tls=False)
    desk.refused("malformed", before + 1)
    stolen = desk.request("moto-1")
    desk.ask(stolen)
    payload = json.loads(stolen)
    with pytest.raises(DeskRefused, match=r"refused \(malformed\)"):
        desk.ask(json.dumps(payload).encode())
    with pytest.raises(DeskRefused, match=r"refused \(key_taken\): .*moto-1"):
        desk.ask(desk.request("moto-2"))  # with moto-1's key
    assert sum(desk.service.refused.values()) == 10
    assert desk.ask(stolen)  # and the true one is still served


def test_who_is_slow_is_hung_up_on(desk, monkeypatch):
    monkeypatch.setattr(enrolment_service, "DEADLINE_S", 0.5)
    began = time.monotonic()
    desk.raw(f"POST {PATH} HTTP/1.0\r\nContent-Length: 100\r\n\r\nabc".encode())
    with socket.create_connection(("127.0.0.1", desk.service.port), 5) as mute:
        mute.settimeout(5)
        assert mute.recv(1) == b""
    assert time.monotonic() - began < 5
    desk.refused("slow", 1)


def test_a_flood_is_hung_up_on_and_later_the_desk_still_answers(desk, monkeypatch):
    monkeypatch.setattr(enrolment_service, "BURST", 3.0)
    with pytest.raises(Unavailable, match="cannot be asked"):  # noqa: PT012 - one of them is
        for _ in range(9):
            with contextlib.suppress(DeskRefused):
                desk.ask(b"{}")
    desk.refused("rate", 1)
    time.sleep(0.5)
    assert desk.ask(desk.request("heli"))


def test_a_rate_is_kept_for_a_bounded_number_of_addresses():
    rate = Rate()
    assert all(rate.take("a", 0.0) for _ in range(80))
    assert not rate.take("a", 0.0)
    assert rate.take("a", 0.2)
    for number in range(5000):
        rate.take(str(number), 1.0)
    assert len(rate._buckets) == 1024


def test_another_events_desk_is_not_asked_and_a_wrong_clock_does_not_matter(desk, tmp_path):
    create_event(tmp_path / "other", event="race", now_s=time.time(), bibs=[], relays=[])
    other = (tmp_path / "other" / "ca.crt").read_text()
    with pytest.raises(Misconfigured, match="is not this event's"):
        ask_desk(desk.address, other, b"")
    old = tmp_path / "old"
    create_event(old, event="race", now_s=1.0e9, bibs=[], relays=[])  # all its dates are over
    service = EnrolmentService(
        old, open_authority(old), "127.0.0.1", 0, clock.Clock(1e9, 1e-9), lambda _: None
    )
    over = threading.Event()
    thread = threading.Thread(target=service.serve, args=(over.is_set,))
    thread.start()
    try:
        address = Address(host="127.0.0.1", port=service.port)
        with pytest.raises(DeskRefused, match="malformed"):
            ask_desk(address, (old / "ca.crt").read_text(), b"{}")
    finally:
        over.set()
        thread.join(10)
    with pytest.raises(Unavailable):
        ask_desk(address, other, b"")


def test_the_command_listens_until_all_are_there_and_answers_sticks(tmp_path):
    folder = tmp_path / "event"
    create_event(folder, event="race", now_s=time.time(), bibs=[], relays=[])
    command = [sys.executable, "-m", "hardware", "enroll"]
    stick = tmp_path / "moto-1.request.json"
    token = new_token(folder, "moto-1", time.time())
    stick.write_bytes(
        make_relay_request(
            event="race", name="moto-1", serial="pi", key=SigningKey(b"k" * 32),
            tls_key=new_tls_key(), token=token, nonce=bytes(16),
        )
    )  # fmt: skip
    (tmp_path / "bad.request.json").write_text("{}")
    done = subprocess.run(
        [*command, "file", folder, stick, tmp_path / "bad.request.json", "--json"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert (document["schema"], document["refused"]) == ("hardware.enroll/1", {"malformed": 1})
    assert keys.read_file(tmp_path / "moto-1.answer.json", "answer")
    done = subprocess.run(
        [*command, "listen", folder, "--listen", "127.0.0.1:0", "--until", "1", "--seconds", "0.5"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (
        3, "0 relays enrolled, roster version 2; refused: none\n",
    )  # fmt: skip
    assert "the desk is open on 127.0.0.1:" in done.stderr
