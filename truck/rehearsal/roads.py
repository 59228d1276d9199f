"""Two roads held against each other: lengths, finish, points, climbs, and how much they share."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from truck.race.climbs import climbs_of
from truck.race.course import Course, Floats

SHARED_M = 50.0
_LOOK_M = 100.0
_AT_ONCE = 200
_SAME_KM = 0.05


def roads_apart(today: Course, following: Course) -> dict[str, Any]:
    """What differs between two courses, ready for JSON; kilometres count from the flag."""
    off_m = off_road(today, following)
    apart = np.flatnonzero(off_m > SHARED_M)
    at_m = _looked_at(following)
    east_m, north_m = today.project(*following.place(np.array([following.length_m])))
    line_m = (
        np.interp(today.length_m, today.distance_m, today.x_m),
        np.interp(today.length_m, today.distance_m, today.y_m),
    )
    finish_m = float(np.hypot(east_m[0] - line_m[0], north_m[0] - line_m[1]))
    return {
        "length_km": _pair(today.length_m / 1000.0, following.length_m / 1000.0),
        "neutral_km": _pair(0.0 - today.start_m / 1000.0, 0.0 - following.start_m / 1000.0),
        "finish_moved_m": round(finish_m, 0),
        "shared_share": round(float(np.mean(off_m <= SHARED_M)), 3),
        "parts_at_km": None if len(apart) == 0 else round(float(at_m[apart[0]]) / 1000.0, 1),
        "points": [
            *_points("climb", _tops(today), _tops(following)),
            *_points("", _checkpoints(today), _checkpoints(following)),
        ],
    }


def off_road(today: Course, following: Course) -> Floats:
    """How far the next road lies beside today's, every 100 m of it."""
    lat, lon = following.place(_looked_at(following))
    x_m, y_m = today.project(lat, lon)
    every = max(1, round(20.0 / today.step_m))
    road = np.stack([today.x_m[::every], today.y_m[::every]])
    return np.concatenate([
        np.hypot(x[:, None] - road[0], y[:, None] - road[1]).min(axis=1)
        for x, y in zip(
            np.array_split(x_m, -(-len(x_m) // _AT_ONCE)),
            np.array_split(y_m, -(-len(y_m) // _AT_ONCE)), strict=True,
        )
    ])  # fmt: skip


def _looked_at(course: Course) -> Floats:
    count = max(2, round((course.length_m - course.start_m) / _LOOK_M))
    return np.linspace(course.start_m, course.length_m, count)


def _tops(course: Course) -> list[tuple[str, float]]:
    climbs = climbs_of(course)
    return [(c.name or f"climb {k}", c.top_m / 1000.0) for k, c in enumerate(climbs, 1)]


def _checkpoints(course: Course) -> list[tuple[str, float]]:
    return [(f"{p.kind} {p.name}".strip(), p.km) for p in course.checkpoints if p.kind != "climb"]


def _points(
    kind: str, today: Iterable[tuple[str, float]], following: Iterable[tuple[str, float]]
) -> list[dict[str, Any]]:
    """Named places that moved, came or went."""
    before, after = dict(today), dict(following)
    rows = []
    for name in sorted(
        before.keys() | after.keys(), key=lambda n: after.get(n, before.get(n, 0.0))
    ):
        one, other = before.get(name), after.get(name)
        if one is None or other is None or abs(one - other) > _SAME_KM:
            rows.append({"what": f"{kind} {name}".strip(), "km": _pair(one, other)})
    return rows


def _pair(today: float | None, following: float | None) -> dict[str, float | None]:
    known = today is not None and following is not None
    change = round((following or 0.0) - (today or 0.0), 2) + 0.0 if known else None
    return {
        "today": None if today is None else round(today, 2) + 0.0,
        "next": None if following is None else round(following, 2) + 0.0,
        "change": change,
    }
