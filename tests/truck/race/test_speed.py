"""Speed: the sensor's, filtered, and the way's where there is no sensor."""

import numpy as np
import pytest
from made_roads import followed, race_on, ridden

from truck.race.riders import new_riders
from truck.race.speed import follow_speed

KMH = 3.6


def speeds(sensed: bool, every_s: int) -> tuple[np.ndarray, np.ndarray]:
    """Followed and true speeds of riders at their fixes, from a minute after the flag."""
    race = race_on("one round", 4)
    tracks = ridden(race.course, 4, 12, sensed=sensed)
    tracks.said &= (np.arange(len(tracks.said)) % every_s == 0)[:, None]
    readings, _ = tracks.readings()
    second_of = (readings.measured_at_us / 1e6 - tracks.at_s[0].min()).astype(int)
    found, true = [], []
    for second in np.unique(second_of).tolist():
        race.advance(readings.take(second_of == second))
        on = (second > 120) & (tracks.truth_m[second] < race.course.length_m)
        found.append(race._riders.speed_mps[on])
        true.append(tracks.truth_mps[second][on])
    return np.concatenate(found), np.concatenate(true)


@pytest.mark.parametrize(
    ("sensed", "every_s", "most_kmh"), [(True, 1, 0.5), (False, 1, 1.0), (False, 6, 1.8)]
)
def test_speed_is_near_the_true_one_with_a_sensor_and_without(
    sensed: bool, every_s: int, most_kmh: float
) -> None:
    found, true = speeds(sensed, every_s)
    assert np.isfinite(found).all()
    assert np.abs(found - true).mean() * KMH < most_kmh


def test_impossible_values_leave_the_last_one_standing_and_do_not_lock_the_filter() -> None:
    riders = new_riders(np.array([1], np.int32))
    row, none = np.array([0]), np.array([np.nan])
    said = [10.0, 10.2, -3.0, 45.0, 30.0, 10.4, 0.0, 0.0, 0.0]
    shown = []
    for second, value in enumerate(said):
        at_us = np.array([second * 1_000_000 + 10**15])
        follow_speed(riders, row, at_us, np.array([value]), none)
        riders.seen_us[row] = at_us
        shown.append(float(riders.speed_mps[0]))
    assert shown[:7] == pytest.approx([10.0, 10.2, 10.2, 10.2, 10.2, 10.4, 10.4], abs=0.05)
    assert shown[2] == shown[3] == shown[4]
    assert shown[7] < 0.7
    assert shown[8] < 0.1


def test_a_rider_in_a_hole_keeps_his_speed_and_his_pace() -> None:
    race = race_on("one round", 1)
    tracks = ridden(race.course, 1, 2)
    tracks.said[300:330] = False
    tracks.said[330:] = False
    followed(race, tracks)
    assert race._riders.speed_mps[0] == pytest.approx(tracks.truth_mps[299, 0], abs=0.5)
    assert 5.0 < race._riders.pace_mps[0] < 16.0
