"""The road under a simulated race: what a rider meets at each place, as tables to index."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.route import line_of
from hardware.stage import Stage

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEP_M = 10.0
RUN_OUT_M = 2_000.0  # of level road beyond the line
_GRADIENT_M = 120.0  # shorter than that a profile's noise looks like hills
_STEEPEST = 0.20
_CURVE_M, _CORNER_M = 40.0, 20.0
_CORNER_TURN = 1.0  # length of the difference of two unit vectors: 60 degrees
_LEAN_MPS2 = 4.5  # what racers take in a corner, about 25 degrees of lean
_BRAKING_MPS2 = 2.0  # before a corner, in a bunch
_TOP_MPS = 27.5
_HAIRPIN_MPS = 5.5


@dataclass(frozen=True, eq=False)
class Road:
    """Tables every `STEP_M` along the road, from `start_m` to `RUN_OUT_M` beyond the line.

    Attributes:
        start_m: 0, or minus the neutral zone.
        length_m: the finish line.
        altitude_m: level where the route has no profile.
        gradient: rise over run.
        east: of the unit vector of the heading.
        north: the same.
        limit_mps: what curves, and braking for them, allow.
    """

    start_m: float
    length_m: float
    altitude_m: Floats
    gradient: Floats
    east: Floats
    north: Floats
    limit_mps: Floats

    def index(self, distance_m: Floats) -> Ints:
        """Rows of the tables for distances, clipped to the road."""
        rows = ((distance_m - self.start_m) * (1.0 / STEP_M)).astype(np.int64)
        return np.asarray(np.minimum(np.maximum(rows, 0), len(self.gradient) - 1))

    @property
    def distance_m(self) -> Floats:
        """Where the rows of the tables are."""
        return self.start_m + STEP_M * np.arange(len(self.gradient), dtype=np.float64)


def road_of(stage: Stage) -> Road:
    """The tables of a stage's road.

    Geodesy and cosines may differ in their last bit between machines, and a race would carry
    that on: the tables are therefore made of values rounded first.

    Raises:
        Misconfigured: route and road book contradict each other.
    """
    line = line_of(stage)
    along_m: Floats = np.round(line.distance_m, 3)
    start_m, length_m = float(along_m[0]), float(along_m[-1])
    rows = int((length_m + RUN_OUT_M - start_m) / STEP_M) + 1
    at_m: Floats = start_m + STEP_M * np.arange(rows, dtype=np.float64)
    narrow = np.round(np.cos(np.radians(line.latitude_deg)), 9)
    east_m = np.concatenate([[0.0], np.cumsum(np.diff(line.longitude_deg) * narrow[1:])])
    # a degree of latitude; only the direction counts
    scale_m = 111_200.0
    x = _beyond(at_m, along_m, east_m * scale_m)
    y = _beyond(at_m, along_m, (line.latitude_deg - line.latitude_deg[0]) * scale_m)
    altitude_m = np.nan_to_num(np.round(line.altitude_m, 2))
    level_m = np.interp(at_m, along_m, altitude_m)
    east, north = _headings(x, y)
    return Road(
        start_m,
        length_m,
        level_m,
        np.clip(_slope(level_m), -_STEEPEST, _STEEPEST),
        east,
        north,
        _limits(east, north),
    )


def _beyond(at_m: Floats, along_m: Floats, values: Floats) -> Floats:
    """A coordinate on the grid, carried straight on beyond the line."""
    step_m = along_m[-1] - along_m[-2]
    rate = (values[-1] - values[-2]) / max(step_m, 1e-3)
    further_m = np.maximum(at_m - along_m[-1], 0.0)
    return np.asarray(np.interp(at_m, along_m, values) + rate * further_m)


def _spread(values: Floats, base_m: float) -> Floats:
    """The difference of a table over `base_m` around each row."""
    half = max(1, int(base_m / 2 / STEP_M))
    padded = np.pad(values, half, mode="edge")
    return np.asarray(padded[2 * half :] - padded[: -2 * half])


def _slope(level_m: Floats) -> Floats:
    return np.asarray(_spread(level_m, _GRADIENT_M) / _GRADIENT_M)


def _headings(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    dx, dy = _spread(x, 2 * STEP_M), _spread(y, 2 * STEP_M)
    norm = np.maximum(np.sqrt(dx * dx + dy * dy), 1e-9)
    return dx / norm, dy / norm


def _limits(east: Floats, north: Floats) -> Floats:
    """Speed for a corner's radius, and what still lets a rider brake to it."""
    wide, tight = _turn(east, north, _CURVE_M), _turn(east, north, _CORNER_M)
    curve = np.sqrt(_LEAN_MPS2 * _CURVE_M / np.maximum(wide, 1e-3))
    corner = np.sqrt(_LEAN_MPS2 * _CORNER_M / np.maximum(tight, 1e-3))
    # a route's points are tens of metres apart: only a real corner turns that much in so few
    curve = np.where(tight > _CORNER_TURN, np.minimum(curve, corner), curve)
    limit = np.clip(curve, _HAIRPIN_MPS, _TOP_MPS).tolist()
    for row in range(len(limit) - 2, -1, -1):
        # a square root is exact everywhere, a power is not
        braked = math.sqrt(limit[row + 1] * limit[row + 1] + 2.0 * _BRAKING_MPS2 * STEP_M)
        limit[row] = min(limit[row], braked)
    return np.array(limit)


def _turn(east: Floats, north: Floats, base_m: float) -> Floats:
    """How far the heading's unit vector moves over `base_m`."""
    return np.asarray(np.sqrt(_spread(east, base_m) ** 2 + _spread(north, base_m) ** 2))
