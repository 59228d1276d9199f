"""What `truck stage check` doubts, one fault each, and what it leaves alone."""

import numpy as np
import pytest
import roads

from hardware.stage import stage_from_files
from truck.race.course import Course
from truck.stage.doubt import Doubt
from truck.stage.drawing import doubts_of_drawing
from truck.stage.papers import doubts_of_papers

START = "start_at = 2027-07-16T10:00:00Z\n"
STARTERS = "bib,name,team\n1,A,X\n2,B,X\n"
WEATHER = (
    "km,from_time,temperature_degc,wind_mps,wind_from_deg\n"
    "5,2027-07-16T09:00:00Z,20,4,270\n5,2027-07-16T12:00:00Z,22,5,280\n"
)
X_M, Y_M = roads.straight(25_000)
LEVEL_M = np.interp(
    X_M, [0, 5e3, 1e4, 1.5e4, 2e4, 2.2e4, 2.5e4], [100, 100, 500, 100, 100, 300, 250]
)


def doubts(
    route: bytes | None = None,
    toml: str = "",
    startlist: str = STARTERS,
    checkpoints: str = "",
    weather: str = WEATHER,
    start: str = START,
    kind: str = "road",
) -> list[Doubt]:
    latitude_deg, longitude_deg = roads.place(25_000.0, 0.0)
    if "[finish]" not in toml:
        toml += f"[finish]\nlatitude_deg = {latitude_deg}\nlongitude_deg = {longitude_deg}\n"
    length = "" if "length_km" in toml else "length_km = 25.0\n"
    texts = {
        "stage.toml": f'name = "Test"\nkind = "{kind}"\n{start}{length}{toml}',
        "startlist.csv": startlist,
        "checkpoints.csv": f"km,kind,name\n{checkpoints}",
        "weather.csv": weather,
    }
    files = {name: text.encode() for name, text in texts.items() if text}
    stage = stage_from_files({**files, "route.gpx": route or roads.drawn(X_M, Y_M, LEVEL_M)})
    course = Course(stage)
    return [*doubts_of_papers(stage, course), *doubts_of_drawing(stage, course)]


def one(found: list[Doubt], about: str) -> str:
    (doubt,) = [doubt for doubt in found if doubt.about == about]
    return str(doubt)


def test_a_sound_stage_raises_no_doubt() -> None:
    found = doubts(checkpoints="10,climb,Col\n15,sprint,S\n22,climb,Wall\n")
    assert [str(doubt) for doubt in found] == []


def without(first: int, last: int) -> bytes:
    keep = np.ones(len(X_M), np.bool_)
    keep[first:last] = False
    return roads.drawn(X_M[keep], Y_M[keep], LEVEL_M[keep])


def test_a_gap_is_named_with_its_points() -> None:
    said = one(doubts(without(500, 630)), "gap")
    assert said.startswith("route.gpx, points 500 and 501 (km 10.0): 2.6 km apart")


def test_points_out_of_order_and_a_point_far_aside_are_named() -> None:
    x_m = X_M.copy()
    x_m[300:304] = x_m[303:299:-1]
    assert "point 301 (km 6.1)" in one(doubts(roads.drawn(x_m, Y_M, LEVEL_M)), "order")
    y_m = Y_M.copy()
    y_m[700] = 900.0
    said = one(doubts(roads.drawn(X_M, y_m, LEVEL_M), toml="length_km = 26.8\n"), "leap")
    assert "point 701" in said
    assert "0.9 km beside the road" in said


def test_coarse_points_are_named() -> None:
    x_m, y_m = roads.straight(25_000, 250.0)
    route = roads.drawn(x_m, y_m, np.interp(x_m, X_M, LEVEL_M))
    assert "250 m apart" in one(doubts(route), "coarse")


def test_elevation_missing_flat_holed_or_jumping_is_named() -> None:
    assert "no elevation" in one(doubts(roads.drawn(X_M, Y_M)), "elevation")
    assert "0 m high everywhere" in one(doubts(roads.drawn(X_M, Y_M, 0 * X_M)), "elevation")
    holed = np.where(X_M < 10_000, np.nan, LEVEL_M)
    assert "40% of its points" in one(doubts(roads.drawn(X_M, Y_M, holed)), "elevation")
    jumped = LEVEL_M + np.where(X_M > 17_000, 80.0, 0.0)
    said = one(doubts(roads.drawn(X_M, Y_M, jumped)), "elevation")
    assert "km 17.0" in said
    assert "jumps by +80 m" in said


def test_a_length_more_than_a_hundredth_off_is_named() -> None:
    assert "-2.0%" in one(doubts(toml="length_km = 25.5\n"), "length")
    assert not [d for d in doubts(toml="length_km = 25.2\n") if d.about == "length"]


def ring_stage(turns: int, count: int, lap_km: float = 2 * np.pi, total: str = "") -> list[Doubt]:
    x_m, y_m = roads.lap_stage(turns)
    latitude_deg, longitude_deg = roads.place(0.0, 0.0)
    toml = total or f"length_km = {5 + count * 2 * np.pi}\n"
    if count > 1:
        toml += f"laps = [{{ from_km = 5.0, length_km = {lap_km}, count = {count} }}]\n"
    toml += f"[finish]\nlatitude_deg = {latitude_deg}\nlongitude_deg = {longitude_deg}\n"
    return doubts(roads.drawn(x_m, y_m, 100 + x_m / 1000), toml)


def test_laps_that_contradict_drawing_or_length_are_named() -> None:
    assert "3 laps, but route.gpx draws 2" in one(ring_stage(2, 3), "laps")
    assert "does not come back there" in one(ring_stage(3, 3, lap_km=4.0), "laps")
    total = f"length_km = {5 + 4 * np.pi}\n"
    said = [str(d) for d in ring_stage(2, 3, total=total) if d.about == "laps"]
    assert any("beyond the stage's 17.5664 km" in text for text in said)
    assert any("3 laps, but route.gpx draws 2" in text for text in said)


def test_laps_that_nobody_named_are_offered() -> None:
    total = f"length_km = {5 + 6 * np.pi}\n"
    said = one(ring_stage(3, 1, total=total), "laps")
    assert "a circuit of 6.3 km is drawn 3 times" in said
    assert "from_km = 4.8, length_km = 6.3, count = 3" in said


def test_a_loop_without_laps_and_shared_roads_are_notes() -> None:
    x_m, y_m = roads.ring(1, 2_000.0)
    home = f"[finish]\nlatitude_deg = {roads.HOME[0]}\nlongitude_deg = {roads.HOME[1]}\n"
    found = doubts(roads.drawn(x_m, y_m, 100 + x_m / 1000), "length_km = 12.566\n" + home)
    assert [doubt.about for doubt in found if doubt.note] == ["finish", "loop"]
    back = roads.drawn(np.append(X_M, X_M[-2::-1]), np.append(Y_M, Y_M[1:]),
                       np.append(LEVEL_M, LEVEL_M[-2::-1]))  # fmt: skip
    said = one(doubts(back, "length_km = 50.0\n" + home), "meeting")
    assert said.startswith("km 0.0 and km 25.")
    assert "opposite directions for 24." in said


def test_a_finish_before_the_drawing_s_end_or_beside_it_is_named() -> None:
    latitude_deg, longitude_deg = roads.place(19_000.0, 120.0)
    toml = f"[finish]\nlatitude_deg = {latitude_deg}\nlongitude_deg = {longitude_deg}\n"
    said = [str(d) for d in doubts(toml="length_km = 19.0\n" + toml) if d.about == "finish"]
    assert "120 m beside" in said[0]
    assert "goes on for 6.0 km beyond it" in said[1]


@pytest.mark.parametrize(
    ("startlist", "kind", "said"),
    [
        ("", "road", "there is none"),
        ("bib,name,team,status\n1,A,X,dns\n", "road", "nobody starts"),
        ("bib,name,team,gc_gap_s\n1,A,X,0\n2,B,X,\n", "road", "1 riders have none, first 2"),
        ("bib,name,team\n1,A,X\n2,A,X\n", "road", "bib 2: A is bib 1 too"),
        ("bib,name,team,device\n1,A,X,9\n2,B,X,9\n", "road", "device 9 is bib 1's too"),
        ("bib,name,team,start_at\n1,A,X,2027-07-16T10:00:00Z\n", "road", "has start times"),
        (
            "bib,name,team,start_at\n1,A,X,2027-07-16T08:00:00Z\n",
            "time-trial",
            "the first start is 2027-07-16 08:00 where stage.toml says 2027-07-16 10:00",
        ),
        (STARTERS, "time-trial", "2 riders of a time trial have no start time, first 1"),
    ],
)
def test_a_doubtful_start_list_is_named(startlist: str, kind: str, said: str) -> None:
    assert said in one(doubts(startlist=startlist, kind=kind), "startlist")


def test_a_missing_start_is_named() -> None:
    assert "no start_at" in one(doubts(start=""), "start_at")


def test_checkpoints_off_the_stage_or_off_the_tops_are_named() -> None:
    assert "km 30: S lies outside the stage of 25.0 km" in one(
        doubts(checkpoints="30,sprint,S\n"), "checkpoints"
    )
    assert "Col is 3.0 km from" in one(doubts(checkpoints="13,climb,Col\n"), "checkpoints")
    both = doubts(checkpoints="13,climb,Col\n25,climb,Wall\n")
    assert "all its climbs lie 3.0 km after" in one(both, "checkpoints")


def test_a_route_drawn_the_other_way_round_is_named() -> None:
    level_m = np.interp(
        X_M, [0, 5e3, 1e4, 1.5e4, 1.8e4, 2.1e4, 2.5e4], [100, 100, 500, 100, 100, 340, 100]
    )
    checkpoints = "10,climb,Col\n21,climb,Wall\n"
    assert not doubts(roads.drawn(X_M, Y_M, level_m), checkpoints=checkpoints)
    found = doubts(roads.drawn(X_M, Y_M, level_m[::-1]), checkpoints=checkpoints)
    assert "drawn from finish to start" in one(found, "backwards")


def test_weather_off_the_hours_the_road_or_the_unit_is_named() -> None:
    late = WEATHER.replace("09:00", "23:00").replace("12:00", "23:30")
    assert "2027-07-16 10:00 to about" in one(doubts(weather=late), "weather")
    assert "km 500" in one(doubts(weather=WEATHER.replace("5,2027", "500,2027")), "weather")
    swapped = WEATHER.replace("km,", "lat,lon,").replace("5,2027", "5.0,45.0,2027")
    assert "km from the road" in one(doubts(weather=swapped), "weather")
    kmh = WEATHER.replace(",4,", ",18,").replace(",5,280", ",20,280")
    assert "another unit" in one(doubts(weather=kmh), "weather")
    assert one(doubts(weather=""), "weather").startswith("weather.csv: there is none")


def test_a_neutral_zone_that_is_not_drawn_is_a_note() -> None:
    found = doubts(toml="neutral_km = 4.0\n")
    assert "begins at the flag" in one(found, "neutral")


def test_a_lap_too_many_is_named_with_the_count_that_fits() -> None:
    toml = (
        f"length_km = {40 + 6 * np.pi}\n"
        f"laps = [{{ from_km = 40.0, length_km = {2 * np.pi}, count = 4 }}]\n"
    )
    x_m, y_m = roads.lap_stage(4, way_in_m=40_000.0)
    stage = stage_from_files({
        "stage.toml": f'name = "T"\nkind = "road"\n{toml}'.encode(),
        "route.gpx": roads.drawn(x_m, y_m),
    })  # fmt: skip
    said = [str(doubt) for doubt in doubts_of_papers(stage, Course(stage))]
    assert any("4 laps make 65.1 km" in text and "3 would fit" in text for text in said)
