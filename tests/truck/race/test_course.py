"""The course: laps, gradients, climbs, and where it meets itself."""

from pathlib import Path

import numpy as np
import pytest
import roads

from hardware.polyline import along
from hardware.rides import read_rides
from hardware.stage import Circuit, Route, Stage, stage_from_files
from truck.race.climbs import climbs_of
from truck.race.course import RUN_OUT_M, Course
from truck.race.meetings import CROSSING, OPPOSITE, SAME, meetings_of

LAP_M = 2_000 * np.pi


def course(
    x_m: np.ndarray,
    y_m: np.ndarray,
    level_m: np.ndarray | None = None,
    toml: str = "",
    checkpoints: str = "",
) -> Course:
    files = {
        "stage.toml": f'name = "Test"\nkind = "road"\n{toml}'.encode(),
        "route.gpx": roads.drawn(x_m, y_m, level_m),
    }
    if checkpoints:
        files["checkpoints.csv"] = f"km,kind,name\n{checkpoints}".encode()
    return Course(stage_from_files(files))


def hills(x_m: np.ndarray) -> np.ndarray:
    """A pass of 5 km at 8 % from km 5, down to km 15, and a wall of 1 km at 10 % at km 20."""
    return np.interp(
        x_m, [0, 5e3, 1e4, 1.5e4, 2e4, 2.1e4, 2.5e4], [100, 100, 500, 100, 100, 200, 200]
    )


def test_points_are_even_rounded_and_run_on_beyond_the_line() -> None:
    road = course(*roads.straight(5_000), toml="length_km = 4.0\nneutral_km = 1.0\n")
    assert (road.start_m, road.length_m) == (-1_000.0, 4_000.0)
    assert road.distance_m[-1] == pytest.approx(4_000.0 + RUN_OUT_M, abs=road.step_m)
    assert np.diff(road.distance_m) == pytest.approx(road.step_m)
    for values, digits in ((road.x_m, 4), (road.y_m, 4), (road.heading_rad, 6)):
        assert np.array_equal(values, np.round(values, digits))
    assert road.heading_rad == pytest.approx(np.pi / 2, abs=0.01)


def test_a_place_goes_there_and_back() -> None:
    road = course(*roads.lap_stage(1))
    at_m = np.array([100.0, 4_000.0, 9_000.0])
    x_m, y_m = road.project(*road.place(at_m))
    assert x_m == pytest.approx(np.interp(at_m, road.distance_m, road.x_m), abs=0.01)
    assert y_m == pytest.approx(np.interp(at_m, road.distance_m, road.y_m), abs=0.01)


def test_gradients_are_the_road_s_and_unknown_for_unknown_places() -> None:
    x_m, y_m = roads.straight(25_000)
    road = course(x_m, y_m, hills(x_m))
    slope = road.gradient_at(np.array([2_000.0, 7_500.0, 12_500.0, 20_500.0, np.nan]))
    assert slope[:4] == pytest.approx([0.0, 8.0, -8.0, 10.0], abs=0.1)
    assert np.isnan(slope[4])


def test_climbs_are_derived_from_the_profile_where_none_is_named() -> None:
    x_m, y_m = roads.straight(25_000)
    pass_, wall = climbs_of(course(x_m, y_m, hills(x_m)))
    assert (pass_.derived, pass_.category, wall.category) == (True, "2", "4")
    assert [pass_.start_m, pass_.top_m] == pytest.approx([5_000, 10_000], abs=150)
    assert [wall.start_m, wall.top_m] == pytest.approx([20_000, 21_000], abs=150)
    assert pass_.gradient_pct == pytest.approx(8.0, abs=0.3)
    assert pass_.rise_m == pytest.approx(400, abs=10)


def test_named_climbs_get_their_foot_from_the_profile() -> None:
    x_m, y_m = roads.straight(25_000)
    (climb,) = climbs_of(course(x_m, y_m, hills(x_m), checkpoints="10.0,climb,Col\n"))
    assert (climb.name, climb.derived, climb.top_m) == ("Col", False, 10_000.0)
    assert climb.start_m == pytest.approx(5_000, abs=150)
    (flat,) = climbs_of(course(x_m, y_m, checkpoints="10.0,climb,Col\n"))
    assert np.isnan(flat.start_m)
    assert flat.category == ""


def test_a_climb_named_before_the_start_has_no_length() -> None:
    x_m, y_m = roads.straight(25_000)
    (climb,) = climbs_of(course(x_m, y_m, hills(x_m), checkpoints="-3.0,climb,Col\n"))
    assert climb.category == ""


def test_a_flat_noisy_road_has_no_climbs() -> None:
    x_m, y_m = roads.straight(60_000)
    level_m = 100.0 + np.random.default_rng(2).normal(0.0, 1.0, len(x_m))
    assert climbs_of(course(x_m, y_m, level_m)) == ()


def test_laps_are_met_in_the_same_direction() -> None:
    (meeting,) = meetings_of(course(*roads.lap_stage(3)))
    assert meeting.kind == SAME
    # the way in runs beside the ring for some 200 m before it
    assert meeting.from_m == pytest.approx(4_900, abs=150)
    assert meeting.again_m - meeting.from_m == pytest.approx(LAP_M, rel=0.01)
    assert meeting.length_m == pytest.approx(2 * LAP_M, rel=0.03)


def test_out_and_back_is_met_in_the_opposite_direction() -> None:
    x_m, y_m = roads.straight(8_000)
    (meeting,) = meetings_of(course(np.append(x_m, x_m[-2::-1]), np.append(y_m, y_m[1:] + 5.0)))
    assert meeting.kind == OPPOSITE
    assert meeting.from_m == pytest.approx(0, abs=50)
    assert meeting.length_m == pytest.approx(7_850, abs=100)


def test_a_crossing_is_one_point_and_a_hairpin_is_none() -> None:
    x_m, y_m = roads.straight(3_000)
    turn_x, turn_y = roads.ring(0.75, 400.0)
    # three quarters of a circle lead south across the road just ridden
    down = np.arange(20.0, 1_000.0, 20.0)
    along = np.concatenate([x_m, 3_000 + turn_x[1:], np.full(len(down), 2_600.0)])
    (meeting,) = meetings_of(course(along, np.concatenate([y_m, turn_y[1:], 400.0 - down])))
    assert meeting.kind == CROSSING
    assert meeting.from_m == pytest.approx(2_600, abs=60)
    hairpin_x = np.concatenate([x_m, 3_000 + 12 * np.sin(np.linspace(0.3, 2.8, 9)), x_m[:-12:-1]])
    hairpin_y = np.concatenate([y_m, 12 - 12 * np.cos(np.linspace(0.3, 2.8, 9)), np.full(11, 24.0)])
    assert meetings_of(course(hairpin_x, hairpin_y)) == ()


def test_the_lap_of_a_distance_is_counted_from_the_circuit_s_line() -> None:
    toml = f"laps = [{{ from_km = 5.0, length_km = {LAP_M / 1000}, count = 3 }}]\n"
    road = course(*roads.lap_stage(1), toml=toml)
    at_m = np.array([100.0, 5_100.0, 5_000 + 1.5 * LAP_M, 5_000 + 2.5 * LAP_M, np.nan])
    assert road.lap_at(at_m).tolist() == [0, 1, 2, 3, 0]


def test_laps_are_counted_at_the_finish_line_however_rounded_the_road_book() -> None:
    toml = (
        f"length_km = {5.0 + 8 * LAP_M / 1000:.1f}\n"
        "laps = [{ from_km = 5.1, length_km = 6.2, count = 8 }]\n"
    )
    for turns in (1, 8):
        road = course(*roads.lap_stage(turns), toml=toml)
        line_m = 5_000 + LAP_M * np.arange(1, 8)
        assert road.lap_at(line_m - 40.0).tolist() == [1, 2, 3, 4, 5, 6, 7]
        assert road.lap_at(line_m + 40.0).tolist() == [2, 3, 4, 5, 6, 7, 8]


def ridden(path: Path, laps: tuple[Circuit, ...] = (), until_m: float = np.inf) -> Course:
    """The course that a recorded ride draws, or its first part."""
    (ride,) = read_rides(path).values()
    route = Route(ride.latitude_deg, ride.longitude_deg, ride.altitude_m)
    keep = np.flatnonzero(along(route) < until_m)
    part = Route(*(column[keep] for column in (route.latitude_deg, route.longitude_deg,
                                               route.altitude_m)))  # fmt: skip
    return Course(Stage("ride", "road", None, None, 0.0, laps, None, part, (), ()))


@pytest.mark.parametrize("other", ["rider_C.gpx.gz", "rider_E.gpx.gz"])
def test_two_recorders_of_one_road_agree_on_its_gradient(shared: Path, other: str) -> None:
    one, two = (ridden(shared / "roubaix2020" / name) for name in ("rider_D.gpx.gz", other))
    at_m = np.arange(2_200.0, 31_500.0, 50.0)
    x_m, y_m = one.project(*two.place(at_m))
    first_lap = one.distance_m < 30_500.0
    apart_m = np.hypot(x_m[:, None] - one.x_m[first_lap], y_m[:, None] - one.y_m[first_lap])
    near = apart_m.min(axis=1) < 20.0
    assert near.mean() > 0.95
    difference = two.gradient_at(at_m) - one.gradient_pct[first_lap][apart_m.argmin(axis=1)]
    assert np.abs(difference[near]).mean() < 0.25


@pytest.mark.parametrize("until_m", [30_000.0, 31_000.0, 40_000.0])
def test_a_real_lap_drawn_once_closes_where_it_began(shared: Path, until_m: float) -> None:
    path = shared / "roubaix2020" / "rider_D.gpx.gz"
    once = ridden(path, (Circuit(0.2, 29.8, 2),), until_m)
    assert once.road.unfolded
    assert once.length_m == pytest.approx(until_m + 29_850.0, abs=50.0)
    jump_m = np.hypot(np.diff(once.x_m), np.diff(once.y_m))
    assert jump_m.max() < 20.0
    twice = ridden(path, (Circuit(0.2, 29.8, 2),))
    assert (twice.road.unfolded, twice.road.laps[0] and twice.road.laps[0].drawn) == (False, 2)
