"""Groups: who joins, who parts, who keeps the number, and what a hole in the signal may not do."""

from pathlib import Path

import numpy as np
import pytest
from field_race import SPEED_MPS, field, groups_at, open_race, start_us
from rides_race import START_US, between, race_of

from truck.race.race import Race
from truck.race.readings import Readings
from truck.replay import frames_of


@pytest.fixture
def race(stage: Path) -> Race:
    return open_race(stage)


def ramp_m(seconds: int, *points: tuple[float, float]) -> np.ndarray:
    """Metres behind by second, straight between (second, metres)."""
    return np.interp(np.arange(seconds), *zip(*points, strict=True))


def test_a_group_parts_after_fifteen_seconds_over_three_seconds_and_not_before(race: Race) -> None:
    # 36 m are three seconds here: they are lost at 131 s, and 15 s later he is on his own
    loses = ramp_m(180, (0, 5), (100, 5), (160, 65))
    rows = field(race, np.stack([np.zeros(180), np.full(180, 3.0), loses]))
    waiting, apart = groups_at(race, rows, 140, 152)
    assert len(set(waiting.values())) == 1
    assert apart[1] == apart[2] != apart[3]


def test_most_of_a_group_keeps_its_number_when_it_parts_and_when_it_is_caught(race: Race) -> None:
    gone = ramp_m(400, (0, 0), (100, 0), (150, -100), (250, -100), (300, 0))
    behind_m = np.stack([gone, gone + 2.0, *(np.full(400, 3.0 * k) for k in range(5))])
    before, away, caught = groups_at(race, field(race, behind_m), 90, 240, 340)
    assert set(before.values()) == set(caught.values()) == {before[7]}
    assert away[7] == away[3] == before[7]
    assert away[1] == away[2] != before[7]


def test_a_gap_between_joining_and_parting_changes_nothing(race: Race) -> None:
    between_m = 2.5 * SPEED_MPS  # 2.5 s: neither joins who was apart, nor parts who was together
    lead, drifts = np.zeros(300), ramp_m(300, (0, 0), (100, 0), (120, between_m))
    tail, comes = np.full(300, 500.0), 500.0 + ramp_m(300, (0, 120), (100, 120), (120, between_m))
    (ids,) = groups_at(race, field(race, np.stack([lead, drifts, tail, comes])), 290)
    assert ids[1] == ids[2]
    assert ids[3] != ids[4]


def test_a_rider_without_signal_rides_on_with_his_group_for_ninety_seconds(race: Race) -> None:
    rows = field(race, np.stack([np.full(250, 3.0 * k) for k in range(6)]))
    at_s = (rows.measured_at_us - start_us(race)) / 1e6
    rows = rows.take(~((rows.bib == 3) & (at_s > 120)))
    held, lost = groups_at(race, rows, 205, 215)
    assert held[3] == held[1]
    assert lost[3] == -1
    assert lost[1] == held[1]


def test_a_hole_of_the_whole_feed_neither_parts_nor_renumbers(race: Race) -> None:
    behind_m = np.stack([np.full(300, 3.0 * k + 200.0 * (k >= 6)) for k in range(10)])
    rows = field(race, behind_m)
    at_s = np.rint((rows.measured_at_us - start_us(race)) / 1e6)
    holed = rows.take((at_s % 60 < 30) & (at_s % 6 == rows.bib % 6))
    seen = {tuple(ids[k] for k in range(1, 11)) for ids in groups_at(race, holed, *range(90, 290))}
    assert len(seen) == 1
    assert len(set(seen.pop())) == 2


def test_who_stands_at_the_roadside_does_not_join_those_who_pass(race: Race) -> None:
    bunch = [np.full(260, 400.0 + 3.0 * k) for k in range(5)]
    # bib 1 is 400 m ahead and stops at 150 s; the bunch passes him 33 s later
    stops = np.clip(np.arange(260) - 150.0, 0, None) * SPEED_MPS
    rows = field(race, np.stack([stops, *bunch]))
    for ids in groups_at(race, rows, 180, 184, 188, 250):
        assert ids[1] != ids[2] == ids[6]


def test_one_rider_thrown_forward_by_an_echo_does_not_unite_two_groups(race: Race) -> None:
    behind_m = np.stack([np.full(260, 3.0 * k + 70.0 * (k >= 3)) for k in range(9)])
    behind_m[3, 150:154] -= 45.0
    for ids in groups_at(race, field(race, behind_m), 152, 160, 250):
        assert len({ids[1], ids[2], ids[3]}) == 1
        assert len({ids[k] for k in range(5, 10)}) == 1
        assert ids[1] != ids[5]


def test_a_bunch_of_receivers_that_wander_is_one_group_with_one_number(race: Race) -> None:
    draw = np.random.default_rng(4)
    steps = draw.normal(0.0, 0.3, (60, 400))
    wander = np.zeros_like(steps)
    for second in range(1, 400):  # 1.5 m, forgotten in 50 s
        wander[:, second] = wander[:, second - 1] * 0.98 + steps[:, second]
    rows = field(race, 1.5 * np.arange(60)[:, None] + wander)
    for ids in groups_at(race, rows, *range(60, 400, 20)):
        assert set(ids.values()) == {1}


def test_the_real_pair_within_thirty_metres_is_one_group(stage: Path, readings: Readings) -> None:
    race = race_of(stage)
    begin, end = START_US // 1_000_000, START_US // 1_000_000 + 900
    part = between(readings, START_US, end * 1_000_000)
    near = one = 0
    for frame, _ in frames_of(race, part, range(begin, end)):
        row = [frame.riders.bib.tolist().index(bib) for bib in (1, 2)]
        if np.ptp(frame.riders.distance_m[row]) < 30.0:
            near += 1
            one += len(set(frame.riders.group_id[row].tolist())) == 1
    assert near > 300
    assert one / near >= 0.95
