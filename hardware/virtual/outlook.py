"""What race radio says: where the groups are, how far apart, and which of them is the peloton."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.bunch import Bunch
from hardware.virtual.riders import Field
from hardware.virtual.road import Road
from hardware.virtual.state import State

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_FAVOURITES = 12
_HILL = 0.03
_HILL_M = 300.0


@dataclass(frozen=True, eq=False)
class Outlook:
    """The groups of a moment, columns by group from the front.

    Attributes:
        now_s: seconds since the ride's start.
        bunch: the groups.
        main: number of the peloton, the group with most favourites.
        at_m: place of each leader.
        to_go_m: from there to the line.
        gap_s: behind the first rider of the race, at the same point.
        uphill: whether the road climbs where the leader is and goes on climbing.
    """

    now_s: float
    bunch: Bunch
    main: int
    at_m: Floats
    to_go_m: Floats
    gap_s: Floats
    uphill: Bools

    @property
    def peloton(self) -> Ints:
        """Riders of the peloton, front first."""
        return self.bunch.members(self.main)


class RaceRadio:
    """Keeps the time at which the race's first rider passed each place."""

    def __init__(self, field: Field, road: Road) -> None:
        self.road = road
        self.favourite = np.zeros(len(field), np.bool_)
        order = np.argsort(field.gc_gap_s - 60.0 * field.climber, kind="stable")
        self.favourite[order[:_FAVOURITES]] = True
        self._passed_s = np.zeros(len(road.gradient))
        self._reached = 0

    def hear(self, state: State, bunch: Bunch, now_s: float) -> None:
        """Note how far the race's first rider has come."""
        if len(bunch.rows):
            row = int(self.road.index(state.distance_m[bunch.rows[:1]])[0])
            self._passed_s[self._reached : row + 1] = now_s
            self._reached = max(self._reached, row + 1)

    def outlook(self, state: State, bunch: Bunch, now_s: float) -> Outlook:
        """The moment's groups; `bunch` must not be empty."""
        at_m = state.distance_m[bunch.leader]
        row = self.road.index(at_m)
        steep = self.road.gradient[row]
        ahead = self.road.gradient[self.road.index(at_m + _HILL_M)]
        count = np.bincount(bunch.group[self.favourite[bunch.rows]], minlength=len(bunch.first))
        return Outlook(
            now_s=now_s,
            bunch=bunch,
            main=int(np.argmax(count * 1000 + bunch.size)),
            at_m=at_m,
            to_go_m=self.road.length_m - at_m,
            gap_s=now_s - self._passed_s[np.minimum(row, max(self._reached - 1, 0))],
            uphill=(steep > _HILL) & (ahead > _HILL),
        )
