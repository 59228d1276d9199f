"""Time gaps: how long after the front of the race each rider passes the same point of the road."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.front import Front
from truck.race.places import heard
from truck.race.rows import Rows, column
from truck.race.scene import Scene

_SLOWEST_MPS, _FASTEST_MPS = 3.0, 20.0  # of a pace that stands for passages nobody measured


@dataclass
class Gaps(Rows):
    """The last gaps that were measured.

    Attributes:
        measured_s: behind the front, NaN before any was.
        at_m: the road point where it was.
        likely_s: the gap to now of everyone in the race, also of those silent for long.
    """

    measured_s: NDArray[np.float64] = column(np.float64, np.nan)
    at_m: NDArray[np.float64] = column(np.float64, np.nan)
    likely_s: NDArray[np.float64] = column(np.float64, np.nan)


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

    done = np.flatnonzero(scene.finished)
    if len(done):
        finished_us = riders.finished_us[done]
        gap_s[done] = memory.measured_s[done] = (finished_us - finished_us.min()) / 1e6
        gap_m[done] = 0.0
        memory.at_m[done] = scene.course.length_m
    memory.likely_s[:] = gap_s
    gap_s[~on_road & ~scene.finished] = np.nan
    return GapColumns(gap_s, gap_m, memory.measured_s.copy(), memory.at_m.copy())


def _projected_s(scene: Scene, place_m: Floats, front: Front) -> Floats:
    """The front's passage where it is known; before that, metres at the rider's own pace."""
    gap_s = front.passed_s(place_m)
    missing_m = front.place_m[0] - place_m
    pace_mps = np.clip(scene.riders.pace_mps, _SLOWEST_MPS, _FASTEST_MPS)
    return np.where(np.isnan(gap_s), front.ago_s[0] + missing_m / pace_mps, gap_s)
