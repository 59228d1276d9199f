"""A day with two outages, a truck killed twice: both ends agree, and each hole's reason is true.

What is true is known apart from the truck: the bikes count what they sent and what no relay was in
reach of, the relays' own ledgers say what they heard, and the spare's clock was set wrong by us.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hardware.keys import Credentials
from hardware.packet import Fix
from hardware.virtual.bikes import devices_of
from hardware.virtual.transponder import Transponder, read_secrets
from truck import demo
from truck.cast import Cast

RIDERS, SPARE = 12, 13
SPEED = 5.0
GORGE = ("--dark", "1:30-45", "--dark", "2:30-45")  # race seconds; who is near both is unheard
ENDS_OWN = {"schema", "stream", "rows", "bundles_missing", "relays", "told_at", "disagreements"}

Packets = set[tuple[int, int, int]]


class Answer(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    found: dict[str, Any]

    @property
    def agreed(self) -> dict[str, Any]:
        return {name: value for name, value in self.found.items() if name not in ENDS_OWN}

    def packets(self, *states: str) -> Packets:
        return {
            (bike["device"], bike["boot"], seq)
            for bike in self.found["bikes"]
            for hole in bike["holes"]
            if hole["state"] in states
            for seq in range(*hole["seq"])
        }

    def sent(self) -> Packets:
        return {
            (bike["device"], bike["boot"], seq)
            for bike in self.found["bikes"]
            for seq in range(*bike["sent"])
        }


def ask(cast: Cast, module: str, *arguments: str) -> Answer:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--json"], capture_output=True, text=True,
        timeout=60, env={**os.environ, **cast.clock.environment()}, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return Answer(done.returncode, json.loads(done.stdout))


def ask_truck(cast: Cast) -> Answer:
    return ask(cast, "truck", "complete", str(cast.truck_home))


def ask_cloud(cast: Cast) -> Answer:
    key = Credentials(cast.event / "truck").signing_key("truck").public.hex()
    return ask(
        cast, "cloud_sync", "complete", str(cast.cloud), "--truck", key,
        "--key", str(cast.folder / "operations.key"),
    )  # fmt: skip


class Spare:
    """A bike of its own whose clock goes wrong for a while; heard by the first relay alone."""

    def __init__(self, cast: Cast) -> None:
        roster = Credentials(cast.event / "truck").roster()
        self._clock, self._relay = cast.clock, ("127.0.0.1", cast._radio_port[cast.relays[0]])
        self.device = devices_of(roster, cast.clock.now_s())[SPARE]
        secret = read_secrets(cast.event / "bikes" / "devices.json")[self.device]
        self._transponder = Transponder(secret, roster, 77)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ahead: Packets = set()

    def send(self, packets: int, ahead_s: float = 0.0) -> None:
        for _ in range(packets):
            if ahead_s:
                self.ahead.add((self.device, 77, self._transponder.seq))
            ticks = self._transponder.ticks(self._clock.now_s() + ahead_s)
            raw, _ = self._transponder.packet([Fix(ticks, 45.0, 6.0)])
            self._socket.sendto(raw, self._relay)
            time.sleep(0.05)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def day_s() -> float:
    """How long the day's two quiet stretches last, each, on the wall."""
    return float(os.environ.get("TRUCK_DAY_SECONDS", "4"))


@pytest.fixture
def cast(tmp_path: Path, mosquitto: Path) -> Iterator[Cast]:
    """A race at five times its speed; the event has a spare bike that nobody rides yet."""
    play = demo.set_the_stage(tmp_path / "day", demo.Script(riders=SPARE, speed=SPEED))
    try:
        yield play
    finally:
        play.end_all()


def is_serving(cast: Cast, but: int = -1) -> bool:
    broker = cast.truck_status().get("broker", {})
    return bool(broker.get("connected")) and broker.get("pid") != but


def kill_the_truck(cast: Cast) -> None:
    before = cast.truck_status()["broker"]["pid"]
    cast.kill("truck")
    cast.start_truck()
    cast.wait_for("the truck's return", lambda: is_serving(cast, before), 60.0)


def freeze_the_broker(cast: Cast, seconds: float) -> None:
    """No relay reaches the truck; the bikes ride on."""
    pid = cast.truck_status()["broker"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


def heard_by_relays(cast: Cast) -> Packets:
    return {(kid >> 8, boot, seq) for kid, boot, seq in demo.heard_by_relays(cast)}


@pytest.mark.timeout(600)
def test_after_the_day_both_ends_agree_and_every_hole_has_its_true_reason(
    cast: Cast, day_s: float, trouble_s: float
) -> None:
    ridden = demo.Script(riders=RIDERS, speed=SPEED, radio=GORGE)
    demo.start(cast, ridden)
    demo.start_bikes(cast, ridden)
    spare = Spare(cast)
    cast.wait_for("a batch in the cloud", lambda: any(cast.cloud.rglob("manifest/*.json")), 60.0)
    freeze_the_broker(cast, trouble_s)
    kill_the_truck(cast)
    spare.send(10)
    spare.send(14, ahead_s=60.0)  # more than a minute's evidence has room for
    spare.send(10)
    time.sleep(day_s)

    cast.cloud.rename(cast.folder / "away")  # the second outage: the remote is not there
    cast.cloud.touch()
    time.sleep(trouble_s)
    kill_the_truck(cast)
    cast.wait_for("rows that wait", lambda: ask_truck(cast).found["totals"]["sealed"] > 0, 30.0)
    meanwhile = ask_truck(cast)
    assert (meanwhile.code, meanwhile.found["complete"]) == (75, False)
    assert meanwhile.packets("at_relay", "sealed") & meanwhile.sent()
    cast.cloud.unlink()
    (cast.folder / "away").rename(cast.cloud)
    time.sleep(day_s)
    demo.settle(cast, lambda _: None)
    spare.close()

    truck, cloud = ask_truck(cast), ask_cloud(cast)
    assert (truck.code, cloud.code) == (0, 0), (truck.found, cloud.found)
    assert cloud.found["disagreements"] == []
    assert cloud.agreed == truck.agreed
    assert truck.found["bundles_missing"] == []
    check_reasons(cast, truck, spare)
    check_words(cast)


def check_reasons(cast: Cast, truck: Answer, spare: Spare) -> None:
    """Each hole against the bikes' counts, the relays' ledgers and what the spare did."""
    bikes, heard = cast.bikes_summary(), heard_by_relays(cast)
    made = {
        (row["device"], row["boot"], seq)
        for row in bikes["devices"]
        for seq in range(row["packets"])
    }
    ridden = {packet for packet in truck.sent() if packet[0] != spare.device}
    assert len(made - heard) == bikes["unheard"] > 0  # the relays heard all that came within reach
    assert ridden <= made
    assert not (made - ridden) & heard  # no packet after the last one sent, as far as heard
    never = truck.packets("never_heard")
    assert never == ridden - heard
    assert {bib % 3 for bib in (device for device, _, _ in never)} == {1}  # near the gorge's two
    refused, unproven = truck.packets("refused"), truck.packets("never_heard_or_refused")
    assert refused | unproven == spare.ahead
    assert refused
    assert truck.found["totals"]["refused_by_reason"] == {"future": len(refused)}
    stored = truck.sent() - truck.packets("never_heard", "refused", "never_heard_or_refused")
    assert stored == heard - spare.ahead


def check_words(cast: Cast) -> None:
    """People get the same in a sentence and a strip."""
    said = " ".join(cast.call("truck", "complete", str(cast.truck_home)).split())
    assert said.startswith("demonstration is complete in the cloud")
    assert "with holes never heard (km " in said
    assert "with refused packets" in said
    assert "0 waiting" in said
