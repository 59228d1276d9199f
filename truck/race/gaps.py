"""Time gaps: how long after the front of the race each rider passes the same point of the road."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.front import Front
from truck.race.passes import Ints
from truck.race.places import heard
from truck.race.riders import NEVER_US
from truck.race.rows import Rows, column
from truck.race.scene import Scene

_SLOWEST_MPS, _FASTEST_MPS = 3.0, 20.0  # of a pace that stands for passages nobody measured
# Brown 1959, smoothing with a trend: what is older by this weighs half. Longer ones come too late
# for who is dropped just before a hole; shorter ones follow a receiver's 1.5 m.
_SMOOTH_S = 5.0
# who is dropped where others climb at 6 m/s still does 4; a chase gains less than a quarter
_OPENS, _CLOSES = 0.5, -0.3
# More than a change of pace: he stood, or another rider leads the race now. What was is no guide.
_JUMP_S, _JUMP = 1.5, 0.25
_STANDS_MPS = 2.0


@dataclass
class Gaps(Rows):
    """The last gaps that were measured.

    Attributes:
        measured_s: behind the front, NaN before any was.
        at_m: the road point where it was.
        likely_s: the gap to now of everyone in the race, also of those silent for long.
        smooth_s: the measured gap without its noise.
        trend: by how much it grows, seconds a second.
        trend_us: the fix that said so.
    """

    measured_s: NDArray[np.float64] = column(np.float64, np.nan)
    at_m: NDArray[np.float64] = column(np.float64, np.nan)
    likely_s: NDArray[np.float64] = column(np.float64, np.nan)
    smooth_s: NDArray[np.float64] = column(np.float64, np.nan)
    trend: NDArray[np.float64] = column(np.float64, 0.0)
    trend_us: NDArray[np.int64] = column(np.int64, NEVER_US)


class GapColumns(NamedTuple):
    """Gaps to the first rider, NaN where unknown; `gap_s` is projected to now over holes."""

    gap_s: Floats
    gap_m: Floats
    gap_measured_s: Floats
    gap_at_m: Floats


def follow_gaps(
    memory: Gaps,
    scene: Scene,
    place_m: Floats,
    front: Front | None,
    on_road: NDArray[np.bool_],
) -> GapColumns:
    """Gaps of the riders on the road, and of those who have finished.

    Args:
        memory: brought to the instant.
        scene: of the instant.
        place_m: where each rider is now, NaN for who is not in the race.
        front: the race's, None while nobody leads it.
        on_road: who counts.
    """
    riders = scene.riders
    if front is None:
        unknown = np.full(len(place_m), np.nan)
        return GapColumns(unknown, unknown, memory.measured_s.copy(), memory.at_m.copy())
    gap_s = _projected_s(scene, place_m, front)
    # who should be at the line by now, and is silent, came in at the gap he had
    gap_s = np.where(place_m >= scene.course.length_m, memory.likely_s, gap_s)
    gap_m = np.where(on_road, np.maximum(front.place_m[-1] - place_m, 0.0), np.nan)

    rows = np.flatnonzero(on_road & heard(scene))
    at_m = riders.distance_m[rows]
    measured_s = front.passed_s(at_m) - (scene.at_us - riders.placed_us[rows]) / 1e6
    known = np.isfinite(measured_s) & (front.measured(at_m) | (at_m >= front.place_m[-1]))
    memory.measured_s[rows[known]] = np.maximum(measured_s, 0.0)[known]
    memory.at_m[rows[known]] = at_m[known]
    _follow_trend(memory, scene, rows[known])

    done = np.flatnonzero(scene.finished)
    if len(done):
        finished_us = riders.finished_us[done]
        gap_s[done] = memory.measured_s[done] = (finished_us - finished_us.min()) / 1e6
        gap_m[done] = 0.0
        memory.at_m[done] = scene.course.length_m
    memory.likely_s[:] = gap_s
    gap_s[~on_road & ~scene.finished] = np.nan
    return GapColumns(gap_s, gap_m, memory.measured_s.copy(), memory.at_m.copy())


def _follow_trend(memory: Gaps, scene: Scene, rows: Ints) -> None:
    """Take in the gaps that a new fix has measured."""
    rows = rows[scene.riders.placed_us[rows] > memory.trend_us[rows]]
    placed_us = scene.riders.placed_us[rows]
    since_s = np.minimum((placed_us - memory.trend_us[rows]) / 1e6, 86_400.0)
    off_s = memory.measured_s[rows] - memory.smooth_s[rows] - memory.trend[rows] * since_s
    rides = scene.riders.speed_mps[rows] >= _STANDS_MPS
    likely = rides & (np.abs(off_s) <= _JUMP_S + _JUMP * since_s)
    kept = _SMOOTH_S / (_SMOOTH_S + since_s)
    turned = (1.0 - kept) * (1.0 - kept) * off_s / since_s
    trend = np.clip(memory.trend[rows] + turned, _CLOSES, _OPENS)
    memory.trend[rows] = np.where(likely, trend, 0.0)
    memory.smooth_s[rows] = memory.measured_s[rows] - np.where(likely, kept * kept * off_s, 0.0)
    memory.trend_us[rows] = placed_us


def _projected_s(scene: Scene, place_m: Floats, front: Front) -> Floats:
    """The front's passage where it is known; before that, metres at the rider's own pace."""
    gap_s = front.passed_s(place_m)
    missing_m = front.place_m[0] - place_m
    pace_mps = np.clip(scene.riders.pace_mps, _SLOWEST_MPS, _FASTEST_MPS)
    return np.where(np.isnan(gap_s), front.ago_s[0] + missing_m / pace_mps, gap_s)
