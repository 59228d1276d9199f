"""Progress on roads made up to mislead, with every fault at once."""

import numpy as np
import pytest
from made_roads import (
    ROADS,
    START_S,
    Tracks,
    followed,
    in_gorge,
    in_hole,
    of_yesterday,
    race_on,
    ridden,
    sparsely,
)
from rides_race import joined, straight_readings

from truck.race.progress import GOOD
from truck.race.race import Race
from truck.race.riders import NEVER_US

GOOD_ONE, GORGE, SPARSE, STALE, LATE, BARE = range(6)


def with_faults(race: Race, seed: int) -> Tracks:
    """Six riders, each with a trouble of his own."""
    tracks = ridden(race.course, 6, seed)
    seconds = len(tracks.said)
    draw = np.random.default_rng(seed)
    in_gorge(tracks, GORGE, seconds // 4, seconds // 3, seed)
    sparsely(tracks, SPARSE)
    yesterday_m = draw.uniform(0.0, race.course.length_m)
    of_yesterday(tracks, STALE, seconds // 3, 120, yesterday_m)
    in_hole(tracks, LATE, 0, int(seconds * draw.uniform(0.3, 0.5)))
    tracks.speed_mps[:, BARE] = np.nan
    crossing = int(np.argmax(tracks.truth_m[:, BARE] >= race.course.length_m - 60.0))
    in_hole(tracks, BARE, crossing, 25)
    return tracks


def check(name: str, seed: int) -> None:
    race = race_on(name, 6)
    tracks = with_faults(race, seed)
    readings, truth_m, placed = followed(race, tracks)
    at_s = readings.measured_at_us / 1e6 - START_S
    off_m = np.abs(placed.distance_m - truth_m)
    for rider in range(6):
        mine = readings.bib == rider + 1
        steps_m = np.diff(placed.distance_m[mine])
        assert np.nanmin(steps_m) >= -20.0, f"rider {rider} stepped back"
        since = at_s[mine][0] + 30.0
        told = off_m[mine & (at_s > max(since, 30.0))]
        if rider == STALE:
            # believed no longer than they come, and never shown as good
            wrong = mine & (at_s > 30.0) & (off_m > 200.0)
            from_s = len(tracks.said) // 3 - 60
            assert ((at_s[wrong] >= from_s) & (at_s[wrong] <= from_s + 121 + 130)).all()
            assert (placed.quality[wrong] == GOOD).mean() < 0.05 if wrong.any() else True
        else:
            assert told.max() < 150.0, f"rider {rider} was on a wrong lap or leg"
        assert np.median(told) < 3.0
        if rider in (GOOD_ONE, SPARSE, LATE, BARE):
            assert np.percentile(told, 95) < 10.0
    riders = race._riders
    assert (riders.finished_us != NEVER_US).all()
    crossed = np.argmax(tracks.truth_m >= race.course.length_m, axis=0)
    late_s = riders.finished_us / 1e6 - tracks.at_s[crossed, np.arange(6)]
    assert np.abs(late_s).max() < 12.0
    assert np.abs(late_s[GOOD_ONE]) < 1.5


@pytest.mark.parametrize("name", sorted(ROADS))
def test_no_fault_puts_a_rider_on_a_wrong_lap_or_leg_or_back(name: str) -> None:
    check(name, 0)


@pytest.mark.parametrize("seed", [2, 4, 6])
def test_nor_on_a_road_and_with_faults_by_seed(seed: int) -> None:
    check(sorted(ROADS)[seed % len(ROADS)], seed)


def test_two_trackers_of_one_rider_do_not_make_him_jump_to_and_fro() -> None:
    race = race_on("there and back", 2)
    tracks = ridden(race.course, 2, 8)
    readings, truth_m = tracks.readings()
    # the second one rides on a car 250 m behind under the first one's bib
    doubled = readings._replace(bib=np.ones_like(readings.bib))
    mine = readings.bib == 1
    behind_m = np.interp(
        readings.measured_at_us[mine], readings.measured_at_us[mine] + 22_000_000, truth_m[mine]
    )
    lat, lon = race.course.place(np.maximum(behind_m, 0.0))
    car = doubled.take(mine)._replace(
        measured_at_us=readings.measured_at_us[mine] + 400_000, latitude_deg=lat, longitude_deg=lon
    )
    own = readings.take(mine)
    race.advance(own.take(own.measured_at_us < START_S * 1_000_000 + 60_000_000))
    later = own.measured_at_us >= START_S * 1_000_000 + 60_000_000
    shown = []
    for k in np.flatnonzero(later)[:500]:
        race.advance(own.take(slice(k, k + 1)))
        race.advance(car.take(slice(k, k + 1)))
        shown.append(race._riders.distance_m[0])
    off_m = np.abs(np.array(shown) - truth_m[mine][later][:500])
    assert np.diff(shown).min() > -5.0
    assert np.percentile(off_m, 95) < 25.0


def test_who_warms_up_on_the_circuit_has_neither_begun_nor_finished() -> None:
    race = race_on("laps", 1)
    course = race.course
    seconds = np.arange(1500)
    # nearly two laps before the flag, then back on the line and off with the race
    way_m = np.where(seconds < 600, seconds * 9.5, 0.0) % 3000.0
    way_m = np.where(seconds >= 900, (seconds - 900) * 11.0, way_m)
    tracks = ridden(course, 1, 0)
    for name in ("at_s", "truth_m", "x_m", "y_m", "speed_mps", "said"):
        setattr(tracks, name, np.resize(getattr(tracks, name), (len(seconds), 1)))
    tracks.at_s = (START_S - 900.0 + seconds)[:, None]
    tracks.x_m = np.interp(way_m, course.distance_m, course.x_m)[:, None]
    tracks.y_m = np.interp(way_m, course.distance_m, course.y_m)[:, None]
    tracks.speed_mps = np.abs(np.gradient(way_m)).clip(0, 15)[:, None]
    tracks.said[:] = True
    _, _, placed = followed(race, tracks)
    assert race._riders.finished_us[0] == NEVER_US
    assert placed.distance_m[-1] == pytest.approx(way_m[-1], abs=10.0)
    assert placed.distance_m[:900].max() < 1300.0  # a kilometre, and what he coasts on


def test_who_has_finished_stays_so_while_his_bike_is_driven_back_along_the_course() -> None:
    race = race_on("one round", 1)
    tracks = ridden(race.course, 1, 4, after_s=400)
    done = int(np.argmax(tracks.truth_m[:, 0] >= race.course.length_m)) + 60
    back_m = race.course.length_m - np.arange(len(tracks.said) - done) * 12.0
    for axis in ("x_m", "y_m"):
        road = getattr(race.course, axis)
        getattr(tracks, axis)[done:, 0] = np.interp(back_m, race.course.distance_m, road)
    _, _, placed = followed(race, tracks)
    assert (placed.distance_m[done:] == race.course.length_m).all()


def test_no_frame_steps_back_by_more_than_twenty_metres() -> None:
    race = race_on("eight", 6)
    readings, _ = with_faults(race, 10).readings()
    first, last = readings.measured_at_us[[0, -1]] // 1_000_000
    shown = []
    for second in range(int(first), int(last) + 2):
        race.advance(readings.take(-(-readings.measured_at_us // 1_000_000) == second))
        riders = race.frame(second * 1_000_000).riders
        shown.append(riders.distance_m[np.argsort(riders.bib)])
    steps_m = np.diff(np.array(shown), axis=0)
    assert np.nanmin(steps_m) >= -20.0
    assert np.nanmax(np.array(shown)) == race.course.length_m


def test_who_brakes_hard_between_sparse_fixes_is_not_lost() -> None:
    race = race_on("eight", 1)
    at_s = np.arange(0, 420, 6)
    way_m = np.minimum(at_s, 303.0) * 14.0
    ride = straight_readings(race, 1, (START_S + at_s) * 1_000_000, way_m, np.nan)
    placed = race.advance(ride)
    after = at_s > 330
    assert np.abs(placed.distance_m - way_m)[after].max() < 10.0
    assert (placed.quality[after] == GOOD).all()


def test_who_rolls_out_in_a_hole_crossed_the_line_at_his_pace() -> None:
    race = race_on("eight", 1)
    length_m = race.course.length_m
    crossed_s = length_m / 10.0
    at_s = np.arange(0.0, crossed_s - 10.0)
    # heard again 30 s after he crossed it, and there he stands
    heard_s = np.array([np.ceil(crossed_s + 30.0)])
    ride = [
        straight_readings(race, 1, (START_S + seconds) * 1e6, seconds_m, mps)
        for seconds, seconds_m, mps in (
            (at_s, at_s * 10.0, 10.0), (heard_s, np.array([length_m + 60.0]), 0.0)
        )
    ]  # fmt: skip
    race.advance(joined(*ride))
    finished_s = race._riders.finished_us[0] / 1e6 - START_S
    assert finished_s == pytest.approx(crossed_s, abs=1.0)
