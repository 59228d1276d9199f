"""Fixes that do not agree with their rider's place: yesterday's, another tracker's, or he is lost.

A rider's latest agreeing fix is his anchor, the latest other one his stray. Fixes further from
the anchor than anyone can ride are foreign, and so is what goes on from a foreign one: however
long such a burst lasts, it moves nobody. Only when nothing agreed for long, and strays ran along
the course all the time, is the rider looked for anew.
"""

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.fixes import Fixes
from truck.race.passes import Ints
from truck.race.riders import NEVER_US, Riders

_BURST_MPS, _BURST_S, _LASTING_MPS = 33.0, 30.0, 25.0
_REACH_M = 130.0  # a gorge throws a fix 60 m off, and the anchor too
_NEXT_M = 40.0
_TOGETHER_US = 60_000_000  # a stray stream ends in a hole longer than this
_LEAST_M = 4.0  # nearer fixes tell no direction
_WALKING_MPS = 2.0  # who goes no faster may go to and fro
_BASE_M = 8.0
_FRESH_US = 10_000_000
_RUNNING_US = 5_000_000
_LOST_US = 60_000_000
_KNOWN_US = 600_000_000
_FOREIGN_MOST_US, _FOREIGN_LEAST_US = 120_000_000, 30_000_000


def is_foreign(
    riders: Riders, rows: Ints, at_us: Ints, x_m: Floats, y_m: Floats
) -> NDArray[np.bool_]:
    """Fixes from where their riders cannot be, and those that follow on such."""
    since_s = (at_us - riders.anchor_us[rows]) / 1e6
    far_m = _far(x_m - riders.anchor_x_m[rows], y_m - riders.anchor_y_m[rows])
    burst_s = np.minimum(since_s, _BURST_S)
    reach_m = _REACH_M + _BURST_MPS * burst_s + _LASTING_MPS * (since_s - burst_s)
    on = riders.stray_far[rows] & _follows(riders, rows, at_us, x_m, y_m)
    # a comparison with an unknown anchor is false: of a new rider nothing is foreign
    with np.errstate(invalid="ignore"):
        return np.asarray((far_m > reach_m) | (on & (far_m > _REACH_M)), np.bool_)


def running(riders: Riders, fixes: Fixes) -> NDArray[np.bool_]:
    """Fixes of trackers that have run along the course for a while."""
    from_us = riders.stray_from_us[fixes.row]
    return np.asarray((from_us != NEVER_US) & (fixes.at_us - from_us >= _RUNNING_US), np.bool_)


def directions(
    riders: Riders, rows: Ints, at_us: Ints, x_m: Floats, y_m: Floats
) -> tuple[Floats, Floats]:
    """Unit vectors of the ways riders head, NaN where nothing recent tells."""
    fresh = at_us - riders.anchor_us[rows] <= _FRESH_US
    from_us = np.where(fresh, riders.anchor_us[rows], riders.stray_us[rows])
    from_x = np.where(fresh, riders.anchor_x_m[rows], riders.stray_x_m[rows])
    from_y = np.where(fresh, riders.anchor_y_m[rows], riders.stray_y_m[rows])
    east_m, north_m = x_m - from_x, y_m - from_y
    far_m = _far(east_m, north_m)
    since_us = at_us - from_us
    riding = far_m >= np.maximum(_LEAST_M, _WALKING_MPS / 1e6 * since_us)
    known = riding & (since_us <= _FRESH_US) & (far_m <= _NEXT_M + _BURST_MPS / 1e6 * since_us)
    length_m = np.where(known, far_m, 1.0)
    return np.where(known, east_m / length_m, np.nan), np.where(known, north_m / length_m, np.nan)


def keep_anchors(riders: Riders, rows: Ints, at_us: Ints, x_m: Floats, y_m: Floats) -> None:
    """Note fixes that agreed with their riders' places, at some distance from each other."""
    far_m = _far(x_m - riders.anchor_x_m[rows], y_m - riders.anchor_y_m[rows])
    keep = ~(far_m < _BASE_M) | (at_us - riders.anchor_us[rows] > _FRESH_US // 2)
    riders.anchor_x_m[rows[keep]] = x_m[keep]
    riders.anchor_y_m[rows[keep]] = y_m[keep]
    riders.anchor_us[rows[keep]] = at_us[keep]


def follow_strays(
    riders: Riders,
    fixes: Fixes,
    foreign: NDArray[np.bool_],
    aligned: NDArray[np.bool_],
    heading: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Note fixes that did not agree; true for riders who are to be looked for anew.

    Args:
        riders: changed in place.
        fixes: those fixes.
        foreign: as `is_foreign` says.
        aligned: which of them ran along the course.
        heading: which of them tell a direction at all.
    """
    row, at_us = fixes.row, fixes.at_us
    follows = _follows(riders, row, at_us, fixes.x_m, fixes.y_m)
    from_us = np.where(follows, riders.stray_from_us[row], NEVER_US)
    far_m = _far(fixes.x_m - riders.stray_x_m[row], fixes.y_m - riders.stray_y_m[row])
    stands = (far_m < _BASE_M) & (at_us - riders.stray_us[row] >= _FRESH_US)
    begins = aligned & (from_us == NEVER_US)
    ends = (heading & ~aligned) | stands
    from_us = np.where(begins, at_us, np.where(ends, NEVER_US, from_us))
    riders.stray_from_us[row] = from_us
    keep = ~follows | (far_m >= _BASE_M) | (at_us - riders.stray_us[row] > _FRESH_US)
    riders.stray_x_m[row[keep]] = fixes.x_m[keep]
    riders.stray_y_m[row[keep]] = fixes.y_m[keep]
    riders.stray_us[row[keep]] = at_us[keep]
    riders.stray_far[row] = foreign
    known_us = riders.placed_us[row] - riders.seeded_us[row]
    patience_us = np.clip(known_us, _FOREIGN_LEAST_US, _FOREIGN_MOST_US)
    wait_us = np.where(foreign, patience_us, _LOST_US)
    lost_us = at_us - riders.anchor_us[row]
    anew = (from_us != NEVER_US) & (at_us - from_us >= wait_us) & (lost_us >= wait_us)
    # who was followed for long has not gone back on the course: he rides home, or in a car
    floor_m = np.where(known_us >= _KNOWN_US, riders.distance_m[row], -np.inf)
    riders.floor_m[row[anew]] = floor_m[anew]
    riders.placed_us[row[anew]] = riders.anchor_us[row[anew]]
    riders.seeded_us[row[anew]] = NEVER_US
    riders.stray_from_us[row[anew]] = NEVER_US
    riders.anchor_us[row[anew]] = NEVER_US
    riders.anchor_x_m[row[anew]] = riders.anchor_y_m[row[anew]] = np.nan
    return np.asarray(anew, np.bool_)


def _follows(
    riders: Riders, rows: Ints, at_us: Ints, x_m: Floats, y_m: Floats
) -> NDArray[np.bool_]:
    """Fixes that can be the next of the latest stray's tracker."""
    since_us = at_us - riders.stray_us[rows]
    far_m = _far(x_m - riders.stray_x_m[rows], y_m - riders.stray_y_m[rows])
    with np.errstate(invalid="ignore"):
        near = far_m <= _NEXT_M + _BURST_MPS * (since_us / 1e6)
    return np.asarray(near & (since_us <= _TOGETHER_US), np.bool_)


def _far(east_m: Floats, north_m: Floats) -> Floats:
    return np.sqrt(east_m * east_m + north_m * north_m)
