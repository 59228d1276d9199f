"""A field of riders, each so far behind an even pace, for tests of groups and gaps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from rides_race import joined, straight_readings

from hardware.stage import load_stage
from truck.race.frame import Frame
from truck.race.race import Race
from truck.race.readings import Readings

SPEED_MPS = 12.0
AHEAD_M = 600.0  # where the first one is when the flag drops


def open_race(folder: Path) -> Race:
    """On that stage, but for anybody: no start list."""
    return Race(replace(load_stage(folder), startlist=()))


def start_us(race: Race) -> int:
    return int(race.stage.start_at_s or 0) * 1_000_000


def field(race: Race, behind_m: np.ndarray) -> Readings:
    """Bibs from 1 on, a row each of `behind_m` [riders, seconds]: metres behind an even pace."""
    seconds = np.arange(behind_m.shape[1])
    at_us = start_us(race) + seconds * 1_000_000
    pace_m = AHEAD_M + seconds * SPEED_MPS
    return joined(
        *(
            straight_readings(race, bib, at_us, pace_m - row, np.nan)
            for bib, row in enumerate(behind_m, 1)
        )
    )


def frames_at(race: Race, rows: Readings, *seconds: int) -> list[Frame]:
    """The race at those seconds, each with what was measured until then."""
    frames, taken_us = [], 0
    for second in seconds:
        at_us = start_us(race) + second * 1_000_000
        fresh = (rows.measured_at_us > taken_us) & (rows.measured_at_us <= at_us)
        race.advance(rows.take(fresh))
        frames.append(race.frame(at_us))
        taken_us = at_us
    return frames


def groups_at(race: Race, rows: Readings, *seconds: int) -> list[dict[int, int]]:
    """Group by bib at those seconds."""
    return [
        dict(zip(f.riders.bib.tolist(), f.riders.group_id.tolist(), strict=True))
        for f in frames_at(race, rows, *seconds)
    ]
