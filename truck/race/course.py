"""The road as one line: where a distance is, how steep it is, and what lap it belongs to."""

import math

import numpy as np
from numpy.typing import NDArray
from pyproj import Proj

from hardware.profile import profile_of
from hardware.route import Road, road_of
from hardware.stage import Circuit, Stage

Floats = NDArray[np.float64]

STEP_M = 5.0
_LINE_OFF = 0.1  # of a lap, between its line and the finish, is a road book's rounding
RUN_OUT_M = 300.0  # beyond the line, so that a rider is seen to cross it
# everything is computed from these, so they are rounded: another machine's libm differs in the
# last bit
_PLACE_DIGITS, _LEVEL_DIGITS, _HEADING_DIGITS, _DEGREE_DIGITS = 4, 3, 6, 9


class Course:
    """A stage's route, unfolded over its laps and scaled to the road book's length.

    Distances count from the flag: negative in the neutral zone, `length_m` at the line, and on for
    `RUN_OUT_M` beyond it. Arrays run along the resampled route, every `step_m`.

    Attributes:
        length_m: flag to finish line.
        circuits: in kilometres of this course.
        start_m: where the route begins, 0 or minus the neutral zone.
        distance_m: of each point.
        x_m: eastward of the route's middle.
        y_m: northward of it.
        heading_rad: of the road, clockwise from north.
        altitude_m: NaN without a profile.
        gradient_pct: of the profile over 120 m, or more where it is drawn noisily; NaN without one.
        road: how the route was derived from the stage's files.
    """

    def __init__(self, stage: Stage) -> None:
        self.road: Road = road_of(stage)
        line = self.road.line
        self.name = stage.name
        self.checkpoints = stage.checkpoints
        self.start_m = round(float(line.distance_m[0]), _LEVEL_DIGITS)
        self.length_m = round(float(line.distance_m[-1]), _LEVEL_DIGITS)
        self.circuits: tuple[Circuit, ...] = _circuits(stage, self.road, self.length_m)
        count = max(2, round((self.length_m - self.start_m) / STEP_M))
        self.step_m = (self.length_m - self.start_m) / count
        even_m = np.linspace(self.start_m, self.length_m, count + 1)
        middle = float(np.mean(line.longitude_deg)), float(np.mean(line.latitude_deg))
        self._plane = Proj(
            proj="aeqd", lon_0=round(middle[0], 6), lat_0=round(middle[1], 6), ellps="WGS84"
        )
        x, y = self.project(line.latitude_deg, line.longitude_deg)
        self.x_m = _run_out(np.interp(even_m, line.distance_m, x), self.step_m)
        self.y_m = _run_out(np.interp(even_m, line.distance_m, y), self.step_m)
        # once for all, because every frame asks for the places of all riders
        self._longitude_deg, self._latitude_deg = self._plane(self.x_m, self.y_m, inverse=True)
        along: Floats = np.arange(len(self.x_m), dtype=np.float64)
        self.distance_m: Floats = self.start_m + self.step_m * along
        heading_rad = np.arctan2(np.gradient(self.x_m), np.gradient(self.y_m))
        self.heading_rad: Floats = np.round(heading_rad, _HEADING_DIGITS)
        profile = profile_of(line.distance_m, line.altitude_m)
        self.altitude_m = self._along(profile.distance_m, profile.altitude_m)
        self.gradient_pct = self._along(profile.distance_m, profile.gradient_pct)

    def project(self, latitude_deg: Floats, longitude_deg: Floats) -> tuple[Floats, Floats]:
        """Metres east and north of the route's middle (azimuthal equidistant)."""
        x, y = self._plane(longitude_deg, latitude_deg)
        return np.round(x, _PLACE_DIGITS), np.round(y, _PLACE_DIGITS)

    def place(self, distance_m: Floats) -> tuple[Floats, Floats]:
        """Latitude and longitude in degrees of points on the road."""
        latitude_deg = np.interp(distance_m, self.distance_m, self._latitude_deg)
        longitude_deg = np.interp(distance_m, self.distance_m, self._longitude_deg)
        return np.round(latitude_deg, _DEGREE_DIGITS), np.round(longitude_deg, _DEGREE_DIGITS)

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

    def _along(self, distance_m: Floats, values: Floats) -> Floats:
        """A column of the profile at the course's points; its last value beyond the line."""
        return np.round(np.interp(self.distance_m, distance_m, values), _LEVEL_DIGITS)


def _circuits(stage: Stage, road: Road, length_m: float) -> tuple[Circuit, ...]:
    """The road book's circuits with their laps as long as they are drawn.

    A circuit that the road book ends about at the finish ends there to the metre: its line is the
    finish line.
    """
    scale = (length_m + road.neutral_m) / road.drawn_m
    found = []
    for circuit, lap in zip(stage.laps, road.laps, strict=True):
        lap_km = circuit.length_km if lap is None else round(lap.length_m * scale, 1) / 1000.0
        from_km = circuit.from_km
        beyond_km = length_m / 1000.0 - (from_km + circuit.count * circuit.length_km)
        if abs(beyond_km) < _LINE_OFF * circuit.length_km:
            from_km = max(0.0, length_m / 1000.0 - circuit.count * lap_km)
        found.append(Circuit(from_km, lap_km, circuit.count))
    return tuple(found)


def _run_out(points: Floats, step_m: float) -> Floats:
    """Carry a coordinate straight on beyond the line."""
    back = min(4, len(points) - 1)
    slope = (points[-1] - points[-1 - back]) / back
    beyond = points[-1] + slope * np.arange(1, math.ceil(RUN_OUT_M / step_m) + 1)
    return np.round(np.append(points, beyond), _PLACE_DIGITS)
