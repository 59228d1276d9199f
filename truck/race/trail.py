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
_STANDS_MPS, _RIDES_MPS = 1.0, 2.0
_OVER_US = 2_500_000
_RECENT = 8  # samples that hold those 2.5 s at any rate of looks
# A filtered speed follows the fixes late where there is no sensor; above this it contradicts them.
_CONTRADICTS_MPS = 3.0


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
    """

    at_us: NDArray[np.int64] = column(np.int64, NEVER_US, SAMPLES)
    x_m: NDArray[np.float64] = column(np.float64, np.nan, SAMPLES)
    y_m: NDArray[np.float64] = column(np.float64, np.nan, SAMPLES)
    along_m: NDArray[np.float64] = column(np.float64, np.nan, SAMPLES)
    speed_mps: NDArray[np.float64] = column(np.float64, np.nan, SAMPLES)
    still_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    halt_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    goes_us: NDArray[np.int64] = column(np.int64, NEVER_US)


def follow_trails(memory: Trails, scene: Scene) -> Ints:
    """Sample each fix that is new since the last look; rows of the riders who just halted.

    Who stands is told by the way over the last seconds, every step of it: a speed of zero from a
    receiver that moves is no halt, nor is a place that jumps back.
    """
    riders = scene.riders
    rows = np.flatnonzero(riders.seen_us > memory.at_us[:, 0])
    placed = riders.placed_us[rows] == riders.seen_us[rows]
    _push(memory.at_us, rows, riders.seen_us[rows])
    _push(memory.x_m, rows, riders.x_m[rows])
    _push(memory.y_m, rows, riders.y_m[rows])
    _push(memory.along_m, rows, np.where(placed, riders.distance_m[rows], np.nan))
    _push(memory.speed_mps, rows, riders.speed_mps[rows])
    crawl_mps, since_us = _crawl(memory, rows)
    speed_mps = riders.speed_mps[rows]
    still = memory.still_us[rows] != NEVER_US
    halts = ~still & (crawl_mps < _STANDS_MPS) & ~(speed_mps >= _CONTRADICTS_MPS)
    goes = still & (crawl_mps > _RIDES_MPS) & ~(speed_mps < _STANDS_MPS)
    memory.still_us[rows[halts]] = memory.halt_us[rows[halts]] = since_us[halts]
    memory.still_us[rows[goes]] = NEVER_US
    memory.goes_us[rows[goes]] = riders.seen_us[rows[goes]]
    began: Ints = rows[halts]
    return began


def _push(samples: NDArray[Any], rows: Ints, value: NDArray[Any]) -> None:
    samples[rows, 1:] = samples[rows, :-1]
    samples[rows, 0] = value


def _crawl(memory: Trails, rows: Ints) -> tuple[Floats, Ints]:
    """The speed of the way over the last 2.5 s or the last step, and since when it lasts."""
    at_us = memory.at_us[rows, :_RECENT]
    ago_us = at_us[:, :1] - at_us
    first = np.argmax(ago_us >= _OVER_US, axis=1)
    first[ago_us[:, -1] < _OVER_US] = _RECENT - 1
    steps_m = np.hypot(
        np.diff(memory.x_m[rows, :_RECENT], axis=1), np.diff(memory.y_m[rows, :_RECENT], axis=1)
    )
    way_m = np.cumsum(steps_m, axis=1)
    pick = np.arange(len(rows)), first
    known = at_us[pick] != NEVER_US
    passed_s = np.where(known, ago_us[pick], 1) / 1e6
    crawl_mps = way_m[pick[0], np.maximum(first - 1, 0)] / passed_s
    return np.where(known, crawl_mps, np.nan), at_us[pick]
