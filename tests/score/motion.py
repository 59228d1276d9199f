"""Speed and gradient: what a rider's second looks like.

Rules: seconds at which a rider with a sound device is on the road after the flag in truth and
published as racing or stopped. The baseline of speed is the better of two: the receiver's speed as
it comes, and the way between two fixes by their time.
"""

import naive
import numpy as np
from figure import Figure, Mean, Share
from scene import Floats, Scene


def figures(scene: Scene) -> dict[str, tuple[Figure, Figure]]:
    """By name: ours and the baseline's."""
    rows = scene.racing & scene.shown & scene.sound
    true_kmh = scene.truth("speed_mps") * 3.6
    raw = [naive.doppler_mps(scene) * 3.6, naive.quotient_mps(scene) * 3.6]
    speeds = [_mean_error(kmh[rows], true_kmh[rows]) for kmh in raw]
    true_pct = scene.truth("gradient_pct")[rows]
    ours_pct, plain_pct = scene.ours("gradient_pct")[rows], naive.altitude_gradient_pct(scene)[rows]
    return {
        "speed, mean error": (
            _mean_error(scene.ours("speed_mps")[rows] * 3.6, true_kmh[rows]),
            min(speeds, key=lambda figure: figure.value if figure.value >= 0 else np.inf),
        ),
        "gradient, mean error": (
            _mean_error(ours_pct, true_pct),
            _mean_error(plain_pct, true_pct),
        ),
        "gradient, share of seconds given one": (_given(ours_pct), _given(plain_pct)),
    }


def _given(values: Floats) -> Share:
    return Share(float(np.isfinite(values).sum()), float(len(values)))


def _mean_error(values: Floats, truth: Floats) -> Mean:
    off = np.abs(values - truth)
    return Mean(float(np.nanmean(off)) if np.isfinite(off).any() else np.nan)
