"""Time trials: each against the clock, whatever the order on the road."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rides_race import joined, straight_readings

from hardware.checkpoints import Checkpoint
from hardware.stage import load_stage
from hardware.startlist import Starter
from truck.race.frame import Frame
from truck.race.race import Race
from truck.race.readings import Readings

SPEEDS_MPS = {1: 12.0, 2: 13.0, 3: 11.0}  # a minute apart


def trial(stage: Path) -> Race:
    whole = load_stage(stage)
    start_s = whole.start_at_s or 0.0
    starters = tuple(
        Starter(bib, f"rider {bib}", "", start_at_s=start_s + 60.0 * bib) for bib in SPEEDS_MPS
    )
    check = (Checkpoint(1.2, "intermediate", "check"),)
    return Race(replace(whole, kind="time-trial", startlist=starters, checkpoints=check))


def rides(race: Race, seconds: int) -> Readings:
    at_s = np.arange(seconds)
    start_us = int(race.stage.start_at_s or 0) * 1_000_000
    return joined(
        *(
            straight_readings(
                race,
                bib,
                start_us + at_s * 1_000_000,
                np.maximum(at_s - 60.0 * bib, 0.0) * speed,
                np.nan,
            )
            for bib, speed in SPEEDS_MPS.items()
        )
    )


def shown(race: Race, seconds: int) -> Frame:
    race.advance(rides(race, seconds))
    return race.frame((int(race.stage.start_at_s or 0) + seconds - 1) * 1_000_000)


def test_gaps_are_times_against_the_best_at_the_same_place(stage: Path) -> None:
    frame = shown(trial(stage), 301)
    riders = frame.riders
    bib = riders.bib.tolist()
    # at 300 s bib 2 has ridden 2,340 m in 180 s, for which bib 1 took 195 s; bib 3 1,320 m in 120 s
    # where bib 1 is nobody has been faster yet
    assert bib[:3] == [1, 2, 3]
    gap_s = dict(zip(bib, riders.gap_s.tolist(), strict=True))
    assert gap_s[2] == pytest.approx(0.0, abs=1.0)
    assert gap_s[3] == pytest.approx(120.0 - 1320.0 / 13.0, abs=1.5)
    assert (riders.group_id == -1).all()
    measured = dict(zip(bib, riders.gap_measured_s.tolist(), strict=True))
    assert measured[1] == pytest.approx(1200 / 12 - 1200 / 13, abs=1.5)
    assert measured[3] == pytest.approx(1200 / 11 - 1200 / 13, abs=1.5)
    assert set(riders.gap_at_m.tolist()) == {1200.0}


def test_before_his_start_a_rider_has_no_gap(stage: Path) -> None:
    riders = shown(trial(stage), 100).riders
    gap_s = dict(zip(riders.bib.tolist(), riders.gap_s.tolist(), strict=True))
    assert gap_s[1] == 0.0
    assert np.isnan(gap_s[2])
    assert riders.bib[:3].tolist() == [1, 2, 3]
