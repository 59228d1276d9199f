"""A rider's speed: the sensor's where it is believable, else from his way along the road."""

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.riders import Riders

FASTEST_MPS = 33.0  # DESIGN 6: v < 0, v > 33 m/s and |a| > 6 m/s2 are rejected
_HARDEST_MPS2 = 6.0
_RECENT_S = 10.0  # a way over longer says little about the speed now
SENSED_US = 3_000_000  # how long the sensor's speed goes before the way's
_SMOOTH_S = 0.7  # of two real rides, against their own sensors: 0.5, at 2 s 0.8 km/h off
# a receiver's Doppler errs by 0.1 m/s and riders change speed by 0.3 m/s2: Kalman's gain is 0.9
_SENSED_S = 0.12
_PACE_S = 60.0
_MOVING_MPS = 1.0


def follow_speed(
    riders: Riders,
    rows: NDArray[np.int64],
    at_us: NDArray[np.int64],
    sensed_mps: Floats,
    moved_m: Floats,
) -> None:
    """Update speed, pace and `moving_us` of riders by a new fix each, before they are placed.

    A rejected value leaves the last one standing; as time passes the same acceleration limit lets
    a wider range in, so one wrong value cannot lock the filter. Where there is no sensor the
    straight way between two fixes counts only for riders who are not on the road; for the others
    see `follow_way`.

    Args:
        riders: changed in place.
        rows: of the riders, each once.
        at_us: of the fixes, later than the riders' latest.
        sensed_mps: NaN where there is no sensor.
        moved_m: straight from the last fix, NaN at the first.
    """
    since_fix_s = (at_us - riders.seen_us[rows]) / 1e6
    astray = at_us - riders.placed_us[rows] > _RECENT_S * 1e6
    fixed_mps = np.where(astray & (since_fix_s <= _RECENT_S), moved_m / since_fix_s, np.nan)
    sensed = _believable(sensed_mps)
    new_mps = np.where(sensed, sensed_mps, fixed_mps)
    accepted = _take(riders, rows, at_us, new_mps, np.where(sensed, _SENSED_S, _SMOOTH_S))
    riders.sensed_us[rows[accepted & sensed]] = at_us[accepted & sensed]


def follow_way(
    riders: Riders,
    rows: NDArray[np.int64],
    at_us: NDArray[np.int64],
    since_us: NDArray[np.int64],
) -> None:
    """Update the speed of riders without a sensor by how far they came along the road.

    Args:
        riders: changed in place.
        rows: of the riders, each once.
        at_us: of the fixes that placed them.
        since_us: since the fix that placed them before.
    """
    bare = (at_us - riders.sensed_us[rows] > SENSED_US) & (since_us <= _RECENT_S * 1e6)
    rows, at_us, since_us = rows[bare], at_us[bare], since_us[bare]
    way_mps = np.maximum(riders.beam_way_m[rows, 0], 0.0) / (since_us / 1e6)
    _take(riders, rows, at_us, way_mps, np.full(len(rows), _SMOOTH_S))


def _take(
    riders: Riders,
    rows: NDArray[np.int64],
    at_us: NDArray[np.int64],
    new_mps: Floats,
    smooth_s: Floats,
) -> NDArray[np.bool_]:
    """Fold new speeds in where they are believable, and say where they were."""
    old_mps = riders.speed_mps[rows]
    since_s = (at_us - riders.speed_us[rows]) / 1e6
    fresh = np.isnan(old_mps)
    gentle = np.abs(new_mps - old_mps) <= _HARDEST_MPS2 * since_s
    accepted = _believable(new_mps) & (gentle | fresh)
    rows, at_us, fresh = rows[accepted], at_us[accepted], fresh[accepted]
    since_s, old_mps, new_mps = since_s[accepted], old_mps[accepted], new_mps[accepted]
    share = since_s / (since_s + smooth_s[accepted])
    speed_mps = np.where(fresh, new_mps, old_mps + share * (new_mps - old_mps))
    riders.speed_mps[rows] = speed_mps
    riders.speed_us[rows] = at_us
    pace_mps = np.where(np.isnan(riders.pace_mps[rows]), speed_mps, riders.pace_mps[rows])
    # the speed at the end of a hole is that of its last second
    lasted_s = np.where(since_s <= _RECENT_S, since_s, 1.0)
    weight = lasted_s / (lasted_s + _PACE_S)
    riders.pace_mps[rows] = pace_mps + weight * (speed_mps - pace_mps)
    moving = speed_mps >= _MOVING_MPS
    riders.moving_us[rows[moving]] = at_us[moving]
    return accepted


def _believable(speed_mps: Floats) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray((speed_mps >= 0.0) & (speed_mps <= FASTEST_MPS), np.bool_)
