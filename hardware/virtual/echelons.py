"""Crosswind: the field breaks into echelons.

Shelter lies aslant of the road, and the road is as wide as a dozen riders: the rest ride in the
gutter, with little shelter, and where the wind is strong somebody there loses a wheel.
"""

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.bunch import Bunch
from hardware.virtual.outlook import Outlook
from hardware.virtual.ride import Event
from hardware.virtual.riders import Field
from hardware.virtual.road import STEP_M, Road
from hardware.virtual.state import State
from hardware.virtual.tactics import Tactics

Floats = NDArray[np.float64]

_EVERY_S = 5.0
_WIDTH = 14  # riders abreast and aslant on six metres
_GUTTER = 0.06  # what the riders ahead still shelter in the gutter at full yaw
_YAW_NONE, _YAW_FULL = 0.15, 0.50  # crosswind over speed through the air: 9 and 27 degrees
_CROSS_MPS = 4.5  # at rider's height, on average over the road ahead
_AHEAD_M = 1_500.0
_MEAN_S = 60.0  # until somebody takes the chance
_SPLIT_SIZE = 30
_CUTS_MOST = 4
_LASTS_S = (150.0, 420.0)
_REST_S = 900.0
_LET_GO_S, _LET_GO_MPS = 25.0, 0.9  # how a wheel is lost
_SLOPE_MOST = 0.02
_LAST_M = 5_000.0


class Echelons:
    """Watches wind and road for the peloton and splits it."""

    def __init__(self, field: Field, road: Road, draw: np.random.Generator) -> None:
        self._field = field
        self._road = road
        self._draw = draw
        self._rests_until_s = 0.0

    def decide(
        self, state: State, outlook: Outlook, tactics: Tactics, cross_mps: Floats, log: list[Event]
    ) -> None:
        """Perhaps force echelons now; every `_EVERY_S` seconds.

        Args:
            state: changed where the field splits.
            outlook: the groups.
            tactics: told to go hard in front.
            cross_mps: crosswind by row of the road.
            log: takes the event.
        """
        now_s, main = outlook.now_s, outlook.main
        at_m, to_go_m = float(outlook.at_m[main]), float(outlook.to_go_m[main])
        if now_s < self._rests_until_s or at_m < 1_000.0 or to_go_m < _LAST_M:
            return
        if outlook.bunch.size[main] < _SPLIT_SIZE:
            return
        row = int(self._road.index(outlook.at_m[main : main + 1])[0])
        stretch = slice(row, row + int(_AHEAD_M / STEP_M))
        # rounded: the order in which a mean adds up is the processor's
        cross = round(float(np.mean(cross_mps[stretch])), 6)
        level = float(np.mean(np.abs(self._road.gradient[stretch]))) < _SLOPE_MOST
        if level and abs(cross) > _CROSS_MPS and self._draw.random() < _EVERY_S / _MEAN_S:
            self._split(state, outlook, tactics, cross, log)

    def _split(
        self, state: State, outlook: Outlook, tactics: Tactics, cross: float, log: list[Event]
    ) -> None:
        now_s, rows = outlook.now_s, outlook.peloton
        low, high = _LASTS_S
        until_s = now_s + low + (high - low) * self._draw.random()
        self._rests_until_s = until_s + _REST_S
        tactics.push(int(rows[0]), until_s)
        wide = _WIDTH * (1.0 + 3.0 * self._draw.random(_CUTS_MOST))
        cuts = [cut for cut in np.cumsum(wide).astype(np.int64).tolist() if cut < len(rows) - 1]
        front_mps = float(state.speed_mps[rows[0]])
        for number, begin in enumerate(cuts):
            behind = rows[begin:]
            state.slow_mps[behind] = front_mps - _LET_GO_MPS * (number + 1)
            state.slow_s[behind] = now_s + _LET_GO_S
        side = "left" if cross > 0.0 else "right"
        bibs = tuple(int(bib) for bib in self._field.bibs[rows[cuts[0] :]])
        severity = min(1.0, abs(cross) / (2.0 * _CROSS_MPS))
        note = f"wind from the {side}, {len(cuts) + 1} echelons"
        at_m = float(outlook.at_m[outlook.main])
        log.append(Event("echelon", bibs, int(now_s), int(until_s), at_m, severity, note))


def reach_of(bunch: Bunch, state: State) -> Floats:
    """How much of the riders ahead shelters each one, in order of `bunch.rows`.

    Args:
        bunch: the groups.
        state: wind and speed of the second before.
    """
    rows = bunch.rows
    through = np.maximum(state.speed_mps[rows] + state.headwind_mps[rows], 1.0)
    yaw = np.abs(state.crosswind_mps[rows]) / through
    share = np.minimum(np.maximum((yaw - _YAW_NONE) / (_YAW_FULL - _YAW_NONE), 0.0), 1.0)
    rank = np.arange(len(rows)) - bunch.first[bunch.group]
    return np.asarray(np.where(rank >= _WIDTH, 1.0 - (1.0 - _GUTTER) * share, 1.0))
