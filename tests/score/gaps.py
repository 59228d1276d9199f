"""Time behind the first rider, at the same point of the road.

Rules.
- Seconds until the winner finishes in truth, of riders with sound devices who are on the road in
  truth and whose gap is published.
- 1 Hz: the rider and the race's true first rider were both heard within the last 2 s.
- With holes: all of them, also who has been unheard for up to 90 s; "in holes" are only those of
  which the rider or the first has been unheard for over 2 s.
- What is judged is `gap_s`, the gap projected to now. The baseline is distance / speed from our own
  distances, which a nearest point would only make worse.
"""

import naive
import numpy as np
from figure import Figure, Mean
from scene import Bools, Floats, Scene

HEARD_S = 2.0


def figures(scene: Scene) -> dict[str, tuple[Figure, Figure]]:
    """By name: ours and the baseline's."""
    truth_s = scene.truth("gap_s")
    finished = scene.finished.any(axis=1)
    rows = scene.racing & scene.shown_on & scene.sound & ~finished[:, None]
    heard = np.nan_to_num(scene.ours("age_s"), nan=np.inf) <= HEARD_S
    true_m = np.where(scene.racing, scene.truth("distance_m"), -np.inf)
    first = np.argmax(true_m, axis=1)
    both = heard & heard[np.arange(len(heard)), first][:, None]
    found: dict[str, tuple[Figure, Figure]] = {}
    plain_s = naive.gap_s(scene)
    for where, kept in (("1 Hz", rows & both), ("with holes", rows), ("in holes", rows & ~both)):
        ours = errors(scene.ours("gap_s"), truth_s, kept)
        plain = errors(plain_s, truth_s, kept)
        found[f"gap, {where}, mean error"] = (ours[0], plain[0])
        found[f"gap, {where}, p95"] = (ours[1], plain[1])
    given = np.isfinite(scene.ours("gap_s"))[rows]
    share = Mean(float(given.mean()) if len(given) else np.nan)
    found["gap, share of riders given one"] = (share, Mean(1.0))
    return found


def errors(gap_s: Floats, truth_s: Floats, rows: Bools) -> tuple[Mean, Mean]:
    """Mean and p95 of the error, s."""
    off_s = np.abs(gap_s - truth_s)[rows]
    off_s = off_s[np.isfinite(off_s)]
    if not len(off_s):
        return Mean(np.nan), Mean(np.nan)
    return Mean(float(off_s.mean())), Mean(float(np.quantile(off_s, 0.95)))
