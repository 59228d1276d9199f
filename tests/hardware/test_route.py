"""The road from start to finish: laps however they are drawn, finish, neutral zone, length."""

import numpy as np
import pytest
import roads

from hardware.errors import Misconfigured
from hardware.route import line_of, road_of
from hardware.stage import Stage, stage_from_files

LAP_KM = 2 * np.pi


def stage(route: bytes, toml: str = "") -> Stage:
    head = 'name = "Test"\nkind = "road"\n'
    return stage_from_files({"stage.toml": (head + toml).encode(), "route.gpx": route})


def laps(count: int, from_km: float = 5.0, length_km: float = LAP_KM) -> str:
    return f"laps = [{{ from_km = {from_km}, length_km = {length_km}, count = {count} }}]\n"


def finish(x_m: float, y_m: float) -> str:
    latitude_deg, longitude_deg = roads.place(x_m, y_m)
    return f"[finish]\nlatitude_deg = {latitude_deg}\nlongitude_deg = {longitude_deg}\n"


@pytest.mark.parametrize("turns", [1, 2, 4])
@pytest.mark.parametrize("with_length", [True, False])
def test_a_circuit_is_ridden_as_often_as_said_however_often_it_is_drawn(
    turns: int, with_length: bool
) -> None:
    toml = f"length_km = {5.0 + 4 * LAP_KM}\n" if with_length else ""
    road = road_of(stage(roads.drawn(*roads.lap_stage(turns)), toml + laps(4)))
    assert road.drawn_m == pytest.approx(5_000 + 4_000 * LAP_KM, rel=0.005)
    assert road.unfolded == (turns < 4)
    lap = road.laps[0]
    assert lap is not None
    assert (lap.drawn, lap.gap_m < 30.0) == (turns, True)


@pytest.mark.parametrize("beyond", [0.25, 0.5, 0.7])
@pytest.mark.parametrize("turns", [1, 3])
def test_a_finish_part_of_a_lap_beyond_the_last_is_kept(turns: int, beyond: float) -> None:
    road = road_of(stage(roads.drawn(*roads.lap_stage(turns + beyond)), laps(3)))
    assert road.drawn_m == pytest.approx(5_000 + (3 + beyond) * 1_000 * LAP_KM, rel=0.005)


def test_an_unfolded_road_has_no_seam() -> None:
    line = line_of(stage(roads.drawn(*roads.lap_stage(1)), laps(5)))
    assert np.diff(line.distance_m).max() < 50.0
    x_m = (line.longitude_deg - roads.HOME[1]) * roads.EAST_M
    y_m = (line.latitude_deg - roads.HOME[0]) * roads.NORTH_M
    assert np.hypot(np.diff(x_m), np.diff(y_m)).max() < 50.0


def test_a_road_book_some_hundred_metres_off_still_finds_the_circuit() -> None:
    toml = laps(3, from_km=4.8, length_km=6.4)
    road = road_of(stage(roads.drawn(*roads.lap_stage(1)), toml))
    assert road.drawn_m == pytest.approx(5_000 + 3_000 * LAP_KM, rel=0.005)


def test_two_circuits_one_drawn_once_and_one_drawn_out() -> None:
    first = roads.lap_stage(1)
    way = roads.straight(10_000)
    x_m = np.concatenate([first[0], way[0][1:], 10_000 + roads.ring(2, 500.0)[0][1:]])
    y_m = np.concatenate([first[1], way[1][1:], roads.ring(2, 500.0)[1][1:]])
    toml = (
        f"laps = [{{ from_km = 5.0, length_km = {LAP_KM}, count = 3 }}, "
        f"{{ from_km = {15.0 + 3 * LAP_KM}, length_km = {LAP_KM / 2}, count = 2 }}]\n"
    )
    road = road_of(stage(roads.drawn(x_m, y_m), toml))
    assert [None if lap is None else lap.drawn for lap in road.laps] == [1, 2]
    assert road.drawn_m == pytest.approx(15_000 + 4_000 * LAP_KM, rel=0.005)


def test_out_and_back_is_one_line_of_both_legs() -> None:
    x_m, y_m = roads.straight(8_000)
    route = roads.drawn(np.concatenate([x_m, x_m[-2::-1]]), np.concatenate([y_m, y_m[1:]]))
    line = line_of(stage(route))
    assert line.distance_m[-1] == pytest.approx(16_000, rel=0.005)
    assert np.all(np.diff(line.distance_m) > 0.0)


def test_the_line_ends_at_the_finish_between_two_points() -> None:
    route = roads.drawn(*roads.straight(10_000, step_m=200.0))
    road = road_of(stage(route, finish(9_111.0, 4.0)))
    assert road.line.distance_m[-1] == pytest.approx(9_111, abs=20.0)
    assert road.end_m == pytest.approx(10_000, rel=0.005)
    assert road.finish_off_m == pytest.approx(4.0, abs=0.5)


def test_of_several_passes_of_the_finish_the_road_book_s_length_names_the_last() -> None:
    route = roads.drawn(*roads.lap_stage(4))
    assert road_of(stage(route, finish(0.0, 0.0))).drawn_m == pytest.approx(
        5_000 + 4_000 * LAP_KM, rel=0.005
    )
    toml = f"length_km = {5.0 + 2 * LAP_KM}\n" + finish(0.0, 0.0)
    shorter = road_of(stage(route, toml))
    assert shorter.drawn_m == pytest.approx(5_000 + 2_000 * LAP_KM, rel=0.01)
    assert len(shorter.finish_m) == 5


def test_the_neutral_zone_is_negative_and_may_be_left_out_of_the_drawing() -> None:
    toml = "length_km = 100.0\nneutral_km = 6.0\n"
    with_it = road_of(stage(roads.drawn(*roads.straight(106_300, 100.0)), toml))
    without = road_of(stage(roads.drawn(*roads.straight(99_800, 100.0)), toml))
    assert with_it.line.distance_m[[0, -1]].tolist() == pytest.approx([-6_000.0, 100_000.0])
    assert without.line.distance_m[[0, -1]].tolist() == pytest.approx([0.0, 100_000.0])


def test_without_a_length_the_circuit_tells_whether_the_neutral_zone_is_drawn() -> None:
    route = roads.drawn(*roads.lap_stage(1, way_in_m=20_000.0))
    with_it = road_of(stage(route, "neutral_km = 5.0\n" + laps(3, from_km=15.0)))
    without = road_of(stage(route, "neutral_km = 5.0\n" + laps(3, from_km=20.0)))
    assert (with_it.neutral_m, without.neutral_m) == (5_000.0, 0.0)
    for road in (with_it, without):
        assert road.drawn_m == pytest.approx(20_000 + 3_000 * LAP_KM, rel=0.005)


@pytest.mark.parametrize(
    ("route", "toml", "said"),
    [
        (roads.straight(10_000), "length_km = 50.0\n", "10.0 km long"),
        (roads.ring(1), f"length_km = {8 * LAP_KM}\n", "one of 8 laps"),
        (roads.straight(10_000), finish(20_000.0, 0.0), " m from the nearest point"),
        (roads.straight(10_000), finish(50.0, 0.0), "where route.gpx begins"),
        (roads.straight(10_000), "[finish]\nlatitude_deg = 5.05\nlongitude_deg = 45.0\n", "Swap"),
        ((np.array([0, 9e5, 0, 20]), np.zeros(4)), "", "1.* km long, its points lie up to 899 km"),
        (roads.straight(9_000), "neutral_km = 4.0\n" + finish(3_000, 0), "before the flag"),
        (roads.straight(5_000), "neutral_km = 5.0\n", "only 5.* m long"),
    ],
)
def test_a_route_that_cannot_be_the_stage_is_one_sentence(
    route: tuple[np.ndarray, np.ndarray], toml: str, said: str
) -> None:
    with pytest.raises(Misconfigured, match=said) as raised:
        road_of(stage(roads.drawn(*route), toml))
    assert "\n" not in str(raised.value)


def test_dense_points_are_thinned_not_lost() -> None:
    road = road_of(stage(roads.drawn(*roads.straight(1_000, step_m=0.3))))
    assert road.drawn_m == pytest.approx(1_000, rel=0.005)


def test_holes_in_the_elevation_are_bridged_and_none_is_all_unknown() -> None:
    x_m, y_m = roads.straight(4_000)
    level_m = 100.0 + 0.05 * x_m
    level_m[50:100] = np.nan
    bridged = line_of(stage(roads.drawn(x_m, y_m, level_m))).altitude_m
    assert np.abs(bridged - (100.0 + 0.05 * x_m)).max() < 0.1
    assert np.isnan(line_of(stage(roads.drawn(x_m, y_m))).altitude_m).all()
