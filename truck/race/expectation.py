"""Where a rider should be by now, and what a fix makes of that: a Kalman filter along the road."""

from typing import NamedTuple

import numpy as np

from truck.race.course import Floats
from truck.race.fixes import Fixes
from truck.race.passes import Candidates, Ints
from truck.race.riders import Riders
from truck.race.speed import SENSED_US

OUTLYING = 3.0  # standard deviations
NEAR_S = 7.0  # as long as the speed of now tells the way
PRIOR_MOST = 10.0
OPENING = 0.2  # how fast the gate opens for what keeps lying outside, a second
_PRIOR_PER_M = 1e-3  # from where most of the race is
_BESIDE_M, _BESIDE_MOST = 200.0, 4.0

# the filter along the road: two recorders of one ride differ by 1.2 to 1.6 m (shared data), and
# a fix off to the side is as far off along the road
FIX_M2 = 4.0
_SENSED_MPS, _UNSENSED_MPS, _CHANGE_MPS2 = 0.5, 1.0, 0.1
_PACE_SHARE, _PACE_LEAST_MPS = 0.25, 3.0  # how far a minute's pace is off over a hole


class Expected(NamedTuple):
    """Where hypotheses should be by now, how uncertain that is and since when; (n, BEAM)."""

    m: Floats
    var_m2: Floats
    since_s: Floats


def way_since(
    riders: Riders, stretch: float, row: Ints, at_us: Ints, since_s: Floats
) -> tuple[Floats, Floats]:
    """How far riders should have come since, and how uncertain that is, metres.

    Args:
        riders: read only.
        stretch: road metres a metre ridden.
        row: of the riders, of any shape that goes with the others.
        at_us: now.
        since_s: since when, seconds.
    """
    speed_mps = np.where(since_s <= 10.0, riders.speed_mps[row], riders.pace_mps[row])
    speed_mps = np.where(np.isnan(speed_mps), 0.0, speed_mps) * stretch
    sensed = at_us - riders.sensed_us[row] <= SENSED_US
    near_m = np.where(sensed, _SENSED_MPS, _UNSENSED_MPS) + _CHANGE_MPS2 * since_s
    spread_mps = np.where(
        since_s <= NEAR_S, near_m, np.maximum(_PACE_SHARE * speed_mps, _PACE_LEAST_MPS)
    )
    return speed_mps * since_s, spread_mps * since_s


def expected(riders: Riders, stretch: float, fixes: Fixes) -> Expected:
    """Where each hypothesis of the fixes' riders should be by now."""
    row = fixes.row[:, None]
    since_s = (fixes.at_us[:, None] - riders.beam_at_us[fixes.row]) / 1e6
    since_s = np.minimum(since_s, 86_400.0)
    likely_m, spread_m = way_since(riders, stretch, row, fixes.at_us[:, None], since_s)
    var_m2 = riders.beam_var_m2[fixes.row] + spread_m * spread_m
    return Expected(riders.beam_m[fixes.row] + likely_m, var_m2, since_s)


def filtered(
    off_m: Floats, lateral_m: Floats, expected_m: Floats, var_m2: Floats, since_s: Floats
) -> tuple[Floats, Floats, Floats]:
    """A Kalman step along the road: place, variance, and how many deviations off the fix was.

    What lies outside the gate weighs little, and opens it for more of its kind.
    """
    fix_m2 = FIX_M2 + lateral_m * lateral_m / 4.0
    all_m2 = var_m2 + fix_m2
    strange = np.abs(off_m) / np.sqrt(all_m2)
    outlying = strange > OUTLYING
    square = (OUTLYING / np.maximum(strange, OUTLYING)) ** 2
    gain = var_m2 / all_m2 * square * square
    opening = 1.0 + np.where(outlying, OPENING * np.minimum(since_s, 5.0), 0.0)
    place_m = np.rint((expected_m + gain * off_m) * 1e3) / 1e3
    return place_m, (1.0 - gain) * var_m2 * opening, strange


def proven_m(place_m: Floats, fixed_m: Floats) -> Floats:
    """How far a rider has been for certain.

    A fix that jumps ahead proves nothing, and no more does a place that he was only expected at:
    who brakes hard is soon far behind it.
    """
    return np.minimum(place_m, fixed_m)


def first_prior(
    riders: Riders, stretch: float, row: Ints, near: Candidates, fixes: Fixes
) -> Floats:
    """A first place is the likelier the nearer it is to the race, and to other riders."""
    about_m = 0.0 if np.isnan(fixes.field_m) else fixes.field_m
    from_field = np.minimum(np.abs(near.distance_m - about_m) * _PRIOR_PER_M, PRIOR_MOST)
    others_m = np.sort(riders.field_m[np.isfinite(riders.field_m)])
    beside = np.searchsorted(others_m, near.distance_m + _BESIDE_M) - np.searchsorted(
        others_m, near.distance_m - _BESIDE_M
    )
    prior: Floats = from_field + _BESIDE_MOST / (1.0 + beside)
    # one who was lost is where he should have got to by now
    since_s = np.minimum((fixes.at_us[near.fix] - riders.placed_us[row]) / 1e6, 86_400.0)
    likely_m, spread_m = way_since(riders, stretch, row, fixes.at_us[near.fix], since_s)
    astray = np.abs(near.distance_m - riders.distance_m[row] - likely_m) / spread_m
    prior += np.where(np.isnan(astray), 0.0, np.minimum(astray, PRIOR_MOST))
    return prior
