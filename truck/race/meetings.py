"""Where a road meets itself: laps, out and back, crossings."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Course, Floats

Ints = NDArray[np.int64]

SAME, OPPOSITE, CROSSING = "same", "opposite", "crossing"

_STEP_M = 25.0
_NEAR_M = 25.0  # a drawing's error twice; a road's two lanes
_APART_M = 300.0  # along the road; nearer it is a bend
_ALONG = 0.8  # cosine between two directions: less than 37 degrees
_SLACK = 5  # points that a stretch may miss, and two drawings of it may differ
_LEAST_M = 300.0


class Meeting(NamedTuple):
    """A stretch of road that is ridden again, or a point that is crossed again.

    Attributes:
        kind: "same" or "opposite" direction, or "crossing".
        from_m: where the first pass begins, after the flag.
        again_m: where it is met again: in riding order, so an opposite pass ends at `from_m`'s.
        length_m: of the shared stretch; 0 of a crossing.
    """

    kind: str
    from_m: float
    again_m: float
    length_m: float


def meetings_of(course: Course) -> tuple[Meeting, ...]:
    """Every stretch with the next pass over it, in order of the road."""
    stride = max(1, round(_STEP_M / course.step_m))
    kept = np.arange(0, int(np.sum(course.distance_m <= course.length_m)), stride)
    at_m = course.distance_m[kept]
    heading = course.heading_rad[kept]
    one, other = _near(course.x_m[kept], course.y_m[kept])
    far = at_m[other] - at_m[one] > _APART_M
    one, other = one[far], other[far]
    along = np.cos(heading[one] - heading[other])
    found: list[Meeting] = []
    shared = np.zeros(len(kept), np.bool_)
    for kind, sign in ((SAME, 1), (OPPOSITE, -1)):
        fits = sign * along > _ALONG
        for first, again in _stretches(one[fits], other[fits], len(kept), sign):
            length_m = float(at_m[first[-1]] - at_m[first[0]])
            if length_m >= _LEAST_M:
                again_m = float(min(at_m[again[0]], at_m[again[-1]]))
                found.append(Meeting(kind, float(at_m[first[0]]), again_m, length_m))
                shared[first[0] : first[-1] + 1] = True
                shared[min(again[0], again[-1]) : max(again[0], again[-1]) + 1] = True
    across = (np.abs(along) <= _ALONG) & ~shared[one] & ~shared[other]
    closing = (at_m[one] < at_m[0] + _APART_M) & (at_m[other] > at_m[-1] - _APART_M)
    across &= ~closing  # a loop's end is no crossing
    found.extend(_crossings(one[across], other[across], at_m))
    return tuple(sorted(found, key=lambda meeting: meeting[1:]))


def _near(x_m: Floats, y_m: Floats) -> tuple[Ints, Ints]:
    """Pairs of points within reach of each other, the earlier first, sorted."""
    column = np.floor((x_m - x_m.min()) / _NEAR_M).astype(np.int64) + 1
    row = np.floor((y_m - y_m.min()) / _NEAR_M).astype(np.int64) + 1
    height = int(row.max()) + 2
    key = column * height + row
    order = np.argsort(key, kind="stable")
    ranked = key[order]
    pairs = []
    for shift in (0, 1, -1, height, -height, height + 1, height - 1, -height + 1, -height - 1):
        first, last = (np.searchsorted(ranked, key + shift, side) for side in ("left", "right"))
        count = last - first
        one = np.repeat(np.arange(len(key)), count)
        offset = np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
        pairs.append((one, order[first[one] + offset]))
    one, other = (np.concatenate(column) for column in zip(*pairs, strict=True))
    near = (one < other) & (np.hypot(x_m[one] - x_m[other], y_m[one] - y_m[other]) <= _NEAR_M)
    one, other = one[near], other[near]
    order = np.lexsort((other, one))
    return one[order], other[order]


def _stretches(one: Ints, other: Ints, count: int, sign: int) -> list[tuple[Ints, Ints]]:
    """Runs of points, each with its next pass, along which both passes go on together."""
    following = np.full(count, -1, np.int64)
    following[one[::-1]] = other[::-1]  # pairs are sorted: the earliest later pass stays
    first = np.flatnonzero(following >= 0)
    if len(first) == 0:
        return []
    again = following[first]
    step, ahead = np.diff(first), np.diff(again) * sign
    breaks = (step > _SLACK) | (ahead < -_SLACK) | (ahead > step + _SLACK)
    cuts = np.flatnonzero(breaks) + 1
    return list(zip(np.split(first, cuts), np.split(again, cuts), strict=True))


def _crossings(one: Ints, other: Ints, at_m: Floats) -> list[Meeting]:
    """One crossing for each cluster of near pairs."""
    found: list[Meeting] = []
    for first, again in zip(at_m[one].tolist(), at_m[other].tolist(), strict=True):
        known = (abs(first - m.from_m) < _APART_M and abs(again - m.again_m) < _APART_M
                 for m in reversed(found))  # fmt: skip
        if not any(known):
            found.append(Meeting(CROSSING, first, again, 0.0))
    return found
