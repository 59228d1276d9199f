"""Roads made up to mislead, riders moved along them, and what their trackers make of it."""

from dataclasses import dataclass

import numpy as np
from pyproj import Proj

from hardware.stage import Circuit, Route, Stage, Starter
from truck.race.course import Course
from truck.race.race import Placed, Race
from truck.race.readings import Readings

START_S = 1_784_000_000
_PLANE = Proj(proj="aeqd", lon_0=6.2, lat_0=45.1, ellps="WGS84")


def stage_along(
    x_m: np.ndarray, y_m: np.ndarray, riders: int, circuits: tuple[Circuit, ...] = ()
) -> Stage:
    """A stage whose road runs through these points, flat, from the flag on."""
    lon, lat = _PLANE(x_m, y_m, inverse=True)
    return Stage(
        name="made up", kind="road", start_at_s=float(START_S), length_km=None, neutral_km=0.0,
        laps=circuits, finish=None, route=Route(lat, lon, np.full(len(lat), np.nan)),
        startlist=tuple(Starter(bib, f"R{bib}", "") for bib in range(1, riders + 1)),
        checkpoints=(),
    )  # fmt: skip


def figure_of_eight(rounds: int = 3, size_m: float = 500.0) -> tuple[np.ndarray, np.ndarray]:
    t = np.linspace(0, 2 * np.pi * rounds, 200 * rounds)
    return size_m * np.sin(t), size_m * np.sin(t) * np.cos(t)


def wavy(length_m: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    along = np.arange(0.0, length_m, 20.0)
    a, b = np.random.default_rng(seed).uniform(0, 6, 2)
    return along, 120 * np.sin(along / 400 + a) + 40 * np.sin(along / 90 + b)


def out_and_back(length_m: float = 4000.0) -> tuple[np.ndarray, np.ndarray]:
    """The very same line there and back."""
    x, y = wavy(length_m)
    return np.append(x, x[-2::-1]), np.append(y, y[-2::-1])


def parallel(length_m: float = 4000.0, apart_m: float = 40.0) -> tuple[np.ndarray, np.ndarray]:
    """There on one road and back on another beside it."""
    x = np.arange(0.0, length_m, 20.0)
    y = np.zeros(len(x))
    return np.append(x, x[::-1]), np.append(y, y + apart_m)


def hairpins(
    legs: int = 10, leg_m: float = 600.0, apart_m: float = 20.0, end_m: float = 1000.0
) -> tuple[np.ndarray, np.ndarray]:
    """A ladder of bends whose legs lie side by side, and a straight road from its top."""
    bend = np.linspace(-np.pi / 2, np.pi / 2, 9)[1:-1]
    x, y = [], []
    for leg in range(legs):
        along = np.arange(0.0, leg_m + 1, 20.0)
        x.append(along if leg % 2 == 0 else leg_m - along)
        y.append(np.full(len(along), leg * apart_m))
        side = leg_m if leg % 2 == 0 else 0.0
        way = 1 if leg % 2 == 0 else -1
        x.append(side + way * apart_m / 2 * np.cos(bend))
        y.append((leg + 0.5) * apart_m + apart_m / 2 * np.sin(bend))
    along = np.arange(0.0, end_m, 20.0)
    last = leg_m if legs % 2 else 0.0
    way = -1 if legs % 2 else 1
    x.append(last + way * along)
    y.append(np.full(len(along), legs * apart_m))
    return np.concatenate(x), np.concatenate(y)


def ring(length_m: float, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Rounds of a bent ring."""
    t = np.linspace(0, 2 * np.pi * rounds, 120 * rounds + 1)
    radius = 1 + 0.25 * np.cos(2 * t) + 0.1 * np.sin(3 * t)
    x, y = radius * np.cos(t), radius * np.sin(t)
    whole = np.hypot(np.diff(x), np.diff(y)).sum() / rounds
    return x * length_m / whole, y * length_m / whole


ROADS = {
    "eight": figure_of_eight(),
    "there and back": out_and_back(),
    "parallel": parallel(),
    "hairpins": hairpins(),
    "hairpin finish": hairpins(legs=9, leg_m=700.0, end_m=200.0),
    "laps": ring(3000.0, 8),
    "one round": ring(8000.0, 1),
}


@dataclass
class Tracks:
    """What trackers say, [seconds, riders], and the truth beside it; faults change it in place.

    `said` is false where nothing comes through.
    """

    course: Course
    at_s: np.ndarray
    truth_m: np.ndarray
    truth_mps: np.ndarray
    x_m: np.ndarray
    y_m: np.ndarray
    speed_mps: np.ndarray
    said: np.ndarray

    def readings(self) -> tuple[Readings, np.ndarray]:
        """The readings by time, and where each rider truly was."""
        second, rider = np.nonzero(self.said)
        lon, lat = self.course._plane(
            self.x_m[second, rider], self.y_m[second, rider], inverse=True
        )
        none = np.full(len(second), np.nan)
        readings = Readings(
            (rider + 1).astype(np.int32),
            np.rint(self.at_s[second, rider] * 1e6).astype(np.int64),
            lat, lon, none, self.speed_mps[second, rider], none, none, none, none,
        )  # fmt: skip
        order = np.lexsort((readings.bib, readings.measured_at_us))
        return readings.take(order), self.truth_m[second, rider][order]


def wander(
    draw: np.random.Generator, sd: float, tau_s: float, shape: tuple[int, int]
) -> np.ndarray:
    """Noise that is correlated over `tau_s` seconds, as receivers' is."""
    keep = np.exp(-1.0 / tau_s)
    steps = draw.normal(0.0, sd * np.sqrt(1 - keep * keep), shape)
    out = np.empty(shape)
    now = draw.normal(0.0, sd, shape[1])
    for second in range(shape[0]):
        now = out[second] = now * keep + steps[second]
    return out


def ridden(
    course: Course, riders: int, seed: int, after_s: int = 120, sensed: bool = True
) -> Tracks:
    """Riders from before the flag to some time after the line, in bunches, with good trackers."""
    draw = np.random.default_rng(seed)
    seconds = int(course.length_m / 10.5) + 120 + after_s
    bunch = draw.integers(0, max(1, riders // 4), riders)
    pace = 11.0 + wander(draw, 1.5, 60.0, (seconds, riders))[:, bunch]
    pace = np.clip(pace + wander(draw, 0.3, 20.0, (seconds, riders)), 0.5, 22.0)
    pace[:60] = 0.0
    truth_m = np.cumsum(pace, axis=0) - draw.uniform(0, 30, riders)
    # they roll out and stop
    rolled = np.clip((course.length_m + 250.0 - truth_m) / 60.0, 0.0, 1.0)
    mps = np.where(truth_m > course.length_m, pace * rolled, pace)
    way_m = np.cumsum(mps, axis=0) + truth_m[0] - mps[0]
    at_s = START_S - 60 + np.arange(seconds)[:, None] + draw.uniform(0, 0.9, riders)
    way_m = np.clip(way_m, 0.0, course.length_m + 280.0)
    lateral = wander(draw, 1.5, 30.0, (seconds, riders))
    x = np.interp(way_m, course.distance_m, course.x_m) + wander(draw, 1.4, 50.0, way_m.shape)
    y = np.interp(way_m, course.distance_m, course.y_m) + wander(draw, 1.4, 50.0, way_m.shape)
    heading = np.interp(way_m, course.distance_m, np.unwrap(course.heading_rad))
    x, y = x + lateral * np.cos(heading), y - lateral * np.sin(heading)
    speed = np.maximum(mps + draw.normal(0, 0.12, way_m.shape), 0.0) if sensed else mps * np.nan
    said = np.ones(way_m.shape, np.bool_)
    return Tracks(course, at_s, np.minimum(way_m, course.length_m), mps, x, y, speed, said)


def in_gorge(tracks: Tracks, rider: int, from_s: int, seconds: int, seed: int) -> None:
    """Bursts of jumps of up to 60 m in any direction."""
    draw = np.random.default_rng(seed)
    at = from_s
    while at < from_s + seconds:
        burst = slice(at, at + int(draw.integers(2, 15)))
        far, way = draw.uniform(20, 60), draw.uniform(0, 2 * np.pi)
        tracks.x_m[burst, rider] += far * np.cos(way)
        tracks.y_m[burst, rider] += far * np.sin(way)
        at = burst.stop + int(draw.integers(1, 8))


def in_hole(tracks: Tracks, rider: int, from_s: int, seconds: int) -> None:
    """Nothing comes through."""
    tracks.said[from_s : from_s + seconds, rider] = False


def of_yesterday(tracks: Tracks, rider: int, from_s: int, seconds: int, place_m: float) -> None:
    """Fixes that stand at a place of the course for a while."""
    burst = slice(from_s, from_s + seconds)
    tracks.x_m[burst, rider] = np.interp(place_m, tracks.course.distance_m, tracks.course.x_m)
    tracks.y_m[burst, rider] = np.interp(place_m, tracks.course.distance_m, tracks.course.y_m)
    tracks.speed_mps[burst, rider] = np.where(np.isnan(tracks.speed_mps[burst, rider]), np.nan, 0.0)


def sparsely(tracks: Tracks, rider: int) -> None:
    """A fix every six seconds, and none for half of every minute."""
    second = np.arange(len(tracks.said))
    tracks.said[:, rider] &= (second % 6 == 0) & (second % 60 < 30)


def followed(race: Race, tracks: Tracks) -> tuple[Readings, np.ndarray, Placed]:
    """The readings, where each rider truly was, and where the race placed him."""
    readings, truth_m = tracks.readings()
    second = -(-readings.measured_at_us // 1_000_000)
    cuts = np.flatnonzero(np.diff(second)) + 1
    parts = [race.advance(readings.take(part)) for part in np.split(np.arange(len(second)), cuts)]
    return readings, truth_m, Placed._make(np.concatenate(c) for c in zip(*parts, strict=True))


def race_on(name: str, riders: int) -> Race:
    circuits = (Circuit(0.0, 3.0, 8),) if name == "laps" else ()
    return Race(stage_along(*ROADS[name], riders, circuits))
