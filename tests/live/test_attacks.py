"""Strangers shout at the radio and knock at the broker, and a thief has a relay's keys.

All of it during a race: what is hostile is refused and counted by reason, and the race goes on.
"""

import contextlib
import json
import random
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cbor2
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from hardware import home, topics
from hardware.bundle import BUNDLE_BYTES_MAX, Bundle, encode_bundle
from hardware.keys import Credentials
from hardware.packet import SIGNATURE_BYTES, Fix, encode_body, read_header
from hardware.sealing import build_packet, packet_cipher
from hardware.signing import SigningKey, sign_packet
from truck import demo
from truck.cast import Cast
from truck.config import TruckConfig

RIDERS = 99
STOLEN = "heli"
FLOOD_DATAGRAMS = 2000
RELAY_REFUSES = {"signature", "unknown_key", "generation", "malformed", "length", "version"}
THIEF = SigningKey(bytes(range(32)))

Finish = Callable[[Cast], dict[str, Any]]


@pytest.fixture
def ear() -> Iterator[socket.socket]:
    """One more place that hears the bikes: where an attacker takes packets from the air."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        yield listener


def heard_by(ear: socket.socket) -> list[bytes]:
    packets = []
    with contextlib.suppress(BlockingIOError):
        while True:
            packets.append(ear.recv(4096))
    return packets


class Forger:
    """Makes packets in the name of one bike; `stolen` ones are signed by its own transponder."""

    def __init__(self, cast: Cast, captured: bytes) -> None:
        self.captured, self.header = captured, read_header(captured)
        roster = Credentials(cast.event / "truck").roster()
        devices = json.loads((cast.event / "bikes" / "devices.json").read_text())["devices"]
        secret = next(row for row in devices if row["device"] == self.header.device)
        self.event = roster.event_id
        self.own = SigningKey(bytes.fromhex(secret["sign"]))
        self.cipher = packet_cipher(
            bytes.fromhex(secret["box"]), roster.event_box_public, self.event, self.header.kid
        )

    def packet(self, key: SigningKey, event: bytes | None = None, **header: int) -> bytes:
        changed = self.header._replace(**header)
        body, _ = encode_body([Fix(changed.t0, 1.0, 2.0)])
        return build_packet(changed, body, key, event or self.event, self.cipher)

    def mutations(self, rng: random.Random) -> Iterator[bytes]:
        """A bit flipped in every byte, cuts at every length, and more bytes than there were."""
        raw = self.captured
        for at in range(len(raw)):
            yield raw[:at] + bytes([raw[at] ^ 1 << rng.randrange(8)]) + raw[at + 1 :]
            yield raw[:at]
        yield from (raw + b"\0", raw * 2, bytes(len(raw)))

    def refused(self) -> list[tuple[str, bytes]]:
        """Packets that only the truck can judge, or that a relay lets pass if it is a thief's."""
        seq = self.header.seq + 1_000_000
        whole = self.packet(self.own, seq=seq)
        changed = whole[:20] + bytes([whole[20] ^ 1]) + whole[21:-SIGNATURE_BYTES]
        return [
            ("ciphertext", sign_packet(changed, self.own, self.event)),
            ("future", self.packet(self.own, seq=seq, t0=self.header.t0 + 60_000)),
            ("replay", self.packet(self.own)),
            ("signature", self.packet(THIEF, seq=seq)),
            ("signature", self.packet(self.own, b"another event", seq=seq)),
            ("unknown_key", self.packet(THIEF, kid=0xABCDEF01)),
            ("generation", self.packet(THIEF, kid=self.header.kid + 1)),
            ("malformed", self.captured[:40]),
            ("length", self.captured + b"\0"),
            ("version", b"\x7f" + self.captured[1:]),
        ]


class Thief:
    """A client with the stolen relay's certificate and signing key, in the truck's name."""

    def __init__(self, cast: Cast, broker_port: int) -> None:
        stolen = Credentials(cast.event / "relays" / STOLEN)
        self._key, self._event = stolen.signing_key("relay"), stolen.roster().event_id
        self._boot = cast.relay_status(STOLEN)["boot"]
        self._number = 1_000_000
        self._sent: set[int] = set()
        self._taken: set[int] = set()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, "truck", protocol=MQTTProtocolVersion.MQTTv5
        )
        ca, certificate, key = stolen.tls
        self._client.on_publish = lambda _client, _data, mid, *_: self._taken.add(mid)
        self._client.tls_set(str(ca), str(certificate), str(key))
        self._client.connect("127.0.0.1", broker_port)
        self._client.loop_start()

    def bundle(self, *packets: bytes, relay: str = STOLEN, key: SigningKey | None = None) -> bytes:
        self._number += 1
        now_us = time.time_ns() // 1000
        bundle = Bundle(
            relay, self._boot, self._number, packets, (now_us,) * len(packets), (0,) * len(packets)
        )
        return encode_bundle(bundle, key or self._key, self._event)

    def other_words(self, packet: bytes) -> bytes:
        """Another bundle under the number of the last one."""
        self._number -= 1
        return self.bundle(packet, packet)

    def take_numbers(self, packet: bytes, numbers: range) -> None:
        """Bundles under the numbers that the real relay comes to next, to be acknowledged first."""
        for number in numbers:
            self._number = number - 1
            self.send(self.bundle(packet))
        self._number = 2_000_000

    def send(self, message: bytes, topic: str = topics.live(STOLEN)) -> None:
        self._sent.add(self._client.publish(topic, message, qos=1).mid)

    def leave(self) -> None:
        """Once the broker has everything: the real relay and the thief put each other out."""
        until_s = time.monotonic() + 30.0
        while not self._sent <= self._taken:
            assert time.monotonic() < until_s
            time.sleep(0.05)
        self._client.disconnect()
        self._client.loop_stop()


def shout(cast: Cast, forger: Forger, captured: list[bytes], rng: random.Random) -> dict[str, int]:
    """Every kind of datagram at a relay of its own; how many each was sent."""
    radio = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    forged = [raw for reason, raw in forger.refused() if reason in RELAY_REFUSES]
    first, second, third = (
        ("127.0.0.1", cast.relay_status(name)["radio_port"]) for name in cast.relays
    )
    hostile = [*forger.mutations(rng), *forged]
    for raw in hostile:
        radio.sendto(raw, first)
    for raw in captured:
        for relay in (first, second, third):
            radio.sendto(raw, relay)
    for _ in range(20):
        for _ in range(FLOOD_DATAGRAMS // 20):
            radio.sendto(rng.randbytes(rng.randrange(1400)), third)
        time.sleep(0.05)
    radio.close()
    return dict(zip(cast.relays, (len(hostile), 0, FLOOD_DATAGRAMS), strict=True))


def bundles_of(cast: Cast) -> dict[str, Any]:
    """What the truck says of the relay whose key is stolen."""
    return next(relay for relay in cast.truck_status()["relays"] if relay["name"] == STOLEN)


def knock(broker_port: int) -> None:
    """Strangers at the broker, without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for _ in range(10):
        with (
            contextlib.suppress(ssl.SSLError, ConnectionResetError),
            socket.create_connection(("127.0.0.1", broker_port), 5.0) as plain,
            context.wrap_socket(plain) as wire,
        ):
            assert wire.recv(1) == b""


def publish(thief: Thief, forger: Forger, captured: list[bytes], rng: random.Random) -> Counter:
    """Everything a stolen relay can say; how often each reason is due."""
    due: Counter[str] = Counter()
    for reason, packet in forger.refused():
        thief.send(thief.bundle(packet), topics.backfill(STOLEN))
        due[reason] += 1
    for at in range(0, len(captured), 100):
        again = thief.bundle(*captured[at : at + 100])
        for _ in range(5):
            thief.send(again)
    thief.send(thief.other_words(captured[0]))
    thief.send(thief.bundle(captured[0], relay="moto-1"))
    thief.send(thief.bundle(captured[0], key=THIEF))
    thief.send(thief.bundle(*[captured[0]] * 129))
    thief.send(thief.bundle(bytes(BUNDLE_BYTES_MAX)))
    due.update(wrong_sender=1, signature=1, oversize=2)
    for raw in (b"", b"\x00", rng.randbytes(500), b"\x81" * 5000, cbor2.dumps({1: 1}), b"\xd2" * 9):
        thief.send(raw)
        due["malformed"] += 1
    for topic in ("up/l/moto-1", "ack/moto-1", "ack/heli"):
        thief.send(thief.bundle(captured[0]), topic)
    return due


def test_attacks_on_radio_and_broker_are_counted_and_change_nothing(
    ear: socket.socket, seed: int, trouble_s: float, finish: Finish, tmp_path: Path, mosquitto: Path
) -> None:
    rng = random.Random(seed)
    also = ("--relay", f"127.0.0.1:{ear.getsockname()[1]}")
    script = demo.Script(riders=RIDERS, seed=seed, radio=also)
    cast = demo.set_the_stage(tmp_path / "demo", script)
    broker_port = home.load_settings(TruckConfig, cast.truck_home / "truck.toml", {}).broker_port
    try:
        demo.start(cast, script)
        demo.start_bikes(cast, script)
        time.sleep(trouble_s)
        captured = heard_by(ear)
        forger = Forger(cast, captured[0])
        silent = [socket.create_connection(("127.0.0.1", broker_port)) for _ in range(100)]
        knock(broker_port)
        sent = shout(cast, forger, captured, rng)
        begun_with = bundles_of(cast)["bundles"]
        thief = Thief(cast, broker_port)
        due = publish(thief, forger, captured, rng)
        thief.take_numbers(captured[0], range(begun_with, begun_with + 40))
        thief.leave()
        time.sleep(trouble_s / 2)
        said = {name: cast.relay_status(name)["heard"] for name in cast.relays}
        status, forked = cast.truck_status(), bundles_of(cast)["forked"]
        parts = ("truck", *cast.relays, "pusher", "bikes")
        assert [part for part in parts if not cast.is_running(part)] == []
        for connection in silent:
            connection.close()
        outcome = finish(cast)
        evidence = cast.call(
            "truck", "query", str(cast.truck_home), "--json",
            "SELECT reason, count(*) AS kept FROM evidence GROUP BY reason",
        )  # fmt: skip
    finally:
        cast.end_all()
    for name, count in sent.items():
        assert sum(said[name]["refused"].values()) == count, said
        assert said[name]["overflowed"] == 0
    assert said[cast.relays[0]]["refused"].keys() >= RELAY_REFUSES
    refused = outcome["packets"]["refused"]
    assert {reason: n for reason, n in due.items() if refused.get(reason, 0) < n} == {}, refused
    assert due.keys() == refused.keys()
    assert due.keys() == {row["reason"] for row in json.loads(evidence)["rows"]}
    assert outcome["latency_s"]["p99"] < 3.0, outcome
    assert status["broker"]["connected"]
    assert "relay-key" in [alarm["name"] for alarm in status["alarms"]]
    assert forked > 1
