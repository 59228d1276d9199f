"""Where a recorded rider really was: Viterbi along the road, with the whole ride in view.

An independent judge for real rides, which have no truth. It shares no code with the truck: it knows
the end before it decides the beginning, and weighs each way along the road by the rider's own
odometer, so that a lap or a leg cannot be mistaken for another.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEP_M = 10.0
EVERY_S = 5.0
_FIX_SD_M = 8.0
_ASTRAY_M = 40.0  # a fix further off says no more than that
_ODOMETER_SD = (15.0, 0.05)  # metres, and share of the way
_JUMP_COST = 60.0  # to leave the road and come back anywhere else
_TURN_COST = 4.0  # for a fix that moves against the road's direction


def places(road: Floats, x_m: Floats, y_m: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Distance along the road of each fix, and where the judge is sure.

    Args:
        road: [n, 2], metres, every 10 m along the course.
        x_m: of the fixes, about 5 s apart, in order of time.
        y_m: likewise.

    Returns:
        Distances from the road's begin; True where the judge is sure: within the longest stretch
        that is ridden without a jump (before and after it riders warm up and ride home), where the
        fix lies within 40 m of its place and moves along the road or stands.
    """
    heading = np.gradient(road, axis=0)
    heading /= np.maximum(np.hypot(heading[:, 0], heading[:, 1]), 1e-9)[:, None]
    steps = np.column_stack([np.diff(x_m, prepend=x_m[0]), np.diff(y_m, prepend=y_m[0])])
    way_m = np.hypot(steps[:, 0], steps[:, 1])
    fixes = zip(x_m, y_m, steps, way_m, strict=True)
    fit = [_fit(road, heading, *fix) for fix in fixes]
    cost, back = fit[0], []
    for k in range(1, len(fit)):
        cost, came = _advance(cost, float(way_m[k]))
        cost = cost + fit[k]
        back.append(came)
    path = [int(np.argmin(cost))]
    for came in reversed(back):
        path.append(int(came[path[-1]]))
    index = np.array(path[::-1])
    off_m = np.hypot(road[index, 0] - x_m, road[index, 1] - y_m)
    along = (steps * heading[index]).sum(axis=1)
    on_road = (off_m <= _ASTRAY_M) & ((way_m < 5.0) | (along > 0.5 * way_m))
    return index * STEP_M, on_road & _longest(index * STEP_M, way_m)


def _longest(place_m: Floats, way_m: Floats) -> NDArray[np.bool_]:
    """The stretch between jumps in which most of the road is ridden."""
    ridden_m = np.diff(place_m, prepend=place_m[0])
    part = np.cumsum(np.abs(ridden_m - way_m) > 4.0 * (_ODOMETER_SD[0] + _ODOMETER_SD[1] * way_m))
    ends_m = [np.ptp(place_m[part == k]) for k in range(part[-1] + 1)]
    return part == int(np.argmax(ends_m))


def _fit(road: Floats, heading: Floats, x: float, y: float, step: Floats, way: float) -> Floats:
    off_m = np.hypot(road[:, 0] - x, road[:, 1] - y)
    cost: Floats = 0.5 * (np.minimum(off_m, _ASTRAY_M) / _FIX_SD_M) ** 2
    if way >= 5.0:
        cost = cost + _TURN_COST * (heading @ step < 0.0)
    return cost


def _advance(cost: Floats, way_m: float) -> tuple[Floats, NDArray[np.int64]]:
    """The cheapest way to each place from those before, and where it came from."""
    count = len(cost)
    sd_m = _ODOMETER_SD[0] + _ODOMETER_SD[1] * way_m
    best, came = np.full(count, cost.min() + _JUMP_COST), np.full(count, int(np.argmin(cost)))
    low, high = int((way_m - 4 * sd_m) // STEP_M), int((way_m + 4 * sd_m) // STEP_M) + 1
    for cells in range(max(0, low), min(high, count - 1) + 1):
        extra = 0.5 * ((cells * STEP_M - way_m) / sd_m) ** 2
        reached = cost[: count - cells] + extra
        better = reached < best[cells:]
        best[cells:][better] = reached[better]
        came[cells:][better] = np.flatnonzero(better)
    return best, came
