"""Power on climbs, as a value and as a range.

Rules. Windows of five minutes, one beginning every minute, in which a rider with a sound device
races all the way in truth and the true gradient is 3 % or more on average. The published effort,
its low and its high are averaged over the seconds of the window at which they are published, at
least half of them (a feed with holes has no whole window), and held against the true mean power:
the error is the mean of |ours - truth| / truth, the coverage the share of windows whose truth lies
between the two means. Windows in which the readings carry the rider's power are told apart from
those in which they do not: the first are easy. Stages drawn without heights have no climbs here: on
them nobody can tell, and the score's share of seconds given a gradient says so. The
baseline is a lone rider of 75 kg in still air.
"""

from typing import Any

import naive
import numpy as np
from figure import Figure, Mean, Share
from scene import Floats, Scene

WINDOW_S = 300
EVERY_S = 60
STEEP_PCT = 3.0
GIVEN = 0.5
LEAST_W = 80.0  # on a climb less is a rider who waits


def figures(scene: Scene) -> dict[str, tuple[Figure, Figure]]:
    """By name: ours and the baseline's."""
    racing = scene.riding & scene.sound
    steep = windows(np.where(racing, scene.truth("gradient_pct"), np.nan), whole=1.0)
    true_w = windows(np.where(racing, scene.truth("power_w"), np.nan), whole=1.0)
    drawn = bool(np.isfinite(scene.line.altitude_m).any())
    climbs = (steep >= STEEP_PCT) & (true_w >= LEAST_W) & drawn
    metered = np.isfinite(windows(scene.held(scene.readings["power_w"])))
    ours_w, low_w, high_w = (
        windows(scene.ours(name)) for name in ("effort_w", "effort_low_w", "effort_high_w")
    )
    plain_w = windows(naive.power_w(scene))
    found: dict[str, tuple[Figure, Figure]] = {}
    for whose, rows in (("no power meter", climbs & ~metered), ("all riders", climbs)):
        given = rows & np.isfinite(low_w) & np.isfinite(high_w)
        inside = given & (true_w >= low_w) & (true_w <= high_w)
        count = float(rows.sum())
        found[f"effort, {whose}, share of climbs given one"] = (
            Share(float(given.sum()), count),
            Share(count, count),
        )
        near = rows & (np.abs(plain_w - true_w) <= 0.1 * true_w)
        found[f"effort, {whose}, mean error on climbs"] = (
            _error(ours_w, true_w, rows), _error(plain_w, true_w, rows),
        )  # fmt: skip
        found[f"effort, {whose}, coverage of the 90 % range"] = (
            Share(float(inside.sum()), float(given.sum())),
            Share(float(near.sum()), count),
        )
    return found


def windows(values: Floats, whole: float = GIVEN) -> Floats:
    """Means over five minutes, [windows, riders], every minute; NaN where less is known."""
    begins = range(0, len(values) - WINDOW_S + 1, EVERY_S)
    means = np.full((len(begins), values.shape[1]), np.nan)
    for row, begin in enumerate(begins):
        part = values[begin : begin + WINDOW_S]
        known = np.isfinite(part).sum(axis=0)
        total = np.nansum(part, axis=0)
        means[row] = np.where(known >= whole * WINDOW_S, total / np.maximum(known, 1), np.nan)
    return means


def _error(ours_w: Floats, true_w: Floats, rows: Any) -> Mean:
    rows = rows & np.isfinite(ours_w)
    if not rows.any():
        return Mean(np.nan)
    return Mean(float(np.mean(np.abs(ours_w - true_w)[rows] / true_w[rows])) * 100.0)
