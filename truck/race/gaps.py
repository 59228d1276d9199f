"""Time gaps: how long after the first rider each rider passes the same point of the road."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.passages import passed_s
from truck.race.riders import NEVER_US
from truck.race.rows import Rows, column
from truck.race.scene import Scene

_LATEST_US = np.iinfo(np.int64).max


@dataclass
class Gaps(Rows):
    """The last gaps that were measured.

    Attributes:
        measured_s: behind the first rider, NaN before any was.
        at_m: the road point where it was.
    """

    measured_s: NDArray[np.float64] = column(np.float64, np.nan)
    at_m: NDArray[np.float64] = column(np.float64, np.nan)


class GapColumns(NamedTuple):
    """Gaps to the first rider, NaN where unknown; `gap_s` is projected to now over holes."""

    gap_s: Floats
    gap_m: Floats
    gap_measured_s: Floats
    gap_at_m: Floats


def follow_gaps(memory: Gaps, scene: Scene, counted: NDArray[np.bool_]) -> GapColumns:
    """Gaps of the riders who count, on the road or finished; `memory` is brought to the instant."""
    riders, distance_m = scene.riders, scene.distance_m
    gap_s, gap_m = np.full(len(distance_m), np.nan), np.full(len(distance_m), np.nan)
    rows = np.flatnonzero(counted)
    if len(rows):
        order = np.lexsort((riders.finished_us[rows], -distance_m[rows]))
        done = riders.finished_us[rows] != NEVER_US
        first = np.argmin(np.where(done, riders.finished_us[rows], _LATEST_US))
        leader = rows[first] if done.any() else rows[order[0]]
        behind = np.full(len(rows), leader)
        now_us = np.full(len(rows), scene.at_us)
        # a finished leader's clock stopped at the line
        until_us = np.where(
            riders.finished_us[behind] != NEVER_US, riders.finished_us[behind], now_us
        )
        ago_s = passed_s(riders, behind, distance_m[rows], distance_m[behind], until_us)
        ago_s += (now_us - until_us) / 1e6
        finish_s = (riders.finished_us[rows] - riders.finished_us[leader]) / 1e6
        gap_s[rows] = np.where(done, finish_s, np.where(rows == leader, 0.0, ago_s))
        gap_m[rows] = distance_m[leader] - distance_m[rows]
    known = np.isfinite(gap_s)
    memory.measured_s[known] = gap_s[known]
    memory.at_m[known] = distance_m[known]
    return GapColumns(gap_s, gap_m, memory.measured_s.copy(), memory.at_m.copy())
