"""The road from start to finish as one line: laps unfolded, cut at the finish, scaled."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod

from hardware.errors import Misconfigured
from hardware.stage import Route, Stage

Floats = NDArray[np.float64]

_FINISH_OFF_M = 300.0
_SCALE_OFF = 0.1  # a road book and a drawn line differ by a few per cent, not by a tenth
_GEOD = Geod(ellps="WGS84")


class Line(NamedTuple):
    """Points in riding order; `distance_m` counts from the flag, negative in the neutral zone."""

    latitude_deg: Floats
    longitude_deg: Floats
    altitude_m: Floats
    distance_m: Floats


def line_of(stage: Stage) -> Line:
    """The stage's road as its riders ride it; altitudes bridged, all NaN where there are none.

    Raises:
        Misconfigured: route and road book contradict each other.
    """
    route = _without_stops(stage.route)
    along_m = _along(route)
    neutral_m = stage.neutral_km * 1000.0
    if along_m[-1] <= neutral_m + 100.0:
        raise Misconfigured(
            f"route.gpx is only {along_m[-1]:.0f} m long", "Export the whole stage."
        )
    route, along_m = _unfold(route, along_m, stage)
    if stage.finish is not None:
        route, along_m = _end_at(route, along_m, stage.finish)
    wanted_m = float(along_m[-1])
    if stage.length_km is not None:
        wanted_m = neutral_m + stage.length_km * 1000.0
        if abs(wanted_m / along_m[-1] - 1.0) > _SCALE_OFF:
            raise Misconfigured(
                f"route.gpx is {along_m[-1] / 1000:.1f} km long where stage.toml says "
                f"{wanted_m / 1000:.1f} km with the neutral zone",
                "Correct length_km, neutral_km or laps, or export the whole route.",
            )
    return Line(
        route.latitude_deg,
        route.longitude_deg,
        _filled(route.altitude_m, along_m),
        along_m * (wanted_m / along_m[-1]) - neutral_m,
    )


def _without_stops(route: Route) -> Route:
    """The route without points that repeat the one before."""
    step_m = _steps(route)
    keep = np.concatenate([[True], step_m > 0.5])
    if keep.sum() < 2:
        raise Misconfigured("route.gpx stays in one place", "Export the track of the whole stage.")
    return _take(route, keep)


def _take(route: Route, which: NDArray[np.bool_] | NDArray[np.int64]) -> Route:
    return Route(route.latitude_deg[which], route.longitude_deg[which], route.altitude_m[which])


def _steps(route: Route) -> Floats:
    lat, lon = route.latitude_deg, route.longitude_deg
    return np.asarray(_GEOD.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])[2], np.float64)


def _along(route: Route) -> Floats:
    return np.concatenate([[0.0], np.cumsum(_steps(route))])


def _unfold(route: Route, along_m: Floats, stage: Stage) -> tuple[Route, Floats]:
    """Repeat the circuits of a route that draws each of them once.

    Which way the organiser drew it shows in the length: the one nearer to `length_km` counts.
    """
    again_km = sum((circuit.count - 1) * circuit.length_km for circuit in stage.laps)
    if again_km == 0.0 or stage.length_km is None:
        return route, along_m
    wanted_m = (stage.neutral_km + stage.length_km) * 1000.0
    once_m = wanted_m - again_km * 1000.0
    if abs(along_m[-1] - wanted_m) <= abs(along_m[-1] - once_m):
        return route, along_m
    scale = along_m[-1] / once_m
    order: list[NDArray[np.int64]] = []
    done = 0
    for circuit in stage.laps:
        from_m = (stage.neutral_km + circuit.from_km) * 1000.0 * scale
        first, last = np.searchsorted(
            along_m, [from_m, from_m + circuit.length_km * 1000.0 * scale]
        )
        order.append(np.arange(done, first))
        order.extend([np.arange(first, last)] * circuit.count)
        done = int(last)
    order.append(np.arange(done, len(along_m)))
    unfolded = _take(route, np.concatenate(order))
    return unfolded, _along(unfolded)


def _end_at(route: Route, along_m: Floats, finish: tuple[float, float]) -> tuple[Route, Floats]:
    """Cut the route at the finish line, which may have moved since it was drawn."""
    count = len(along_m)
    _, _, off_m = _GEOD.inv(
        np.full(count, finish[1]),
        np.full(count, finish[0]),
        route.longitude_deg,
        route.latitude_deg,
    )
    # the last pass, not the nearest: circuits go through the finish more than once
    nearest_m = float(np.min(off_m))
    last = int(np.flatnonzero(off_m <= max(nearest_m * 1.5, nearest_m + 20.0))[-1])
    if nearest_m > _FINISH_OFF_M:
        raise Misconfigured(
            f"stage.toml, finish: {nearest_m:.0f} m from the nearest point of route.gpx",
            "Correct the finish, or draw the route to it.",
        )
    return _take(route, np.arange(last + 1)), along_m[: last + 1]


def _filled(altitude_m: Floats, along_m: Floats) -> Floats:
    """The profile with its holes bridged; all NaN where there is none."""
    known = np.isfinite(altitude_m)
    if not known.any():
        return altitude_m
    return np.interp(along_m, along_m[known], altitude_m[known])
