"""Effort from road, wind and shelter: against physics by hand, and against real power meters."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rides_race import straight_readings

from hardware.rides import read_rides
from hardware.stage import Stage, load_stage
from hardware.virtual.stage import write_stage_from_rides
from hardware.weather import Weather
from truck.race.race import Race
from truck.readings import read_readings

START_S = 1_800_000_000


@pytest.fixture
def climb(tmp_path: Path) -> Stage:
    """20 km due east at 6 %."""
    points = "".join(
        f'<trkpt lat="45.0" lon="{3 + k / 1000:.6f}"><ele>{300 + k * 4.731:.2f}</ele></trkpt>'
        for k in range(254)
    )
    (tmp_path / "route.gpx").write_text(
        '<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1">'
        f"<trk><trkseg>{points}</trkseg></trk></gpx>"
    )
    (tmp_path / "stage.toml").write_text(
        f'name = "Climb"\nkind = "road"\nstart_at = {np.datetime64(START_S, "s")}Z\n'
    )
    return load_stage(tmp_path)


def efforts(
    stage: Stage, speed_mps: float, power_w: float = np.nan, seconds: int = 600
) -> tuple[float, float, float, float]:
    """Effort, its low and high end, and W' balance, after ten minutes at one speed."""
    race = Race(stage)
    at_s = np.arange(seconds + 1)
    ride = straight_readings(
        race, 1, (START_S + at_s) * 1_000_000, 200.0 + at_s * speed_mps, speed_mps
    )
    for part in range(0, len(at_s), 10):
        taken = ride.take(slice(part, part + 10))
        race.advance(taken._replace(power_w=np.full(len(taken.bib), power_w)))
    riders = race.frame((START_S + seconds) * 1_000_000).riders
    columns = (riders.effort_w, riders.effort_low_w, riders.effort_high_w, riders.w_balance)
    return tuple(float(column[0]) for column in columns)  # type: ignore[return-value]


def test_a_climb_costs_what_weight_and_slope_say(climb: Stage) -> None:
    effort_w, low_w, high_w, _ = efforts(climb, 5.5)
    lifting_w = 76.0 * 9.81 * (0.06 + 0.0042) * 5.5 / 0.976
    air_w = 0.5 * 1.17 * 0.30 * 5.5**3 / 0.976
    assert effort_w == pytest.approx(lifting_w + air_w, rel=0.03)
    assert low_w < 0.9 * effort_w < effort_w < 1.1 * effort_w < high_w


def test_head_wind_costs_more_and_tail_wind_less(climb: Stage) -> None:
    def blown(from_deg: float) -> float:
        weather = (Weather(START_S, 15.0, 6.0, from_deg, km=0.0),)
        return efforts(replace(climb, weather=weather), 5.5)[0]

    assert blown(90.0) > 1.08 * efforts(climb, 5.5)[0] > 1.08 * blown(270.0)


def test_a_power_meter_on_a_climb_narrows_the_range_around_what_it_says(climb: Stage) -> None:
    effort_w, low_w, high_w, _ = efforts(climb, 5.5)
    heavier = efforts(climb, 5.5, power_w=1.15 * effort_w)
    assert heavier[0] == pytest.approx(1.15 * effort_w, rel=0.05)
    assert (heavier[2] - heavier[1]) / heavier[0] < 0.7 * (high_w - low_w) / effort_w


def test_a_road_without_a_profile_gives_no_effort(climb: Stage) -> None:
    bare = replace(climb.route, altitude_m=np.full(len(climb.route.altitude_m), np.nan))
    assert np.isnan(efforts(replace(climb, route=bare), 5.5)).all()


def test_a_meter_that_says_nonsense_is_not_believed(climb: Stage) -> None:
    effort_w = efforts(climb, 5.5)[0]
    assert efforts(climb, 5.5, power_w=6000.0)[0] == pytest.approx(effort_w, rel=0.01)
    assert efforts(climb, 5.5, power_w=0.0)[0] == pytest.approx(effort_w, rel=0.01)


def test_the_index_falls_above_critical_power_and_comes_back_below_it(climb: Stage) -> None:
    assert efforts(climb, 8.0, seconds=120)[3] < 0.6
    assert efforts(climb, 8.0, seconds=600)[3] < 0.1
    assert efforts(climb, 4.0)[3] > 0.95


def heard(climb: Stage, silent: Callable[[int], bool]) -> list[tuple[float, float]]:
    """Effort and the width of its range each second, at 5 m/s for 300 s and then at 3 m/s."""
    race, found = Race(climb), []
    for second in range(600):
        at_us = np.array([(START_S + second) * 1_000_000])
        slow = second > 300
        at_m = 200.0 + 5.0 * min(second, 300) + 3.0 * max(second - 300, 0)
        if not silent(second):
            speed_mps = 3.0 if slow else 5.0
            race.advance(straight_readings(race, 1, at_us, np.array([at_m]), speed_mps))
        riders = race.frame(int(at_us[0])).riders
        width_w = riders.effort_high_w[0] - riders.effort_low_w[0]
        found.append((float(riders.effort_w[0]), float(width_w)))
    return found


def test_effort_outlives_half_a_minute_of_silence_each_minute_with_a_wider_range(
    climb: Stage,
) -> None:
    effort_w, width_w = np.array(heard(climb, lambda second: second % 60 >= 30)).T
    assert np.isfinite(effort_w[5:]).all()
    assert width_w[299] > 1.1 * width_w[269]
    assert effort_w[395] == pytest.approx(effort_w[599], rel=0.1)  # 5 s after a hole at 3 m/s


def test_effort_is_unknown_in_a_long_silence_and_new_right_after_it(climb: Stage) -> None:
    effort_w, _ = np.array(heard(climb, lambda second: 200 <= second < 400)).T
    assert np.isfinite(effort_w[230])
    assert np.isnan(effort_w[240:400]).all()
    assert effort_w[405] == pytest.approx(effort_w[599], rel=0.1)


def test_on_a_real_climb_the_own_meter_teaches_the_model_a_heavy_rider(
    shared: Path, tmp_path: Path
) -> None:
    path = shared / "power_rides" / "sweatpy_4078723797.fit"
    write_stage_from_rides(tmp_path / "stage", read_rides(path))
    race, rows = Race(load_stage(tmp_path / "stage")), read_readings([path])
    begins_us = int(rows.measured_at_us[0])
    found = []
    for second in range(1, 2400):
        now_us = begins_us + second * 1_000_000
        fresh = (rows.measured_at_us > now_us - 1_000_000) & (rows.measured_at_us <= now_us)
        if not fresh.any():
            continue
        race.advance(rows.take(fresh))
        if second > 1500 and second % 10 == 0:
            riders = race.frame(now_us).riders
            found.append((riders.effort_w[0], riders.gradient_pct[0], rows.power_w[fresh][0]))
    effort_w, gradient_pct, meter_w = np.array(found).T
    uphill = gradient_pct > 3.0
    assert uphill.sum() > 30
    # his system weighs about 98 kg; the prior's 76 kg alone would be 20 % low
    assert effort_w[uphill].mean() == pytest.approx(meter_w[uphill].mean(), rel=0.12)
