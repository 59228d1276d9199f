"""Receivers measured back from their files: how far off they are, and for how long."""

import numpy as np
import polars as pl
import pytest

from hardware.route import line_of
from hardware.stage import load_stage
from hardware.virtual.simulate import asphalt_of
from tests.hardware.virtual.conftest import Simulated

METRE_DEG = 111_200.0


def errors_of(made: Simulated) -> pl.DataFrame:
    """Riders' readings with metres north of the true place and m/s above the true speed."""
    asphalt = asphalt_of(load_stage(made.folder / "stage"), made.seed)
    both = made.truth.filter(pl.col("reported"), pl.col("status") == "racing").join(
        made.readings, on=["measured_at", "bib"], suffix="_read"
    )
    none = np.zeros(both.height)
    lat, _, _ = asphalt.place(
        both["distance_m"].to_numpy(), both["lateral_m"].to_numpy(), none, none, none
    )
    return both.with_columns(
        north_m=(pl.col("latitude_deg") - lat) * METRE_DEG,
        faster_mps=pl.col("speed_mps_read") - pl.col("speed_mps"),
    )


def grid_of(errors: pl.DataFrame, name: str) -> np.ndarray:
    """An error as [seconds, riders]."""
    second = (errors["measured_at"] - errors["measured_at"].min()).dt.total_seconds().to_numpy()
    column = np.unique(errors["bib"].to_numpy(), return_inverse=True)[1]
    grid = np.full((second.max() + 1, column.max() + 1), np.nan)
    grid[second, column] = errors[name].to_numpy()
    return grid


def test_positions_wander_as_two_recorders_on_one_bike_did(clean: Simulated) -> None:
    north_m = grid_of(errors_of(clean), "north_m")
    assert 1.2 < np.sqrt(np.nanmean(north_m**2)) < 1.6
    for lag_s, low, high in ((1, 0.96, 0.99), (30, 0.45, 0.70), (120, 0.15, 0.50)):
        product = np.nanmean(north_m[lag_s:] * north_m[:-lag_s])
        assert low < product / np.nanmean(north_m**2) < high, lag_s


def test_speed_is_off_by_a_tenth_of_a_metre_a_second(clean: Simulated) -> None:
    assert 0.05 < errors_of(clean)["faster_mps"].std() < 0.15
    assert clean.readings["speed_mps"].min() >= 0.0


def test_altitudes_of_recorders_differ_by_metres_all_the_way(clean: Simulated) -> None:
    both = clean.truth.filter(pl.col("status") == "racing").join(
        clean.readings, on=["measured_at", "bib"]
    )
    line = line_of(load_stage(clean.folder / "stage"))
    level = np.interp(both["distance_m"].to_numpy(), line.distance_m, line.altitude_m)
    off = both.with_columns(off=pl.col("altitude_m") - level).group_by("bib").agg(pl.mean("off"))
    assert 1.0 < off["off"].std() < 5.0


def test_a_clean_day_reports_every_second_of_every_rider_once(clean: Simulated) -> None:
    racing = clean.truth.filter(pl.col("status") == "racing")
    assert racing["reported"].all()
    assert not clean.readings.select("bib", "measured_at").is_duplicated().any()
    assert set(clean.readings["bib"]) == set(racing["bib"])


def test_readings_are_rounded_to_what_trackers_send(clean: Simulated, coarse: Simulated) -> None:
    for made, places in ((clean, 7), (coarse, 5)):
        lat = made.readings["latitude_deg"].to_numpy()
        assert np.array_equal(lat, np.round(lat, places))
        assert not np.array_equal(lat, np.round(lat, places - 1))
        speed = made.readings["speed_mps"].to_numpy()
        assert np.array_equal(speed, np.round(speed, 2))


def test_the_asphalt_is_metres_beside_the_drawn_line_and_keeps_there_for_a_while(
    clean: Simulated,
) -> None:
    stage = load_stage(clean.folder / "stage")
    line = line_of(stage)
    at_m = np.arange(0.0, line.distance_m[-1], 10.0)
    none = np.zeros(len(at_m))
    lat, _, _ = asphalt_of(stage, clean.seed).place(at_m, none, none, none, none)
    off_m = (lat - np.interp(at_m, line.distance_m, line.latitude_deg)) * METRE_DEG
    assert 1.5 < off_m.std() < 4.0
    assert np.corrcoef(off_m[5:], off_m[:-5])[0, 1] > 0.5
    assert abs(np.corrcoef(off_m[300:], off_m[:-300])[0, 1]) < 0.4


def test_a_coarse_feed_has_frames_every_six_seconds_and_half_of_every_minute(
    coarse: Simulated,
) -> None:
    frames = coarse.readings["measured_at"].unique().sort()
    steps_s = frames.diff().drop_nulls().dt.total_seconds()
    assert set(steps_s) == {6, 36}
    holes = coarse.events("feed_hole")
    assert len(holes) == 15
    for hole in holes:
        assert not frames.is_between(hole["started_at"], hole["ended_at"]).any()


def test_a_gorge_throws_fixes_sideways_and_backwards(faulty: Simulated) -> None:
    odd = {
        bib
        for kind in ("wrong_binding", "in_car", "clock_offset", "stale_fixes", "spare_on_roof")
        for event in faulty.events(kind)
        for bib in event["bibs"]
    }
    errors = errors_of(faulty).filter(~pl.col("bib").is_in(odd))
    gorges = faulty.events("gorge")
    assert len(gorges) == 2
    within = pl.any_horizontal(
        pl.col("measured_at").is_between(gorge["started_at"], gorge["ended_at"]) for gorge in gorges
    )
    inside, outside = (errors.filter(w)["north_m"].abs() for w in (within, ~within))
    assert 40.0 < inside.max() < 160.0  # of two that lie over each other
    assert inside.quantile(0.98) < 90.0
    assert inside.quantile(0.8) > 5.0
    assert outside.max() < 10.0


def test_about_half_of_the_bikes_have_a_power_meter(faulty: Simulated) -> None:
    known = faulty.readings.group_by("bib").agg(pl.col("power_w").is_not_null().any())
    assert 0.25 < known["power_w"].mean() < 0.75


@pytest.mark.parametrize("sensor", ["power_w", "heart_rate_bpm", "cadence_rpm"])
def test_sensors_read_what_riders_do(clean: Simulated, sensor: str) -> None:
    if sensor == "cadence_rpm":
        values = clean.readings[sensor].drop_nulls()
        assert 0.0 <= values.min() <= values.max() < 150.0
        return
    both = clean.truth.filter(pl.col("status") == "racing").join(
        clean.readings, on=["measured_at", "bib"], suffix="_read"
    )
    off = (both[f"{sensor}_read"] - both[sensor]).to_numpy()
    assert np.abs(off).max() <= 0.5 + 0.1 * both[sensor].max()
    assert np.abs(off).mean() < 8.0
