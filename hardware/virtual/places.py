"""Places of the road book where riders slow down or stop: feed zones and level crossings."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hardware.stage import Checkpoint
from hardware.virtual.ride import Event
from hardware.virtual.riders import Field
from hardware.virtual.state import State

Floats = NDArray[np.float64]

_ZONE_M = 250.0  # before and after the sign
_ZONE_MPS = (7.0, 9.5)
_CLOSED_ODDS = 0.3
_CLOSED_S = (35.0, 160.0)
_BARRIER_M = 4.0
_QUEUE_M = 0.45  # of road a waiting rider takes, four abreast
_BRAKE_MPS2 = 2.5
_STREAM = 6


class FeedZone:
    """Riders slow down to take a bag, and are done when they have passed."""

    def __init__(self, at_m: float, riders: int, draw: np.random.Generator) -> None:
        self.at_m = at_m
        low, high = _ZONE_MPS
        self._mps = low + (high - low) * draw.random(riders)
        self._seen = np.zeros(riders, np.bool_)
        self._first_s = -1.0
        self._last_s = -1.0

    def act(self, state: State, now_s: float) -> None:
        """Slow down whoever is in the zone."""
        inside = state.riding & (np.abs(state.distance_m - self.at_m) < _ZONE_M)
        rows = np.flatnonzero(inside)
        if len(rows) == 0:
            return
        state.slow_mps[rows] = self._mps[rows]
        state.slow_s[rows] = now_s + 1.5
        self._first_s = now_s if self._first_s < 0.0 else self._first_s
        self._last_s = now_s
        self._seen[rows] = True

    def event(self, field: Field) -> Event | None:
        """Who went through and when, None when nobody did."""
        if self._first_s < 0.0:
            return None
        bibs = tuple(int(bib) for bib in field.bibs[self._seen])
        share = len(bibs) / len(field)
        return Event("feed_zone", bibs, int(self._first_s), int(self._last_s), self.at_m, share, "")


class LevelCrossing:
    """Closed once, for a while, in front of some rider and whoever comes after him."""

    def __init__(self, at_m: float, riders: int, draw: np.random.Generator) -> None:
        self.at_m = at_m
        self._victim = int(draw.random() * riders)
        low, high = _CLOSED_S
        self._for_s = low + (high - low) * draw.random()
        # negative: has yet to close; in the past: stays open
        self._reopens_s = -1.0 if draw.random() < _CLOSED_ODDS else 0.0
        self._closed_s = 0.0
        self._held = np.zeros(riders, np.bool_)

    def act(self, state: State, now_s: float) -> None:
        """Close in front of the rider it is meant for; hold those who arrive until it opens."""
        left_m = self.at_m - state.distance_m
        if self._reopens_s < 0.0:
            if not 0.0 < left_m[self._victim] < 120.0:
                return
            self._closed_s, self._reopens_s = now_s, now_s + self._for_s
        if now_s >= self._reopens_s:
            return
        waiting = int(self._held.sum())
        braking_m = state.speed_mps * state.speed_mps / (2.0 * _BRAKE_MPS2)
        room_m = _BARRIER_M + _QUEUE_M * waiting
        arrive = state.riding & (left_m > 0.0) & (left_m < room_m + braking_m + state.speed_mps)
        rows = np.flatnonzero(arrive & ~self._held & (state.halted_s <= now_s))
        # nobody can stop on the rails: who is too near goes through
        rows = rows[left_m[rows] > braking_m[rows] * 0.6]
        rows = rows[np.argsort(left_m[rows], kind="stable")]
        turn = waiting + np.arange(len(rows))
        brake = _BRAKE_MPS2
        state.stop(rows, now_s, 0.0, brake, aside=False)
        state.halted_s[rows] = self._reopens_s + 1.0 + 0.05 * turn
        self._held[rows] = True

    def event(self, field: Field) -> Event | None:
        """Who had to wait and for how long, None when nobody had."""
        if not self._held.any():
            return None
        bibs = tuple(int(bib) for bib in field.bibs[self._held])
        share = len(bibs) / len(field)
        return Event(
            "level_crossing", bibs, int(self._closed_s), int(self._reopens_s), self.at_m, share
        )


class RoadBook:
    """All such places of a stage."""

    def __init__(self, checkpoints: Sequence[Checkpoint], riders: int, seed: int) -> None:
        draw = np.random.Generator(np.random.PCG64([seed, _STREAM]))
        self._places: list[FeedZone | LevelCrossing] = []
        for checkpoint in checkpoints:
            if checkpoint.kind.startswith("feed"):
                self._places.append(FeedZone(checkpoint.km * 1000.0, riders, draw))
            elif "crossing" in checkpoint.kind:
                self._places.append(LevelCrossing(checkpoint.km * 1000.0, riders, draw))

    def act(self, state: State, now_s: float) -> None:
        """One second at every place."""
        for place in self._places:
            place.act(state, now_s)

    def events(self, field: Field) -> list[Event]:
        """What happened at the places, after the ride."""
        found = [place.event(field) for place in self._places]
        return [event for event in found if event is not None]
