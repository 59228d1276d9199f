"""Every rider brought to one instant: what the rooms of a second's look work on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Course, Floats
from truck.race.progress import OFF_ROUTE
from truck.race.riders import NEVER_US, Riders

_AHEAD_S = 10.0  # how far a rider is carried on at his last speed, until he counts as silent
_STOPPED_US = 10_000_000


@dataclass(frozen=True, eq=False)
class Scene:
    """Columns in the rows of `riders`.

    Attributes:
        at_us: the instant, microseconds since 1970 UTC.
        course: the stage's.
        riders: live state by their latest fixes; read only.
        distance_m: brought to the instant, NaN until placed.
        speed_mps: filtered, NaN where unknown.
        age_s: of the latest fix, NaN before the first.
        finished: who has crossed the line.
    """

    at_us: int
    course: Course
    riders: Riders
    distance_m: Floats
    speed_mps: Floats
    age_s: Floats
    finished: NDArray[np.bool_]


def scene_at(course: Course, riders: Riders, at_us: int) -> Scene:
    """Riders carried on at their speed for up to 10 s, to the line at most; changes nothing."""
    finished = riders.finished_us != NEVER_US
    carried_s: Floats = np.clip((at_us - riders.beam_at_us[:, 0]) / 1e6, 0.0, _AHEAD_S)
    on_course = (riders.quality != OFF_ROUTE) & ~finished
    moving = on_course & (riders.seen_us - riders.moving_us <= _STOPPED_US)
    speed_mps = np.where(moving & np.isfinite(riders.speed_mps), riders.speed_mps, 0.0)
    place_m = riders.distance_m + speed_mps * carried_s
    never = riders.seen_us == NEVER_US
    return Scene(
        at_us=at_us,
        course=course,
        riders=riders,
        distance_m=np.minimum(place_m, course.length_m),
        speed_mps=riders.speed_mps,
        age_s=np.where(never, np.nan, (at_us - riders.seen_us) / 1e6),
        finished=finished,
    )
