"""Time behind the first rider, at the same point of the road.

Rules.
- Riders with sound devices who are on the road in truth, while their gap is published.
- 1 Hz: the rider and the race's true first rider (he who leads, or has won) were both heard within
  the last 2 s. In a time trial the rider alone: his gap is to the best until there.
- With holes: all of them, also who has been unheard for up to 90 s; "in holes" are only those of
  which the rider or the first has been unheard for over 2 s.
- What is judged is `gap_s`, the gap projected to now. The baseline is distance / speed from our own
  distances, which a nearest point would only make worse; in a time trial it knows no gap.
"""

import naive
import numpy as np
from figure import Figure, Mean
from scene import Bools, Floats, Scene

HEARD_S = 2.0


def figures(scene: Scene) -> dict[str, tuple[Figure, Figure]]:
    """By name: ours and the baseline's."""
    truth_s = scene.truth("gap_s")
    rows = scene.racing & scene.shown_on & scene.sound
    both = np.nan_to_num(scene.ours("age_s"), nan=np.inf) <= HEARD_S
    plain_s = naive.gap_s(scene)
    if scene.stage.kind == "time-trial":
        plain_s = np.full(plain_s.shape, np.nan)
    else:
        both &= _first(scene, both)[:, None]
    found: dict[str, tuple[Figure, Figure]] = {}
    for where, kept in (("1 Hz", rows & both), ("with holes", rows), ("in holes", rows & ~both)):
        ours = errors(scene.ours("gap_s"), truth_s, kept)
        plain = errors(plain_s, truth_s, kept)
        found[f"gap, {where}, mean error"] = (ours[0], plain[0])
        found[f"gap, {where}, p95"] = (ours[1], plain[1])
    given = np.isfinite(scene.ours("gap_s"))[rows]
    share = Mean(float(given.mean()) if len(given) else np.nan)
    found["gap, share of riders given one"] = (share, Mean(1.0))
    return found


def _first(scene: Scene, heard: Bools) -> Bools:
    """Whether the race's true first rider was heard, or has finished."""
    true_m = np.where(scene.racing | scene.finished, scene.truth("distance_m"), -np.inf)
    second, first = np.arange(len(heard)), np.argmax(true_m, axis=1)
    return heard[second, first] | scene.finished[second, first]


def errors(gap_s: Floats, truth_s: Floats, rows: Bools) -> tuple[Mean, Mean]:
    """Mean and p95 of the error, s."""
    off_s = np.abs(gap_s - truth_s)[rows]
    off_s = off_s[np.isfinite(off_s)]
    if not len(off_s):
        return Mean(np.nan), Mean(np.nan)
    return Mean(float(off_s.mean())), Mean(float(np.quantile(off_s, 0.95)))
