"""Who rides with whom this second, who leads, and where each rider's place in his group is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.state import State

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WHEEL_M = 12.0  # further behind than that a rider has lost the wheel
_PULL_S = 40.0  # a turn at the front
_REST_S = 25.0
_SWING_M = 14.0  # how far back one who rests lets himself drop
_REACTS_TO = 6  # riders ahead: a wave of braking runs through a bunch, not the leader's will
_ROW_M = 2.1  # from front wheel to front wheel
_HALF_ROAD_M = 2.6  # of six metres, less the verge
_ELBOW_M, _LINE_M = 0.6, 0.15  # half of a rider's room beside others; a line is never straight
# metres of group a rider: wide and dense when slow, one line when fast
_SPACING_AT_MPS = (4.0, 8.0, 12.0, 15.0, 18.0, 25.0)
_SPACING_M = (0.30, 0.40, 0.50, 0.80, 1.30, 2.50)
_FEW_M = 2.3  # a few riders go in one line
_FEWER_M = 0.12
_KEY_M = 1.0e5


@dataclass(frozen=True, eq=False)
class Bunch:
    """The riders on the road, front first, with their groups.

    Attributes:
        rows: riders, by place in the race.
        group: number of each one's group, from 0 at the front.
        first: index in `rows` of each group's first rider.
        size: riders of each group.
        leader: rider who rides at the head of each group, or the first where all are free.
    """

    rows: Ints
    group: Ints
    first: Ints
    size: Ints
    leader: Ints

    def members(self, group: int) -> Ints:
        """The riders of a group, front first."""
        return self.rows[self.first[group] : self.first[group] + self.size[group]]


@dataclass(frozen=True, eq=False)
class Places:
    """What followers aim at; columns in order of `rows`.

    Attributes:
        rows: riders, by the place they want in their group.
        slot_m: where that place is.
        pace_mps: speed of the riders they look at.
        leads: who has no wheel to follow.
        half_width_m: of the road that the group uses.
    """

    rows: Ints
    slot_m: Floats
    pace_mps: Floats
    leads: NDArray[np.bool_]
    half_width_m: Floats


def bunch_of(state: State, now_s: float) -> Bunch:
    """Groups of riders who are on a wheel."""
    rows = np.flatnonzero(state.riding & (state.halted_s <= now_s))
    rows = rows[np.argsort(-state.distance_m[rows], kind="stable")]
    count = len(rows)
    begins = np.ones(count, np.bool_)
    begins[1:] = -np.diff(state.distance_m[rows]) > _WHEEL_M
    first = np.flatnonzero(begins)
    size = np.diff(np.append(first, count))
    leader = first
    if count:
        rank = np.arange(count)
        held = 2 * (state.resting_s[rows] > now_s) + state.shy[rows] + 4 * state.free[rows]
        cost = rank + count * held
        leader = np.minimum.reduceat(cost, first) % count
    return Bunch(rows, np.cumsum(begins) - 1, first, size, rows[leader])


def places_in(bunch: Bunch, state: State) -> Places:
    """Each rider's place behind the leader of his group, in order of his wishes."""
    count = len(bunch.rows)
    lead_m = state.distance_m[bunch.leader][bunch.group]
    back_m = lead_m - state.distance_m[bunch.rows] - state.wish_m[bunch.rows]
    back_m = np.minimum(np.maximum(back_m, 1.0 - _KEY_M / 4), _KEY_M / 4)
    heads = np.zeros(len(state.wish_m), np.bool_)
    heads[bunch.leader] = True
    back_m[heads[bunch.rows]] = -_KEY_M / 3
    back_m[state.free[bunch.rows]] = _KEY_M / 3
    order = np.argsort(bunch.group * _KEY_M + back_m, kind="stable")
    rows, group = bunch.rows[order], bunch.group[order]
    speed_mps = state.speed_mps[rows]
    few_m = (_FEW_M - _FEWER_M * bunch.size)[group]
    spacing_m = np.maximum(np.interp(speed_mps, _SPACING_AT_MPS, _SPACING_M), few_m)
    along_m = np.cumsum(spacing_m)
    first = bunch.first[group]
    slot_m = lead_m - (along_m - along_m[first])
    watched = np.maximum(np.arange(count) - _REACTS_TO, first)
    abreast = _ROW_M / spacing_m
    return Places(
        rows,
        slot_m,
        speed_mps[watched],
        (np.arange(count) == first) | state.free[rows],
        np.minimum(np.maximum(_ELBOW_M * (abreast - 1.0), _LINE_M), _HALF_ROAD_M),
    )


def take_turns(bunch: Bunch, state: State, now_s: float) -> None:
    """Count the pulls at the front; who has pulled long enough leaves it to others."""
    alone = bunch.size == 1
    state.pulled_s *= 0.98
    state.pulled_s[bunch.leader[~alone]] += 1.0
    tired = bunch.leader[state.pulled_s[bunch.leader] > _PULL_S]
    state.resting_s[tired] = now_s + _REST_S
    state.pulled_s[tired] = 0.0
    state.wish_m[tired] = -_SWING_M
