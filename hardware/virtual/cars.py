"""Team cars: behind the race in the convoy, up to a break and back, or ahead to the finish.

A tracker in or on a car moves along the same road as the race, which is what makes it look like
a rider. Before the line cars are sent off the course.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.ride import Floats, Ride, Singles, Status
from hardware.virtual.road import Road

_EVERY_S = 5  # between two looks at where the race is
_FASTEST_MPS = 26.0
_AHEAD_MPS = (16.0, 24.0)
_CONVOY_M = (60.0, 700.0)
_RIDERS_CAR_M = (15.0, 40.0)  # time trial
_PULL_MPS2, _BRAKE_MPS2 = 1.5, -3.0
_CLOSES_IN_S = 12.0
_UP_FRONT_SHARE = 0.15
_UP_FRONT_S = 420
_DEVIATION_M, _DEVIATION_OFF_M = 300.0, 90.0
_LANE_M = 1.2


class Driven(NamedTuple):
    """What cars did; arrays [seconds, cars], standing at their start before it."""

    distance_m: Floats
    right_m: Singles
    speed_mps: Singles


class Errand(NamedTuple):
    """One car's day: from when and where, and whether it hurries ahead of the race.

    Attributes:
        from_s: when it moves off, seconds after the ride's start.
        from_m: where it stands until then; None for its place in the convoy.
        ahead: straight to the finish, past the race.
        follows: the rider's column in a time trial.
    """

    from_s: int
    from_m: float | None
    ahead: bool
    follows: int


def drive(ride: Ride, road: Road, errands: list[Errand], draw: np.random.Generator) -> Driven:
    """Drive cars on their errands, all at once, second by second."""
    count = len(errands)
    aims_m = _aims(ride, errands, draw)
    starts_m = [aim if e.from_m is None else e.from_m
                for e, aim in zip(errands, aims_m[0].tolist(), strict=True)]  # fmt: skip
    from_s = np.array([errand.from_s for errand in errands])
    ahead = np.array([errand.ahead for errand in errands])
    cruise_mps = draw.uniform(*_AHEAD_MPS, count)
    restless = draw.standard_normal((ride.seconds, count)).astype(np.float32) * 0.3
    parks_m = ride.length_m - draw.uniform(60.0, 150.0, count)
    distance_m = np.empty((ride.seconds, count))
    speed_mps = np.empty((ride.seconds, count), np.float32)
    at_m, going_mps = np.array(starts_m, np.float64), np.zeros(count)
    for second in range(ride.seconds):
        distance_m[second], speed_mps[second] = at_m, going_mps
        aim_m = aims_m[second]
        aim_mps = aims_m[min(second + 1, ride.seconds - 1)] - aim_m
        wanted = np.where(ahead, cruise_mps, aim_mps + (aim_m - at_m) / _CLOSES_IN_S)
        wanted = np.minimum(wanted, np.minimum(road.limit_mps[road.index(at_m)], _FASTEST_MPS))
        wanted = np.minimum(wanted, np.sqrt(2.0 * np.maximum(parks_m - at_m, 0.0)))
        change = np.clip(wanted - going_mps, _BRAKE_MPS2, _PULL_MPS2) + restless[second]
        faster = np.where((second >= from_s) & (wanted > 0.3), going_mps + change, 0.0)
        faster = np.maximum(faster, 0.0)
        at_m = at_m + 0.5 * (going_mps + faster)
        going_mps = faster
    return Driven(distance_m, _beside(ride, distance_m, draw), speed_mps)


def _aims(ride: Ride, errands: list[Errand], draw: np.random.Generator) -> Floats:
    """Where each car wants to be, [seconds, cars]."""
    looks = np.arange(0, ride.seconds + _EVERY_S, _EVERY_S)
    rows = np.minimum(looks, ride.seconds - 1)
    seconds = np.arange(ride.seconds)
    if ride.time_trial:
        behind_m = draw.uniform(*_RIDERS_CAR_M, len(errands))
        return np.asarray(ride.distance_m[:, [e.follows for e in errands]] - behind_m)
    bunch_m, front_m = _bunch_and_front(ride, rows)
    place_m = np.tile(bunch_m[:, None], (1, len(errands)))
    ranks_m = draw.uniform(*_CONVOY_M, len(errands))
    for first in range(0, len(looks), _UP_FRONT_S // _EVERY_S):
        shift = slice(first, first + _UP_FRONT_S // _EVERY_S)
        up = draw.random(len(errands)) < _UP_FRONT_SHARE
        place_m[shift, up] = front_m[shift, None] + ranks_m[up] - 40.0
    # a car is sent up or falls back within a minute, not at once
    place_m -= ranks_m
    return np.stack([np.interp(seconds, looks, column) for column in place_m.T], axis=1)


def _bunch_and_front(ride: Ride, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The middle rider's and the first rider's distance; the line once all are in."""
    status = ride.status[rows]
    racing = np.isin(status, (Status.NOT_STARTED, Status.RACING, Status.STOPPED))
    ordered = np.sort(np.where(racing, ride.distance_m[rows], np.inf), axis=1)
    count = racing.sum(axis=1)
    middle = ordered[np.arange(len(rows)), np.maximum(count - 1, 0) // 2]
    front = ordered[np.arange(len(rows)), np.maximum(count - 1, 0)]
    bunch, first = (np.where(count > 0, c, ride.length_m) for c in (middle, front))
    return np.maximum.accumulate(bunch), np.maximum.accumulate(first)


def _beside(ride: Ride, distance_m: Floats, draw: np.random.Generator) -> Singles:
    """A lane that changes slowly, and the way off the course before the line."""
    count = distance_m.shape[1]
    knots = draw.normal(0.0, _LANE_M, (len(distance_m) // 60 + 2, count))
    seconds = np.arange(len(distance_m))
    lane = np.stack([np.interp(seconds, 60 * np.arange(len(knots)), k) for k in knots.T], axis=1)
    left_m = ride.length_m - distance_m
    off = np.clip((_DEVIATION_M - left_m) / 150.0, 0.0, 1.0) * _DEVIATION_OFF_M
    return (lane + off).astype(np.float32)
