"""The wind over a course: what the weather sheet says, between its places and its times."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hardware.weather import Weather
from truck.race.course import Course, Floats

_HEADING_M = 100.0  # over which a road has one direction
_DECIMALS = 6  # of metres a second: the last bits of a sine differ between machines
_COLDEST_K = 273.15


class Winds:
    """Wind at 10 m height (as the sheet gives it), brought to a distance and an instant.

    Wind is interpolated as a vector, in time at each place and then along the road; before the
    first and after the last it stands still.
    """

    def __init__(self, weather: Iterable[Weather], course: Course) -> None:
        stations: dict[float, list[Weather]] = {}
        for row in weather:
            stations.setdefault(_place_m(row, course), []).append(row)
        self._course = course
        self._at_m = np.array(sorted(stations))
        self._now: tuple[int | None, Floats] = None, np.zeros((3, 0))
        self._series = [_series(stations[at_m]) for at_m in self._at_m.tolist()]
        reach = max(1, round(_HEADING_M / 2 / course.step_m))
        east_m, north_m = (_difference(axis, reach) for axis in (course.x_m, course.y_m))
        way_m = np.sqrt(east_m * east_m + north_m * north_m)
        still = way_m == 0.0
        self._east = np.where(still, 0.0, east_m / np.where(still, 1.0, way_m))
        self._north = np.where(still, 1.0, north_m / np.where(still, 1.0, way_m))

    @property
    def known(self) -> bool:
        """Whether there is any weather."""
        return len(self._at_m) > 0

    def against(self, distance_m: Floats, at_us: int) -> tuple[Floats, Floats]:
        """Head wind (against the rider) and cross wind (positive from the left), m/s.

        NaN where the distance or the weather is unknown.
        """
        if not self.known:
            unknown = np.full(len(distance_m), np.nan)
            return unknown, unknown
        toward_east, toward_north, _ = self._air(distance_m, at_us)
        east, north = self._direction(distance_m)
        head_mps = -(toward_east * east + toward_north * north)
        return head_mps, toward_east * north - toward_north * east

    def temperature_k(self, distance_m: Floats, at_us: int, without_k: float) -> Floats:
        """Of the air; `without_k` where there is no weather."""
        if not self.known:
            return np.full(len(distance_m), without_k)
        return self._air(distance_m, at_us)[2]

    def over(self, distance_m: Floats, at_us: int) -> tuple[Floats, Floats, Floats]:
        """Wind speed (m/s), where it comes from (degrees clockwise from north), and Celsius.

        NaN where there is no weather.
        """
        if not self.known:
            unknown = np.full(len(distance_m), np.nan)
            return unknown, unknown, unknown
        east, north, kelvin = self._air(distance_m, at_us)
        from_deg = np.rad2deg(np.arctan2(-east, -north)) % 360.0
        return np.hypot(east, north), from_deg, kelvin - _COLDEST_K

    def _air(self, distance_m: Floats, at_us: int) -> tuple[Floats, Floats, Floats]:
        at_s = at_us / 1e6
        if self._now[0] != at_us:  # asked for several times a look
            self._now = (
                at_us,
                np.array(
                    [
                        [np.interp(at_s, from_s, row) for row in rows]
                        for from_s, rows in self._series
                    ]
                ).T,
            )
        east, north, kelvin = (np.interp(distance_m, self._at_m, row) for row in self._now[1])
        return east, north, kelvin

    def _direction(self, distance_m: Floats) -> tuple[Floats, Floats]:
        known_m = np.where(np.isfinite(distance_m), distance_m, self._course.start_m)
        index = np.rint((known_m - self._course.start_m) / self._course.step_m).astype(np.int64)
        index = np.clip(index, 0, len(self._east) - 1)
        return self._east[index], self._north[index]


def _place_m(row: Weather, course: Course) -> float:
    if row.km is not None:
        return row.km * 1000.0
    x_m, y_m = course.project(
        np.array([row.latitude_deg], np.float64), np.array([row.longitude_deg], np.float64)
    )
    nearest = np.argmin((course.x_m - x_m) ** 2 + (course.y_m - y_m) ** 2)
    return round(float(course.distance_m[nearest]), 1)


def _series(rows: list[Weather]) -> tuple[Floats, NDArray[np.float64]]:
    """Times, and wind toward the east, toward the north and temperature (K) at each of them."""
    latest = {row.from_s: row for row in rows}
    from_s = np.array(sorted(latest))
    ordered = [latest[at_s] for at_s in from_s.tolist()]
    toward_rad = np.deg2rad([row.wind_from_deg + 180.0 for row in ordered])
    speed_mps = np.array([row.wind_mps for row in ordered])
    kelvin = np.array([row.temperature_degc for row in ordered]) + _COLDEST_K
    east, north = speed_mps * np.sin(toward_rad), speed_mps * np.cos(toward_rad)
    return from_s, np.stack([east.round(_DECIMALS), north.round(_DECIMALS), kelvin])


def _difference(axis: Floats, reach: int) -> Floats:
    padded = np.pad(axis, reach, mode="edge")
    return np.asarray(padded[2 * reach :] - padded[: -2 * reach])
