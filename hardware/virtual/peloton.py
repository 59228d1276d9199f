"""A seeded peloton on a course: simple physics, a few groups, and the GPS that sees them.

Road load after Martin et al. 1998 (air, rolling, slope); shelter grows with the riders close
ahead (5 to 60 % off the drag). A pacer rides each group at a steady share of power; riders hold
their place behind it with what power they have, and drop back when that is not enough.
GPS error wanders as two recorders on one bike did: sd 1.2 to 1.6 m, autocorrelation 0.98 at 1 s,
0.6 at 30 s, 0.3 at 120 s, the sum of a fast and a slow Ornstein-Uhlenbeck process an axis.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hardware.virtual.course import Course
from hardware.virtual.readings import Readings, joined

Column = npt.NDArray[np.float64]

_STEP_S = 1.0
_REMEMBERED_S = 600  # how far back readings can be asked for without riding again
_AIR_KGPM3 = 1.15
_ROLLING = 0.004
_DRIVETRAIN = 0.976
_BIKE_KG = 8.0
_TOP_MPS = 22.0
_BRAKE_MPS2 = 3.0
_HOLD_S = 6.0  # a rider closes a gap to his place in about this time
_RUN_OUT_M = 150.0
# share of the field, start ahead of the last group (m), pacer's power (W/kg)
_GROUPS = ((0.03, 900.0, 5.4), (0.07, 600.0, 5.1), (0.75, 300.0, 4.6), (0.15, 20.0, 4.1))
_GPS_TAU_S = np.array([[20.0], [240.0]])
_GPS_SHARE = np.array([[0.45], [0.55]])


@dataclass
class _State:
    """All riders at one second; shapes [riders], gps [2 axes, 2 processes, riders]."""

    distance_m: Column
    speed_mps: Column
    right_m: Column
    power_w: Column
    heart_rate_bpm: Column
    cadence_rpm: Column
    gps_m: Column


class Peloton:
    """`riders` riders on `course`, the same for the same `seed` whatever is asked and when."""

    def __init__(self, course: Course, riders: int, seed: int) -> None:
        self.course = course
        self.riders = riders
        self.ends_s = math.inf
        self._seed = seed
        draw = np.random.default_rng(seed)
        self._mass_kg = draw.normal(68.0, 6.0, riders).clip(55.0, 90.0)
        self._critical_w = self._mass_kg * draw.normal(5.7, 0.3, riders).clip(5.0, 6.5)
        self._drag_m2 = draw.normal(0.30, 0.015, riders)
        self._rest_bpm = draw.normal(48.0, 5.0, riders)
        self._most_bpm = draw.normal(190.0, 7.0, riders)
        self._gps_sd_m = draw.uniform(1.2, 1.6, riders)
        shares = np.array([share for share, _, _ in _GROUPS])
        edges = np.round(np.cumsum(shares) * riders).astype(int)
        self._group = np.searchsorted(edges, draw.permutation(riders), "right")
        rank = np.array([(self._group[:i] == g).sum() for i, g in enumerate(self._group)])
        self._row_m, lane = 2.2 * (rank // 5), rank % 5
        self._lane_m = (lane - 2.0) * 1.1
        self._drift = draw.uniform(0.0, 2 * np.pi, riders)
        self._seconds: dict[int, Readings] = {}
        self._restart()

    def readings(self, t_s: float | Column) -> Readings:
        """What every bike measures at `t_s` (one instant, or one a rider, within a second)."""
        at_s = np.broadcast_to(np.asarray(t_s, np.float64), (self.riders,))
        first = int(np.floor(at_s.min()))
        states = [self._state(first + k) for k in range(3)]
        lower = np.clip(np.floor(at_s).astype(int) - first, 0, 1)
        share = at_s - first - lower

        def between(name: str) -> Column:
            columns = np.stack([getattr(state, name) for state in states])
            riders = np.arange(self.riders)
            low, high = columns[lower, ..., riders], columns[lower + 1, ..., riders]
            weight = share.reshape(-1, *([1] * (low.ndim - 1)))
            return np.asarray(low + (high - low) * weight)

        distance, gps = between("distance_m"), between("gps_m").sum(axis=2)
        lat, lon, altitude, course = self.course.place(distance, between("right_m") + gps[:, 0])
        north_m = gps[:, 1] / 111_200.0
        return Readings(
            rider=np.arange(self.riders),
            t_s=at_s,
            latitude_deg=lat + north_m,
            longitude_deg=lon,
            altitude_m=altitude + 1.5 * gps[:, 1],
            speed_mps=between("speed_mps"),
            course_deg=course,
            power_w=between("power_w").round(),
            heart_rate_bpm=between("heart_rate_bpm").round(),
            cadence_rpm=between("cadence_rpm").round(),
            accuracy_m=self._gps_sd_m * 1.5,
        )

    def due(self, after_s: float, to_s: float) -> Readings:
        """The readings in (after_s, to_s]: each bike once a second, in its own slot of it."""
        parts = []
        for second in range(max(0, int(np.floor(after_s))), int(np.floor(to_s)) + 1):
            whole = self._whole_second(second)
            wanted = (whole.t_s > after_s) & (whole.t_s <= to_s)
            parts.append(whole.rows(wanted))
        return joined(parts)

    def _whole_second(self, second: int) -> Readings:
        if second not in self._seconds:
            slots_s = second + np.arange(self.riders) / self.riders
            last = {k: v for k, v in self._seconds.items() if k == second - 1}
            self._seconds = last | {second: self.readings(slots_s)}
        return self._seconds[second]

    def _restart(self) -> None:
        self._draw = np.random.default_rng((self._seed, 1))
        self._pacer_m = np.array([ahead for _, ahead, _ in _GROUPS])
        self._pacer_mps = np.full(len(_GROUPS), 10.0)
        resting = np.zeros(self.riders)
        self._first = 0
        self._states = deque(
            [
                _State(
                    distance_m=self._pacer_m[self._group] - self._row_m,
                    speed_mps=np.full(self.riders, 10.0),
                    right_m=self._lane_m,
                    power_w=resting + 200.0,
                    heart_rate_bpm=self._rest_bpm + 60.0,
                    cadence_rpm=resting + 85.0,
                    gps_m=self._draw.normal(size=(2, 2, self.riders)) * self._gps_scale_m(),
                )
            ],
            maxlen=_REMEMBERED_S,
        )

    def _gps_scale_m(self) -> Column:
        return np.asarray(np.sqrt(_GPS_SHARE) * self._gps_sd_m)

    def _state(self, second: int) -> _State:
        if second < self._first:
            self._restart()
        while self._first + len(self._states) <= second:
            self._first += len(self._states) == _REMEMBERED_S
            following = self._step(self._states[-1], self._first + len(self._states))
            self._states.append(following)
        return self._states[max(0, second) - self._first]

    def _resistance_n(self, at_m: Column, mass_kg: Column) -> Column:
        return np.asarray(9.81 * mass_kg * (self.course.gradient(at_m) + _ROLLING))

    def _step(self, now: _State, second: int) -> _State:
        self._step_pacers()
        weave = 1.5 * np.sin(second / 45.0 + self._drift)
        place_m = self._pacer_m[self._group] - self._row_m + weave
        pull_mps2 = (
            self._pacer_mps[self._group] - now.speed_mps + (place_m - now.distance_m) / _HOLD_S
        ) / _HOLD_S
        mass_kg = self._mass_kg + _BIKE_KG
        ordered = np.sort(now.distance_m)
        ahead = np.searchsorted(ordered, now.distance_m + 12.0) - np.searchsorted(
            ordered, now.distance_m + 0.5
        )
        sheltered = 1.0 - 0.6 * (1.0 - np.exp(-ahead / 3.0))
        load_n = self._resistance_n(now.distance_m, mass_kg) + (
            0.5 * _AIR_KGPM3 * self._drag_m2 * sheltered * now.speed_mps**2
        )
        rolling_mps = np.maximum(now.speed_mps, 1.0)
        most_w = 1.35 * self._critical_w
        wanted_w = (load_n + mass_kg * pull_mps2) * rolling_mps / _DRIVETRAIN
        riding = now.distance_m < self.course.length_m
        power = np.where(riding, wanted_w.clip(0.0, most_w), 0.0)
        acceleration = (power * _DRIVETRAIN / rolling_mps - load_n) / mass_kg
        braking = np.where(wanted_w < 0.0, np.maximum(pull_mps2, -_BRAKE_MPS2), np.inf)
        speed = now.speed_mps + np.minimum(acceleration, braking) * _STEP_S
        left_m = self.course.length_m + _RUN_OUT_M - now.distance_m
        limit = np.where(riding, _TOP_MPS, np.sqrt(2 * 0.5 * np.maximum(left_m, 0.0)))
        speed = speed.clip(0.0, limit)
        return self._sense(now, speed, power)

    def _sense(self, now: _State, speed: Column, power: Column) -> _State:
        """The next second's state, with what sensors make of it."""
        effort = power / self._critical_w
        target_bpm = self._rest_bpm + (self._most_bpm - self._rest_bpm) * (0.35 + 0.5 * effort)
        noise = self._draw.normal(size=(3, self.riders))
        keep = np.exp(-_STEP_S / _GPS_TAU_S)
        wander = self._draw.normal(size=(2, 2, self.riders)) * self._gps_scale_m()
        cadence = np.where(power > 20.0, 78.0 + 1.1 * speed + 2.0 * noise[0], 0.0)
        return _State(
            distance_m=now.distance_m + (now.speed_mps + speed) / 2 * _STEP_S,
            speed_mps=speed,
            right_m=now.right_m + 0.05 * (self._lane_m - now.right_m) + 0.05 * noise[1],
            power_w=(power * (1 + 0.04 * noise[2])).clip(0.0),
            heart_rate_bpm=now.heart_rate_bpm + (target_bpm - now.heart_rate_bpm) / 30.0,
            cadence_rpm=cadence.clip(0.0, 130.0),
            gps_m=now.gps_m * keep + wander * np.sqrt(1 - keep**2),
        )

    def _step_pacers(self) -> None:
        """A 76 kg rider and bike in half shelter, at the group's W/kg, not over the limit."""
        watts = np.array([wkg for _, _, wkg in _GROUPS]) * 68.0
        load_n = self._resistance_n(self._pacer_m, np.full(len(_GROUPS), 76.0))
        load_n = load_n + 0.5 * _AIR_KGPM3 * 0.30 * self._pacer_mps**2
        gain = (watts * _DRIVETRAIN / np.maximum(self._pacer_mps, 1.0) - load_n) / 76.0
        self._pacer_mps = (self._pacer_mps + gain * _STEP_S).clip(2.0, _TOP_MPS - 2.0)
        self._pacer_m = self._pacer_m + self._pacer_mps * _STEP_S
