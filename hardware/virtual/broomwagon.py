"""Riders who leave the race: they stand, give up, and most are driven on along the course."""

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.ride import Event, Status
from hardware.virtual.riders import Field
from hardware.virtual.road import Road
from hardware.virtual.state import State

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CAR_MPS = 12.5
_CAR_GAIN_MPS2 = 1.5
_CAR_ODDS = 0.7
_LOADING_S = (60.0, 300.0)
_PARKS_M = 300.0  # behind the line


class BroomWagon:
    """Who gives up when, and who is then in a car."""

    def __init__(self, field: Field, road: Road, draw: np.random.Generator) -> None:
        self._field = field
        self._road = road
        self._draw = draw
        self._gives_up_s = np.full(len(field), np.inf)
        self._boards_s = np.full(len(field), np.inf)

    def leave(self, state: State, rows: Ints, at_s: Floats) -> None:
        """Riders who stand now will not go on: they give up at `at_s`."""
        state.halted_s[rows] = np.inf
        self._gives_up_s[rows] = at_s
        low, high = _LOADING_S
        loaded_s = at_s + low + (high - low) * self._draw.random(len(rows))
        driven = self._draw.random(len(rows)) < _CAR_ODDS
        self._boards_s[rows] = np.where(driven, loaded_s, np.inf)

    def drive(self, state: State, now_s: float, log: list[Event]) -> None:
        """One second of those who have given up."""
        due = self._gives_up_s <= now_s
        if not due.any():
            return
        stopped = due & (state.status == Status.STOPPED)
        state.status[stopped] = Status.ABANDONED
        self._tell("abandoned", state, stopped, now_s, log)
        boards = (state.status == Status.ABANDONED) & (self._boards_s <= now_s)
        state.status[boards] = Status.IN_CAR
        self._tell("in_car", state, boards, now_s, log)
        rows = np.flatnonzero(state.status == Status.IN_CAR)
        limit_mps = self._road.limit_mps[self._road.index(state.distance_m[rows])]
        left_m = self._road.length_m + _PARKS_M - state.distance_m[rows]
        limit_mps = np.minimum(limit_mps, np.sqrt(2.0 * np.maximum(left_m, 0.0)))
        before = state.speed_mps[rows]
        after = np.minimum(np.minimum(before + _CAR_GAIN_MPS2, _CAR_MPS), limit_mps)
        state.distance_m[rows] += 0.5 * (before + after)
        state.speed_mps[rows] = after

    def _tell(
        self, kind: str, state: State, who: NDArray[np.bool_], now_s: float, log: list[Event]
    ) -> None:
        for row in np.flatnonzero(who).tolist():
            at_m = float(state.distance_m[row])
            log.append(Event(kind, (int(self._field.bibs[row]),), int(now_s), None, at_m, 1.0))
