"""How riders came to stand: the figures of a halt that tell a crash from a stop."""

from typing import NamedTuple

import numpy as np

from truck.race.course import Floats
from truck.race.passes import Ints
from truck.race.riders import NEVER_US
from truck.race.scene import Scene
from truck.race.trail import Trails

_BEFORE_US = 20_000_000  # a comfort stop brakes for 10 to 20 s
_HOLE_US = 60_000_000  # longer ago he may have done anything
_SPARSE_S = 5.0
_AT_SPEED = 0.85  # of the speed before: below it he is braking
# A second is shorter than a receiver's filter: braking is read over two to three and a half.
_OVER_US = (1_900_000, 3_600_000)
_SLOWEST_MPS = 3.0  # whoever walked before has not come to stand
_CLOSE_M, _HERE_M, _BEYOND_M = 100.0, 10.0, 25.0
_QUEUE, _MOST = 3, 0.8


class Halts(NamedTuple):
    """A row a halt.

    Attributes:
        row: the rider's.
        onset_us: when he began to brake.
        from_mps: his speed then.
        braking_mps2: the hardest over two to three seconds; at sparse fixes what is certain.
        sparse_s: between the two fixes that saw it.
        along_m: where on the course he came to stand, as last placed.
        x_m: eastward.
        y_m: northward.
    """

    row: Ints
    onset_us: Ints
    from_mps: Floats
    braking_mps2: Floats
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
    known_mps = np.where(before, speed_mps, -1.0)
    from_mps = known_mps.max(axis=1, initial=-1.0)
    onset = np.argmax(before & (known_mps >= _AT_SPEED * from_mps[:, None]), axis=1)
    braking_mps2, sparse_s = _braking(at_us, np.where(before, speed_mps, np.nan))
    # over a hole he rode on at his speed for as far as he got
    next_ = np.maximum(onset - 1, 0)
    way_m = np.hypot(
        trails.x_m[rows, next_] - trails.x_m[rows, onset],
        trails.y_m[rows, next_] - trails.y_m[rows, onset],
    )
    rode_us = np.where(sparse_s > _SPARSE_S, way_m / np.maximum(from_mps, 1.0) * 1e6, 0.0)
    rode_us = np.minimum(rode_us, at_us[each, next_] - at_us[each, onset])
    onset_us = at_us[each, onset] + np.rint(rode_us).astype(np.int64)
    along_m = trails.along_m[rows]
    placed = np.isfinite(along_m) & (ago_us <= _BEFORE_US)
    halts = Halts(
        rows, onset_us, from_mps, braking_mps2, sparse_s,
        np.where(placed.any(axis=1), along_m[each, np.argmax(placed, axis=1)], np.nan),
        trails.x_m[rows, 0], trails.y_m[rows, 0],
    )  # fmt: skip
    rode = (from_mps >= _SLOWEST_MPS) & np.isfinite(halts.along_m)
    return Halts._make(column[rode] for column in halts)


def road_shut(trails: Trails, scene: Scene, at_m: float, since_us: int) -> bool | None:
    """Whether nobody gets by a place: most of those close before it stand, and none has passed.

    None where too few were close to tell.
    """
    before = trails.at_us <= since_us
    then = np.argmax(before, axis=1)
    then_m = trails.along_m[np.arange(len(then)), then]
    close = before.any(axis=1) & (then_m <= at_m + _HERE_M) & (then_m >= at_m - _CLOSE_M)
    if (trails.along_m[close, 0] > at_m + _BEYOND_M).any():
        return False
    slow = np.count_nonzero(scene.speed_mps[close] < _SLOWEST_MPS)
    enough = slow >= _QUEUE and slow >= _MOST * np.count_nonzero(close)
    return True if enough else None


def _braking(at_us: Ints, speed_mps: Floats) -> tuple[Floats, Floats]:
    """The hardest braking between two samples, and the time between them.

    Where the next sample is further away than 3.5 s, the one to it stands for all.
    """
    count = len(at_us)
    hardest, over_s = np.zeros(count), np.full(count, _OVER_US[0] / 1e6)
    for apart in range(1, 5):
        if at_us.shape[1] <= apart or count == 0:
            break
        span_us = at_us[:, :-apart] - at_us[:, apart:]
        wide = span_us >= _OVER_US[0]
        usable = wide & ((span_us <= _OVER_US[1]) | (apart == 1))
        lost_mps = speed_mps[:, apart:] - speed_mps[:, :-apart]
        usable &= np.isfinite(lost_mps)
        rate = np.where(usable, lost_mps / np.where(wide, span_us / 1e6, 1.0), 0.0)
        best = np.argmax(rate, axis=1)
        each = np.arange(count)
        more = rate[each, best] > hardest
        hardest = np.where(more, rate[each, best], hardest)
        over_s = np.where(more, span_us[each, best] / 1e6, over_s)
    return hardest, over_s
