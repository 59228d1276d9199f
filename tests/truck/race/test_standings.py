"""Virtual standings: gaps before the stage, on the road, and bonuses on the way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from field_race import field, frames_at, start_us

from hardware.checkpoints import Checkpoint
from hardware.stage import load_stage
from hardware.startlist import Starter
from truck.race.frame import Frame
from truck.race.race import Race

BEFORE_S = {1: 30.0, 2: 0.0, 3: 12.0, 4: 100.0, 5: None}


@pytest.fixture
def race(stage: Path) -> Race:
    starters = tuple(Starter(bib, f"rider {bib}", "", gap) for bib, gap in BEFORE_S.items())
    points = (Checkpoint(1.5, "sprint", "no seconds"), Checkpoint(2.0, "bonus", "seconds"))
    return Race(replace(load_stage(stage), startlist=starters, checkpoints=points))


def by_bib(frame: Frame, name: str) -> dict[int, float]:
    return dict(zip(frame.riders.bib.tolist(), getattr(frame.riders, name).tolist(), strict=True))


def test_gaps_before_and_on_the_road_and_bonuses_add_up(race: Race) -> None:
    # 600 m at the flag, 12 m/s: the first is at 2 km after 117 s, the others 10, 20 ... s later
    rows = field(race, np.full((5, 400), 120.0) * np.arange(5)[:, None])
    early, late = frames_at(race, rows, 100, 300)
    assert set(by_bib(early, "bonus_s").values()) == {0.0}
    assert by_bib(late, "bonus_s") == {1: 8.0, 2: 5.0, 3: 2.0, 4: 0.0, 5: 0.0}
    before = by_bib(early, "virtual_gap_s")
    assert [before[k] for k in (1, 2, 3, 4)] == pytest.approx([20.0, 0.0, 22.0, 120.0], abs=0.5)
    after = by_bib(late, "virtual_gap_s")
    # 30 - 8, 0 + 10 - 5, 12 + 20 - 2, 100 + 30: the second leads
    assert [after[k] for k in (1, 2, 3, 4)] == pytest.approx([17.0, 0.0, 25.0, 125.0], abs=0.5)
    assert np.isnan(after[5])


def test_a_bonus_stays_with_those_who_took_it(race: Race) -> None:
    swap = np.interp(np.arange(500), [0, 200, 300], [0.0, 0.0, 100.0])
    behind_m = np.stack([swap, 12.0 - swap, np.full(500, 24.0), np.full(500, 36.0)])
    first, last = frames_at(race, field(race, behind_m), 150, 490)
    assert by_bib(first, "bonus_s") == by_bib(last, "bonus_s")


def test_the_silent_leader_of_the_classification_is_still_what_others_are_measured_by(
    race: Race,
) -> None:
    rows = field(race, np.full((5, 500), 12.0) * np.arange(5)[:, None])
    at_s = (rows.measured_at_us - start_us(race)) / 1e6
    rows = rows.take(~((rows.bib == 2) & (at_s > 150)))
    heard, silent = frames_at(race, rows, 149, 450)
    for bib in (1, 3, 4):
        assert by_bib(silent, "virtual_gap_s")[bib] == pytest.approx(
            by_bib(heard, "virtual_gap_s")[bib], abs=1.0
        )
    assert np.isnan(by_bib(silent, "virtual_gap_s")[2])
