"""The five real riders of one race, as stage folder and readings, for tests of the race logic."""

from pathlib import Path

import numpy as np

from hardware.stage import load_stage
from truck.race.race import Race
from truck.race.readings import Readings

RIDES = Path("roubaix2020") / "five_riders.csv.gz"
START_US = 1_595_688_383_000_000  # 14:46:23 UTC, all five are on the road
END_US = 1_595_694_600_000_000  # 16:30:00, before the first of them stops at the line


def between(readings: Readings, from_us: int, to_us: int) -> Readings:
    at_us = readings.measured_at_us
    return readings.take((at_us >= from_us) & (at_us < to_us))


def race_of(folder: Path) -> Race:
    return Race(load_stage(folder))


def chunks(readings: Readings, sizes: list[int]) -> list[Readings]:
    """The readings in order, cut into batches of these sizes in turn."""
    parts, at, k = [], 0, 0
    while at < len(readings.bib):
        parts.append(readings.take(slice(at, at + sizes[k % len(sizes)])))
        at, k = at + sizes[k % len(sizes)], k + 1
    return parts


def straight_readings(
    race: Race, bib: int, at_us: np.ndarray, distance_m: np.ndarray, speed_mps: float
) -> Readings:
    """One rider exactly on the road."""
    lat, lon = race.course.place(distance_m)
    none = np.full(len(at_us), np.nan)
    return Readings(
        np.full(len(at_us), bib, np.int32), at_us.astype(np.int64), lat, lon, none,
        np.full(len(at_us), speed_mps), none, none, none, none,
    )  # fmt: skip


def joined(*parts: Readings) -> Readings:
    whole = Readings._make(np.concatenate(columns) for columns in zip(*parts, strict=True))
    return whole.take(np.lexsort((whole.bib, whole.measured_at_us)))
