"""What each tracker rides on: a rider, a car, a roof; its clock, and the bib it is taken for."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.cars import Errand, drive
from hardware.virtual.faults import Faults
from hardware.virtual.ride import Event, Floats, Ride, Singles, Status
from hardware.virtual.road import Road

Flags = NDArray[np.bool_]

CLOCK_OFF_S = 3.0
ROOF_BIBS = 900  # spare bikes are numbered after their team's first rider
_SWITCHED_OFF_S = (240.0, 900.0)  # after the finish
_GIVEN_UP_S = (60.0, 600.0)  # after abandoning, where no car carries the tracker
_WARMED_UP_S = (120.0, 600.0)  # before a rider's own start against the clock
_LOADED_S = (15, 60)
_STANDS_WITHIN_S = 30
_RESTART_S = (8, 40)
_STALE_READINGS = (5, 30)
_AHEAD_SHARE = 0.4
_BIKE_CHANGES = ("mechanical", "crash")
_SENSORS = ("power_w", "heart_rate_bpm", "cadence_rpm")


@dataclass(frozen=True)
class Stale:
    """Seconds in which a tracker sends where it was yesterday, under today's or its own time."""

    column: int
    from_s: int
    to_s: int
    own_time: bool = False


@dataclass(frozen=True)
class Exchange:
    """Two trackers taken for each other until an operator notices."""

    columns: tuple[int, int]
    until_s: int | None


@dataclass(eq=False)
class Carried:
    """The trackers; arrays [seconds, trackers], the riders' own first in the ride's order.

    Attributes:
        bibs: what each reports as, before exchanges.
        on: switched on, so that it sends.
        in_car: of riders whose tracker has left them.
        clock_s: what each clock is ahead.
        sensors: power, heart rate and cadence, NaN where there is none.
    """

    bibs: NDArray[np.int32]
    distance_m: Floats
    right_m: Singles
    speed_mps: Singles
    sensors: dict[str, Singles]
    on: Flags
    in_car: Flags
    clock_s: Floats
    stale: list[Stale] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def carry(ride: Ride, road: Road, faults: Faults, draw: np.random.Generator) -> Carried:
    """Give every rider a tracker, and let the stage do to the trackers what it does."""
    count = len(ride.bibs)
    carried = Carried(
        bibs=ride.bibs.astype(np.int32),
        distance_m=ride.distance_m.copy(),
        right_m=ride.lateral_m.copy(),
        speed_mps=ride.speed_mps.copy(),
        sensors={name: getattr(ride, name).copy() for name in _SENSORS},
        on=_switched_on(ride, draw),
        in_car=np.zeros(ride.distance_m.shape, np.bool_),
        clock_s=np.zeros(count),
    )
    for sensor in carried.sensors.values():
        sensor[ride.status == Status.IN_CAR] = np.nan
    shares = (faults.power_share, faults.heart_rate_share, faults.cadence_share)
    for name, share in zip(_SENSORS, shares, strict=True):
        carried.sensors[name][:, draw.random(count) >= share] = np.nan
    _Day(ride, road, faults, draw, carried).run()
    carried.events.sort(key=lambda event: (event.from_s, event.kind, event.bibs))
    return carried


def _switched_on(ride: Ride, draw: np.random.Generator) -> Flags:
    """From before the start until some minutes after the finish, or after giving up for good."""
    seconds = np.arange(ride.seconds)[:, None]
    count = len(ride.bibs)
    ends = ride.status[-1]
    last_s = (ride.status == ends).argmax(axis=0)
    pauses_s = np.where(ends == Status.FINISHED, draw.uniform(*_SWITCHED_OFF_S, count),
                        draw.uniform(*_GIVEN_UP_S, count))  # fmt: skip
    over = (ends == Status.FINISHED) | (ends == Status.ABANDONED)
    to_s = np.where(over, last_s + pauses_s, ride.seconds)
    from_s = draw.uniform(0.0, 40.0, count)
    if ride.time_trial:
        from_s = ride.departs_s - draw.uniform(*_WARMED_UP_S, count)
    return np.asarray((seconds >= from_s) & (seconds < to_s))


class _Day:
    """The faults of one stage, one after another; no rider is hit by two of them."""

    def __init__(
        self, ride: Ride, road: Road, faults: Faults, draw: np.random.Generator, carried: Carried
    ) -> None:
        self._ride, self._road, self._faults = ride, road, faults
        self._draw, self._carried = draw, carried
        self._left = draw.permutation(len(ride.bibs)).tolist()
        on_road = np.isin(ride.status, (Status.RACING, Status.STOPPED))
        self._first_s = on_road.argmax(axis=0)
        self._last_s = ride.seconds - 1 - on_road[::-1].argmax(axis=0)

    def run(self) -> None:
        self._put_in_cars()
        self._leave_trackers()
        for column in self._some(self._faults.dead):
            self._kill(column, int(self._draw.uniform(*self._stage_s(column))), "its battery died")
        for column in self._some(self._faults.clocks):
            self._set_clock(column)
        for k in range(self._faults.wrong_pairs):
            self._exchange(k)
        for column in self._some(self._faults.stale):
            self._send_stale(column)
        for column in self._some(self._faults.yesterday):
            at_s = int(self._carried.on[:, column].argmax())
            to_s = at_s + self._stale_s()
            self._stale(Stale(column, at_s, to_s, own_time=True), "kept from yesterday")
        self._put_on_roofs()

    def _some(self, count: int) -> list[int]:
        taken, self._left = self._left[:count], self._left[count:]
        return [int(column) for column in taken]

    def _stage_s(self, column: int) -> tuple[int, int]:
        """The part of a rider's race in which things happen to his tracker."""
        first, last = int(self._first_s[column]), int(self._last_s[column])
        return first + (last - first) // 10, last - (last - first) // 10

    def _say(self, kind: str, columns: list[int], from_s: int, to_s: int | None, note: str,
             severity: float = 1.0) -> None:  # fmt: skip
        distance_m = float(self._carried.distance_m[from_s, columns[0]])
        bibs = tuple(int(self._carried.bibs[column]) for column in columns)
        event = Event(kind, bibs, from_s, to_s, round(distance_m, 1), severity, note)
        self._carried.events.append(event)

    def _change_bikes(self, count: int) -> list[tuple[int, int]]:
        """Riders who ride on after a crash or with more than a puncture, and from when."""
        events = [e for e in self._ride.events if e.kind in _BIKE_CHANGES and e.note != "puncture"]
        changed: list[tuple[int, int]] = []
        for k in self._draw.permutation(len(events)).tolist():
            for column in np.flatnonzero(np.isin(self._ride.bibs, events[k].bibs)).tolist():
                off_s = self._rides_off_s(column, events[k].from_s)
                if len(changed) < count and column in self._left and off_s is not None:
                    self._left.remove(column)
                    changed.append((column, off_s))
        return changed

    def _rides_off_s(self, column: int, from_s: int) -> int | None:
        """When a rider who comes to stand is riding again."""
        status = self._ride.status[from_s:, column]
        stands = np.flatnonzero(status == Status.STOPPED)
        if len(stands) == 0 or stands[0] > _STANDS_WITHIN_S:
            return None
        rides = np.flatnonzero(status[stands[0] :] == Status.RACING)
        return None if len(rides) == 0 else from_s + int(stands[0]) + int(rides[0])

    def _put_in_cars(self) -> None:
        """Trackers left on bikes that were changed; the world drives those who abandoned."""
        boarded = self._change_bikes(self._faults.swaps)
        if not boarded:
            return
        errands = [
            Errand(
                at_s + int(self._draw.integers(*_LOADED_S)),
                float(self._ride.distance_m[at_s, column]),
                bool(self._draw.random() < _AHEAD_SHARE),
                column,
            )
            for column, at_s in boarded
        ]
        driven = drive(self._ride, self._road, errands, self._draw)
        carried = self._carried
        for k, (column, at_s) in enumerate(boarded):
            carried.distance_m[at_s:, column] = driven.distance_m[at_s:, k]
            carried.right_m[at_s:, column] = driven.right_m[at_s:, k]
            carried.speed_mps[at_s:, column] = driven.speed_mps[at_s:, k]
            carried.in_car[at_s:, column] = True
            carried.on[at_s:, column] = True
            for sensor in carried.sensors.values():
                sensor[at_s:, column] = np.nan
            self._say(
                "in_car", [column], at_s, None, "bike changed, the tracker left on the old one"
            )

    def _leave_trackers(self) -> None:
        for column, at_s in self._change_bikes(self._faults.swaps_silent):
            self._kill(column, at_s, "bike changed for one without a tracker")

    def _kill(self, column: int, at_s: int, note: str) -> None:
        self._carried.on[at_s:, column] = False
        self._say("tracker_dead", [column], at_s, None, note)

    def _set_clock(self, column: int) -> None:
        off_s = CLOCK_OFF_S if self._draw.random() < 0.5 else -CLOCK_OFF_S
        self._carried.clock_s[column] = off_s
        self._say("clock_offset", [column], 0, None, f"clock {off_s:+.0f} s off", off_s)

    def _exchange(self, k: int) -> None:
        pair = self._some(2)
        if len(pair) < 2:
            return
        until_s = None
        if self._draw.random() < self._faults.corrected_share:
            until_s = int(self._draw.uniform(*self._stage_s(pair[0])))
        self._carried.exchanges.append(Exchange((pair[0], pair[1]), until_s))
        note = "bibs exchanged" + ("" if until_s is None else " until an operator corrects it")
        self._say("wrong_binding", pair, 0, until_s, note)

    def _send_stale(self, column: int) -> None:
        """At power-on, or after a restart in mid-race."""
        at_s, why = int(self._carried.on[:, column].argmax()), "at power-on"
        if self._draw.random() < 0.5:
            off_s = int(self._draw.uniform(*self._stage_s(column)))
            back_s = off_s + int(self._draw.integers(*_RESTART_S))
            at_s, why = min(back_s, self._ride.seconds - 1), "after a restart"
            self._carried.on[off_s:at_s, column] = False
        to_s = at_s + self._stale_s()
        self._stale(Stale(column, at_s, to_s), f"{why}, under today's time")

    def _stale_s(self) -> int:
        return int(self._draw.integers(*_STALE_READINGS)) * self._faults.every_s

    def _stale(self, stale: Stale, why: str) -> None:
        self._carried.stale.append(stale)
        note = f"yesterday's finish, {why}"
        to_s = min(stale.to_s, self._ride.seconds - 1)
        self._say("stale_fixes", [stale.column], stale.from_s, to_s, note)

    def _put_on_roofs(self) -> None:
        """Spare bikes' trackers, under numbers nobody wears or under a rider's own."""
        own = self._some(self._faults.doubles_on_roofs)
        others = self._draw.permutation(len(self._ride.bibs))[: self._faults.roofs].tolist()
        columns = [*own, *others]
        if not columns:
            return
        errands = [Errand(0, None, False, column) for column in columns]
        driven = drive(self._ride, self._road, errands, self._draw)
        carried = self._carried
        riders = self._ride.bibs[columns].astype(np.int32)
        spare = np.arange(len(columns)) >= len(own)
        carried.bibs = np.append(carried.bibs, np.where(spare, riders + ROOF_BIBS, riders))
        carried.distance_m = np.hstack([carried.distance_m, driven.distance_m])
        carried.right_m = np.hstack([carried.right_m, driven.right_m])
        carried.speed_mps = np.hstack([carried.speed_mps, driven.speed_mps])
        nothing = np.full(driven.speed_mps.shape, np.nan, np.float32)
        carried.sensors = {
            name: np.hstack([values, nothing]) for name, values in carried.sensors.items()
        }
        carried.on = np.hstack([carried.on, np.ones(nothing.shape, np.bool_)])
        carried.clock_s = np.append(carried.clock_s, np.zeros(len(columns)))
        first = len(self._ride.bibs)
        for k in range(len(columns)):
            note = "spare bike on a car" + ("" if spare[k] else ", under the bib of its rider")
            self._say("spare_on_roof", [first + k], 0, None, note)
