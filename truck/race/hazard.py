"""How riders came to stand: the figures of a halt that tell a crash from a stop."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.passes import Ints
from truck.race.riders import NEVER_US
from truck.race.scene import Scene
from truck.race.trail import Trails

_BEFORE_US = 20_000_000  # a comfort stop brakes for 10 to 20 s
_HOLE_US = 60_000_000  # longer ago he may have done anything
_AT_SPEED = 0.85  # of the speed before: below it he is braking
# A second is shorter than a receiver's filter: braking is read over two to three and a half.
_OVER_US = (1_900_000, 3_600_000)
SPARSE_S = 3.6  # of fixes further apart speeds and way tell, and after 12 s nothing
_TELLING_S, _SLACK_S, _MOST_MPS2 = 12.0, 0.7, 6.0
_STOOD_MPS = 1.5
_OFF_M, _OFF = 5.0, 0.15  # of the way at the speeds told
_SLOWEST_MPS = 3.0  # whoever walked before has not come to stand
_CLOSE_M, _HERE_M, _BEYOND_M = 100.0, 10.0, 25.0
_QUEUE, _MOST = 3, 0.8
_SOME, _SOME_OF = 2, 0.3  # fewer may have been beyond it already


class Halts(NamedTuple):
    """A row a halt.

    Attributes:
        row: the rider's.
        onset_us: when he began to brake.
        from_mps: his speed then.
        braking_mps2: the hardest over two to three seconds; at sparse fixes its mean.
        at_least: whether it is only known that he braked no less.
        sparse_s: between the two fixes that saw it.
        along_m: where on the course he came to stand, as last placed.
        x_m: eastward.
        y_m: northward.
    """

    row: Ints
    onset_us: Ints
    from_mps: Floats
    braking_mps2: Floats
    at_least: NDArray[np.bool_]
    sparse_s: Floats
    along_m: Floats
    x_m: Floats
    y_m: Floats


def halts_of(trails: Trails, rows: Ints) -> Halts:
    """The halts of riders who have just come to stand; those who never rode are left out."""
    at_us, speed_mps = trails.at_us[rows], trails.speed_mps[rows]
    each = np.arange(len(rows))
    ago_us = trails.still_us[rows][:, None] - at_us
    before = (at_us != NEVER_US) & (ago_us <= _BEFORE_US) & np.isfinite(speed_mps)
    last = np.minimum(np.argmax(ago_us >= 0, axis=1) + 1, at_us.shape[1] - 1)
    before[each, last] |= ago_us[each, last] <= _HOLE_US
    # the second fastest: one speed may be false
    from_mps = np.sort(np.where(before, speed_mps, -1.0), axis=1)[:, -2]
    from_mps = np.where(from_mps < 0.0, speed_mps[each, last], from_mps)
    onset = np.argmax(before & (speed_mps >= _AT_SPEED * from_mps[:, None]), axis=1)
    step_m = np.hypot(np.diff(trails.x_m[rows], axis=1), np.diff(trails.y_m[rows], axis=1))
    known_mps = np.where(before, speed_mps, np.nan)
    mean_mps2, stood, sparse_s, rode_us = _mean_of(at_us, speed_mps, step_m, onset)
    # a receiver may stop telling its speed before its rider stops, and a fix may jump
    hardest_mps2 = np.minimum(
        _hardest(at_us, known_mps), _hardest(at_us, _paces(at_us, step_m, before))
    )
    sparse = sparse_s > SPARSE_S
    braking_mps2 = np.where(sparse, mean_mps2, hardest_mps2)
    onset_us = at_us[each, onset] + np.where(sparse, rode_us, 0)
    along_m = trails.along_m[rows]
    placed = np.isfinite(along_m) & (ago_us <= _BEFORE_US)
    halts = Halts(
        rows, onset_us, from_mps, braking_mps2, sparse & stood, sparse_s,
        np.where(placed.any(axis=1), along_m[each, np.argmax(placed, axis=1)], np.nan),
        trails.x_m[rows, 0], trails.y_m[rows, 0],
    )  # fmt: skip
    rode = (from_mps >= _SLOWEST_MPS) & np.isfinite(halts.along_m)
    return Halts._make(column[rode] for column in halts)


def road_shut(trails: Trails, scene: Scene, at_m: float, since_us: int) -> bool | None:
    """Whether nobody gets by a place: most of those close before it stand, and few have passed.

    None where too few were close to tell.
    """
    before = trails.at_us <= since_us
    then = np.argmax(before, axis=1)
    then_m = trails.along_m[np.arange(len(then)), then]
    close = before.any(axis=1) & (then_m <= at_m + _HERE_M) & (then_m >= at_m - _CLOSE_M)
    passed = np.count_nonzero(trails.along_m[close, 0] > at_m + _BEYOND_M)
    if passed >= _SOME and passed >= _SOME_OF * np.count_nonzero(close):
        return False
    slow = np.count_nonzero(scene.speed_mps[close] < _SLOWEST_MPS)
    enough = slow >= _QUEUE and slow >= _MOST * np.count_nonzero(close)
    return True if enough else None


def _paces(at_us: Ints, step_m: Floats, before: NDArray[np.bool_]) -> Floats:
    """The speed of the way to each sample, NaN before the time that counts."""
    passed_s = (at_us[:, :-1] - at_us[:, 1:]) / 1e6
    pace_mps = np.full(at_us.shape, np.nan)
    pace_mps[:, :-1] = np.where(before[:, 1:], step_m / passed_s, np.nan)
    return pace_mps


def _hardest(at_us: Ints, speed_mps: Floats) -> Floats:
    """The hardest braking between two samples two to three and a half seconds apart."""
    hardest = np.zeros(len(at_us))
    for apart in range(1, 5):
        span_us = at_us[:, :-apart] - at_us[:, apart:]
        lost_mps = speed_mps[:, apart:] - speed_mps[:, :-apart]
        usable = (span_us >= _OVER_US[0]) & (span_us <= _OVER_US[1]) & np.isfinite(lost_mps)
        rate = np.where(usable, lost_mps / np.where(usable, span_us / 1e6, 1.0), 0.0)
        hardest = np.maximum(hardest, rate.max(axis=1, initial=0.0))
    return hardest


def _mean_of(
    at_us: Ints, speed_mps: Floats, step_m: Floats, onset: Ints
) -> tuple[Floats, NDArray[np.bool_], Floats, Ints]:
    """What the two fixes around the onset say by themselves.

    Whoever rode on at his speed and then braked evenly has fallen short of the way at that speed
    by half of what he lost over the time of braking.

    Returns:
        That braking. Whether he stood at the second fix, so that it was no less. The time between
        them, and how much of it he rode on.
    """
    each, after = np.arange(len(at_us)), np.maximum(onset - 1, 0)
    apart_s = (at_us[each, after] - at_us[each, onset]) / 1e6
    from_mps, to_mps = speed_mps[each, onset], speed_mps[each, after]
    lost_mps = np.maximum(from_mps - to_mps, 0.1)
    apart_s = np.maximum(apart_s, 0.1)
    short_m = np.maximum(from_mps * apart_s - step_m[each, after], 0.0)
    braked_s = np.clip(2.0 * short_m / lost_mps, 0.0, apart_s) + _SLACK_S
    # where fixes jump, the way says nothing, and the speeds that he braked no less
    steady = _is_steady(at_us, speed_mps, step_m, onset)
    stood = (to_mps < _STOOD_MPS) | (apart_s > _TELLING_S) | ~steady
    mean_mps2 = np.minimum(np.where(steady, lost_mps / braked_s, lost_mps / apart_s), _MOST_MPS2)
    mean_mps2 = np.where(apart_s > _TELLING_S, 0.0, mean_mps2)
    going_s = np.clip(step_m[each, after] / np.maximum(from_mps, 1.0), 0.0, apart_s)
    return mean_mps2, stood, apart_s, np.rint(going_s * 1e6).astype(np.int64)


def _is_steady(at_us: Ints, speed_mps: Floats, step_m: Floats, onset: Ints) -> NDArray[np.bool_]:
    """Whether way and speed agreed before the onset, over the last two steps."""
    steady = np.ones(len(at_us), np.bool_)
    each = np.arange(len(at_us))
    for back in range(2):
        newer = np.minimum(onset + back, at_us.shape[1] - 2)
        apart_s = (at_us[each, newer] - at_us[each, newer + 1]) / 1e6
        mean_mps = (speed_mps[each, newer] + speed_mps[each, newer + 1]) / 2.0
        off_m = np.abs(step_m[each, newer] - mean_mps * apart_s)
        steady &= ~(off_m > _OFF_M + _OFF * mean_mps * apart_s)
    return steady
