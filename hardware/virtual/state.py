"""The riders of a simulated stage at one second, and what they mean to do."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.ride import Status
from hardware.virtual.riders import Field

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(eq=False)
class State:
    """Columns of one entry a rider; bodies first, then intentions, which decisions write.

    Attributes:
        work_j: done since the start; critical power falls with it.
        pace: share of critical power at which he rides in front or free of a group.
        free: rides his own pace though there is a wheel to follow.
        shy: leaves the lead to others as long as there are others.
        wish_m: how much further ahead (behind, when negative) he would like to be in his group.
        lane: -1 to 1, his place across the road that is in use.
        pulled_s: seconds in the wind at the head of a group.
        resting_s: until when he leaves the front to others.
        halted_s: until when he stands (or brakes to stand).
        brake_mps2: how hard he brakes for it.
        aside: whether he stops at the edge of the road.
        slow_mps: no faster than this, until `slow_s`.
        convoy_s: until when he comes back through the cars.
    """

    distance_m: Floats
    speed_mps: Floats
    lateral_m: Floats
    power_w: Floats
    heart_rate_bpm: Floats
    cadence_rpm: Floats
    shelter: Floats
    w_balance_j: Floats
    work_j: Floats
    headwind_mps: Floats
    crosswind_mps: Floats
    status: NDArray[np.int8]
    pace: Floats
    free: Bools
    shy: Bools
    wish_m: Floats
    lane: Floats
    pulled_s: Floats
    resting_s: Floats
    halted_s: Floats
    brake_mps2: Floats
    aside: Bools
    slow_mps: Floats
    slow_s: Floats
    convoy_s: Floats

    def stop(
        self, rows: Ints, now_s: float, for_s: Floats | float, brake_mps2: float, *, aside: bool
    ) -> Floats:
        """Let riders brake now and stand for some seconds; when each goes on again."""
        until_s: Floats = np.asarray(now_s + self.speed_mps[rows] / brake_mps2 + for_s)
        self.halted_s[rows] = until_s
        self.brake_mps2[rows] = brake_mps2
        self.aside[rows] = aside
        self.free[rows] = False
        return until_s

    @property
    def riding(self) -> Bools:
        """Who races and does not stand."""
        return np.asarray(self.status == Status.RACING)


def state_at_start(field: Field, start_m: float, draw: np.random.Generator) -> State:
    """Everybody at the start: a bunch five abreast, or one by one at the line."""
    count = len(field)

    def zeros() -> Floats:
        return np.zeros(count)

    time_trial = bool(field.departs_s.any())
    place = np.argsort(draw.random(count), kind="stable")
    behind_m: Floats = np.asarray(place // 5 * 2.0)
    lane: Floats = np.asarray((place % 5 - 2.0) / 2.0)
    if time_trial:
        behind_m, lane = zeros(), zeros()
    return State(
        distance_m=start_m - behind_m,
        speed_mps=zeros(),
        lateral_m=2.0 * lane,
        power_w=zeros(),
        heart_rate_bpm=field.rest_bpm + 45.0,
        cadence_rpm=zeros(),
        shelter=np.ones(count),
        w_balance_j=field.w_prime_j.copy(),
        work_j=zeros(),
        headwind_mps=zeros(),
        crosswind_mps=zeros(),
        status=np.full(count, Status.NOT_STARTED, np.int8),
        pace=np.full(count, 0.75),
        free=np.full(count, time_trial),
        shy=np.zeros(count, np.bool_),
        wish_m=zeros(),
        lane=lane,
        pulled_s=zeros(),
        resting_s=zeros(),
        halted_s=zeros(),
        brake_mps2=zeros(),
        aside=np.zeros(count, np.bool_),
        slow_mps=zeros(),
        slow_s=zeros(),
        convoy_s=zeros(),
    )
