"""The climbs of a course: those the road book names, or those its profile shows."""

from typing import NamedTuple

import numpy as np

from truck.race.course import Course, Floats

_STEP_M = 100.0
_FALSE_FLAT = 0.02  # a road that rises less is no climb
_LOST_M = 40.0  # what a climb may lose again, by descent or by false flat, before it is over
_LEAST_PCT = 3.0
# Strava's rule (support pages, "climb categorization"): length in m times gradient in per cent,
# which is 100 times the rise, from 3 % of gradient on
_CATEGORIES = ((80_000.0, "HC"), (64_000.0, "1"), (32_000.0, "2"), (16_000.0, "3"), (8_000.0, "4"))


class Climb(NamedTuple):
    """One climb; what the profile does not know is NaN.

    Attributes:
        name: of the road book, empty when derived.
        derived: found in the profile, not named in checkpoints.csv.
        start_m: after the flag.
        top_m: after the flag.
        rise_m: from start to top.
        gradient_pct: the mean.
        category: "HC", "1" to "4" by Strava's rule, empty below it; always derived.
    """

    name: str
    derived: bool
    start_m: float
    top_m: float
    rise_m: float
    gradient_pct: float
    category: str

    @property
    def length_m(self) -> float:
        """From start to top."""
        return self.top_m - self.start_m


def climbs_of(course: Course) -> tuple[Climb, ...]:
    """The climbs of checkpoints.csv with their feet, or the profile's own where it names none."""
    named = [point for point in course.checkpoints if point.kind == "climb"]
    if not named:
        return rises_of(course)
    at_m, level_m = _profile(course)
    return tuple(
        _climb(point.name, False, at_m, level_m, *_foot_of(at_m, level_m, point.km * 1000.0))
        for point in named
    )


def rises_of(course: Course) -> tuple[Climb, ...]:
    """The climbs that the profile shows, whatever the road book names."""
    at_m, level_m = _profile(course)
    if np.isnan(level_m).all():
        return ()
    found = (_climb("", True, at_m, level_m, *pair) for pair in _rises(at_m, level_m))
    return tuple(climb for climb in found if climb.category)


def _profile(course: Course) -> tuple[Floats, Floats]:
    at_m = np.append(np.arange(0.0, course.length_m, _STEP_M), course.length_m)
    return at_m, np.interp(at_m, course.distance_m, course.altitude_m)


def _climb(
    name: str, derived: bool, at_m: Floats, level_m: Floats, start_m: float, top_m: float
) -> Climb:
    foot, top = np.interp([start_m, top_m], at_m, level_m).tolist()
    length_m = top_m - start_m
    gradient = (top - foot) / length_m * 100.0 if length_m > 0.0 else float("nan")
    return Climb(name, derived, start_m, top_m, top - foot, gradient, _category(gradient, length_m))


def _category(gradient_pct: float, length_m: float) -> str:
    if not gradient_pct >= _LEAST_PCT:
        return ""
    score = length_m * gradient_pct
    return next((name for least, name in _CATEGORIES if score >= least), "")


def _rises(at_m: Floats, level_m: Floats) -> list[tuple[float, float]]:
    """Stretches from a foot to a top between which no more than 40 m are lost.

    False flat counts as loss: what is followed is the altitude less 2 % of the distance.
    """
    effort = (level_m - _FALSE_FLAT * at_m).tolist()
    rises = []
    foot = top = 0
    for k, value in enumerate(effort):
        if value > effort[top]:
            top = k
        if value < effort[top] - _LOST_M or k == len(effort) - 1:
            rises.append((float(at_m[foot]), float(at_m[top])))
            foot = top = k
        elif top == foot and value < effort[foot]:
            foot = top = k
    return [(start_m, top_m) for start_m, top_m in rises if top_m > start_m]


def _foot_of(at_m: Floats, level_m: Floats, top_m: float) -> tuple[float, float]:
    """Where the climb to a top begins; NaN without a profile."""
    if np.isnan(level_m).any():
        return float("nan"), top_m
    effort = (level_m - _FALSE_FLAT * at_m).tolist()
    foot = last = max(0, min(int(top_m / _STEP_M), len(effort) - 1))
    for k in range(last, -1, -1):
        if effort[k] > effort[foot] + _LOST_M:
            break
        if effort[k] < effort[foot]:
            foot = k
    return float(at_m[foot]), max(top_m, float(at_m[foot]))
