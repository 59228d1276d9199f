"""The road from start to finish as one line: laps unfolded, cut at the finish, scaled."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod

from hardware.errors import Misconfigured
from hardware.laps import Lap, Trace
from hardware.stage import Route, Stage

Floats = NDArray[np.float64]

_FINISH_OFF_M = 300.0
_SAME_PLACE_M = 0.5
_SCALE_OFF = 0.1  # a road book and a drawn line differ by a few per cent, not by a tenth
_SCALE_NEAR = 0.03
_GEOD = Geod(ellps="WGS84")


class Line(NamedTuple):
    """Points in riding order; `distance_m` counts from the flag, negative in the neutral zone."""

    latitude_deg: Floats
    longitude_deg: Floats
    altitude_m: Floats
    distance_m: Floats


@dataclass(frozen=True, eq=False)
class Road:
    """A stage's line and what was found out on the way to it.

    Attributes:
        line: as its riders ride it; altitudes bridged, all NaN where there are none.
        drawn_m: the length of the drawing once its laps are ridden and it ends at the finish.
        end_m: its length before it was cut there.
        neutral_m: what of it lies before the flag; 0 where the drawing begins at the flag.
        laps: of each circuit, None where the drawing does not close there.
        unfolded: whether circuits were drawn less often than they are ridden.
        finish_m: each place of the drawing that passes the finish line, before it was cut there.
        finish_off_m: how far the finish lies beside the drawing.
    """

    line: Line
    drawn_m: float
    end_m: float
    neutral_m: float
    laps: tuple[Lap | None, ...]
    unfolded: bool
    finish_m: tuple[float, ...]
    finish_off_m: float


def line_of(stage: Stage) -> Line:
    """The stage's road as its riders ride it; altitudes bridged, all NaN where there are none.

    Raises:
        Misconfigured: route and road book contradict each other.
    """
    return road_of(stage).line


def road_of(stage: Stage) -> Road:
    """The stage's road and how it was derived.

    Raises:
        Misconfigured: route and road book contradict each other.
    """
    route = _bridged(_without_stops(stage.route))
    along_m = along(route)
    neutral_m = _neutral(stage, float(along_m[-1]))
    if along_m[-1] <= neutral_m + 100.0:
        raise Misconfigured(
            f"route.gpx is only {along_m[-1]:.0f} m long", "Export the whole stage."
        )
    laps = _laps(route, along_m, stage, neutral_m)
    again = _again(stage, laps, float(along_m[-1]), neutral_m)
    if any(again):
        route = _unfold(route, along_m, stage, laps, again, neutral_m)
        along_m = along(route)
    end_m = float(along_m[-1])
    passes: tuple[float, ...] = ()
    off_m = 0.0
    if stage.finish is not None:
        passes, off_m = passes_of(route, along_m, stage.finish)
        route, along_m = _end_at(route, along_m, _finish_of(stage, passes, neutral_m))
    wanted_m = float(along_m[-1])
    if stage.length_km is not None:
        wanted_m = neutral_m + stage.length_km * 1000.0
        _check_scale(wanted_m, float(along_m[-1]))
    line = Line(
        route.latitude_deg,
        route.longitude_deg,
        route.altitude_m,
        along_m * (wanted_m / along_m[-1]) - neutral_m,
    )
    return Road(line, float(along_m[-1]), end_m, neutral_m, laps, any(again), passes, off_m)


def along(route: Route) -> Floats:
    """Metres along a route, at each of its points."""
    return np.concatenate([[0.0], np.cumsum(steps(route))])


def steps(route: Route) -> Floats:
    """Metres between each point and the next, on the ellipsoid."""
    lat, lon = route.latitude_deg, route.longitude_deg
    return np.asarray(_GEOD.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])[2], np.float64)


def passes_of(
    route: Route, along_m: Floats, place: tuple[float, float]
) -> tuple[tuple[float, ...], float]:
    """Where along a route a place is passed, and how far off the nearest pass is, in metres.

    Raises:
        Misconfigured: the finish is nowhere near the route.
    """
    off_m, at_m = _beside(route, along_m, place)
    nearest_m = float(np.min(off_m))
    if nearest_m > _FINISH_OFF_M:
        swapped_m = float(np.min(_beside(route, along_m, place[::-1])[0]))
        hint = "Swap its latitude and longitude." if swapped_m <= _FINISH_OFF_M else (
            "Correct the finish, or draw the route to it."
        )  # fmt: skip
        raise Misconfigured(
            f"stage.toml, finish: {nearest_m:.0f} m from the nearest point of route.gpx", hint
        )
    near = np.flatnonzero(off_m <= max(nearest_m * 1.5, nearest_m + 20.0))
    # one pass is a run of near segments, of which the nearest counts
    runs = np.split(near, np.flatnonzero(np.diff(at_m[near]) > 2 * _FINISH_OFF_M) + 1)
    best = [int(run[np.argmin(off_m[run])]) for run in runs]
    return tuple(float(at_m[k]) for k in best), nearest_m


def _beside(route: Route, along_m: Floats, place: tuple[float, float]) -> tuple[Floats, Floats]:
    """How far beside each segment a place lies, and where along the route that is."""
    north, east = _metres_a_degree(place[0])
    x_m = (route.longitude_deg - place[1]) * east
    y_m = (route.latitude_deg - place[0]) * north
    ux, uy = np.diff(x_m), np.diff(y_m)
    square = np.maximum(ux * ux + uy * uy, 1e-9)
    part = np.clip(-(x_m[:-1] * ux + y_m[:-1] * uy) / square, 0.0, 1.0)
    off_m = np.hypot(x_m[:-1] + part * ux, y_m[:-1] + part * uy)
    return off_m, along_m[:-1] + part * np.diff(along_m)


def _without_stops(route: Route) -> Route:
    """The route without points that repeat the one before, or nearly."""
    north, east = _metres_a_degree(float(route.latitude_deg[0]))
    x_m, y_m = (route.longitude_deg * east).tolist(), (route.latitude_deg * north).tolist()
    kept = [0]
    for k in range(1, len(x_m)):
        if abs(x_m[k] - x_m[kept[-1]]) + abs(y_m[k] - y_m[kept[-1]]) > _SAME_PLACE_M:
            kept.append(k)
    if len(kept) < 2:
        raise Misconfigured("route.gpx stays in one place", "Export the track of the whole stage.")
    return _take(route, np.array(kept))


def _bridged(route: Route) -> Route:
    """The route with the holes of its profile bridged; all NaN where there is none."""
    known = np.isfinite(route.altitude_m)
    if not known.any():
        return route
    along_m = along(route)
    altitude_m = np.interp(along_m, along_m[known], route.altitude_m[known])
    return Route(route.latitude_deg, route.longitude_deg, altitude_m)


def _metres_a_degree(latitude_deg: float) -> tuple[float, float]:
    """Northward and eastward, near enough for what lies within some hundred metres."""
    return 111_200.0, 111_200.0 * float(np.cos(np.radians(latitude_deg)))


def _take(route: Route, which: NDArray[np.int64]) -> Route:
    return Route(route.latitude_deg[which], route.longitude_deg[which], route.altitude_m[which])


def _between(route: Route, along_m: Floats, first_m: float, last_m: float) -> Route:
    """The stretch of a route between two places along it, with a point at each of its ends."""
    inside = along_m[(along_m > first_m + 0.5) & (along_m < last_m - 0.5)]
    at_m = np.concatenate([[first_m], inside, [last_m]])
    lat, lon, altitude = (
        np.interp(at_m, along_m, column)
        for column in (route.latitude_deg, route.longitude_deg, route.altitude_m)
    )
    return Route(lat, lon, altitude)


def _neutral(stage: Stage, drawn_m: float) -> float:
    """The neutral zone as far as it is drawn: exports often begin at the flag.

    It counts as left out when the drawing has the road book's length without it, and not with it.
    """
    neutral_m = stage.neutral_km * 1000.0
    if stage.length_km is None or neutral_m == 0.0:
        return neutral_m
    again_m = sum((c.count - 1) * c.length_km for c in stage.laps) * 1000.0
    flag_m = stage.length_km * 1000.0
    without_m = min(abs(drawn_m - flag_m), abs(drawn_m - flag_m + again_m))
    with_m = min(abs(drawn_m - flag_m - neutral_m), abs(drawn_m - flag_m - neutral_m + again_m))
    return 0.0 if with_m > 0.01 * drawn_m and without_m < 0.25 * with_m else neutral_m


def _laps(route: Route, along_m: Floats, stage: Stage, neutral_m: float) -> tuple[Lap | None, ...]:
    """Each circuit as it lies in the drawing."""
    if not stage.laps:
        return ()
    trace = Trace(route.latitude_deg, route.longitude_deg, along_m)
    found: list[Lap | None] = []
    left_out_m = 0.0
    for circuit in stage.laps:
        from_m = neutral_m + circuit.from_km * 1000.0 - left_out_m
        lap = trace.lap(from_m, circuit.length_km * 1000.0)
        if lap is not None:
            left_out_m += max(0, circuit.count - lap.drawn) * lap.length_m
        found.append(lap)
    return tuple(found)


def _again(
    stage: Stage, laps: tuple[Lap | None, ...], drawn_m: float, neutral_m: float
) -> tuple[int, ...]:
    """How many laps of each circuit must be added to the drawing.

    The drawing's own repeats say it, unless the road book's length says otherwise.
    """
    pairs = list(zip(stage.laps, laps, strict=True))
    shape = tuple(0 if lap is None else max(0, c.count - lap.drawn) for c, lap in pairs)
    if stage.length_km is None:
        return shape
    wanted_m = neutral_m + stage.length_km * 1000.0

    def off(again: tuple[int, ...]) -> float:
        added_m = sum(
            n * (c.length_km * 1000.0 if lap is None else lap.length_m)
            for n, (c, lap) in zip(again, pairs, strict=True)
        )
        return abs((drawn_m + added_m) / wanted_m - 1.0)

    once, out = tuple(c.count - 1 for c in stage.laps), (0,) * len(pairs)
    return shape if off(shape) <= _SCALE_NEAR else min((shape, once, out), key=off)


def _unfold(
    route: Route,
    along_m: Floats,
    stage: Stage,
    laps: tuple[Lap | None, ...],
    again: tuple[int, ...],
    neutral_m: float,
) -> Route:
    """The drawing with the laps added that it leaves out, each where its circuit closes."""
    parts: list[Route] = []
    done_m, left_out_m, last_m = 0.0, 0.0, float(along_m[-1])
    for circuit, lap, count in zip(stage.laps, laps, again, strict=True):
        from_m = neutral_m + circuit.from_km * 1000.0 - left_out_m
        length_m = circuit.length_km * 1000.0
        if lap is not None:
            from_m, length_m = lap.from_m, lap.length_m
        first_m, end_m = min(from_m, last_m), min(from_m + length_m, last_m)
        parts.append(_between(route, along_m, done_m, max(end_m, done_m)))
        parts.extend([_between(route, along_m, first_m, end_m)] * count)
        done_m = max(end_m, done_m)
        left_out_m += count * length_m
    parts.append(_between(route, along_m, done_m, last_m))
    joined = (np.concatenate(columns) for columns in zip(*map(_columns, parts), strict=True))
    return _without_stops(Route(*joined))


def _columns(route: Route) -> tuple[Floats, Floats, Floats]:
    return route.latitude_deg, route.longitude_deg, route.altitude_m


def _finish_of(stage: Stage, passes: tuple[float, ...], neutral_m: float) -> float:
    """The pass that ends the stage: circuits go through the finish more than once."""
    if stage.length_km is None:
        return passes[-1]
    wanted_m = neutral_m + stage.length_km * 1000.0
    return min(passes, key=lambda at_m: abs(at_m - wanted_m))


def _end_at(route: Route, along_m: Floats, finish_m: float) -> tuple[Route, Floats]:
    """The route up to the finish line, which may have moved since it was drawn."""
    if finish_m < _FINISH_OFF_M:
        raise Misconfigured(
            "stage.toml, finish: it lies where route.gpx begins",
            "If the route is drawn from finish to start, turn it round.",
        )
    ended = _without_stops(_between(route, along_m, 0.0, finish_m))
    return ended, along(ended)


def _check_scale(wanted_m: float, drawn_m: float) -> None:
    if abs(wanted_m / drawn_m - 1.0) <= _SCALE_OFF:
        return
    laps = wanted_m / drawn_m
    hint = "Correct length_km, neutral_km or laps, or export the whole route."
    if laps > 1.5 and abs(laps - round(laps)) < _SCALE_NEAR * laps:
        hint += f" If it draws one of {round(laps)} laps, say so in laps."
    raise Misconfigured(
        f"route.gpx is {drawn_m / 1000:.1f} km long where stage.toml says "
        f"{wanted_m / 1000:.1f} km with the neutral zone",
        hint,
    )
