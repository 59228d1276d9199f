"""A stage ridden in seconds: decisions, happenings and physics, recorded as a `Ride`."""

import numpy as np
from numpy.typing import NDArray

from hardware.stage import Stage
from hardware.virtual import motion, physics
from hardware.virtual.attacks import Attacks
from hardware.virtual.bunch import Bunch, bunch_of, places_in, take_turns
from hardware.virtual.echelons import Echelons, reach_of
from hardware.virtual.happenings import Happenings
from hardware.virtual.motion import Ground
from hardware.virtual.outlook import RaceRadio
from hardware.virtual.places import RoadBook
from hardware.virtual.ride import Event, Ride, Status
from hardware.virtual.riders import Field
from hardware.virtual.road import Road, road_of
from hardware.virtual.rollout import Rollout
from hardware.virtual.state import state_at_start
from hardware.virtual.tactics import Tactics
from hardware.virtual.weather import Weather, shade_of

Floats = NDArray[np.float64]

_STREAM = 3
_NOON_S = 1_798_718_400.0  # 2027-01-01T12:00Z, for stages without a start time
_STANDS_S = 60  # at the line before anything moves
_NEUTRAL_MPS = 7.0  # on average between there and the flag
_LONGEST_S = 30_000
_AFTER_S = 600  # of rolling out after the last rider's finish
_WIND_EVERY_S = 300
_DECIDE_EVERY_S = 5
_RECORDED = (
    "lateral_m",
    "speed_mps",
    "power_w",
    "heart_rate_bpm",
    "cadence_rpm",
    "shelter",
    "w_balance_j",
    "headwind_mps",
    "crosswind_mps",
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
    race = _Race(stage, field, weather, seed, _LONGEST_S if seconds is None else seconds)
    while race.second < race.longest_s and not race.over():
        race.step()
    return race.ride()


def begins_s(stage: Stage, road: Road) -> float:
    """Epoch seconds of a ride's first row, so that the bunch passes the flag at `start_at`."""
    flag_s = _NOON_S if stage.start_at_s is None else stage.start_at_s
    return float(flag_s - _STANDS_S - int(-road.start_m / _NEUTRAL_MPS))


class _Race:
    """One simulation under way."""

    def __init__(
        self, stage: Stage, field: Field, weather: Weather, seed: int, longest_s: int
    ) -> None:
        self.field = field
        self.road = road_of(stage)
        self.second = 0
        self.longest_s = longest_s
        self._weather = weather
        self._start_s = begins_s(stage, self.road)
        self._time_trial = stage.kind == "time-trial"
        streams = np.random.SeedSequence([seed, _STREAM]).spawn(7)
        draws = [np.random.Generator(np.random.PCG64(stream)) for stream in streams]
        self._restless = draws[0]
        self.state = state_at_start(field, self.road.start_m, draws[1])
        self._radio = RaceRadio(field, self.road)
        self._tactics = Tactics(field, self.road, draws[2])
        self._attacks = Attacks(field, self._radio.favourite, draws[3])
        self._echelons = Echelons(field, self.road, draws[4])
        self._happenings = Happenings(field, self.road, draws[5])
        self._shade = shade_of(len(self.road.gradient), draws[6])
        self._book = RoadBook(stage.checkpoints, len(field), seed)
        self._rollout = Rollout(len(field), self.road.length_m, seed)
        self._departs_s = field.departs_s + _STANDS_S
        self._finished_s = -1
        self._log: list[Event] = []
        self._air = physics.air_kgpm3(self.road.altitude_m, weather.temperature_degc)
        self._distance = np.zeros((longest_s, len(field)))
        self._status = np.zeros((longest_s, len(field)), np.int8)
        self._rest = {name: np.zeros((longest_s, len(field)), np.float32) for name in _RECORDED}

    def over(self) -> bool:
        """Whether the last rider has rolled out."""
        status = self.state.status
        on_road = (status <= Status.STOPPED).any()
        return not on_road and self.second > self._finished_s + _AFTER_S

    def step(self) -> None:
        """One second."""
        state, now_s = self.state, self.second
        if now_s % _WIND_EVERY_S == 0:
            self._ground = self._ground_now()
        self._record()
        state.status[(state.status == Status.NOT_STARTED) & (self._departs_s <= now_s)] = (
            Status.RACING
        )
        bunch = bunch_of(state, now_s)
        restless = self._restless.random(len(self.field))
        if len(bunch.rows):
            self._decide(bunch)
            places = places_in(bunch, state)
            shelter = self._shelter(bunch)
            motion.move(state, self.field, self._ground, bunch, places, shelter, now_s, restless)
        self._happenings.act(state, now_s, self._log)
        self._book.act(state, now_s)
        motion.halt(state, bunch.rows, now_s)
        if self._finished_s >= 0:
            self._rollout.move(state, np.flatnonzero(state.status == Status.FINISHED))
        motion.live(state, self.field, restless)
        self._cross_the_line()
        self.second += 1

    def ride(self) -> Ride:
        """What was recorded."""
        rest = {name: rows[: self.second] for name, rows in self._rest.items()}
        events = self._log + self._book.events(self.field)
        return Ride(
            start_s=self._start_s,
            bibs=self.field.bibs,
            length_m=self.road.length_m,
            time_trial=self._time_trial,
            departs_s=self._departs_s,
            distance_m=self._distance[: self.second],
            status=self._status[: self.second],
            events=tuple(sorted(events, key=lambda event: event.from_s)),
            **rest,
        )

    def _ground_now(self) -> Ground:
        """Wind turns slowly: the tables hold for some minutes."""
        road = self.road
        east, north = self._weather.wind(road.distance_m, self._start_s + self.second)
        head = -(east * road.east + north * road.north) * self._shade
        cross = (east * road.north - north * road.east) * self._shade
        return Ground(road, self._air, head, cross)

    def _record(self) -> None:
        self._distance[self.second] = self.state.distance_m
        self._status[self.second] = self.state.status
        for name, rows in self._rest.items():
            rows[self.second] = getattr(self.state, name)

    def _decide(self, bunch: Bunch) -> None:
        state, now_s = self.state, self.second
        if self._time_trial:
            if now_s % _DECIDE_EVERY_S == 0:
                self._tactics.time_trial(state)
                outlook = self._radio.outlook(state, bunch, now_s)
                self._happenings.decide(state, outlook, self._tactics, self._log)
            return
        take_turns(bunch, state, now_s)
        self._radio.hear(state, bunch, now_s)
        finale = self.road.length_m - state.distance_m[bunch.rows[0]] < 400.0
        if now_s % _DECIDE_EVERY_S and not finale:
            return
        outlook = self._radio.outlook(state, bunch, now_s)
        if now_s % _DECIDE_EVERY_S == 0:
            tactics, log = self._tactics, self._log
            self._attacks.decide(state, outlook, tactics, self.road.length_m, log)
            self._echelons.decide(state, outlook, tactics, self._ground.crosswind_mps, log)
            self._happenings.decide(state, outlook, tactics, log)
            tactics.lead(state, outlook)
        self._attacks.sprint(state, outlook)

    def _shelter(self, bunch: Bunch) -> Floats:
        """By rider; a time trial's rules keep everybody out of the others' shelter."""
        shelter = np.ones(len(self.field))
        if not self._time_trial:
            at_m = self.state.distance_m[bunch.rows]
            reach = reach_of(bunch, self.state)
            shelter[bunch.rows] = physics.shelter_of(at_m[0] - at_m, reach)
        return shelter

    def _cross_the_line(self) -> None:
        state = self.state
        over = state.riding & (state.distance_m >= self.road.length_m)
        if over.any():
            state.status[over] = Status.FINISHED
            self._finished_s = self.second
