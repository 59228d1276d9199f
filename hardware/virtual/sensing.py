"""A ride as its trackers measure it: receivers whose error wanders, sensors, clocks.

Positions wander as two recorders on one bike did: sd 1.2 to 1.6 m an axis, autocorrelation 0.98
at 1 s, 0.6 at 30 s, 0.3 at 120 s, the sum of a fast and a slow Ornstein-Uhlenbeck process.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.asphalt import Asphalt
from hardware.virtual.devices import Carried, Flags, Stale
from hardware.virtual.faults import Faults
from hardware.virtual.reception import Reception, delays_s
from hardware.virtual.ride import Floats, Ride, Singles
from hardware.virtual.shadows import Shadows

Ints = NDArray[np.int64]

CHUNK_S = 1_800
_WANDER_TAU_S = (20.0, 240.0)
_WANDER_SHARE = (0.45, 0.55)
_SD_M = (1.2, 1.6)
_UP_SD = 1.8  # times the horizontal one: satellites are never below
_DOPPLER_MPS = (0.05, 0.15)
_BIAS_M = 2.5  # of altitude: five recorders of one race differ by 5.6 m
_DRIFT_M, _DRIFT_TAU_S = 1.5, 900.0
_POWER_ERROR = 0.015
_WILD_MPS = (-4.0, 33.0)  # feeds have shown negative speeds, and 116 km/h
_YESTERDAY_KM = (15.0, 120.0)
_NEARBY_SHARE = 0.3
_PARKED_M = 40.0
_DAY_US = 86_400_000_000
_SECOND_US = 1_000_000


class Readings(NamedTuple):
    """Columns of readings, one row a reading; `column` is the tracker's, `second` the ride's."""

    second: Ints
    column: Ints
    bib: NDArray[np.int32]
    measured_at_us: Ints
    heard_at_us: Ints
    latitude_deg: Floats
    longitude_deg: Floats
    altitude_m: Floats
    speed_mps: Floats
    power_w: Floats
    heart_rate_bpm: Floats
    cadence_rpm: Floats
    impact: NDArray[np.bool_]
    stale: NDArray[np.bool_]


class Receivers:
    """The trackers' receivers and clocks for one ride."""

    def __init__(
        self, ride: Ride, carried: Carried, felt: Flags, asphalt: Asphalt, faults: Faults,
        draw: np.random.Generator,
    ) -> None:  # fmt: skip
        self._ride, self._carried, self._asphalt, self._draw = ride, carried, asphalt, draw
        self._felt = felt
        seconds, trackers = carried.on.shape[0], len(carried.bibs)
        self._step_deg = faults.step_deg
        parts_s = np.round(draw.uniform(0.0, 0.995, trackers), 2)
        turns = draw.integers(0, faults.every_s, trackers)
        self._part_s: Floats = parts_s * (not faults.in_step)
        turns *= not faults.in_step
        self._due = (np.arange(seconds)[:, None] + turns) % faults.every_s == 0
        self._sd_m = draw.uniform(*_SD_M, (3, trackers)).astype(np.float32)
        self._sd_m[2] *= _UP_SD
        self._error = _wander(seconds, trackers, draw)
        self._doppler_mps: Floats = draw.uniform(_DOPPLER_MPS[0], _DOPPLER_MPS[1], trackers)
        self._bias_m: Floats = draw.normal(0.0, _BIAS_M, trackers)
        knots = draw.normal(0.0, _DRIFT_M, (seconds // int(_DRIFT_TAU_S) + 2, trackers))
        self._drift_m = knots
        self._finish = self._yesterdays_finish()
        self._parked_m = draw.normal(0.0, _PARKED_M, (2, trackers))

    def measure(self, reception: Reception, shadows: Shadows) -> Iterator[Readings]:
        """The readings that get to the truck, half an hour at a time, in order of time."""
        heard = reception.heard & self._due & ~shadows.hidden
        for first in range(0, len(heard), CHUNK_S):
            second, column = np.nonzero(heard[first : first + CHUNK_S])
            second += first
            late_s = reception.late_s[second, column]
            yield self._readings(second, column, late_s, shadows)

    def _readings(self, second: Ints, column: Ints, late_s: Singles, shadows: Shadows) -> Readings:
        carried, draw = self._carried, self._draw
        part_s = self._part_s[column]
        after = np.minimum(second + 1, self._ride.seconds - 1)
        at_m = carried.distance_m[second, column]
        at_m = at_m + (carried.distance_m[after, column] - at_m) * part_s
        right_m = carried.right_m[second, column]
        ahead_m, wild = np.zeros(len(second), np.float32), np.zeros(len(second), np.bool_)
        for gorge in shadows.gorges:
            low, high = np.searchsorted(second, [gorge.from_s, gorge.from_s + len(gorge.wild)])
            cells = second[low:high] - gorge.from_s, column[low:high]
            right_m[low:high] += gorge.right_m[cells]
            ahead_m[low:high] += gorge.ahead_m[cells]
            wild[low:high] |= gorge.wild[cells]
        east_m, north_m, up_m = self._error[second, :, column].T * self._sd_m[:, column]
        lat, lon, level_m = self._asphalt.place(at_m, right_m, ahead_m, east_m, north_m)
        speed_mps = carried.speed_mps[second, column].astype(np.float64)
        noise = draw.standard_normal(len(second), np.float32) * self._doppler_mps[column]
        speed_mps = np.where(wild, draw.uniform(*_WILD_MPS, len(second)),
                             np.maximum(speed_mps + noise, 0.0))  # fmt: skip
        true_us = round(self._ride.start_s * _SECOND_US) + second * _SECOND_US
        true_us = true_us + np.rint(part_s * _SECOND_US).astype(np.int64)
        heard_ms = np.rint(delays_s(late_s, draw) * 1000.0).astype(np.int64)
        power_w, heart_rate_bpm, cadence_rpm = self._sensors(second, column)
        clock_us = np.rint(carried.clock_s[column] * _SECOND_US).astype(np.int64)
        readings = Readings(
            second=second,
            column=column,
            bib=self._bibs(second, column),
            measured_at_us=true_us + clock_us,
            heard_at_us=true_us + heard_ms * 1000,
            latitude_deg=lat,
            longitude_deg=lon,
            altitude_m=level_m + up_m + self._altitude_off(second, column),
            speed_mps=speed_mps,
            power_w=power_w,
            heart_rate_bpm=heart_rate_bpm,
            cadence_rpm=cadence_rpm,
            impact=self._felt[second, column],
            stale=np.zeros(len(second), np.bool_),
        )
        for stale in carried.stale:
            self._make_stale(readings, stale)
        return self._rounded(readings)

    def _bibs(self, second: Ints, column: Ints) -> NDArray[np.int32]:
        """What trackers are taken for."""
        bibs = self._carried.bibs[column]
        for exchange in self._carried.exchanges:
            until_s = self._ride.seconds if exchange.until_s is None else exchange.until_s
            one, other = exchange.columns
            for tracker, taken_for in ((one, other), (other, one)):
                wrong = (second < until_s) & (column == tracker)
                bibs[wrong] = self._carried.bibs[taken_for]
        return bibs

    def _sensors(self, second: Ints, column: Ints) -> tuple[Floats, Floats, Floats]:
        """Power, heart rate and cadence."""
        power, heart_rate, cadence = (
            values[second, column].astype(np.float64) for values in self._carried.sensors.values()
        )
        error = self._draw.standard_normal(len(second), np.float32) * _POWER_ERROR
        return np.maximum(power * (1.0 + error), 0.0), heart_rate, cadence

    def _altitude_off(self, second: Ints, column: Ints) -> Floats:
        at = second / _DRIFT_TAU_S
        low = at.astype(np.int64)
        before, after = self._drift_m[low, column], self._drift_m[low + 1, column]
        return np.asarray(self._bias_m[column] + before + (after - before) * (at - low))

    def _yesterdays_finish(self) -> tuple[float, float, float]:
        """Far away, or beside another part of today's road."""
        draw, zero = self._draw, np.zeros(1)
        at_m = np.array([draw.uniform(0.1, 0.9) * self._ride.length_m])
        off_m = draw.uniform(20.0, 200.0, 2) * draw.choice((-1.0, 1.0), 2)
        if draw.random() >= _NEARBY_SHARE:
            off_m = draw.uniform(*_YESTERDAY_KM, 2) * draw.choice((-1000.0, 1000.0), 2)
        lat, lon, level_m = self._asphalt.place(at_m, zero, zero, zero + off_m[0], zero + off_m[1])
        return float(lat[0]), float(lon[0]), float(level_m[0])

    def _make_stale(self, readings: Readings, stale: Stale) -> None:
        """Overwrite rows with yesterday's finish."""
        low, high = np.searchsorted(readings.second, [stale.from_s, stale.to_s + 1])
        rows = low + np.flatnonzero(readings.column[low:high] == stale.column)
        lat, lon, level_m = self._finish
        # where the tracker was parked, in degrees near enough
        east_m, north_m = self._parked_m[:, stale.column]
        readings.latitude_deg[rows] = lat + north_m * 9e-6
        readings.longitude_deg[rows] = lon + east_m * 12e-6
        readings.altitude_m[rows] = level_m
        readings.speed_mps[rows] = 0.0
        readings.stale[rows] = True
        if stale.own_time:
            readings.measured_at_us[rows] -= _DAY_US - self._ride.seconds * _SECOND_US

    def _rounded(self, readings: Readings) -> Readings:
        """To what trackers send; it also hides the last bits in which machines differ."""
        places = round(-np.log10(self._step_deg))
        return readings._replace(
            latitude_deg=np.round(readings.latitude_deg, places),
            longitude_deg=np.round(readings.longitude_deg, places),
            altitude_m=np.round(readings.altitude_m, 1),
            speed_mps=np.round(readings.speed_mps, 2),
            power_w=np.round(readings.power_w),
            heart_rate_bpm=np.round(readings.heart_rate_bpm),
            cadence_rpm=np.round(readings.cadence_rpm),
        )


def _wander(seconds: int, trackers: int, draw: np.random.Generator) -> Singles:
    """Errors of unit deviation, [seconds, 3 axes, trackers]."""
    total = np.zeros((seconds, 3, trackers), np.float32)
    for tau_s, share in zip(_WANDER_TAU_S, _WANDER_SHARE, strict=True):
        keep = np.float32(1.0 - 1.0 / tau_s)
        state = draw.standard_normal((3, trackers), np.float32)
        fresh = draw.standard_normal((seconds, 3, trackers), np.float32)
        fresh *= np.sqrt(np.float32(1.0) - keep * keep)
        for row in fresh:
            state *= keep
            state += row
            row[:] = state
        total += fresh * np.sqrt(np.float32(share))
    return total
