"""Gaps: time at the same road point, through turns, holes, and late or silent leaders."""

from pathlib import Path

import numpy as np
import pytest
from field_race import SPEED_MPS, field, frames_at, open_race, start_us

from truck.race.frame import Frame
from truck.race.race import Race


@pytest.fixture
def race(stage: Path) -> Race:
    return open_race(stage)


def of(frame: Frame, name: str, bib: int) -> float:
    riders = frame.riders
    return float(getattr(riders, name)[riders.bib.tolist().index(bib)])


def test_turns_at_the_front_do_not_move_the_gaps_of_the_others(race: Race) -> None:
    turn = np.where(np.arange(300) // 20 % 2 == 0, 0.0, 4.0)
    rows = field(race, np.stack([turn, 4.0 - turn, np.full(300, 600.0)]))
    gaps = [of(frame, "gap_s", 3) for frame in frames_at(race, rows, *range(80, 300))]
    assert np.abs(np.diff(gaps)).max() < 0.5
    assert gaps == pytest.approx([600.0 / SPEED_MPS] * len(gaps), abs=0.5)


def test_over_holes_of_thirty_seconds_the_gap_is_projected_and_the_measured_one_stays(
    race: Race,
) -> None:
    rows = field(race, np.stack([np.zeros(400), np.full(400, 900.0), np.full(400, 1500.0)]))
    at_s = np.rint((rows.measured_at_us - start_us(race)) / 1e6)
    holed = rows.take((at_s % 60 < 30) & (at_s % 6 == rows.bib % 6))
    for frame in frames_at(race, holed, *range(330, 400, 3)):
        for bib, gap_s in ((2, 75.0), (3, 125.0)):
            assert of(frame, "gap_s", bib) == pytest.approx(gap_s, abs=3.0)
            assert of(frame, "gap_measured_s", bib) == pytest.approx(gap_s, abs=1.0)
            assert of(frame, "gap_at_m", bib) <= of(frame, "distance_m", bib)


def test_a_gap_that_grows_goes_on_growing_in_a_hole(race: Race) -> None:
    grows_m = 300.0 + 2.4 * np.arange(400)
    rows = field(race, np.stack([np.zeros(400), grows_m, np.full(400, 1500.0)]))
    at_s = np.rint((rows.measured_at_us - start_us(race)) / 1e6)
    holed = rows.take((at_s % 60 < 30) & (at_s % 6 == rows.bib % 6))
    seconds = range(330, 358)
    for second, frame in zip(seconds, frames_at(race, holed, *seconds), strict=True):
        assert of(frame, "gap_s", 2) == pytest.approx(grows_m[second] / SPEED_MPS, abs=2.5)
        assert of(frame, "gap_s", 3) == pytest.approx(125.0, abs=1.0)


def test_a_break_out_of_reach_still_leads_the_race(race: Race) -> None:
    rows = field(race, np.stack([np.zeros(400), *(np.full(400, 1200.0 + 3 * k) for k in range(4))]))
    at_s = (rows.measured_at_us - start_us(race)) / 1e6
    silent = rows.take(~((rows.bib == 1) & (at_s > 200)))
    for frame in frames_at(race, silent, 250, 295):
        assert of(frame, "gap_s", 2) == pytest.approx(100.0, abs=2.0)


def test_one_who_appears_far_ahead_does_not_lead_before_he_has_lasted(race: Race) -> None:
    rows = field(race, np.stack([np.full(300, -2000.0), np.zeros(300), np.full(300, 240.0)]))
    at_s = (rows.measured_at_us - start_us(race)) / 1e6
    rows = rows.take((rows.bib > 1) | (at_s >= 200))
    before, after = frames_at(race, rows, 199, 210)
    for frame in (before, after):
        assert of(frame, "gap_s", 3) == pytest.approx(20.0, abs=0.5)


def test_gaps_never_contradict_the_distance(race: Race) -> None:
    draw = np.random.default_rng(2)
    rows = field(
        race, np.cumsum(draw.uniform(0.0, 1.5, (12, 300)), axis=1) + 40.0 * np.arange(12)[:, None]
    )
    at_s = np.rint((rows.measured_at_us - start_us(race)) / 1e6)
    rows = rows.take((at_s % 60 < 30) & (at_s % 6 == rows.bib % 6))
    for frame in frames_at(race, rows, *range(120, 300, 7)):
        riders = frame.riders
        order = np.argsort(riders.gap_m)
        assert (np.diff(riders.gap_s[order]) >= -0.2).all()
        far = riders.gap_m > 100.0
        pace_mps = riders.gap_m[far] / riders.gap_s[far]
        assert ((pace_mps > 3.0) & (pace_mps < 33.0)).all()
