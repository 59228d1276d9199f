"""Custody: what is acknowledged is in the journal, once, whatever the disk did meanwhile."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from paho.mqtt.client import MQTTMessage
from small_event import NOW_S
from truck_home import SmallTruck

from truck.alarms import Alarms
from truck.broker import Listener
from truck.custody import Custody
from truck.handover import Handover
from truck.intake import Intake
from truck.opening import begin, open_journal, remember
from truck.pipeline import Message
from truck.segment import Kind
from truck.stretch import Stretch, decode_stretch

NOW_US = round(NOW_S * 1e6)


class Desk:
    """Custody over a real journal; messages are laid before it without a broker."""

    def __init__(self, folder: Path, free_bytes_min: int = 0) -> None:
        self.truck = SmallTruck(folder)
        opened = self.truck.open()
        begin(opened, self.truck.config, self.truck.event.truck)
        self.truck.close(opened)
        self.journal = open_journal(self.truck.home, self.truck.config, self.truck.keys, 0)
        event = self.truck.event
        self.intake = Intake(
            Listener("127.0.0.1", 1, tls=False), event.truck, event.roster.event_id,
            self.truck.keys.signing, lambda: NOW_US,
        )  # fmt: skip
        self.acknowledged: list[int] = []
        self.handover, self.alarms = Handover(self.journal.next_record), Alarms()
        self.custody = Custody(
            self.journal, event.pipeline(), self.intake, self.handover, self.alarms,
            lambda: NOW_US, free_bytes_min,
        )  # fmt: skip

    def lay(self, message: Message) -> None:
        arrived = MQTTMessage(1, message.topic.encode())
        arrived.payload, arrived.qos = message.payload, 1
        self.intake._on_message(self.intake._client, None, arrived)

    def ticks(self) -> list[Stretch]:
        return [decode_stretch([r]) for r in self.journal.read() if r.kind == Kind.TICK]

    def packets(self) -> list[bytes]:
        return [raw for tick in self.ticks() for raw in tick.packets]

    def alarm_names(self) -> list[str]:
        return [row["name"] for row in self.alarms.rows()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_failing_disk_is_told_and_every_packet_is_kept_once(
    desk: Desk, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [desk.truck.event.packet(1, seq) for seq in range(6)]
    real: Callable[..., object] = getattr(os, call)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for seq, raw in enumerate(sent):
        desk.lay(desk.truck.event.message(raw, b"junk"))
        if seq in (2, 3):
            monkeypatch.setattr(os, call, fail)
            end = desk.handover.end
            for _ in range(3):
                assert desk.custody.turn(0.0) > 0
            assert desk.alarm_names() == ["journal"]
            assert desk.handover.end == end
            monkeypatch.setattr(os, call, real)
        assert desk.custody.turn(0.0) == 0.0
        assert desk.alarm_names() == []
    assert desk.packets() == sent
    assert sum(row[-1] for tick in desk.ticks() for row in tick.refused) == len(sent)
    desk.journal.close()
    again = open_journal(desk.truck.home, desk.truck.config, desk.truck.keys, desk.handover.end)
    assert again.next_record == desk.handover.end


def test_where_too_little_is_free_messages_stay_with_the_broker(tmp_path: Path) -> None:
    desk = Desk(tmp_path, free_bytes_min=1 << 60)
    desk.lay(desk.truck.event.message(desk.truck.event.packet()))
    assert desk.custody.turn(0.0) > 0
    assert desk.alarm_names() == ["disk"]
    assert desk.packets() == []
    assert len(desk.intake.take(0.0)) == 1


def test_when_most_packets_are_from_the_future_the_trucks_clock_is_the_suspect(
    desk: Desk,
) -> None:
    event = desk.truck.event
    ahead = [event.packet(device, 1, at_s=NOW_S + 60) for device in (1, 2)]
    desk.lay(event.message(*ahead, event.packet(3, 1)))
    desk.custody.turn(0.0)
    assert desk.alarm_names() == ["clock"]
    desk.lay(event.message(event.packet(1, 2), event.packet(2, 2), event.packet(3, 2)))
    desk.custody.turn(0.0)
    assert desk.alarm_names() == []


def test_two_bundles_under_one_number_are_both_kept_and_an_alarm_until_a_new_roster(
    desk: Desk,
) -> None:
    event = desk.truck.event
    sent = [event.packet(1, seq) for seq in (1, 2)]
    for raw in sent:
        desk.lay(event.message(raw, number=7))
        desk.custody.turn(0.0)
    assert desk.packets() == sent
    assert desk.alarm_names() == ["relay-key"]
    heard = desk.custody.relays["moto-1"]
    assert heard is not None
    assert (heard.live, heard.forked) == (2, 1)
    (event.truck.folder / "roster.json").write_bytes(event.signed(event.revoking(1)))
    for _ in range(10):
        desk.custody.turn(0.0)
        desk.custody.look_for_roster(event.truck)
    assert desk.alarm_names() == []


def test_a_roster_is_taken_up_while_the_truck_runs_and_a_wrong_one_is_an_alarm(
    desk: Desk,
) -> None:
    truck = desk.truck
    path = truck.event.truck.folder / "roster.json"

    def look() -> None:
        for _ in range(10):
            desk.custody.turn(0.0)
            desk.custody.look_for_roster(truck.event.truck)

    def judged(seq: int) -> list[bytes]:
        before = len(desk.packets())
        desk.lay(truck.event.message(truck.event.packet(1, seq)))
        desk.custody.turn(0.0)
        return desk.packets()[before:]

    older = path.read_bytes()
    look()
    assert len(judged(1)) == 1
    path.write_bytes(truck.event.signed(truck.event.revoking(1)))
    look()
    assert judged(2) == []
    for wrong, seq in ((b"{", 3), (older, 4)):
        path.write_bytes(wrong)
        look()
        assert desk.alarm_names() == ["roster"]
        assert judged(seq) == []
    path.unlink()
    look()
    assert desk.journal.last(Kind.ROSTER) is not None
    assert [r.kind for r in desk.journal.read()].count(Kind.ROSTER) == 2


def test_a_clock_that_was_ahead_at_a_restart_makes_no_packet_new(tmp_path: Path) -> None:
    truck = SmallTruck(tmp_path)
    truck.close(truck.ride(3))
    opened = truck.open()
    pipeline = truck.event.pipeline()
    remember(pipeline, opened.store, NOW_US + 10 * 86_400_000_000)
    again = truck.event.packet(1, 1, at_s=NOW_S + 1)
    tick = pipeline.accept([truck.event.message(again)], NOW_US + 5_000_000)
    assert tick.packets == []
    truck.close(opened)
