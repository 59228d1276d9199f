"""A rider's speed: the sensor's where it is believable, else from the way between two fixes."""

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.riders import Riders

FASTEST_MPS = 33.0  # DESIGN 6: v < 0, v > 33 m/s and |a| > 6 m/s2 are rejected
_HARDEST_MPS2 = 6.0
_RECENT_S = 10.0  # a displacement over longer says little about the speed now
_SMOOTH_S = 2.0
_PACE_S = 60.0
_MOVING_MPS = 1.0


def follow_speed(
    riders: Riders,
    rows: NDArray[np.int64],
    at_us: NDArray[np.int64],
    sensed_mps: Floats,
    moved_m: Floats,
) -> None:
    """Update speed, pace and `moving_us` of riders by a new fix each.

    A rejected value leaves the last one standing; as time passes the same acceleration limit lets
    a wider range in, so one wrong value cannot lock the filter.

    Args:
        riders: changed in place.
        rows: of the riders, each once.
        at_us: of the fixes, later than the riders' latest.
        sensed_mps: NaN where there is no sensor.
        moved_m: straight from the last fix, NaN at the first.
    """
    since_fix_s = (at_us - riders.seen_us[rows]) / 1e6
    fixed_mps = np.where(since_fix_s <= _RECENT_S, moved_m / since_fix_s, np.nan)
    sensed = _believable(sensed_mps)
    new_mps = np.where(sensed, sensed_mps, fixed_mps)
    old_mps = riders.speed_mps[rows]
    since_s = (at_us - riders.speed_us[rows]) / 1e6
    fresh = np.isnan(old_mps)
    share = np.where(sensed | fresh, 1.0, since_s / (since_s + _SMOOTH_S))
    gentle = np.abs(new_mps - old_mps) <= _HARDEST_MPS2 * since_s
    accepted = _believable(new_mps) & (gentle | fresh)
    speed_mps = np.where(fresh, new_mps, old_mps + share * (new_mps - old_mps))
    took = rows[accepted]
    riders.speed_mps[took] = speed_mps[accepted]
    riders.speed_us[took] = at_us[accepted]

    now_mps = riders.speed_mps[rows]
    pace_mps = riders.pace_mps[rows]
    weight = np.where(np.isnan(pace_mps), 1.0, -np.expm1(-np.minimum(since_s, 600.0) / _PACE_S))
    base_mps = np.where(np.isnan(pace_mps), 0.0, pace_mps)
    riders.pace_mps[took] = (base_mps + weight * (now_mps - base_mps))[accepted]
    riders.moving_us[rows[now_mps >= _MOVING_MPS]] = at_us[now_mps >= _MOVING_MPS]


def _believable(speed_mps: Floats) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return (speed_mps >= 0.0) & (speed_mps <= FASTEST_MPS)
