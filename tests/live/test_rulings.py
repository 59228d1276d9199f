"""A rider changes bikes while packets come; the truck is killed, and nothing of it is forgotten."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from truck_home import SmallTruck

from hardware.keys import Credentials
from truck.audit import read_audit
from truck.cast import free_ports
from truck.questions import ask_table
from truck.tokens_cli import make_token


def truck(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "truck", *map(str, words)], capture_output=True, text=True,
        timeout=60, env={**os.environ, "NO_COLOR": "1"}, check=False,
    )  # fmt: skip


def told(*words: str | Path) -> Any:
    done = truck(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Race:
    """A real `truck run`, and three bikes heard by a relay four times a second."""

    def __init__(self, folder: Path) -> None:
        self.small = SmallTruck(folder)
        self.home = self.small.home.folder
        self._ports = free_ports(3, socket.SOCK_STREAM)
        self.start()
        stolen = Credentials(self.small.event.folder / "relays" / "moto-1")
        ca, certificate, key = stolen.tls
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, "moto-1", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.tls_set(str(ca), str(certificate), str(key))
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("localhost", self._ports[0])
        self._client.loop_start()
        self._end = threading.Event()
        self._riding = threading.Thread(target=self._ride)
        self._riding.start()

    def start(self) -> None:
        (self.home / "status.json").unlink(missing_ok=True)
        broker, page, operators = map(str, self._ports)
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "truck", "run", str(self.home),
                 "--broker-port", broker, "--page-port", page], stderr=log,
                env=os.environ | {"TRUCK_OPERATOR_PORT": operators},
            )  # fmt: skip
        self.wait_for("the truck", lambda: bool(self.status().get("broker", {}).get("connected")))

    def _ride(self) -> None:
        seq = 0
        while not self._end.wait(0.25):
            seq += 1
            measured_s = time.time() - 0.02  # a bike measures, then sends
            packets = [self.small.event.packet(d, seq, at_s=measured_s) for d in (1, 2, 3)]
            message = self.small.event.message(*packets)
            self._client.publish(message.topic, message.payload, qos=1)

    def status(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.home / "status.json").read_text()))
        except FileNotFoundError:
            return {}

    def ask(self, sql: str) -> list[dict[str, Any]]:
        return list(ask_table(self.small.home, self.small.config, sql).to_pylist())

    def post(self, act: str, wish: dict[str, Any]) -> dict[str, Any]:
        """As the operators' page does, once it is sure."""
        _, token = make_token(self.home, "operator", "ben", 1.0, "anna")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = json.dumps({"act": act, "wish": wish, "sure": True}).encode()
        address = f"http://127.0.0.1:{self._ports[2]}/api/acts"
        with urllib.request.urlopen(
            urllib.request.Request(address, body, headers), timeout=20
        ) as answer:
            return dict(json.load(answer))

    def stored(self) -> int:
        return int(self.status().get("packets", {}).get("stored", 0))

    def wait_for(self, what: str, holds: Callable[[], bool]) -> None:
        until_s = time.monotonic() + 60.0
        while not holds():
            assert time.monotonic() < until_s, f"waited in vain: {what}"
            assert self.process.poll() is None, (self.home / "log").read_text()
            time.sleep(0.1)

    def ride_on(self) -> None:
        """Until each bike has been heard a few more times."""
        enough = self.stored() + 15
        self.wait_for("packets", lambda: self.stored() >= enough)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self._end.set()
        self._riding.join()
        self._client.disconnect()
        self._client.loop_stop()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


@pytest.fixture
def race(tmp_path: Path, mosquitto: Path) -> Iterator[Race]:
    made = Race(tmp_path)
    yield made
    made.end()


SPOKE_FOR = (
    "SELECT device, epoch_us(measured_at) >= {at_us} AS after, list(DISTINCT bib) AS bibs "
    "FROM readings GROUP BY ALL ORDER BY ALL"
)


def test_a_swap_while_packets_come_outlives_kill_9_and_a_rebuild(race: Race) -> None:
    race.ride_on()
    refused = truck("swap", race.home, "99", "3")
    assert (refused.returncode, refused.stdout) == (78, "")
    assert refused.stderr == "error: nobody rides with bib 99. See the start list.\n"
    swap = told("swap", race.home, "12", "3", "--by", "anna", "--note", "puncture")
    assert (swap["number"], swap["said"]) == (1, "bib 12 rides device 3")
    assert race.post("abandon", {"bib": 13})["number"] == 2
    race.ride_on()
    spoke_for = race.ask(SPOKE_FOR.format(at_us=swap["at_us"]))
    assert [tuple(row.values()) for row in spoke_for] == [
        (1, False, [11]), (1, True, [11]), (2, False, [12]), (2, True, [0]),
        (3, False, [13]), (3, True, [12]),
    ]  # fmt: skip
    race.wait_for("its status", lambda: len(race.status().get("rulings", [])) == 2)
    in_force, rulings = race.status()["rulings"], race.ask("SELECT * FROM rulings")
    race.kill()
    gone = truck("swap", race.home, "11", "3")
    assert (gone.returncode, gone.stdout) == (75, "")
    race.start()
    race.ride_on()
    assert race.status()["rulings"] == in_force
    assert race.ask(SPOKE_FOR.format(at_us=swap["at_us"])) == spoke_for
    assert truck("swap", race.home, "12", "3").stdout.startswith("nothing changed, it holds")
    assert race.ask("SELECT * FROM rulings") == rulings
    race.end()
    log = read_audit(race.home, race.small.keys.signing.public)
    assert log.problems == ()
    written = {(e.by, e.role, e.action, e.outcome) for e in log.entries}
    assert written >= {
        ("anna", "command", "swap", "done"), ("anna", "command", "token_new", "done"),
        ("ben", "operator", "abandon", "asked"), ("ben", "operator", "abandon", "done"),
    }  # fmt: skip
    assert "failed" in {outcome for _, _, action, outcome in written if action == "swap"}
    told("rebuild", race.home)
    after = told("rulings", race.home)["rulings"]
    assert [(row["number"], row["said"], row["withdrawn"]) for row in after] == [
        (1, "bib 12 rides device 3", False), (2, "bib 13 has abandoned", False),
    ]  # fmt: skip
