"""Frames: time gaps at the same road point, groups, ages and status."""

from pathlib import Path

import numpy as np
import pytest
from rides_race import between, joined, race_of, straight_readings

from truck.race.race import Race
from truck.race.readings import Readings
from truck.race.status import NOT_SEEN, RACING, SIGNAL_LOST

SECONDS = np.arange(1500)


@pytest.fixture
def race(stage: Path) -> Race:
    return race_of(stage)


def begun_us(race: Race) -> int:
    return int(race.stage.start_at_s or 0) * 1_000_000


def way_m(after_s: float) -> np.ndarray:
    """Fast, then slow from km 6 on, as on a climb; the same road at another time."""
    elapsed_s = np.maximum(SECONDS - after_s, 0.0)
    return np.where(elapsed_s < 500, elapsed_s * 12.0, 6000 + (elapsed_s - 500) * 4.0)


def ride(race: Race, bib: int, after_s: float, until: int = len(SECONDS)) -> Readings:
    at_us = begun_us(race) + SECONDS[:until] * 1_000_000
    metres = way_m(after_s)[:until]
    return straight_readings(race, bib, at_us, metres, np.nan)


def test_gaps_are_times_at_the_same_road_point_not_distance_by_speed(race: Race) -> None:
    # the first rider begins to climb: metres close while the seconds stay
    rides = joined(*(ride(race, bib, after) for bib, after in ((1, 0), (2, 90), (3, 91))))
    from_us = 0
    for second in (450, 520, 560, 640, 1000):
        until_us = begun_us(race) + second * 1_000_000
        race.advance(between(rides, from_us, until_us))
        riders = race.frame(until_us - 1_000_000).riders
        assert riders.bib[:3].tolist() == [1, 2, 3]
        assert riders.gap_s[:3] == pytest.approx([0, 90, 91], abs=1.0)
        from_us = until_us


def test_groups_are_linked_in_time_and_most_of_a_group_keeps_its_number(race: Race) -> None:
    rides = [ride(race, bib, after) for bib, after in ((1, 0), (2, 1), (3, 60), (4, 61), (5, 62))]
    race.advance(joined(*rides))
    frame = race.frame(begun_us(race) + 1_499_000_000)
    assert frame.groups.size.tolist() == [2, 3]
    assert frame.groups.first_bib.tolist() == [1, 3]
    assert frame.groups.gap_s == pytest.approx([0, 60], abs=1.0)
    assert frame.riders.group_id[:5].tolist() == [2, 2, 1, 1, 1]


def test_every_rider_is_brought_to_the_instant_and_ages_until_his_signal_is_lost(
    race: Race,
) -> None:
    race.advance(joined(ride(race, 1, 0, 400), ride(race, 2, 0, 398)))
    now_us = begun_us(race) + 399_000_000
    riders = race.frame(now_us + 2_000_000).riders
    rows = [riders.bib.tolist().index(bib) for bib in (1, 2, 3)]
    assert riders.age_s[rows[0]] == 2.0
    assert riders.age_s[rows[1]] == 4.0
    assert riders.distance_m[rows[0]] == pytest.approx(401 * 12, abs=15)
    assert riders.distance_m[rows[1]] == pytest.approx(401 * 12, abs=15)
    assert riders.status[rows].tolist() == [RACING, RACING, NOT_SEEN]
    assert np.isnan(riders.age_s[rows[2]])
    later = race.frame(now_us + 12_000_000).riders
    assert later.status[later.bib.tolist().index(1)] == SIGNAL_LOST


def test_asking_for_a_frame_changes_nothing(race: Race) -> None:
    race.advance(ride(race, 1, 0, 100))
    before = race.snapshot()
    race.frame(begun_us(race) + 200_000_000)
    assert race.snapshot() == before


def test_a_rider_who_is_not_on_the_start_list_is_shown_all_the_same(race: Race) -> None:
    race.advance(ride(race, 77, 0, 300))
    riders = race.frame(begun_us(race) + 299_000_000).riders
    assert riders.bib[0] == 77
    assert riders.name[0] == ""


def test_impossible_speeds_are_not_shown(race: Race) -> None:
    whole = ride(race, 1, 0, 300)
    speeds = np.full(300, 12.0)
    speeds[100:] = np.tile([12.0, 40.0, -3.0, 25.0, 12.0], 40)
    race.advance(whole._replace(speed_mps=speeds))
    riders = race.frame(begun_us(race) + 299_000_000).riders
    assert riders.speed_mps[0] == pytest.approx(12.0, abs=0.5)


def test_frames_in_a_hole_show_what_the_race_goes_through_when_the_feed_comes_back(
    race: Race,
) -> None:
    """Asked for each second or never, a hole ends in the same state, and nobody steps back."""
    asked, unasked = race, Race(race.stage)
    rides = joined(*(ride(race, bib, after) for bib, after in ((1, 0), (2, 1), (3, 40))))
    hole_us = begun_us(race) + 480_000_000, begun_us(race) + 511_000_000
    before, after = (
        between(rides, 0, hole_us[0]),
        between(rides, hole_us[1], hole_us[1] + 1),
    )
    for one in (asked, unasked):
        one.advance(before)
    seconds_us = range(hole_us[0], hole_us[1], 1_000_000)
    shown = [asked.frame(second_us).riders.distance_m[:3] for second_us in seconds_us]
    for one in (asked, unasked):
        one.advance(after)
    assert asked.snapshot() == unasked.snapshot()
    shown.append(asked.frame(hole_us[1]).riders.distance_m[:3])
    steps_m = np.diff(np.array(shown), axis=0)
    assert steps_m[:-1].min() > 0.0  # they ride on
    assert steps_m.min() > -20.0
