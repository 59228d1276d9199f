"""The road as one line: where a distance is, how steep it is, and what lap it belongs to."""

import math

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod, Proj

from hardware.errors import Misconfigured
from truck.race.stage import Circuit, Route, Stage

Floats = NDArray[np.float64]

STEP_M = 5.0
RUN_OUT_M = 300.0  # beyond the line, so that a rider is seen to cross it
_GRADIENT_M = 120.0  # DESIGN 6: the profile over 100 to 150 m
_FINISH_OFF_M = 300.0
_SCALE_OFF = 0.1  # a road book and a drawn line differ by a few per cent, not by a tenth
_GEOD = Geod(ellps="WGS84")


class Course:
    """A stage's route, unfolded over its laps and scaled to the road book's length.

    Distances count from the flag: negative in the neutral zone, `length_m` at the line, and on for
    `RUN_OUT_M` beyond it. Arrays run along the resampled route, every `step_m`.

    Attributes:
        length_m: flag to finish line.
        start_m: where the route begins, 0 or minus the neutral zone.
        distance_m: of each point.
        x_m: eastward of the route's middle.
        y_m: northward of it.
        heading_rad: of the road, clockwise from north.
        altitude_m: NaN without a profile.
        gradient_pct: of the profile over 120 m, NaN without one.
    """

    def __init__(self, stage: Stage) -> None:
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
        self.name = stage.name
        self.checkpoints = stage.checkpoints
        self.circuits: tuple[Circuit, ...] = stage.laps
        self.start_m = -neutral_m
        self.length_m = wanted_m - neutral_m
        count = max(2, round(wanted_m / STEP_M))
        self.step_m = wanted_m / count
        raw_m = np.linspace(0.0, along_m[-1], count + 1)
        middle = float(np.mean(route.longitude_deg)), float(np.mean(route.latitude_deg))
        self._plane = Proj(proj="aeqd", lon_0=middle[0], lat_0=middle[1], ellps="WGS84")
        x, y = self.project(route.latitude_deg, route.longitude_deg)
        self.x_m = _run_out(np.interp(raw_m, along_m, x), self.step_m)
        self.y_m = _run_out(np.interp(raw_m, along_m, y), self.step_m)
        along: Floats = np.arange(len(self.x_m), dtype=np.float64)
        self.distance_m: Floats = self.start_m + self.step_m * along
        self.heading_rad = np.arctan2(np.gradient(self.x_m), np.gradient(self.y_m))
        level_m = np.interp(raw_m, along_m, _filled(route.altitude_m, along_m))
        self.altitude_m = np.append(level_m, np.full(len(self.x_m) - len(level_m), level_m[-1]))
        self.gradient_pct = self._gradient()

    def project(self, latitude_deg: Floats, longitude_deg: Floats) -> tuple[Floats, Floats]:
        """Metres east and north of the route's middle (azimuthal equidistant)."""
        x, y = self._plane(longitude_deg, latitude_deg)
        return np.asarray(x, np.float64), np.asarray(y, np.float64)

    def place(self, distance_m: Floats) -> tuple[Floats, Floats]:
        """Latitude and longitude in degrees of points on the road."""
        x = np.interp(distance_m, self.distance_m, self.x_m)
        y = np.interp(distance_m, self.distance_m, self.y_m)
        longitude_deg, latitude_deg = self._plane(x, y, inverse=True)
        return np.asarray(latitude_deg, np.float64), np.asarray(longitude_deg, np.float64)

    def gradient_at(self, distance_m: Floats) -> Floats:
        """Per cent, NaN where the profile or the distance is unknown."""
        known = np.isfinite(distance_m)
        index = np.rint((np.where(known, distance_m, 0.0) - self.start_m) / self.step_m)
        index = np.clip(index, 0, len(self.gradient_pct) - 1).astype(np.int64)
        return np.where(known, self.gradient_pct[index], np.nan)

    def lap_at(self, distance_m: Floats) -> NDArray[np.int16]:
        """Laps begun at a distance: 0 before the circuit, and where there is none."""
        lap = np.zeros(len(distance_m))
        known_m = np.where(np.isfinite(distance_m), distance_m, self.start_m)
        for circuit in self.circuits:
            begun = np.floor((known_m / 1000.0 - circuit.from_km) / circuit.length_km) + 1.0
            lap += np.clip(begun, 0, circuit.count)
        return lap.astype(np.int16)

    def _gradient(self) -> Floats:
        half = max(1, round(_GRADIENT_M / 2 / self.step_m))
        padded = np.pad(self.altitude_m, half, mode="edge")
        rise_m: Floats = padded[2 * half :] - padded[: -2 * half]
        return rise_m / (2 * half * self.step_m) * 100.0


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


def _run_out(points: Floats, step_m: float) -> Floats:
    """Carry a coordinate straight on beyond the line."""
    back = min(4, len(points) - 1)
    slope = (points[-1] - points[-1 - back]) / back
    return np.append(points, points[-1] + slope * np.arange(1, math.ceil(RUN_OUT_M / step_m) + 1))
