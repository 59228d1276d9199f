"""The road as one line: where a distance is, how steep it is, and what lap it belongs to."""

import math

import numpy as np
from numpy.typing import NDArray
from pyproj import Proj

from hardware.route import line_of
from hardware.stage import Circuit, Stage

Floats = NDArray[np.float64]

STEP_M = 5.0
RUN_OUT_M = 300.0  # beyond the line, so that a rider is seen to cross it
_GRADIENT_M = 120.0  # DESIGN 6: the profile over 100 to 150 m


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
        line = line_of(stage)
        self.name = stage.name
        self.checkpoints = stage.checkpoints
        self.circuits: tuple[Circuit, ...] = stage.laps
        self.start_m = float(line.distance_m[0])
        self.length_m = float(line.distance_m[-1])
        count = max(2, round((self.length_m - self.start_m) / STEP_M))
        self.step_m = (self.length_m - self.start_m) / count
        even_m = np.linspace(self.start_m, self.length_m, count + 1)
        middle = float(np.mean(line.longitude_deg)), float(np.mean(line.latitude_deg))
        self._plane = Proj(proj="aeqd", lon_0=middle[0], lat_0=middle[1], ellps="WGS84")
        x, y = self.project(line.latitude_deg, line.longitude_deg)
        self.x_m = _run_out(np.interp(even_m, line.distance_m, x), self.step_m)
        self.y_m = _run_out(np.interp(even_m, line.distance_m, y), self.step_m)
        along: Floats = np.arange(len(self.x_m), dtype=np.float64)
        self.distance_m: Floats = self.start_m + self.step_m * along
        self.heading_rad = np.arctan2(np.gradient(self.x_m), np.gradient(self.y_m))
        level_m = np.interp(even_m, line.distance_m, line.altitude_m)
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


def _run_out(points: Floats, step_m: float) -> Floats:
    """Carry a coordinate straight on beyond the line."""
    back = min(4, len(points) - 1)
    slope = (points[-1] - points[-1 - back]) / back
    return np.append(points, points[-1] + slope * np.arange(1, math.ceil(RUN_OUT_M / step_m) + 1))
