"""Riders and road of a simulated stage: plausible bodies, the organiser's lists, curves."""

import dataclasses

import numpy as np
import pytest

from hardware.stage import Route, Starter
from hardware.virtual.riders import field_of
from hardware.virtual.road import STEP_M, road_of
from tests.hardware.virtual.stages import START_S, loop_stage, stage_on, straight_stage


def test_made_up_riders_have_the_bodies_of_professionals() -> None:
    field = field_of(straight_stage(5_000.0), 2)
    assert len(field) == len(set(field.bibs.tolist())) == 184
    body_kg = field.mass_kg - 7.8
    assert 55.0 <= body_kg.min() < 60.0 < 76.0 < body_kg.max() <= 84.0
    per_kg = field.cp_w / body_kg
    assert 5.2 < np.median(per_kg) < 5.8
    assert np.corrcoef(per_kg, body_kg)[0, 1] < -0.3
    assert np.corrcoef(field.cp_w, body_kg)[0, 1] > 0.3
    assert field.gc_gap_s.min() == 0.0
    assert np.bincount(field.team).max() == 8


def test_the_start_list_says_who_rides_when_and_how_far_behind() -> None:
    starters = (
        Starter(11, "A", "Red", gc_gap_s=0.0, start_at_s=START_S + 90.0),
        Starter(3, "B", "Blue", gc_gap_s=75.0, start_at_s=START_S),
        Starter(4, "C", "Blue"),
    )
    stage = dataclasses.replace(loop_stage(0, 6_000.0, "time-trial"), startlist=starters)
    field = field_of(stage, 0)
    assert field.bibs.tolist() == [11, 3, 4]
    assert field.team[1] == field.team[2] != field.team[0]
    assert field.departs_s.tolist() == [90.0, 0.0, 120.0]
    # who is not in the classification is not in front in it
    assert field.gc_gap_s.tolist() == [0.0, 75.0, 75.0]


def test_the_riders_of_a_seed_are_the_same_and_of_another_are_others() -> None:
    stage = straight_stage(5_000.0)
    once, again, other = (field_of(stage, seed, 40) for seed in (2, 2, 4))
    assert np.array_equal(once.cp_w, again.cp_w)
    assert not np.array_equal(once.cp_w, other.cp_w)


def test_a_road_knows_its_slope_and_direction() -> None:
    road = road_of(straight_stage(5_000.0, 0.06))
    inside = slice(10, int(4_900.0 / STEP_M))
    assert road.gradient[inside] == pytest.approx(0.06, abs=1e-3)
    assert road.east[inside] == pytest.approx(1.0, abs=1e-3)
    assert road.limit_mps[inside].min() == pytest.approx(27.5)
    assert road.index(np.array([-50.0, 0.0, 1_000.0, 1e6])).tolist()[:3] == [0, 0, 100]


def test_a_hairpin_is_ridden_at_20_to_30_km_h_and_braked_for() -> None:
    out_m = np.arange(0.0, 2_000.0, 10.0)
    x_m = np.concatenate([out_m, [2_005.0, 2_005.0], out_m[::-1]])
    y_m = np.concatenate([np.zeros(len(out_m)), [3.0, 9.0], np.full(len(out_m), 12.0)])
    route = Route(45.0 + y_m / 111_200.0, 3.0 + x_m / 78_700.0, np.full(len(x_m), 100.0))
    road = road_of(stage_on(route))
    turn = int(2_000.0 / STEP_M)
    assert 5.0 < road.limit_mps[turn - 2 : turn + 3].min() < 8.5
    # v2 = u2 + 2 a s: 150 m before, 2 m/s2 allow 25 m/s
    assert 20.0 < road.limit_mps[turn - 15] < 27.5
    assert road.limit_mps[turn - 40] == pytest.approx(27.5)


def test_a_road_without_heights_is_level() -> None:
    stage = straight_stage(5_000.0)
    route = dataclasses.replace(stage.route, altitude_m=np.full(51, np.nan))
    road = road_of(dataclasses.replace(stage, route=route))
    assert (road.gradient == 0.0).all()
