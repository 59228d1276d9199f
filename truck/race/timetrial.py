"""Time trials: each rider against the clock, compared where he is with the best until there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.stage import Stage
from truck.race.course import Floats
from truck.race.gaps import GapColumns, Gaps
from truck.race.passages import NODE_M, node_ago_s, passed_s
from truck.race.passes import Ints
from truck.race.riders import NEVER_US
from truck.race.rows import Rows, column
from truck.race.scene import Scene

_AT_THE_LINE_M = 5.0  # a receiver's error; without a start list, who is seen further on has started


@dataclass
class Starts(Rows):
    """When each rider's clock began.

    Attributes:
        start_us: by the start list, else when he was last seen at the start line.
    """

    start_us: NDArray[np.int64] = column(np.int64, NEVER_US)


def follow_timetrial(
    starts: Starts, memory: Gaps, scene: Scene, stage: Stage, on_road: NDArray[np.bool_]
) -> GapColumns:
    """Each rider's time against the best one's at the same point, while he rides and at the end.

    Args:
        starts: brought to the instant.
        memory: the gaps at each rider's last time check; brought to the instant.
        scene: of the instant.
        stage: for its start list and time checks.
        on_road: who counts.

    Returns:
        `gap_s` is to the best until the rider's place, `gap_measured_s` to the best at the last
        time check he has passed (any checkpoint, or the finish line), `gap_m` is not known.
    """
    _follow_starts(starts, scene, stage)
    riders, count = scene.riders, len(on_road)
    started = (starts.start_us != NEVER_US) & (starts.start_us <= scene.at_us)
    gap_s, gap_m = np.full(count, np.nan), np.full(count, np.nan)
    elapsed_s = (np.where(scene.finished, riders.finished_us, scene.at_us) - starts.start_us) / 1e6
    elapsed_s[~started] = np.nan

    checks_m = [point.km * 1000.0 for point in stage.checkpoints]
    for at_m in sorted({m for m in checks_m if 0.0 < m < scene.course.length_m}):
        time_s = _time_at(starts, scene, started & (riders.distance_m >= at_m), at_m)
        _measure(memory, time_s, at_m)
    _measure(memory, np.where(scene.finished, elapsed_s, np.nan), scene.course.length_m)

    rows = np.flatnonzero(started & on_road & (scene.distance_m > 0.0))
    if len(rows):
        behind_s = _behind_best(starts, scene, started, elapsed_s, rows)
        gap_s[rows] = np.maximum(behind_s, 0.0)
    gap_s[scene.finished] = memory.measured_s[scene.finished]
    memory.likely_s[:] = gap_s
    return GapColumns(gap_s, gap_m, memory.measured_s.copy(), memory.at_m.copy())


def timetrial_order(scene: Scene, starts: Starts, gaps: GapColumns) -> Ints:
    """Rows by gap to the best, then those not yet compared in the order of their starts."""
    gap_s = np.where(np.isfinite(gaps.gap_s), gaps.gap_s, np.inf)
    start_us = np.where(starts.start_us == NEVER_US, np.iinfo(np.int64).max, starts.start_us)
    return np.lexsort((scene.riders.bib, start_us, gap_s))


def _follow_starts(starts: Starts, scene: Scene, stage: Stage) -> None:
    riders = scene.riders
    waiting = np.isfinite(riders.distance_m) & (riders.distance_m <= _AT_THE_LINE_M)
    starts.start_us[waiting] = riders.placed_us[waiting]
    for row, starter in enumerate(stage.startlist):  # rows begin with the start list
        if starter.start_at_s is not None:
            starts.start_us[row] = round(starter.start_at_s * 1e6)


def _time_at(starts: Starts, scene: Scene, passed: NDArray[np.bool_], at_m: float) -> Floats:
    """Seconds from each rider's start to his passage of a point; NaN where it is not known."""
    riders, rows = scene.riders, np.flatnonzero(passed)
    placed_us = riders.placed_us[rows]
    ago_s = passed_s(riders, rows, np.full(len(rows), at_m), riders.distance_m[rows], placed_us)
    time_s = np.full(len(passed), np.nan)
    time_s[rows] = (placed_us - starts.start_us[rows]) / 1e6 - ago_s
    return time_s


def _measure(memory: Gaps, time_s: Floats, at_m: float) -> None:
    """Note the gaps at a time check of those for whom it is the last one passed."""
    known = np.isfinite(time_s)
    if known.any():
        memory.measured_s[known] = (time_s - time_s[known].min())[known]
        memory.at_m[known] = at_m


def _behind_best(
    starts: Starts, scene: Scene, started: NDArray[np.bool_], elapsed_s: Floats, rows: Ints
) -> Floats:
    """Against the best of all who have passed a rider's place, at even speed between two nodes.

    Where nobody has passed the node ahead of him yet, the node behind him counts.
    """
    place_m = scene.distance_m[rows]
    node = np.floor(place_m / NODE_M).astype(np.int64)
    nodes, at = np.unique(np.append(node, node + 1), return_inverse=True)
    low, high = at[: len(node)], at[len(node) :]
    others = np.flatnonzero(started)
    ago_s, _ = node_ago_s(scene.riders, others, nodes, scene.at_us)
    time_s = (scene.at_us - starts.start_us[others])[:, None] / 1e6 - ago_s
    best_s: Floats = np.fmin.reduce(time_s, axis=0)
    here_s = best_s[low] + (place_m / NODE_M - node) * (best_s[high] - best_s[low])
    own_s: Floats = time_s[np.searchsorted(others, rows), low]
    return np.where(np.isfinite(here_s), elapsed_s[rows] - here_s, own_s - best_s[low])
