"""Status: racing, stopped, silent, off the route; silence is never abandonment."""

import numpy as np
from bunch_race import (
    WHEN_S,
    bunch,
    road_race,
    status_of,
    steady,
    stopped,
    watched,
)  # fmt: skip

from truck.race.status import ASTRAY, RACING, SIGNAL_LOST, STOPPED


def test_stopped_after_ten_seconds_and_racing_again() -> None:
    race = road_race()
    _, frames = watched(race, bunch(race, {4: stopped(WHEN_S, 2.0, 60)}))
    assert status_of(frames[WHEN_S + 10], 4) == RACING
    assert status_of(frames[WHEN_S + 25], 4) == STOPPED
    assert status_of(frames[WHEN_S + 80], 4) == RACING
    assert status_of(frames[WHEN_S + 25], 5) == RACING


def test_a_speed_of_zero_from_a_rider_who_moves_is_no_stop() -> None:
    race = road_race()
    readings = bunch(race, {})
    readings[3].speed_mps[WHEN_S:] = 0.0
    _, frames = watched(race, readings)
    assert status_of(frames[-1], 4) == RACING


def test_silence_is_signal_lost_and_never_abandonment() -> None:
    race = road_race()
    readings = bunch(race, {4: stopped(WHEN_S, 2.0, 1000, 1200)}, 1200)
    readings[3] = readings[3].take(slice(0, 200))
    _, frames = watched(race, readings)
    assert status_of(frames[199], 4) == STOPPED
    assert {status_of(frame, 4) for frame in frames[212:]} == {SIGNAL_LOST}


def test_a_whole_hole_keeps_group_and_gap() -> None:
    race = road_race()
    index = np.arange(400)
    rows = [r.take((index < 200) | (index >= 230)) for r in bunch(race, {})]
    _, frames = watched(race, rows)
    dark = frames[225].riders
    assert set(dark.status.tolist()) == {SIGNAL_LOST}
    assert np.isfinite(dark.gap_s).all()
    assert len(set(dark.group_id.tolist())) == 1


def test_who_leaves_the_road_is_off_route() -> None:
    race = road_race()
    readings = bunch(race, {})
    readings[3].latitude_deg[WHEN_S:] += 0.002  # 222 m
    _, frames = watched(race, readings)
    assert status_of(frames[WHEN_S + 40], 4) == ASTRAY
    assert status_of(frames[WHEN_S + 40], 5) == RACING


def test_a_number_that_is_not_on_the_start_list_leads_nothing() -> None:
    race = road_race(riders=19)
    readings = bunch(race, {20: steady(400, 16.0)})
    _, frames = watched(race, readings)
    last = frames[-1].riders
    assert 20 in last.bib.tolist()
    assert last.bib[0] == 1
    assert np.isnan(last.gap_s[last.bib.tolist().index(20)])
