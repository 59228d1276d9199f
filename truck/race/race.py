"""The race as a fold over readings: live state, frames of it, and snapshots."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware.errors import Damaged
from hardware.stage import Stage
from truck.race.course import Course, Floats
from truck.race.finish import latch_finish
from truck.race.fixes import Fixes
from truck.race.frame import Frame, make_frame
from truck.race.incidents import Change, judge, open_incidents
from truck.race.look import Look, Memory, look, new_memory
from truck.race.overrides import overruled
from truck.race.passages import known_way, record_passages
from truck.race.passes import Ints
from truck.race.progress import LATE, UNPLACED, Progress
from truck.race.readings import Readings
from truck.race.riders import NEVER_US, new_riders
from truck.race.rulings import Ruling, Rulings
from truck.race.snapshot import decode_snapshot, encode_snapshot
from truck.race.speed import follow_speed, follow_way
from truck.race.strays import is_foreign
from truck.race.turns import turns_of
from truck.race.winds import Winds

_SECOND_US = 1_000_000
_FIELD_US = 120_000_000  # whose places say where the race is
_AROUND_M = 25.0
_LOOKS_US = 120_000_000  # after so long without a reading nothing more is worked out by seconds


class Placed(NamedTuple):
    """Where readings lie on the course, NaN where unknown; `quality` as in `QUALITIES`."""

    distance_m: Floats
    to_go_m: Floats
    lateral_m: Floats
    gradient_pct: Floats
    lap: NDArray[np.int16]
    quality: NDArray[np.int8]


class Race:
    """One stage's live state.

    Readings fold in by seconds of `measured_at`, so the same readings give the same state however
    they were cut into ticks, as long as they come in that order; older ones are placed as late
    and change nothing. Many ticks may be taken in at once, each row with its tick.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.course = Course(stage)
        self._winds = Winds(stage.weather, self.course)
        start_us = None if stage.start_at_s is None else round(stage.start_at_s * 1e6)
        self._begun_us = start_us
        self._progress = Progress(self.course, start_us)
        self._names = {starter.bib: (starter.name, starter.team) for starter in stage.startlist}
        self._never_started = {starter.bib for starter in stage.startlist if starter.status}
        self._rulings = Rulings()
        self._riders = new_riders(np.array(list(self._names), np.int32))
        self._memory = new_memory(len(self._names))
        self._index_rows()
        self._field_m = np.nan
        self._field_us = NEVER_US
        self._ahead: Ahead | None = None
        self._changes: list[tuple[int, Change]] = []

    def advance(self, readings: Readings, tick: Ints | None = None) -> Placed:
        """Take readings in and place each of them.

        Args:
            readings: columns in any order; bib 0 and impossible coordinates stay unplaced.
            tick: which tick each row came in, ascending; None says all came in one.

        Returns:
            Columns for exactly these rows, in their order.
        """
        count = len(readings.bib)
        distance_m, lateral_m = np.full(count, np.nan), np.full(count, np.nan)
        quality = np.full(count, UNPLACED, np.int8)
        usable = (
            (readings.bib > 0)
            & (np.abs(readings.latitude_deg) <= 90.0)
            & (np.abs(readings.longitude_deg) <= 180.0)
        )
        index = np.flatnonzero(usable)
        came = np.zeros(count, np.int64) if tick is None else tick
        order = np.lexsort(
            (index, readings.bib[index], readings.measured_at_us[index], came[index])
        )
        index = index[order]
        x_m, y_m = self.course.project(
            np.where(usable, readings.latitude_deg, np.nan),
            np.where(usable, readings.longitude_deg, np.nan),
        )
        row = self._rows_of(readings.bib[index])
        second = -(-readings.measured_at_us[index] // _SECOND_US)
        # what comes between two new seconds sees the same field, and riders do not see each other
        newest = np.maximum.accumulate(second)
        cuts = np.flatnonzero(newest[1:] != newest[:-1]) + 1
        for part in np.split(np.arange(len(index)), cuts):
            if len(part):
                first = part[0]
                self._close_seconds(int(second[first]) * _SECOND_US, int(came[index[first]]))
                self._ahead = None
            for turn in turns_of(row[part]):
                rows, which = row[part[turn]], index[part[turn]]
                at_us = readings.measured_at_us[which]
                late = at_us <= self._riders.seen_us[rows]
                live, old = which[~late], which[late]
                self._follow(rows[~late], readings.take(live), x_m[live], y_m[live])
                distance_m[live] = self._riders.distance_m[rows[~late]]
                lateral_m[live] = self._riders.lateral_m[rows[~late]]
                quality[live] = self._riders.quality[rows[~late]]
                # a fix said twice lies where it did
                again = at_us[late] == self._riders.seen_us[rows[late]]
                distance_m[old] = self._riders.distance_m[rows[late]]
                lateral_m[old] = self._riders.lateral_m[rows[late]]
                if not again.all():
                    rows, old = rows[late][~again], old[~again]
                    distance_m[old], lateral_m[old] = self._look_back(
                        rows, readings.measured_at_us[old], x_m[old], y_m[old]
                    )
                quality[which[late]] = LATE
        return Placed(
            distance_m,
            self.course.length_m - distance_m,
            lateral_m,
            self.course.gradient_at(distance_m),
            self.course.lap_at(distance_m),
            quality,
        )

    def frame(self, at_us: int) -> Frame:
        """The race at an instant, microseconds since 1970 UTC; changes nothing."""
        ahead = self._looked(at_us)
        seen, memory = ahead.seen, ahead.memory
        if seen.scene.at_us < at_us:
            memory = memory.copy()
            seen = self._look(at_us, memory)
        shown, ruled = overruled(seen, self._rulings)
        open_now = open_incidents(memory.incidents, at_us)
        return make_frame(self.course, self._called, shown, ruled, ahead.changes, open_now)

    def rule(self, ruling: Ruling) -> None:
        """Take an operator's decision in; what was said of an incident is in `take_changes`."""
        self._ahead = None
        self._rulings.take(ruling)
        self._index_rows()
        if ruling.incident is not None:
            change = judge(self._memory.incidents, ruling.incident, ruling.kind, ruling.at_us)
            self._changes += [] if change is None else [(0, change)]

    def take_changes(self) -> list[tuple[int, Change]]:
        """What was newly said of incidents since the last call, each with its row's tick."""
        said, self._changes = self._changes, []
        return said

    def snapshot(self) -> bytes:
        """The live state as bytes that `restore` takes back exactly."""
        field_m = None if np.isnan(self._field_m) else float(self._field_m).hex()
        facts: dict[str, Any] = {
            "stage": self.stage.name,
            "field_m": field_m,
            "field_us": self._field_us,
            "begun_us": self._begun_us,
        }
        columns = self._riders.columns()
        for room, rows in self._memory.rooms().items():
            columns |= {f"{room}.{name}": column for name, column in rows.columns().items()}
        facts["rulings"] = self._rulings.facts()
        facts["rooms"] = {room: rows.facts for room, rows in self._memory.rooms().items()}
        return encode_snapshot(columns, facts)

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot as if nothing had happened.

        Raises:
            Damaged: when it is no snapshot of this stage; the state is then as before.
        """
        columns, facts = decode_snapshot(data)
        fresh = new_memory(0)
        known = {
            f"{room}.{name}" for room, rows in fresh.rooms().items() for name in rows.columns()
        } | self._riders.columns().keys()
        if facts.get("stage") != self.stage.name or columns.keys() != known:
            raise Damaged(f"the race snapshot is of another stage than {self.stage.name}")
        for name, column in columns.items():
            room, _, of_room = name.rpartition(".")
            setattr(fresh.rooms()[room] if room else self._riders, of_room, column)
        for room, rows in fresh.rooms().items():
            rows.facts = facts["rooms"][room]
        self._memory, self._ahead = fresh, None
        self._rulings = Rulings.of(facts["rulings"])
        self._field_m = np.nan if facts["field_m"] is None else float.fromhex(facts["field_m"])
        self._field_us = int(facts["field_us"])
        self._begun_us = facts["begun_us"]
        self._index_rows()

    def _follow(self, rows: Ints, fixes: Readings, x_m: Floats, y_m: Floats) -> None:
        """Fold one new fix of each of these riders into the live state."""
        if len(rows) == 0 or self._begun_us is None:
            return
        riders, at_us = self._riders, fixes.measured_at_us
        east_m, north_m = x_m - riders.x_m[rows], y_m - riders.y_m[rows]
        moved_m = np.hypot(east_m, north_m)
        foreign = is_foreign(riders, rows, at_us, x_m, y_m)
        sensed_mps = np.where(foreign, np.nan, fixes.speed_mps)
        follow_speed(riders, rows, at_us, sensed_mps, np.where(foreign, np.nan, moved_m))
        riders.seen_us[rows] = at_us
        riders.x_m[rows], riders.y_m[rows] = x_m, y_m
        riders.latitude_deg[rows] = fixes.latitude_deg
        riders.longitude_deg[rows] = fixes.longitude_deg
        riders.power_w[rows] = fixes.power_w
        riders.heart_rate_bpm[rows] = fixes.heart_rate_bpm
        riders.feels[rows] = np.isfinite(fixes.impact)
        riders.impact_us[rows[fixes.impact > 0]] = at_us[fixes.impact > 0]
        racing = riders.finished_us[rows] == NEVER_US
        rows, at_us = rows[racing], at_us[racing]
        from_m, from_us = riders.distance_m[rows], riders.placed_us[rows]
        places = x_m[racing], y_m[racing], foreign[racing]
        self._progress.follow(riders, Fixes(rows, at_us, *places, self._begun_us, self._field_m))
        latch_finish(riders, self.course.length_m, rows, from_m, from_us, at_us)
        to_m = riders.distance_m[rows]
        placed = np.isfinite(to_m) & (riders.placed_us[rows] == at_us)
        rows, at_us, from_m, from_us = rows[placed], at_us[placed], from_m[placed], from_us[placed]
        follow_way(riders, rows, at_us, at_us - from_us)
        record_passages(riders, rows, from_m, from_us, to_m[placed], at_us)

    def _look_back(
        self, rows: Ints, at_us: Ints, x_m: Floats, y_m: Floats
    ) -> tuple[Floats, Floats]:
        """Place late fixes between the places their riders are known to have been at."""
        count = len(rows)
        low_m, high_m, about_m = np.empty(count), np.empty(count), np.empty(count)
        for row in np.unique(rows).tolist():
            mine = rows == row
            low_m[mine], high_m[mine], about_m[mine] = known_way(self._riders, row, at_us[mine])
        never = np.isnan(high_m)
        high_m[never], about_m[never] = -np.inf, 0.0
        return self._progress.among(x_m, y_m, low_m - _AROUND_M, high_m + _AROUND_M, about_m)

    def _close_seconds(self, second_us: int, tick: int) -> None:
        """Before the first reading of a new second is taken in: look at the one that is over."""
        if second_us <= self._field_us:
            return
        riders = self._riders
        if self._begun_us is None:
            self._begun_us = second_us
        if self._field_us != NEVER_US:
            ahead = self._looked(second_us - _SECOND_US)
            self._changes += [(tick, change) for change in ahead.changes]
            self._memory = ahead.memory
            if ahead.seen.scene.at_us < second_us - _SECOND_US:
                self._look(second_us - _SECOND_US, self._memory)
        self._field_us = second_us
        recent = (riders.placed_us >= second_us - _FIELD_US) & (riders.finished_us == NEVER_US)
        self._field_m = float(np.median(riders.distance_m[recent])) if recent.any() else np.nan
        riders.field_m = np.where(recent, riders.distance_m, np.nan)

    def _looked(self, at_us: int) -> "Ahead":
        """Look at every second from the open one to an instant, for two minutes at most.

        In a hole of the feed each second is looked at in turn, so that a frame in it shows what
        the race will have gone through when the next reading comes.
        """
        until_us = min(at_us, self._field_us + _LOOKS_US)
        ahead = self._ahead
        if ahead is None or ahead.seen.scene.at_us > max(until_us, self._field_us):
            memory = self._memory.copy()
            seen = self._look(max(self._field_us, 0), memory)
            ahead = self._ahead = Ahead(seen, memory, list(seen.changes))
        while ahead.seen.scene.at_us + _SECOND_US <= until_us:
            ahead.seen = self._look(ahead.seen.scene.at_us + _SECOND_US, ahead.memory)
            ahead.changes += ahead.seen.changes
        return ahead

    def _look(self, at_us: int, memory: Memory) -> Look:
        return look(self.course, self.stage, self._winds, self._riders, memory, self._out, at_us)

    def _rows_of(self, bibs: NDArray[np.int32]) -> Ints:
        """Row of each reading's rider; riders seen for the first time get theirs."""
        known, rows = self._known
        at = np.searchsorted(known, bibs)
        strange = bibs[known[np.minimum(at, len(known) - 1)] != bibs] if len(known) else bibs
        if len(strange):
            unique, first = np.unique(strange, return_index=True)
            self._riders.add(unique[np.argsort(first, kind="stable")])
            self._memory.add(len(unique))
            if self._ahead is not None:
                self._ahead.memory.add(len(unique))
            self._index_rows()
            known, rows = self._known
            at = np.searchsorted(known, bibs)
        return rows[at]

    def _index_rows(self) -> None:
        """What follows from who is in the race, and asked for at each look."""
        bibs = self._riders.bib
        rows: Ints = np.argsort(bibs, kind="stable")
        self._known = bibs[rows], rows
        self._out = np.isin(bibs, sorted(self._never_started | self._rulings.abandoned_bibs))
        called = [self._names.get(bib, ("", "")) for bib in bibs.tolist()]
        self._called = np.array(called, object).reshape(-1, 2).T


@dataclass
class Ahead:
    """Seconds looked at since the last reading: no part of the race before another one comes.

    Attributes:
        seen: the last look.
        memory: after it.
        changes: what all of them say of incidents.
    """

    seen: Look
    memory: Memory
    changes: list[Change]
