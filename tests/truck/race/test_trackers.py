"""Trackers in cars: what no rider can do, and what sensors no longer say."""

import numpy as np
from bunch_race import bunch, ridden, road_race, status_of, steady, stopped, watched

from truck.race.race import Race
from truck.race.readings import Readings
from truck.race.status import IN_CAR

LONG = 620


def with_sensors(rows: Readings, power_w: float, heart_bpm: float, until: int) -> Readings:
    index = np.arange(len(rows.bib))
    return rows._replace(
        power_w=np.where(index < until, power_w, np.nan),
        heart_rate_bpm=np.where(index < until, heart_bpm, np.nan),
    )


def ever_in_car(race: Race, readings: list[Readings], bib: int) -> bool:
    _, frames = watched(race, readings)
    return any(status_of(frame, bib) == IN_CAR for frame in frames)


def test_a_climb_that_nobody_can_ride_is_a_car_and_it_leads_nothing() -> None:
    race = road_race(climb_pct=8.0)
    pack = [ridden(race, bib, steady(LONG, 5.5), ahead_m=3.0 * bib) for bib in range(1, 8)]
    _, frames = watched(race, [*pack, ridden(race, 9, steady(LONG, 14.0))])
    last = frames[-1].riders
    assert status_of(frames[240], 9) == IN_CAR
    assert last.bib[0] == 7
    assert np.isnan(last.gap_s[last.bib.tolist().index(9)])


def test_the_best_climber_alone_is_no_car() -> None:
    # 6.6 m/s on 8 %: 6.4 W/kg for a quarter of an hour
    race = road_race(climb_pct=8.0)
    pack = [ridden(race, bib, steady(LONG, 5.5), ahead_m=3.0 * bib) for bib in range(1, 8)]
    assert not ever_in_car(race, [*pack, ridden(race, 9, steady(LONG, 6.6))], 9)


def test_a_descender_alone_is_no_car() -> None:
    race = road_race(climb_pct=-7.0)
    assert not ever_in_car(race, [ridden(race, 9, steady(700, 24.0))], 9)


def test_a_chase_behind_cars_after_a_puncture_is_no_car() -> None:
    race = road_race()
    chase = stopped(150, 1.5, 30, LONG)
    chase[220:500] = 17.0
    rows = with_sensors(ridden(race, 9, chase), 310.0, 165.0, LONG)
    assert not ever_in_car(race, [*bunch(race, {}, LONG)[:5], rows], 9)


def test_a_tracker_that_loses_its_riders_heart_and_legs_at_a_stop_is_in_a_car() -> None:
    race = road_race(climb_pct=1.0)
    left = with_sensors(ridden(race, 9, stopped(150, 1.5, 40, LONG)), 250.0, 150.0, 155)
    _, frames = watched(race, [*bunch(race, {}, LONG)[:5], left])
    statuses = [status_of(frame, 9) for frame in frames]
    assert IN_CAR not in statuses[:200]
    assert statuses[600] == IN_CAR


def test_a_new_bike_without_a_meter_is_no_car() -> None:
    race = road_race(climb_pct=1.0)
    rows = with_sensors(ridden(race, 9, stopped(150, 1.5, 40, LONG)), 250.0, 150.0, 155)
    rows = rows._replace(heart_rate_bpm=np.full(LONG, 150.0))
    assert not ever_in_car(race, [*bunch(race, {}, LONG)[:5], rows], 9)
