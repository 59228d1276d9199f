"""The custody loop: take, judge, journal, acknowledge; nothing else may slow or stop it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware import topics
from hardware.errors import Misconfigured, Reason
from hardware.keys import Credentials
from truck.alarms import Alarms
from truck.broker import MESSAGE_BYTES_MAX
from truck.handover import Handed, Handover
from truck.intake import Arrival, Intake
from truck.journal import Journal, Record
from truck.opening import read_roster
from truck.pipeline import Pipeline
from truck.segment import Kind
from truck.tick import Tick

_ROSTER_LOOK_TICKS = 10
_RETRY_S = 1.0


@dataclass
class RelayHeard:
    """What has come from one relay since the start: bundles by lane, the last one's time.

    `forked` are those under a number that other bytes had: somebody else holds the relay's key.
    `forwarded` are ticks in which another relay handed its bundles on.
    """

    last_us: int
    live: int = 0
    backfill: int = 0
    forked: int = 0
    forwarded: int = 0


class Custody:
    """One turn a tick. What the journal cannot take now stays with the broker and the relays."""

    def __init__(
        self,
        journal: Journal,
        pipeline: Pipeline,
        intake: Intake,
        handover: Handover,
        alarms: Alarms,
        now_us: Callable[[], int],
        free_bytes_min: int,
    ) -> None:
        self._journal, self._pipeline, self._intake = journal, pipeline, intake
        self._handover, self._alarms, self._now_us = handover, alarms, now_us
        self._free_bytes_min = free_bytes_min
        self._held: list[Arrival] = []
        self._relays: dict[str, RelayHeard] = {}
        self.turns = 0
        """How often it has turned: what does not grow any more hangs."""
        self._roster_mtime_ns = 0
        in_force = journal.last(Kind.ROSTER)
        if in_force is not None:
            self._tell_roster(in_force.payload)

    @property
    def relays(self) -> dict[str, RelayHeard | None]:
        """By name every relay of the roster; None where nothing has come yet."""
        return {r.name: self._relays.get(r.name) for r in self._pipeline.roster.relays}

    def relay_rows(self, now_us: int, wall_s: Callable[[float], float]) -> list[dict[str, Any]]:
        """Each relay as the status shows it; `wall_s` turns the clock's seconds into real ones."""
        return [
            {
                "name": name,
                "last_heard_age_s": None
                if heard is None
                else round(wall_s((now_us - heard.last_us) / 1e6), 1),
                "bundles": heard.live + heard.backfill if heard else 0,
                "backfill": heard.backfill if heard else 0,
                "forked": heard.forked if heard else 0,
                "forwarded": heard.forwarded if heard else 0,
            }
            for name, heard in sorted(self.relays.items())
        ]

    def turn(self, wait_s: float) -> float:
        """Judge what has arrived; returns how long to pause before the next turn, seconds."""
        self.turns += 1
        if not self._has_room():
            return _RETRY_S
        if not self._held:
            self._held = self._intake.take(wait_s)
        if not self._held:
            return 0.0
        tick = self._pipeline.accept([a.message for a in self._held], self._now_us())
        record = self._journal.next_record - 1
        if not tick.is_empty():
            payload = tick.encode()
            try:
                record = self._journal.append(Kind.TICK, payload)
                self._journal.sync()
            except OSError as error:
                self._tell(error)
                return _RETRY_S
            self._alarms.clear("journal")
            self._pipeline.commit(tick)
        self._intake.acknowledge(self._held, tick, record)
        self._look_at_clock(tick)
        self._count(self._held, {b.relay for b in (*tick.bundles, *tick.resent)}, tick.at_us)
        for relay in {b.relay for b in (*tick.bundles, *tick.resent)} & set(tick.ways):
            handed_on = self._relays.setdefault(relay, RelayHeard(tick.at_us))
            handed_on.last_us = tick.at_us
            handed_on.forwarded += 1
        self._look_at_forks(tick)
        self._held = []
        if not tick.is_empty():
            self._handover.give(Handed(Record(record, Kind.TICK, payload), tick, self._now_us()))
        return 0.0

    def _count(self, arrivals: list[Arrival], proven: set[str], at_us: int) -> None:
        for topic in (arrival.message.topic for arrival in arrivals):
            for relay in proven & {topic.rpartition("/")[2]}:
                heard = self._relays.setdefault(relay, RelayHeard(at_us))
                heard.last_us = at_us
                if topic == topics.live(relay):
                    heard.live += 1
                else:
                    heard.backfill += 1

    def look_for_roster(self, credentials: Credentials) -> None:
        """Take up a newer roster file, now and then; a wrong one is an alarm, never a stop."""
        if self.turns % _ROSTER_LOOK_TICKS:
            return
        mtime_ns = _mtime_ns(credentials.folder / "roster.json")
        if mtime_ns in (0, self._roster_mtime_ns):
            return
        self._roster_mtime_ns = mtime_ns
        try:
            signed, roster = read_roster(credentials, self._pipeline.roster)
        except Misconfigured as error:
            self._alarms.set("roster", str(error), "The roster in force stays so until then.")
            return
        self._alarms.clear("roster")
        if roster == self._pipeline.roster:
            return
        self._alarms.clear("relay-key")
        try:
            record = self._journal.append(Kind.ROSTER, signed)
            self._journal.sync()
        except OSError as error:
            self._tell(error)
            self._roster_mtime_ns = 0
            return
        self._pipeline.use_roster(roster)
        self._tell_roster(signed)
        self._handover.give(Handed(Record(record, Kind.ROSTER, signed), None, self._now_us()))

    def _tell_roster(self, signed: bytes) -> None:
        """Give the roster in force to the relays, by the broker."""
        if len(signed) > MESSAGE_BYTES_MAX - len(topics.ROSTER):
            self._alarms.set(
                "roster-size", f"the roster is {len(signed)} bytes, too many for the broker",
                "Lay it into each relay's credentials folder by hand.",
            )  # fmt: skip
            return
        self._alarms.clear("roster-size")
        self._intake.publish_roster(signed)

    def _has_room(self) -> bool:
        free = shutil.disk_usage(self._journal.folder).free
        if free >= self._free_bytes_min:
            self._alarms.clear("disk")
            return True
        self._alarms.set(
            "disk",
            f"only {free >> 20} MiB are free: the truck takes no packets, the relays keep them",
            f"Free space on the disk of {self._journal.folder}.",
        )
        return False

    def _look_at_clock(self, tick: Tick) -> None:
        """One bike's clock may be wrong; when most packets come from the future, ours is."""
        ahead = sum(n for (reason, _), n in tick.refused.items() if reason == Reason.FUTURE)
        if ahead > len(tick.packets):
            self._alarms.set(
                "clock", f"{ahead} of the last packets are from the future and were refused",
                "Set the truck's clock: what is refused is not stored.",
            )  # fmt: skip
        elif tick.packets:
            self._alarms.clear("clock")

    def _look_at_forks(self, tick: Tick) -> None:
        """Two bundles under one number are two senders with one key; both were judged and kept."""
        for relay, boot, number, _ in tick.forked:
            self._relays[relay].forked += 1
            self._alarms.set(
                "relay-key",
                f"relay {relay} sent bundle {number} of boot {boot} twice and not alike: "
                "somebody else has its key",
                f"Revoke {relay} in the roster and give it a new key; nothing of it was lost.",
            )

    def _tell(self, error: OSError) -> None:
        self._alarms.set(
            "journal",
            f"the journal cannot be written ({error.strerror or error}); relays keep the packets",
            f"Check the disk of {self._journal.folder}; the truck tries again every second.",
        )


def _mtime_ns(path: Path) -> int:
    """0 where there is no such file: the key stick may be out."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
