"""A made-up bunch on a straight road, second by second, for tests of what happens to riders."""

import numpy as np
from rides_race import joined, straight_readings
from roads import drawn, straight

from hardware.stage import stage_from_files
from truck.race.frame import Frame
from truck.race.incidents import Change
from truck.race.race import Race
from truck.race.readings import Readings

START_S = 1_784_198_100
SECONDS = 400
RIDERS = 20
PACE_MPS = 12.0
WHEN_S = 150  # when it happens, unless said otherwise
FALLS, BRAKES = 6.0, 1.2  # m/s2: a crash, a stop that was chosen


def road_race(climb_pct: float = 0.0, points: str = "", riders: int = RIDERS) -> Race:
    """20 km eastward from a start list of bibs 1 to `riders`; `points` are rows of checkpoints."""
    x_m, y_m = straight(20_000.0)
    bibs = "".join(f"{bib},Rider {bib},Team\n" for bib in range(1, riders + 1))
    stage = stage_from_files({
        "stage.toml": b'name = "Straight"\nkind = "road"\nstart_at = 2026-07-16T10:35:00Z\n',
        "route.gpx": drawn(x_m, y_m, 100.0 + x_m * climb_pct / 100.0),
        "startlist.csv": f"bib,name,team\n{bibs}".encode(),
        "checkpoints.csv": f"km,kind,name\n{points}".encode(),
    })  # fmt: skip
    assert stage.start_at_s == START_S
    return Race(stage)


def steady(seconds: int = SECONDS, pace_mps: float = PACE_MPS) -> np.ndarray:
    return np.full(seconds, pace_mps)


def stopped(at_s: int, braking_mps2: float, for_s: int, seconds: int = SECONDS) -> np.ndarray:
    """The speed of one who brakes to a stand, stands and goes on."""
    pace = steady(seconds)
    since_s = np.arange(seconds) - at_s
    pace = np.where(since_s > 0, np.maximum(PACE_MPS - braking_mps2 * since_s, 0.0), pace)
    again_s = since_s - for_s
    return np.where(again_s > 0, np.minimum(again_s * 1.0, PACE_MPS), pace)


def ridden(race: Race, bib: int, speed_mps: np.ndarray, ahead_m: float = 0.0) -> Readings:
    """A rider's readings at 1 Hz, 500 m after the flag at first."""
    at_us = (START_S + 60 + np.arange(len(speed_mps))) * 1_000_000
    distance_m = 500.0 + ahead_m + np.concatenate([[0.0], np.cumsum(speed_mps)[:-1]])
    rows = straight_readings(race, bib, at_us, distance_m, np.nan)
    # a receiver that stands or rides wanders by decimetres
    wander = 1e-6 * np.sin(0.7 * np.arange(len(speed_mps)) + bib)
    return rows._replace(speed_mps=speed_mps, latitude_deg=rows.latitude_deg + wander)


def bunch(race: Race, odd: dict[int, np.ndarray], seconds: int = SECONDS) -> list[Readings]:
    """Riders 1 to `RIDERS`, 3 m apart, all at one pace but those whose speeds are given."""
    return [
        ridden(race, bib, odd.get(bib, steady(seconds)), ahead_m=3.0 * (RIDERS - bib))
        for bib in range(1, RIDERS + 1)
    ]


def watched(race: Race, readings: list[Readings]) -> tuple[list[Change], list[Frame]]:
    """What is said, and a frame a second, live."""
    rows = joined(*readings)
    second = rows.measured_at_us // 1_000_000
    said: list[Change] = []
    frames: list[Frame] = []
    for now in range(int(second.min()), int(second.max()) + 1):
        due = second == now
        if due.any():
            race.advance(rows.take(due))
        frames.append(race.frame(now * 1_000_000))
        said += [change for _, change in race.take_changes()]
    return said + frames[-1].changes, frames


def alarms(said: list[Change]) -> list[Change]:
    """The first saying of each incident that it is a crash rather than not."""
    first: dict[int, Change] = {}
    for change in said:
        if change.kind == "crash" and change.probability >= 0.5 and change.what != "cleared":
            first.setdefault(change.incident_id, change)
    return list(first.values())


def onset_us(at_s: int = WHEN_S) -> int:
    return (START_S + 60 + at_s) * 1_000_000


def status_of(frame: Frame, bib: int) -> int:
    return int(frame.riders.status[frame.riders.bib.tolist().index(bib)])
