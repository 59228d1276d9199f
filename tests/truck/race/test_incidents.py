"""Incidents: what is a crash, what is a stop, and what is nothing."""

from pathlib import Path

import numpy as np
import pytest
from bunch_race import (
    BRAKES,
    FALLS,
    PACE_MPS,
    RIDERS,
    WHEN_S,
    alarms,
    bunch,
    onset_us,
    ridden,
    road_race,
    status_of,
    steady,
    stopped,
    watched,
)  # fmt: skip
from rides_race import between, race_of

from truck.race.classes import Evidence, odds_of
from truck.race.incidents import incidents_of
from truck.race.race import Race
from truck.race.readings import Readings
from truck.race.rulings import Ruling
from truck.race.status import STOPPED


@pytest.fixture
def race() -> Race:
    return road_race()


def sparse(readings: list[Readings], every_s: int, hole_s: int = 0) -> list[Readings]:
    """Only every so many seconds, and nothing for the first seconds of each minute."""
    kept = []
    for rows in readings:
        second = rows.measured_at_us // 1_000_000
        kept.append(rows.take((second % every_s == 0) & (second % 60 >= hole_s)))
    return kept


def test_a_fall_of_several_is_one_crash_within_ten_seconds_naming_them(race: Race) -> None:
    fallen = {bib: stopped(WHEN_S, FALLS, 60) for bib in (8, 9, 10, 11)}
    held_up = {bib: stopped(WHEN_S + 2, 3.0, 15) for bib in (13, 14, 15, 16)}
    said, _ = watched(race, bunch(race, fallen | held_up))
    (alarm,) = alarms(said)
    assert set(alarm.bibs) >= fallen.keys()
    assert alarm.at_us - onset_us() <= 10_000_000
    assert abs(alarm.started_us - onset_us()) <= 2_000_000
    (incident,) = incidents_of(said)
    assert incident.cleared_us is not None
    assert set(incident.bibs) <= fallen.keys() | held_up.keys()


def test_one_who_falls_alone_is_a_crash_and_one_who_rolls_out_is_not(race: Race) -> None:
    said, _ = watched(
        race, bunch(race, {5: stopped(WHEN_S, FALLS, 40), 17: stopped(250, BRAKES, 40)})
    )
    assert [alarm.bibs for alarm in alarms(said)] == [(5,)]
    assert [incident.kind for incident in incidents_of(said)] == ["crash", "mechanical"]


def test_an_impact_tells_a_soft_fall_from_a_stop_and_says_nothing_of_who_rides_on(
    race: Race,
) -> None:
    felt = {5: WHEN_S, 9: WHEN_S}  # 9 has hit a kerb
    odd = {5: stopped(WHEN_S, 3.0, 20), 17: stopped(250, 3.0, 20)}
    readings = []
    for rows in bunch(race, odd):
        since_s = np.arange(len(rows.bib)) - felt.get(int(rows.bib[0]), 10_000)
        readings.append(rows._replace(impact=((since_s >= 0) & (since_s < 15)).astype(float)))
    said, _ = watched(race, readings)
    assert [alarm.bibs for alarm in alarms(said)] == [(5,)]
    assert not any(9 in change.bibs for change in said)


def test_a_comfort_stop_of_many_is_no_crash(race: Race) -> None:
    rolling = {bib: stopped(WHEN_S + bib % 5, 0.9, 60) for bib in range(10, 18)}
    said, _ = watched(race, bunch(race, rolling))
    assert alarms(said) == []
    (incident,) = incidents_of(said)
    assert incident.kind == "comfort_stop"
    assert set(incident.bibs) == rolling.keys()


def test_a_closed_crossing_is_known_by_its_place_and_by_nobody_getting_by() -> None:
    # all come to stand before km 2.4
    race = road_race(points="2.40,crossing,Gare\n")
    said, _ = watched(
        race, bunch(race, {bib: stopped(WHEN_S, 1.5, 50) for bib in range(1, RIDERS + 1)})
    )
    assert alarms(said) == []
    (incident,) = incidents_of(said)
    assert incident.kind == "level_crossing"
    assert incident.probability > 0.8


def test_nothing_is_said_before_anybody_stands_nor_of_who_only_brakes(race: Race) -> None:
    slowed = steady()
    slowed[WHEN_S : WHEN_S + 6] = [8.0, 4.0, 3.0, 3.0, 6.0, 9.0]
    said, _ = watched(race, bunch(race, dict.fromkeys(range(8, 14), slowed)))
    assert said == []


def test_false_speeds_of_zero_and_frozen_fixes_raise_nothing(race: Race) -> None:
    readings = bunch(race, {})
    readings[4].speed_mps[WHEN_S : WHEN_S + 40] = 0.0  # moves on all the same
    frozen = slice(WHEN_S, WHEN_S + 40)
    readings[5].latitude_deg[frozen] = readings[5].latitude_deg[WHEN_S]
    readings[5].longitude_deg[frozen] = readings[5].longitude_deg[WHEN_S]  # at 12 m/s
    jumps = 4e-4 * (np.arange(len(readings[6].latitude_deg)) % 9 == 0)  # a gorge: 45 m
    readings[6] = readings[6]._replace(latitude_deg=readings[6].latitude_deg + jumps)
    said, _ = watched(race, readings)
    assert said == []


def test_fixes_of_yesterdays_finish_raise_nothing(race: Race) -> None:
    readings = bunch(race, {})
    yesterday = slice(WHEN_S, WHEN_S + 30)
    readings[7].latitude_deg[yesterday] = 45.2
    readings[7].speed_mps[yesterday] = 0.0
    said, _ = watched(race, readings)
    assert said == []


def test_a_spare_bike_that_is_not_on_the_start_list_raises_nothing(race: Race) -> None:
    said, frames = watched(
        race, [*bunch(race, {}), ridden(race, 77, stopped(WHEN_S, FALLS, 60), ahead_m=90.0)]
    )
    assert said == []
    assert status_of(frames[WHEN_S + 40], 77) == STOPPED


@pytest.mark.parametrize(("every_s", "hole_s"), [(6, 0), (6, 30), (1, 30)])
def test_no_crash_is_seen_in_sparse_readings_of_a_bunch_that_stops_and_rides(
    race: Race, every_s: int, hole_s: int
) -> None:
    rolling = {bib: stopped(WHEN_S + bib, 1.1, 50) for bib in range(10, 16)}
    said, _ = watched(race, sparse(bunch(race, rolling), every_s, hole_s))
    assert alarms(said) == []


def test_a_fall_of_several_is_found_in_readings_every_six_seconds(race: Race) -> None:
    fallen = {bib: stopped(WHEN_S, FALLS, 60) for bib in (8, 9, 10, 11, 12)}
    said, _ = watched(race, sparse(bunch(race, fallen), 6))
    assert [set(alarm.bibs) for alarm in alarms(said)] == [fallen.keys()]


def test_who_alone_falls_silent_is_said_but_never_a_whole_hole(race: Race) -> None:
    readings = bunch(race, {})
    readings[2] = readings[2].take(slice(0, 120))
    said, _ = watched(race, readings)
    (incident,) = incidents_of(said)
    assert (incident.kind, incident.bibs) == ("signal_lost", (3,))
    hole = [rows.take((np.arange(400) < 120) | (np.arange(400) > 300)) for rows in bunch(race, {})]
    assert watched(road_race(), hole)[0] == []


def test_an_operator_dismisses_and_confirms(race: Race) -> None:
    fallen = bunch(race, {5: stopped(WHEN_S, FALLS, 100)})
    watched(race, [rows.take(slice(0, WHEN_S + 15)) for rows in fallen])
    race.rule(Ruling(1, onset_us(170), "anna", "confirm", incident=1))
    race.rule(Ruling(2, onset_us(171), "anna", "dismiss", incident=1))
    race.rule(Ruling(3, onset_us(172), "anna", "confirm", incident=1))  # too late
    told = [(change.what, change.kind, change.probability) for _, change in race.take_changes()]
    assert told == [("changed", "crash", 1.0), ("cleared", "crash", 0.0)]
    said, _ = watched(race, [rows.take(slice(WHEN_S + 15, 400)) for rows in fallen])
    assert said == []  # he still lies there, and goes on


def test_a_restart_in_the_middle_of_a_crash_says_the_same(race: Race) -> None:
    readings = bunch(race, {bib: stopped(WHEN_S, FALLS, 60) for bib in (8, 9, 10)})
    before = [rows.take(slice(0, WHEN_S + 10)) for rows in readings]
    after = [rows.take(slice(WHEN_S + 10, 400)) for rows in readings]
    told, _ = watched(race, before)
    fresh = Race(race.stage)
    fresh.restore(race.snapshot())
    assert watched(fresh, after)[0] == watched(race, after)[0]
    assert [change.what for change in told] == ["raised"]


def test_odds_add_up_and_harder_braking_is_never_less_of_a_crash() -> None:
    told = []
    for braking in np.arange(1.0, 6.0, 0.5):
        evidence = Evidence(
            riders=1, braking_mps2=float(braking), at_least=False, from_mps=PACE_MPS, sparse_s=1.9,
            together_s=0.0, shut=None, left=None, felt=None, feeding=False, crossing=False,
        )  # fmt: skip
        odds = odds_of(evidence)
        assert sum(odds.values()) == pytest.approx(1.0, abs=0.005)
        told.append(odds["crash"])
    assert told == sorted(told)
    assert told[0] < 0.1 < 0.9 < told[-1]


def test_real_riders_who_stop_do_not_crash(stage: Path, readings: Readings) -> None:
    race = race_of(stage)
    # A stands for 38 s and for 40 s, after braking from 7.3 m/s at 2.3 m/s2
    begun_us = int(readings.measured_at_us[readings.bib == 1].min())
    race.advance(between(readings, begun_us + 4_600_000_000, begun_us + 5_300_000_000))
    said = [change for _, change in race.take_changes()]
    assert alarms(said) == []
    assert (1,) in [incident.bibs for incident in incidents_of(said)]
