"""A stage ridden in seconds: decisions, happenings and physics, recorded as a `Ride`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.stage import Stage
from hardware.virtual import physics
from hardware.virtual.bunch import Bunch, Places, bunch_of, places_in, take_turns
from hardware.virtual.ride import Event, Ride, Status
from hardware.virtual.riders import Field
from hardware.virtual.road import Road, road_of
from hardware.virtual.state import State, state_at_start
from hardware.virtual.weather import Weather

Floats = NDArray[np.float64]

_STREAM = 3
_NOON_S = 1_798_718_400.0  # 2027-01-01T12:00Z, for stages without a start time
_STANDS_S = 60  # at the line before anything moves
_ROLLED_MPS = 7.2  # the neutral zone, behind the race director's car
_LONGEST_S = 30_000
_AFTER_S = 600  # of rolling out after the last rider's finish
_REACTION_S = 2.0
_SLOT_S = 10.0
_PULL_UP_MPS = 2.0
_PUSH_MPS2 = 1.2
_BRAKE_MPS2 = 3.0
_RESTLESS_MPS2 = 0.12
_SOFT_FROM_MPS, _SOFT_TO_MPS = 17.0, 20.0  # nobody pedals down a mountain
_TIRING_J_PER_KG = 45_000.0  # work after which critical power has lost a tenth
_TIRED, _TIRED_MOST = 0.10, 0.15
_RECORDED = (
    "distance_m",
    "lateral_m",
    "speed_mps",
    "power_w",
    "heart_rate_bpm",
    "cadence_rpm",
    "shelter",
    "w_balance_j",
    "headwind_mps",
    "crosswind_mps",
    "status",
)


def simulate(
    stage: Stage, field: Field, weather: Weather, seed: int, seconds: int | None = None
) -> Ride:
    """Ride a stage; the same arguments give the same bytes on every machine.

    Args:
        stage: the road, its kind, start time and checkpoints.
        field: the riders.
        weather: along the road.
        seed: of everything that is left to chance.
        seconds: how long to ride at most; to the last rider's roll-out when None.

    Raises:
        Misconfigured: route and road book contradict each other.
    """
    race = _Race(stage, field, weather, seed)
    longest = _LONGEST_S if seconds is None else seconds
    while race.second < longest and not race.over:
        race.step()
    return race.ride()


def begins_s(stage: Stage, road: Road) -> float:
    """Epoch seconds of a ride's first row, so that the bunch passes the flag at `start_at`."""
    flag_s = _NOON_S if stage.start_at_s is None else stage.start_at_s
    return float(flag_s - _STANDS_S - int(-road.start_m / _ROLLED_MPS))


class _Race:
    """One simulation under way."""

    def __init__(self, stage: Stage, field: Field, weather: Weather, seed: int) -> None:
        self.field = field
        self.weather = weather
        self.road = road_of(stage)
        self.start_s = begins_s(stage, self.road)
        self.time_trial = stage.kind == "time-trial"
        self.draw = np.random.Generator(np.random.PCG64([seed, _STREAM]))
        self.state = state_at_start(field, self.road.start_m, self.draw)
        self.departs_s = field.departs_s + _STANDS_S
        self.second = 0
        self.events: list[Event] = []
        self.finished_s = np.full(len(field), np.inf)
        self._rows: dict[str, list[NDArray[np.float32]]] = {name: [] for name in _RECORDED}
        self._air = physics.air_kgpm3(self.road.altitude_m, weather.temperature_degc)
        self._wind()

    @property
    def over(self) -> bool:
        """Whether the last rider has rolled out."""
        on_road = np.isin(self.state.status, (Status.NOT_STARTED, Status.RACING, Status.STOPPED))
        if on_road.any():
            return False
        last_s = np.max(self.finished_s, initial=0.0, where=np.isfinite(self.finished_s))
        return bool(self.second > last_s + _AFTER_S)

    def step(self) -> None:
        """One second."""
        state = self.state
        if self.second % 300 == 0:
            self._wind()
        self._record()
        starts = (state.status == Status.NOT_STARTED) & (self.departs_s <= self.second)
        state.status[starts] = Status.RACING
        bunch = bunch_of(state, self.second)
        take_turns(bunch, state, self.second)
        if len(bunch.rows):
            self._ride(bunch, places_in(bunch, state))
        self._cross_the_line()
        self.second += 1

    def ride(self) -> Ride:
        """What was recorded."""
        columns = {name: np.array(rows) for name, rows in self._rows.items()}
        return Ride(
            start_s=self.start_s,
            bibs=self.field.bibs,
            length_m=self.road.length_m,
            time_trial=self.time_trial,
            departs_s=self.departs_s,
            events=tuple(sorted(self.events, key=lambda event: event.from_s)),
            **columns,
        )

    def _wind(self) -> None:
        east, north = self.weather.wind(self.road.distance_m, self.start_s + self.second)
        self._head = -(east * self.road.east + north * self.road.north)
        self._cross = east * self.road.north - north * self.road.east

    def _record(self) -> None:
        for name, rows in self._rows.items():
            column = getattr(self.state, name)
            rows.append(column.copy() if name in ("distance_m", "status") else column.astype("f4"))

    def _ride(self, bunch: Bunch, places: Places) -> None:
        state, field, rows = self.state, self.field, places.rows
        at = self.road.index(state.distance_m[rows])
        speed_mps, mass_kg = state.speed_mps[rows], field.mass_kg[rows]
        front_first = state.distance_m[bunch.rows]
        shelter = np.ones(len(field))
        if not self.time_trial:
            shelter[bunch.rows] = physics.shelter_of(front_first[0] - front_first)
        head, cross = self._head[at], self._cross[at]
        load_n = physics.load_n(
            speed_mps, mass_kg, self.road.gradient[at], field.crr[rows],
            0.5 * self._air[at] * field.cda_m2[rows] * shelter[rows], head, cross,
        )  # fmt: skip
        tired = state.work_j[rows] * (_TIRED / _TIRING_J_PER_KG) / mass_kg
        cp_w = field.cp_w[rows] * (1.0 - np.minimum(tired, _TIRED_MOST))
        balance_j, prime_j = state.w_balance_j[rows], field.w_prime_j[rows]
        most_w = physics.most_power_w(cp_w, field.sprint_w[rows], balance_j, prime_j)
        wanted_w = self._wanted_w(places, load_n, cp_w)
        power_w = np.minimum(np.maximum(wanted_w, 0.0), most_w)
        gain = (physics.pushing_n(power_w, speed_mps) - load_n) / mass_kg
        behind = places.slot_m - state.distance_m[rows]
        brake = places.pace_mps - speed_mps + np.clip(behind / _SLOT_S, -1.0, 1.0)
        braking = np.maximum(brake / _REACTION_S, -_BRAKE_MPS2)
        gain = np.where((wanted_w < 0.0) & ~places.leads, np.minimum(gain, braking), gain)
        after_mps = np.maximum(speed_mps + gain, 0.0)
        limit = np.where(state.distance_m[rows] < 0.0, _ROLLED_MPS, self.road.limit_mps[at])
        after_mps = np.minimum(after_mps, np.maximum(limit, speed_mps - _BRAKE_MPS2))
        state.distance_m[rows] += 0.5 * (speed_mps + after_mps)
        state.speed_mps[rows] = after_mps
        state.power_w[rows] = power_w
        state.work_j[rows] += power_w
        state.shelter[rows] = shelter[rows]
        state.w_balance_j[rows] = physics.w_balance_after(balance_j, power_w, cp_w, prime_j)
        state.headwind_mps[rows], state.crosswind_mps[rows] = head, cross
        state.lateral_m[rows] += 0.1 * (
            state.lane[rows] * places.half_width_m - state.lateral_m[rows]
        )

    def _wanted_w(self, places: Places, load_n: Floats, cp_w: Floats) -> Floats:
        """Leaders ride their pace, the others what keeps their place."""
        state, rows = self.state, places.rows
        speed_mps = state.speed_mps[rows]
        up = np.clip((places.slot_m - state.distance_m[rows]) / _SLOT_S, -1.0, _PULL_UP_MPS)
        gain = (places.pace_mps - speed_mps + up) / _REACTION_S
        gain = np.clip(gain, -_BRAKE_MPS2, _PUSH_MPS2)
        gain += _RESTLESS_MPS2 * (self.draw.random(len(rows)) - 0.5)
        follows_w = physics.power_for_w(load_n + self.field.mass_kg[rows] * gain, speed_mps)
        soft = np.clip((_SOFT_TO_MPS - speed_mps) / (_SOFT_TO_MPS - _SOFT_FROM_MPS), 0.0, 1.0)
        return np.where(places.leads, state.pace[rows] * cp_w * soft, follows_w)

    def _cross_the_line(self) -> None:
        state = self.state
        over = state.riding & (state.distance_m >= self.road.length_m)
        self.finished_s[over] = self.second + 1
        state.status[over] = Status.FINISHED
