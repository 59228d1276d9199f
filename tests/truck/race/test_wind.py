"""Wind by place and time, shelter by place in the group, and echelon alerts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rides_race import joined, straight_readings

from hardware.route import line_of
from hardware.stage import Stage, load_stage
from hardware.weather import Weather
from truck.race.course import Course
from truck.race.race import Race
from truck.race.readings import Readings
from truck.race.wind import shelter_of
from truck.race.winds import Winds

START_S = 1_800_000_000
EAST_KM = 40.0


@pytest.fixture
def east(tmp_path: Path) -> Stage:
    """40 km of road due east, flat."""
    points = "".join(
        f'<trkpt lat="45.0" lon="{3.0 + k / 1000:.6f}"><ele>300</ele></trkpt>' for k in range(510)
    )
    (tmp_path / "route.gpx").write_text(
        '<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1">'
        f"<trk><trkseg>{points}</trkseg></trk></gpx>"
    )
    (tmp_path / "stage.toml").write_text(
        f'name = "East"\nkind = "road"\nstart_at = {np.datetime64(START_S, "s")}Z\n'
    )
    return load_stage(tmp_path)


def weather(wind_mps: float, from_deg: float, km: float = 0.0, from_s: float = START_S) -> Weather:
    return Weather(from_s, 15.0, wind_mps, from_deg, km=km)


def wind_at(stage: Stage, at_m: float, after_s: float) -> tuple[float, float]:
    winds = Winds(stage.weather, Course(stage))
    head, cross = winds.against(np.array([at_m]), (START_S + round(after_s)) * 1_000_000)
    return round(float(head[0]), 2), round(float(cross[0]), 2)


@pytest.mark.parametrize(
    ("from_deg", "head_mps", "cross_mps"),
    [(90.0, 8.0, 0.0), (270.0, -8.0, 0.0), (0.0, 0.0, 8.0), (180.0, 0.0, -8.0)],
)
def test_wind_from_ahead_is_head_wind_and_from_the_left_is_positive(
    east: Stage, from_deg: float, head_mps: float, cross_mps: float
) -> None:
    stage = replace(east, weather=(weather(8.0, from_deg),))
    assert wind_at(stage, 5000.0, 60) == pytest.approx((head_mps, cross_mps), abs=0.05)


def test_wind_turns_by_the_short_way_between_two_times_and_two_places(east: Stage) -> None:
    stage = replace(
        east,
        weather=(weather(8.0, 350.0), weather(8.0, 10.0, from_s=START_S + 3600.0)),
    )
    assert wind_at(stage, 5000.0, 1800) == pytest.approx((0.0, 7.88), abs=0.05)
    stage = replace(east, weather=(weather(4.0, 90.0), weather(8.0, 90.0, km=20.0)))
    assert wind_at(stage, 10_000.0, 0) == pytest.approx((6.0, 0.0), abs=0.05)
    assert wind_at(stage, 30_000.0, 0) == pytest.approx((8.0, 0.0), abs=0.05)


def test_weather_at_a_latitude_and_longitude_is_put_on_the_road(east: Stage) -> None:
    line = line_of(east)
    half = len(line.distance_m) // 2
    there = Weather(
        START_S, 15.0, 8.0, 90.0,
        latitude_deg=float(line.latitude_deg[half]) + 0.01,
        longitude_deg=float(line.longitude_deg[half]),
    )  # fmt: skip
    stage = replace(east, weather=(weather(0.0, 90.0), there))
    assert wind_at(stage, float(line.distance_m[half]) / 2, 0)[0] == pytest.approx(4.0, abs=0.1)


def test_without_weather_there_is_no_wind_figure_and_no_alert(east: Stage) -> None:
    frame = ridden(east, riders=20).frame((START_S + 300) * 1_000_000)
    assert np.isnan(frame.riders.headwind_mps).all()
    assert np.isnan(frame.riders.echelon_risk).all()
    assert not frame.groups.echelon.any()


def test_shelter_is_none_alone_two_thirds_behind_one_wheel_and_deep_in_a_bunch() -> None:
    alone = shelter_of(np.array([100.0]), np.array([1], np.int32))
    pair = shelter_of(np.array([100.0, 98.0]), np.array([1, 1], np.int32))
    apart = shelter_of(np.array([100.0, 98.0]), np.array([1, 2], np.int32))
    bunch = shelter_of(
        1000.0 - np.repeat(np.arange(30), 5) * 2.2, np.ones(150, np.int32)
    )  # 30 rows of five
    assert alone.tolist() == [1.0]
    assert pair[0] == 1.0
    assert 0.6 < pair[1] < 0.72
    assert apart.tolist() == [1.0, 1.0]
    assert (np.diff(bunch[::5]) <= 1e-9).all()
    assert 0.05 <= bunch[75] <= 0.15


def ridden(stage: Stage, riders: int, apart_m: float = 0.6) -> Race:
    """A bunch that has ridden for five minutes, its riders so far behind each other."""
    race = Race(stage)
    ride(race, riders, 0, 300, apart_m)
    return race


def ride(race: Race, riders: int, from_s: int, to_s: int, apart_m: float = 0.6) -> None:
    at_s = np.arange(from_s, to_s + 1)
    at_us = (START_S + at_s) * 1_000_000
    rides: list[Readings] = [
        straight_readings(race, bib + 1, at_us, 200.0 + at_s * 12.0 - bib * apart_m, 12.0)
        for bib in range(riders)
    ]
    race.advance(joined(*rides))


@pytest.mark.parametrize(
    ("wind_mps", "from_deg", "riders", "alerted"),
    [
        (12.0, 0.0, 30, True),
        (12.0, 180.0, 30, True),
        (12.0, 90.0, 30, False),  # in their face
        (3.0, 0.0, 30, False),
        (12.0, 0.0, 4, False),  # four find room in one line
    ],
)
def test_an_echelon_alert_needs_a_bunch_and_a_strong_wind_across(
    east: Stage, wind_mps: float, from_deg: float, riders: int, alerted: bool
) -> None:
    stage = replace(east, weather=(weather(wind_mps, from_deg),))
    frame = ridden(stage, riders).frame((START_S + 300) * 1_000_000)
    assert frame.groups.size.tolist() == [riders]
    assert frame.groups.echelon.tolist() == [alerted]


@pytest.mark.parametrize(
    ("wind_mps", "from_deg", "apart_m", "alerted"),
    [
        (9.0, 0.0, 2.0, True),
        (9.0, 0.0, 0.6, False),  # a strong wind, but they ride abreast
        (9.0, 90.0, 2.0, False),  # in one line for another reason
        (6.0, 0.0, 2.0, False),
    ],
)
def test_in_a_strong_wind_a_bunch_that_stretches_to_one_line_is_alerted(
    east: Stage, wind_mps: float, from_deg: float, apart_m: float, alerted: bool
) -> None:
    stage = replace(east, weather=(weather(wind_mps, from_deg),))
    frame = ridden(stage, 30, apart_m=apart_m).frame((START_S + 300) * 1_000_000)
    assert frame.groups.echelon.tolist() == [alerted]


def test_the_parts_of_a_bunch_that_broke_bear_one_alert(east: Stage) -> None:
    stage = replace(east, weather=(weather(12.0, 0.0),))
    race = Race(stage)
    at_s = np.arange(401)
    lost_m = np.clip(at_s - 200, 0, 100) * 1.5  # the second half, from 200 s to 300 s
    rides = [
        straight_readings(
            race, bib + 1, (START_S + at_s) * 1_000_000,
            200.0 + at_s * 12.0 - bib * 0.6 - (lost_m if bib >= 20 else 0.0), 12.0,
        )
        for bib in range(40)
    ]  # fmt: skip
    race.advance(joined(*rides))
    frame = race.frame((START_S + 400) * 1_000_000)
    assert frame.groups.size.tolist() == [20, 20]
    assert frame.groups.echelon.sum() == 1


def test_an_alert_stays_for_minutes_after_the_wind_has_gone(east: Stage) -> None:
    gale = (weather(12.0, 0.0), weather(12.0, 0.0, from_s=START_S + 299.0))
    calm = weather(1.0, 0.0, from_s=START_S + 300.0)
    race, alerted = Race(replace(east, weather=(*gale, calm))), []
    for from_s, to_s in ((0, 290), (291, 360), (361, 420), (421, 600)):
        ride(race, 30, from_s, to_s)
        frame = race.frame((START_S + to_s) * 1_000_000)
        alerted.append(bool(frame.groups.echelon.any()))
    assert alerted == [True, True, True, False]
