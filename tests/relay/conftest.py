"""Real parts around a relay: an event, bikes, mosquitto, a small truck, `relay run` processes."""

import collections
import contextlib
import io
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from hardware import home as homes
from hardware.authority import create_event
from hardware.bundle import Ack, Acked, Bundle, decode_bundle, digest_of, encode_ack
from hardware.forward import decode_forward
from hardware.heartbeat import Heartbeat, Seen, decode_heartbeat, encode_seen
from hardware.keys import Credentials
from hardware.packet import SUITE_CLEAR, Fix, Header, encode_body, kid_of
from hardware.roster import Roster
from hardware.sealing import build_packet
from hardware.signing import SigningKey
from relay import cli
from relay.config import RelayConfig
from relay.lanes import RETRY_S
from tests.relay.network import Broker, Link, free_port, wait_until

NAME = "r1"


class Event:
    """An event of three bikes and two relays, with its folder."""

    def __init__(self, folder: Path, event: str = "test-2027") -> None:
        self.folder = folder
        self.roster: Roster = create_event(
            folder, event=event, now_s=time.time(), bibs=[1, 2, 3], relays=[NAME, "r2", "r3"]
        )
        rows = json.loads((folder / "bikes" / "devices.json").read_text())["devices"]
        self.keys = {row["device"]: SigningKey(bytes.fromhex(row["sign"])) for row in rows}

    @property
    def credentials(self) -> Path:
        return self.folder / "relays" / NAME

    @property
    def truck_key(self) -> SigningKey:
        return Credentials(self.folder / "truck").signing_key("truck")

    def packet(self, device: int, seq: int, boot: int = 1, at_s: float | None = None) -> bytes:
        at_s = time.time() if at_s is None else at_s
        t0 = int((at_s - self.roster.epoch_s) * 100)
        body, n = encode_body([Fix(t0, latitude_deg=43.0, longitude_deg=0.5, speed_mps=11.0)])
        header = Header(SUITE_CLEAR, n, boot, kid_of(device, 1), seq, t0)
        return build_packet(header, body, self.keys[device], self.roster.event_id, None)


class Truck:
    """A truck of a few lines: stores bundles in a list, then acknowledges them, if it is let."""

    def __init__(self, event: Event, port: int, *, acks: bool = True) -> None:
        self.acks = acks
        self.confirms = True
        self.beats: list[Heartbeat] = []
        self.arrived: list[tuple[bool, Bundle]] = []
        self.messages: dict[tuple[int, int], set[bytes]] = collections.defaultdict(set)
        self._event = event
        authority, certificate, key = Credentials(event.folder / "truck").tls
        context = ssl.create_default_context(cafile=authority)
        context.load_cert_chain(certificate, key)
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "truck", protocol=mqtt.MQTTv5)
        self.client.tls_set_context(context)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe("up/+/+", qos=1)
        self._subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._on_message
        self.client.connect("localhost", port)
        self.client.loop_start()
        assert self._subscribed.wait(10)

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        _, lane, relay = message.topic.split("/")
        public = self._event.roster.relay_key(relay).sign_public
        if lane == "h":
            self._on_heartbeat(message.payload, relay, public)
            return
        payload, via = bytes(message.payload), relay
        if lane == "f":
            frame = decode_forward(payload, relay, public, self._event.roster.event_id)
            relay, payload = frame.origin, frame.message
            public = self._event.roster.relay_key(relay).sign_public
        bundle = decode_bundle(payload, relay, public, self._event.roster.event_id)
        self.arrived.append((lane == "l", bundle))
        self.messages[bundle.boot, bundle.number].add(payload)
        if self.acks:
            self.ack(Acked(bundle.boot, bundle.number, digest_of(payload)), via=via)

    def _on_heartbeat(self, message: bytes, relay: str, public: bytes) -> None:
        beat = decode_heartbeat(message, relay, public, self._event.roster.event_id)
        self.beats.append(beat)
        if self.confirms:
            self.confirm(Seen(relay, beat.boot, beat.number, beat.digest))

    def confirm(self, seen: Seen) -> None:
        key, event = self._event.truck_key, self._event.roster.event_id
        self.client.publish(f"seen/{seen.relay}", encode_seen(seen, key, event), qos=0)

    def ack(self, *bundles: Acked, via: str = NAME) -> None:
        key, event = self._event.truck_key, self._event.roster.event_id
        self.say(encode_ack(Ack(NAME, bundles, len(self.arrived)), key, event), via)

    def say(self, message: bytes, to: str = NAME) -> None:
        self.client.publish(f"ack/{to}", message, qos=0)

    def stored(self) -> list[Acked]:
        return [Acked(*key, digest_of(m)) for key, found in self.messages.items() for m in found]

    def packets(self) -> set[bytes]:
        return {packet for _, bundle in list(self.arrived) for packet in bundle.packets}

    def wait_for(self, packets: set[bytes], seconds: float = 30.0) -> None:
        wait_until(lambda: packets <= self.packets(), "the packets arrive", seconds)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Done(NamedTuple):
    """What a user sees of a command that has ended."""

    returncode: int
    stdout: str
    stderr: str


RUN = """
import sys
from relay import cli, lanes, service, uplink
service.STATUS_S, uplink.DELAY_MAX_S, lanes.RETRY_S = 0.2, 0.25, float(sys.argv.pop(1))
cli.main()
"""


class Relay:
    """A real `relay run` in a home of its own, with shorter waits."""

    def __init__(self, event: Event, home: Path, broker_port: int, name: str = NAME) -> None:
        self.event, self.home = event, home
        self.port = free_port(socket.SOCK_DGRAM)
        self.settings: dict[str, str] = {}
        self.retry_s = RETRY_S
        self._process: subprocess.Popen[bytes] | None = None
        self._radio = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        fields = {
            "name": name,
            "credentials": event.folder / "relays" / name,
            "broker_host": "localhost",
            "broker_port": broker_port,
            "radio_port": self.port,
        }
        homes.save_settings(RelayConfig, home / "relay.toml", fields)

    def command(self, *words: object) -> Done:
        """A command that asks: its own entry point, in this process, which is quicker."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.setattr(sys, "argv", ["relay", *map(str, words)])
            try:
                cli.main()
            except SystemExit as end:
                code = int(end.code or 0)
        return Done(code, out.getvalue(), err.getvalue())

    def run(self, *words: object) -> Done:
        """A `relay run` that is expected to end by itself."""
        done = subprocess.run(
            [sys.executable, "-m", "relay", "run", *map(str, words)],
            capture_output=True, text=True, timeout=60, env=os.environ | self.settings,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self) -> None:
        (self.home / "status.json").unlink(missing_ok=True)
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", RUN, str(self.retry_s), "run", str(self.home)],
                stdout=log, stderr=log, env=os.environ | self.settings,
            )  # fmt: skip
        wait_until(self._runs, "the relay runs")

    def _runs(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.home / "log").read_text()
        return (self.home / "status.json").exists()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(20)

    def close(self) -> None:
        self._radio.close()
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def hear(self, *packets: bytes) -> set[bytes]:
        for packet in packets:
            self._radio.sendto(packet, ("127.0.0.1", self.port))
        return set(packets)

    def status(self) -> dict:
        return json.loads((self.home / "status.json").read_text())

    def wait_for(self, holds: Callable[[dict], bool], what: str, seconds: float = 20.0) -> dict:
        wait_until(lambda: holds(self.status()), what, seconds)
        return self.status()

    def heard(self) -> set[tuple[int, int, int]]:
        done = self.command("heard", self.home, "--json")
        assert done.returncode == 0, done.stderr
        return {
            (row["kid"], row["boot"], seq)
            for row in json.loads(done.stdout)["heard"]
            for low, high in row["ranges"]
            for seq in range(low, high + 1)
        }


@pytest.fixture(scope="session")
def event(tmp_path_factory: pytest.TempPathFactory) -> Event:
    return Event(tmp_path_factory.mktemp("event"))


@pytest.fixture
def own_event(event: Event, tmp_path: Path) -> Event:
    """A copy of the event whose files a test may change."""
    copy = object.__new__(Event)
    copy.folder = tmp_path / "own-event"
    shutil.copytree(event.folder, copy.folder)
    copy.roster, copy.keys = event.roster, event.keys
    return copy


@pytest.fixture
def other_event(tmp_path: Path) -> Event:
    return Event(tmp_path / "other-event", event="other-2027")


@pytest.fixture
def make_link(broker: Broker) -> Iterator[Callable[[str], Link]]:
    made: list[Link] = []

    def make(host: str) -> Link:
        made.append(Link(broker.port, host))
        return made[-1]

    yield make
    for link in made:
        link.close()


@pytest.fixture
def link(make_link: Callable[[str], Link]) -> Link:
    return make_link("127.0.0.1")


@pytest.fixture
def make_port() -> Callable[[], int]:
    return free_port


@pytest.fixture(scope="module")
def module_broker(
    mosquitto: Path, event: Event, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Broker]:
    made = Broker(mosquitto, event.folder / "truck", tmp_path_factory.mktemp("broker"))
    yield made
    made.close()


@pytest.fixture
def broker(module_broker: Broker) -> Broker:
    """One process for all tests of a file, started again where a test has crashed it."""
    if not module_broker.is_running():
        module_broker.start()
    return module_broker


@pytest.fixture
def truck(event: Event, broker: Broker) -> Iterator[Truck]:
    made = Truck(event, broker.port)
    yield made
    made.close()


@pytest.fixture
def relay(event: Event, broker: Broker, tmp_path: Path) -> Iterator[Relay]:
    made = Relay(event, tmp_path / "home", broker.port)
    yield made
    made.close()
