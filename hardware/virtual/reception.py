"""What of the trackers' readings gets to the truck, and when: holes, back-fill, delays, doubles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.devices import Carried
from hardware.virtual.faults import Faults
from hardware.virtual.ride import Event, Ride

Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

_HOLE_S = (20, 60)
_MINUTE_HOLE_S = 30
_REACH_S = (20.0, 900.0)  # most short: the logarithm is uniform
_REACH_RIDERS = 3
_STRETCH_M = (1_000.0, 8_000.0)
_BURST_S = 3.0  # readings are lost a few at a time
_DELAY_S = (0.5, 2.5)
_STRAGGLES_S = (3.0, 15.0)
_FILLED_AFTER_S = (1.0, 20.0)
_FILLED_PER_S = 0.05  # a relay back in reach sends twenty seconds of what it kept in one
_AGAIN_S = (0.02, 1.5)


@dataclass(eq=False)
class Reception:
    """Arrays [seconds, trackers].

    Attributes:
        heard: whether a reading of this second gets to the truck at all.
        late_s: beyond the usual delay.
    """

    heard: Flags
    late_s: NDArray[np.float32]
    events: list[Event]


def receive(ride: Ride, carried: Carried, faults: Faults, draw: np.random.Generator) -> Reception:
    """Decide for every tracker and second whether, and how late, it is heard."""
    shape = carried.on.shape
    reception = Reception(carried.on.copy(), np.zeros(shape, np.float32), [])
    air = _Air(ride, carried, draw, reception)
    for _ in range(faults.rider_gaps):
        air.lose_riders(draw.random() < faults.filled_share)
    for _ in range(faults.stretch_gaps):
        air.lose_stretch(draw.random() < faults.filled_share)
    _lose_bursts(reception.heard, faults.lost_share, draw)
    straggling = draw.random(shape, np.float32) < faults.straggling_share
    reception.late_s[straggling] += draw.uniform(*_STRAGGLES_S, int(straggling.sum()))
    air.lose_feed(faults.holes, faults.hole_every_minute)
    reception.events.sort(key=lambda event: (event.from_s, event.kind, event.bibs))
    return reception


def delays_s(late_s: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float64]:
    """From measuring to hearing, of rows with their lateness; mostly near the short end."""
    low, high = _DELAY_S
    share = draw.random(len(late_s), np.float32).astype(np.float64)
    return low + (high - low) * share * share + late_s


def heard_again(
    rows: int, share: float, draw: np.random.Generator
) -> tuple[Ints, NDArray[np.float64]]:
    """Which rows are heard twice, and how much later."""  # fmt: skip
    twice = np.flatnonzero(draw.random(rows, np.float32) < share)
    return twice, draw.uniform(*_AGAIN_S, len(twice))


class _Air:
    """Marks what is not heard, and says so in an event."""

    def __init__(
        self, ride: Ride, carried: Carried, draw: np.random.Generator, reception: Reception
    ) -> None:
        self._ride, self._carried, self._draw, self._reception = ride, carried, draw, reception

    def _when(self) -> tuple[int, int]:
        lasts_s = int(_REACH_S[0] * (_REACH_S[1] / _REACH_S[0]) ** self._draw.random())
        from_s = int(self._draw.integers(0, max(1, self._ride.seconds - 60)))
        return from_s, min(from_s + lasts_s, self._ride.seconds - 1)

    def lose_riders(self, filled: bool) -> None:
        """One to three riders, wherever they are."""
        from_s, to_s = self._when()
        riders = int(self._draw.integers(1, _REACH_RIDERS + 1))
        columns = self._draw.permutation(len(self._ride.bibs))[:riders]
        gone = np.zeros((to_s - from_s + 1, self._carried.on.shape[1]), np.bool_)
        gone[:, columns] = True
        self._lose(from_s, to_s, gone, filled)

    def lose_stretch(self, filled: bool) -> None:
        """Everybody on some kilometres of the road."""
        from_s, to_s = self._when()
        one = int(self._draw.integers(0, len(self._ride.bibs)))
        long_m = self._draw.uniform(*_STRETCH_M)
        first_m = self._ride.distance_m[from_s, one] + self._draw.uniform(-0.5, 1.0) * long_m
        at_m = self._carried.distance_m[from_s : to_s + 1]
        self._lose(from_s, to_s, (at_m >= first_m) & (at_m < first_m + long_m), filled)

    def _lose(self, from_s: int, to_s: int, gone: Flags, filled: bool) -> None:
        """Take away the seconds `gone`; what relays kept comes newest first when they are back."""
        gone &= self._carried.on[from_s : to_s + 1]
        columns = np.flatnonzero(gone.any(axis=0))
        if len(columns) == 0:
            return
        if filled:
            after_s = to_s - np.arange(from_s, to_s + 1)[:, None]
            pause_s = self._draw.uniform(*_FILLED_AFTER_S)
            late_s = after_s * (1.0 + _FILLED_PER_S) + pause_s
            late = self._reception.late_s[from_s : to_s + 1]
            np.maximum(late, np.where(gone, late_s, 0.0), out=late, casting="same_kind")
        else:
            self._reception.heard[from_s : to_s + 1][gone] = False
        self._say("out_of_reach", columns, from_s, to_s, "back-filled" if filled else "lost")

    def lose_feed(self, holes: int, every_minute: bool) -> None:
        """Nothing of anybody."""
        last_s = self._ride.seconds - 1
        spans = []
        if every_minute:
            first_s = int(self._draw.integers(0, 60))
            starts = range(first_s, self._ride.seconds, 60)
            spans += [(at_s, at_s + _MINUTE_HOLE_S - 1) for at_s in starts]
        for _ in range(holes):
            at_s = int(self._draw.integers(0, max(1, last_s)))
            spans.append((at_s, at_s + int(self._draw.integers(*_HOLE_S))))
        for from_s, to_s in spans:
            self._reception.heard[from_s : to_s + 1] = False
            self._say("feed_hole", np.zeros(0, np.int64), from_s, min(to_s, last_s), "lost")

    def _say(self, kind: str, columns: Ints, from_s: int, to_s: int, note: str) -> None:
        bibs = tuple(sorted(set(self._carried.bibs[columns].tolist())))
        distance_m = float(self._ride.distance_m[from_s].max())
        if len(columns):
            distance_m = float(self._carried.distance_m[from_s, columns].max())
        share = len(columns) / self._carried.on.shape[1] if bibs else 1.0
        event = Event(kind, bibs, from_s, to_s, round(distance_m, 1), round(share, 3), note)
        self._reception.events.append(event)


def _lose_bursts(heard: Flags, share: float, draw: np.random.Generator) -> None:
    """Single trackers lose a few seconds now and then."""
    seconds, trackers = heard.shape
    count = int(draw.poisson(share / _BURST_S * heard.size))
    columns = draw.integers(0, trackers, count)
    from_s = draw.integers(0, seconds, count)
    # geometric, from uniform numbers: another machine's logarithm must not matter
    lasts = 1 + np.floor(draw.random(count) * (2.0 * _BURST_S - 1.0)).astype(np.int64)
    for k in range(int(lasts.max(initial=0))):
        rows = from_s + k
        inside = (lasts > k) & (rows < seconds)
        heard[rows[inside], columns[inside]] = False
