"""A simulated stage as it really happened: every rider at every second, and the events."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


class Status(IntEnum):
    """What a rider is doing; the names in lower case are those of the truth file."""

    NOT_STARTED = 0
    RACING = 1
    STOPPED = 2
    IN_CAR = 3
    FINISHED = 4
    ABANDONED = 5


@dataclass(frozen=True)
class Event:
    """Something that happened, in seconds after the ride's start.

    Attributes:
        kind: crash, mechanical, comfort_stop, feed_zone, level_crossing, abandoned, in_car,
            attack, catch, split or echelon.
        bibs: who it happened to.
        from_s: its first second.
        to_s: its last second, None when it lasts for good.
        distance_m: where it began, metres after the flag.
        severity: 0 to 1, within its kind.
        note: one phrase for people.
    """

    kind: str
    bibs: tuple[int, ...]
    from_s: int
    to_s: int | None
    distance_m: float
    severity: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class Ride:
    """The truth of a stage, arrays of shape [seconds, riders]; columns in order of `bibs`.

    Attributes:
        start_s: epoch seconds of the first row.
        bibs: int32 [riders].
        length_m: the finish line; `distance_m` goes on beyond it while riders roll out.
        time_trial: whether riders are measured against the clock.
        departs_s: each rider's own start, seconds after `start_s` [riders].
        distance_m: along the road from the flag, negative in the neutral zone.
        lateral_m: off the road's middle, positive to the right of the riding direction.
        speed_mps: over the ground, never negative (also of one who rolls back after the finish).
        power_w: at the cranks, without a sensor's noise.
        heart_rate_bpm: true heart rate.
        cadence_rpm: of the cranks.
        shelter: share of a lone rider's aerodynamic drag that he feels, 0 to 1.
        w_balance_j: what is left of W'.
        headwind_mps: wind at rider's height against him.
        crosswind_mps: the same from his left.
        status: `Status` as int8.
        events: in order of time.
    """

    start_s: float
    bibs: NDArray[np.int32]
    length_m: float
    time_trial: bool
    departs_s: Floats
    distance_m: Floats
    lateral_m: Singles
    speed_mps: Singles
    power_w: Singles
    heart_rate_bpm: Singles
    cadence_rpm: Singles
    shelter: Singles
    w_balance_j: Singles
    headwind_mps: Singles
    crosswind_mps: Singles
    status: NDArray[np.int8]
    events: tuple[Event, ...]

    @property
    def seconds(self) -> int:
        """Rows of the arrays."""
        return len(self.distance_m)
