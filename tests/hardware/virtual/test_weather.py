"""Weather of a simulated stage: what a sheet says blows, and what is made can be written."""

import numpy as np
import pytest

from hardware.route import line_of
from hardware.virtual.weather import Weather, made_weather, shade_of, weather_of
from hardware.weather import read_weather as reported
from tests.hardware.virtual.stages import straight_stage

SHEET = b"""km,from_time,temperature_degc,wind_mps,wind_from_deg
0,2027-07-16T10:00:00Z,20,6,270
0,2027-07-16T12:00:00Z,22,6,0
50,2027-07-16T10:00:00Z,18,2,270
"""
TEN, NOON = 1_815_732_000.0, 1_815_739_200.0


def read_weather(sheet: bytes) -> Weather | None:
    return weather_of(reported(sheet), line_of(straight_stage(160_000.0)))


def test_the_wind_is_that_of_the_latest_line_and_between_stations_it_turns_evenly() -> None:
    weather = read_weather(SHEET)
    assert weather is not None
    east, north = weather.wind(np.array([0.0, 25_000.0, 90_000.0]), TEN + 60.0)
    # from the west, so the air goes east
    assert east == pytest.approx([6.0, 4.0, 2.0])
    assert north == pytest.approx([0.0, 0.0, 0.0], abs=1e-5)
    east, north = weather.wind(np.array([0.0]), NOON)
    assert (east[0], north[0]) == pytest.approx((0.0, -6.0), abs=1e-5)
    assert weather.wind(np.array([0.0]), TEN - 3_600.0)[0][0] == pytest.approx(6.0)


def test_made_weather_is_written_as_a_sheet_that_reads_back_the_same() -> None:
    weather = made_weather(4, TEN, 160_000.0)
    assert read_weather(weather.sheet().encode()) == weather
    assert made_weather(4, TEN, 160_000.0) == weather != made_weather(6, TEN, 160_000.0)
    assert all(0.0 < spell.wind_mps < 13.0 for spell in weather.spells)
    assert 10.0 < weather.temperature_degc < 40.0


def test_a_place_by_latitude_and_longitude_is_that_of_the_road_nearby() -> None:
    line = line_of(straight_stage(40_000.0))
    half = len(line.distance_m) // 2
    place = f"{line.latitude_deg[half] + 0.01},{line.longitude_deg[half]}".encode()
    sheet = b"lat,lon,from_time,temperature_degc,wind_mps,wind_from_deg\n%s," % place
    weather = weather_of(reported(sheet + b"2027-07-16T10:00:00Z,20,6,270\n"), line)
    assert weather is not None
    assert weather.spells[0].km == pytest.approx(20.0, abs=0.2)


def test_a_sheet_without_lines_is_no_weather() -> None:
    assert read_weather(SHEET.splitlines(keepends=True)[0]) is None


def test_a_rider_feels_two_thirds_of_the_wind_and_less_behind_hedges() -> None:
    shade = shade_of(20_000, np.random.default_rng(0))
    assert shade.max() == pytest.approx(0.6)
    assert 0.2 < shade.min() < 0.4
    assert 0.45 < shade.mean() < 0.58
