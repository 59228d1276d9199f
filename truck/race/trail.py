"""The last fixes of every rider, sampled at the looks, and who stands still by them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.passes import Ints
from truck.race.riders import NEVER_US
from truck.race.rows import Rows, column
from truck.race.scene import Scene

SAMPLES = 32  # about half a minute at 1 Hz: a comfort stop brakes for 20 s

# A standing receiver wanders by 0.2 to 0.35 m a second (dualdevice, roubaix2020: sd 1.2 to 1.6 m,
# autocorrelation 0.97 to 0.99 at 1 s); a rider who pushes his bike makes 1.5 m/s.
_STANDS_MPS, _RIDES_MPS = 1.2, 2.0
_OVER_US = 1_900_000
# Where fixes jump (gorges), a receiver's own speed of zero for 3 s tells, unless they move on.
_ZERO_MPS, _ZERO_OVER_US, _JUMPY_MPS = 0.8, 2_900_000, 7.0
_RECENT = 8  # samples that hold those seconds at any rate of looks
# A filtered speed follows the fixes late where there is no sensor; above this it contradicts them.
_CONTRADICTS_MPS = 3.0
# Between sparse fixes: a pause, and the share of the way that he would have made.
_PAUSE_S, _SHORT = (3.5, 60.0), 0.8
_BESIDE_M, _SEVERAL = 60.0, 3
_HOLE_US = 60_000_000
# In a gorge fixes jump by 60 m; two trackers under one number jump further, every other time.
_JUMP_MPS, _TORN, _LAST = 90.0, 3, 20


@dataclass
class Trails(Rows):
    """Samples, the newest first, and standstills.

    Attributes:
        at_us: of each sample.
        x_m: eastward.
        y_m: northward.
        along_m: distance on the course, NaN where the fix lay on none.
        speed_mps: filtered.
        still_us: since when he stands, `NEVER_US` while he rides.
        halt_us: when he last came to a standstill, or `NEVER_US`.
        goes_us: since when he rides again after a standstill, or `NEVER_US`.
        heard_us: since when he is heard without a hole of a minute.
        torn: whether his fixes jump to and fro: two trackers under one number.
    """

    at_us: NDArray[np.int64] = column(np.int64, NEVER_US, SAMPLES)
    x_m: NDArray[np.float64] = column(np.float64, np.nan, SAMPLES)
    y_m: NDArray[np.float64] = column(np.float64, np.nan, SAMPLES)
    along_m: NDArray[np.float64] = column(np.float64, np.nan, SAMPLES)
    speed_mps: NDArray[np.float64] = column(np.float64, np.nan, SAMPLES)
    still_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    halt_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    goes_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    heard_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    torn: NDArray[np.bool_] = column(np.bool_, False)


def follow_trails(memory: Trails, scene: Scene) -> Ints:
    """Sample each fix that is new since the last look; rows of the riders who just halted.

    Who stands is told by the way over the last seconds, every step of it: neither a speed of zero
    from a receiver that moves is a halt, nor a place that jumps back.
    """
    riders = scene.riders
    rows = np.flatnonzero(riders.seen_us > memory.at_us[:, 0])
    placed = riders.placed_us[rows] == riders.seen_us[rows]
    back = rows[riders.seen_us[rows] - memory.at_us[rows, 0] > _HOLE_US]
    memory.heard_us[back] = riders.seen_us[back]
    _push(memory.at_us, rows, riders.seen_us[rows])
    _push(memory.x_m, rows, riders.x_m[rows])
    _push(memory.y_m, rows, riders.y_m[rows])
    _push(memory.along_m, rows, np.where(placed, riders.distance_m[rows], np.nan))
    _push(memory.speed_mps, rows, riders.speed_mps[rows])
    at_us = memory.at_us[rows, :_RECENT]
    way_m = _way(memory.x_m[rows, :_RECENT], memory.y_m[rows, :_RECENT])
    crawl_mps, since_us = _crawl(at_us, way_m, _OVER_US)
    jumpy_mps, zero_since_us = _crawl(at_us, way_m, _ZERO_OVER_US)
    speed_mps = riders.speed_mps[rows]
    lately = at_us >= zero_since_us[:, None]
    zero = np.where(lately, memory.speed_mps[rows, :_RECENT], 0.0).max(axis=1) < _ZERO_MPS
    stands = (crawl_mps < _STANDS_MPS) & ~(speed_mps >= _CONTRADICTS_MPS)
    stands |= zero & (jumpy_mps < _JUMPY_MPS)
    short = _fell_short(memory, rows)
    since_us = np.where(short & ~stands, riders.seen_us[rows], since_us)
    stands |= short
    still = memory.still_us[rows] != NEVER_US
    halts = ~still & stands
    goes = still & (crawl_mps > _RIDES_MPS) & ~(speed_mps < _ZERO_MPS)
    jumps = _jumps(memory, rows)
    memory.torn[rows] = (jumps >= _TORN) | (memory.torn[rows] & (jumps > 0))
    memory.still_us[rows[halts]] = memory.halt_us[rows[halts]] = since_us[halts]
    memory.still_us[rows[goes]] = NEVER_US
    memory.goes_us[rows[goes]] = riders.seen_us[rows[goes]]
    began: Ints = rows[halts]
    return began


def _push(samples: NDArray[Any], rows: Ints, value: NDArray[Any]) -> None:
    samples[rows, 1:] = samples[rows, :-1]
    samples[rows, 0] = value


def _way(x_m: Floats, y_m: Floats) -> Floats:
    """How far it was back to each sample but the newest, step by step."""
    east_m, north_m = x_m[:, :-1] - x_m[:, 1:], y_m[:, :-1] - y_m[:, 1:]
    return np.cumsum(np.sqrt(east_m * east_m + north_m * north_m), axis=1)


def _crawl(at_us: Ints, way_m: Floats, over_us: int) -> tuple[Floats, Ints]:
    """The speed of the way over this long or over the last step, and since when it is counted."""
    ago_us = at_us[:, :1] - at_us
    first = np.argmax(ago_us >= over_us, axis=1)
    first[ago_us[:, -1] < over_us] = _RECENT - 1
    pick = np.arange(len(at_us)), first
    known = at_us[pick] != NEVER_US
    passed_s = np.where(known, ago_us[pick], 1) / 1e6
    crawl_mps = way_m[pick[0], np.maximum(first - 1, 0)] / passed_s
    return np.where(known, crawl_mps, np.nan), at_us[pick]


def _fell_short(memory: Trails, rows: Ints) -> NDArray[np.bool_]:
    """Who stands by one fix after a pause: no speed, and less way than at the speed before.

    One such fix may be false; three riders with one at the same place are not.
    """
    passed_s = (memory.at_us[rows, 0] - memory.at_us[rows, 1]) / 1e6
    x_m, y_m = memory.x_m[rows], memory.y_m[rows]
    way_m = np.hypot(x_m[:, 0] - x_m[:, 1], y_m[:, 0] - y_m[:, 1])
    before_mps = memory.speed_mps[rows, 1]
    paused = (passed_s >= _PAUSE_S[0]) & (passed_s <= _PAUSE_S[1])
    stood = (memory.speed_mps[rows, 0] < _ZERO_MPS) & (before_mps > _CONTRADICTS_MPS)
    short: NDArray[np.bool_] = paused & stood & (way_m < _SHORT * before_mps * passed_s)
    found = np.flatnonzero(short)
    apart_m = np.hypot(x_m[found, :1] - x_m[found, :1].T, y_m[found, :1] - y_m[found, :1].T)
    short[found] = np.count_nonzero(apart_m <= _BESIDE_M, axis=1) >= _SEVERAL
    return short


def _jumps(memory: Trails, rows: Ints) -> Ints:
    """How many of the last steps are faster than anything on the road."""
    at_us, x_m, y_m = (c[rows, :_LAST] for c in (memory.at_us, memory.x_m, memory.y_m))
    passed_s = (at_us[:, :-1] - at_us[:, 1:]) / 1e6
    east_m, north_m = x_m[:, 1:] - x_m[:, :-1], y_m[:, 1:] - y_m[:, :-1]
    far = east_m * east_m + north_m * north_m > (_JUMP_MPS * passed_s) ** 2
    jumps: Ints = np.count_nonzero(far, axis=1)
    return jumps
