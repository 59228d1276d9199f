"""A course to ride on: a polyline with elevation, from a GPX file or made from a seed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj

from hardware import rides
from hardware.errors import Damaged

Column = npt.NDArray[np.float64]

_EARTH = pyproj.Geod(ellps="WGS84")
_STEP_M = 10.0
_GRADIENT_BASE_M = 100.0  # shorter than that a profile's noise looks like hills
_STEEPEST = 0.09
_OPEN_M = 300.0  # of the loop, so that start and finish are not the same place


@dataclass(frozen=True)
class Course:
    """Points from start to finish; distance_m and course_deg (heading) follow from them."""

    latitude_deg: Column
    longitude_deg: Column
    altitude_m: Column
    distance_m: Column
    course_deg: Column

    @property
    def length_m(self) -> float:
        """The length from start to finish."""
        return float(self.distance_m[-1])

    def gradient(self, at_m: Column) -> Column:
        """The slope (rise over run) at distances from the start, over 100 m of the profile."""
        half = _GRADIENT_BASE_M / 2
        ahead, behind = (
            np.interp(at_m + d, self.distance_m, self.altitude_m) for d in (half, -half)
        )
        return np.asarray((ahead - behind) / _GRADIENT_BASE_M)

    def place(self, at_m: Column, right_m: Column) -> tuple[Column, Column, Column, Column]:
        """Latitude, longitude, altitude and heading, `right_m` to the right of the line.

        Beyond either end the road goes straight on.
        """
        on_m = np.clip(at_m, 0.0, self.length_m)
        leg = np.clip(
            np.searchsorted(self.distance_m, on_m, "right") - 1, 0, len(self.course_deg) - 1
        )
        heading = self.course_deg[leg]
        lat, lon, altitude = (
            np.interp(on_m, self.distance_m, column)
            for column in (self.latitude_deg, self.longitude_deg, self.altitude_m)
        )
        for distance, bearing in ((at_m - on_m, heading), (right_m, heading + 90.0)):
            lon, lat, _ = _EARTH.fwd(lon, lat, bearing, distance)
        return np.asarray(lat), np.asarray(lon), altitude, heading


def course_of(latitude_deg: Column, longitude_deg: Column, altitude_m: Column) -> Course:
    """A course through points; repeated ones are left out, missing altitudes bridged.

    Raises:
        ValueError: when there are not two different points.
    """
    _, _, step_m = _EARTH.inv(
        longitude_deg[:-1], latitude_deg[:-1], longitude_deg[1:], latitude_deg[1:]
    )
    moved = np.concatenate(([True], np.asarray(step_m) > 0.01))
    lat, lon, altitude = latitude_deg[moved], longitude_deg[moved], altitude_m[moved]
    if len(lat) < 2:
        raise ValueError("a course needs two different points")
    heading, _, step_m = _EARTH.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])
    distance = np.concatenate(([0.0], np.cumsum(step_m)))
    known = np.isfinite(altitude)
    altitude = (
        np.interp(distance, distance[known], altitude[known]) if known.any() else 0 * distance
    )
    return Course(lat, lon, altitude, distance, np.asarray(heading) % 360.0)


def course_from_gpx(path: Path) -> Course:
    """The course of a GPX file's tracks, or of its routes where it has no track.

    Raises:
        Misconfigured: the file is missing.
        Damaged: it is not whole, or holds no line.
    """
    document = rides.read_gpx(path)
    points = [point for point, *_ in document.walk()]
    points = points or [point for route in document.routes for point in route.points]
    columns = np.array(
        [(p.latitude, p.longitude, np.nan if p.elevation is None else p.elevation) for p in points],
        np.float64,
    ).reshape(-1, 3)
    try:
        return course_of(*columns.T.copy())
    except ValueError as error:
        raise Damaged(f"{path}: {error}. Export the route again, as a track.") from error


def loop_course(seed: int, length_m: float = 20_000.0) -> Course:
    """A hilly loop in the style of the Massif Central, always the same for a seed.

    A circle bent by a few harmonics gives the line, others the profile: no step steeper than 9 %.
    """
    draw = np.random.default_rng(seed)
    turn = np.linspace(0.0, 2 * np.pi, int(length_m / _STEP_M))
    radius = np.ones_like(turn)
    altitude = np.zeros_like(turn)
    for harmonic in range(2, 10):
        phase = draw.uniform(0.0, 2 * np.pi, 2)
        radius += draw.uniform(0.2, 0.6) / harmonic**1.5 * 0.5 * np.cos(harmonic * turn + phase[0])
        altitude += draw.uniform(0.3, 1.0) / harmonic * np.cos(harmonic * turn + phase[1])
    x, y = radius * np.cos(turn), radius * np.sin(turn)
    along = np.concatenate(([0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))))
    scale_m = length_m / along[-1]
    slope = np.abs(np.diff(altitude) / np.diff(along * scale_m)).max()
    altitude = 620.0 + altitude * min(_STEEPEST / slope, 400.0)
    latitude, longitude = 45.0 + draw.uniform(0.0, 0.5), 2.5 + draw.uniform(0.0, 0.8)
    lat = latitude + y * scale_m / 111_200.0
    lon = longitude + x * scale_m / (111_200.0 * np.cos(np.radians(latitude)))
    on_road = along * scale_m <= length_m - _OPEN_M
    return course_of(lat[on_road], lon[on_road], altitude[on_road])
