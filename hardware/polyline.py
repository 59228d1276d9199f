"""A drawn line: how long it is, stretches of it, and where it passes a place."""

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod

from hardware.errors import Misconfigured
from hardware.gpx import Route

Floats = NDArray[np.float64]

_FINISH_OFF_M = 300.0
_PASS_M = 50.0  # what two drawn passes of one line may differ by: a wide road, a recorder's error
_SAME_PLACE_M = 0.5
_GEOD = Geod(ellps="WGS84")


def along(route: Route) -> Floats:
    """Metres along a route, at each of its points."""
    return np.concatenate([[0.0], np.cumsum(steps(route))])


def steps(route: Route) -> Floats:
    """Metres between each point and the next, on the ellipsoid."""
    lat, lon = route.latitude_deg, route.longitude_deg
    step_m = _GEOD.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])[2]
    # each step, not their sum: machines differ by nanometres, which a sum would add up
    return np.asarray(np.round(step_m, 4), np.float64)


def without_stops(route: Route) -> Route:
    """The route without points that repeat the one before, or nearly."""
    north, east = _metres_a_degree(route.latitude_deg)
    x_m = ((route.longitude_deg - route.longitude_deg[0]) * east).tolist()
    y_m = (route.latitude_deg * north).tolist()
    kept = [0]
    for k in range(1, len(x_m)):
        if abs(x_m[k] - x_m[kept[-1]]) + abs(y_m[k] - y_m[kept[-1]]) > _SAME_PLACE_M:
            kept.append(k)
    if len(kept) < 2:
        raise Misconfigured("route.gpx stays in one place", "Export the track of the whole stage.")
    return _take(route, np.array(kept))


def bridged(route: Route) -> Route:
    """The route with the holes of its profile bridged; all NaN where there is none."""
    known = np.isfinite(route.altitude_m)
    if not known.any():
        return route
    along_m = along(route)
    altitude_m = np.interp(along_m, along_m[known], route.altitude_m[known])
    return Route(route.latitude_deg, route.longitude_deg, altitude_m)


def between(route: Route, along_m: Floats, first_m: float, last_m: float) -> Route:
    """The stretch of a route between two places along it, with a point at each of its ends."""
    inside = along_m[(along_m > first_m + 0.5) & (along_m < last_m - 0.5)]
    at_m = np.concatenate([[first_m], inside, [last_m]])
    lat, lon, altitude = (
        np.interp(at_m, along_m, column)
        for column in (route.latitude_deg, route.longitude_deg, route.altitude_m)
    )
    return Route(lat, lon, altitude)


def joined(parts: list[Route]) -> Route:
    """The parts one after the other."""
    return Route(
        np.concatenate([part.latitude_deg for part in parts]),
        np.concatenate([part.longitude_deg for part in parts]),
        np.concatenate([part.altitude_m for part in parts]),
    )


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
    near = np.flatnonzero(off_m <= nearest_m + _PASS_M)
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


def _take(route: Route, which: NDArray[np.int64]) -> Route:
    return Route(route.latitude_deg[which], route.longitude_deg[which], route.altitude_m[which])


def _metres_a_degree(latitude_deg: Floats | float) -> tuple[float, Floats]:
    """Northward and eastward, near enough for what lies within some hundred metres."""
    return 111_200.0, 111_200.0 * np.cos(np.radians(latitude_deg))
