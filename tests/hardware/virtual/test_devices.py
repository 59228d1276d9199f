"""Trackers that misbehave: each kind is in the readings, and the truth says where and when."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from hardware.route import line_of
from hardware.stage import load_stage
from hardware.virtual.devices import carry
from hardware.virtual.faults import Faults
from hardware.virtual.impacts import impacts_of
from hardware.virtual.ride import Event, Ride, Status
from hardware.virtual.road import Road, road_of
from tests.hardware.virtual.conftest import Simulated
from tests.hardware.virtual.stages import straight_stage

HEARD_MOST_S = 2.5


def metres_off(rows: pl.DataFrame, made: Simulated) -> np.ndarray:
    """From where the truth has the bib of each reading, as the crow flies."""
    line = line_of(load_stage(made.folder / "stage"))
    at_m = rows["distance_m"].to_numpy()
    lat = np.interp(at_m, line.distance_m, line.latitude_deg)
    lon = np.interp(at_m, line.distance_m, line.longitude_deg)
    north = (rows["latitude_deg"].to_numpy() - lat) * 111_200.0
    east = (rows["longitude_deg"].to_numpy() - lon) * 111_200.0 * np.cos(np.radians(lat))
    return np.hypot(north, east)


def racing(made: Simulated, bib: int) -> pl.DataFrame:
    return made.of(bib).filter(pl.col("status") == "racing")


def test_a_clock_that_is_off_stamps_three_seconds_wrong_all_day(faulty: Simulated) -> None:
    clocks = faulty.events("clock_offset")
    assert len(clocks) == 2
    for clock in clocks:
        mine = faulty.readings.filter(pl.col("bib") == clock["bibs"][0])
        waited_s = (mine["heard_at"] - mine["measured_at"]).dt.total_milliseconds() / 1000.0
        usual_s = waited_s.quantile(0.5) + clock["severity"]
        assert abs(clock["severity"]) == 3.0
        assert 0.5 < usual_s < HEARD_MOST_S


def test_stale_fixes_show_yesterdays_finish_under_todays_time(faulty: Simulated) -> None:
    today = [e for e in faulty.events("stale_fixes") if "today" in e["note"]]
    assert len(today) == 3
    heard = 0
    for event in today:
        rows = faulty.of(event["bibs"][0]).filter(
            pl.col("measured_at").is_between(event["started_at"], event["ended_at"])
        )
        heard += rows.height > 0  # the others fell into a hole of the radio
        assert (rows["speed_mps"] == 0.0).all()
        assert (metres_off(rows, faulty) > 100.0).all()
        assert not rows["reported"].any()
    assert heard >= 2


def test_readings_kept_from_yesterday_carry_yesterdays_time(faulty: Simulated) -> None:
    (event,) = (e for e in faulty.events("stale_fixes") if "kept" in e["note"])
    old = faulty.readings.filter(pl.col("measured_at") < event["started_at"] - timedelta(hours=12))
    assert set(old["bib"]) == set(event["bibs"])
    assert old.height >= 3
    assert (old["heard_at"] >= event["started_at"]).all()


def test_a_dead_tracker_is_silent_while_its_rider_goes_on(faulty: Simulated) -> None:
    dead = faulty.events("tracker_dead")
    assert len(dead) >= 2
    for event in dead:
        (bib,) = event["bibs"]
        later = faulty.truth.filter(
            pl.col("bib") == bib, pl.col("measured_at") >= event["started_at"]
        )
        assert (later["status"] == "racing").any()
        assert not later["reported"].any()
        own = faulty.readings.filter(pl.col("bib") == bib)
        assert own.height > 0
        assert own["measured_at"].max() < event["started_at"]


def test_exchanged_bibs_ride_where_the_other_rides_until_they_are_corrected(
    faulty: Simulated,
) -> None:
    exchanges = faulty.events("wrong_binding")
    assert len(exchanges) == 2
    for event in exchanges:
        one, other = event["bibs"]
        rows = faulty.readings.filter(pl.col("bib") == one).join(
            faulty.truth.filter(pl.col("bib") == other, pl.col("status") == "racing"),
            on="measured_at",
        )
        until = event["ended_at"]
        wrong = rows if until is None else rows.filter(pl.col("measured_at") < until)
        assert np.quantile(metres_off(wrong, faulty), 0.8) < 40.0
        if until is not None:
            right = racing(faulty, one).filter(pl.col("measured_at") >= until)
            assert np.quantile(metres_off(right, faulty), 0.8) < 40.0


def test_spare_bikes_on_roofs_ride_along_under_numbers_nobody_wears(faulty: Simulated) -> None:
    starters = set(faulty.truth["bib"])
    roofs = faulty.events("spare_on_roof")
    assert len(roofs) == 3
    spare = [event["bibs"][0] for event in roofs if event["bibs"][0] not in starters]
    assert len(spare) == 2
    for bib in spare:
        rows = faulty.readings.filter(pl.col("bib") == bib)
        assert rows["speed_mps"].max() > 8.0
        assert rows["power_w"].null_count() == rows.height
    assert set(faulty.readings["bib"]) - starters == set(spare)
    (double,) = {event["bibs"][0] for event in roofs} & starters
    places = faulty.readings.filter(pl.col("bib") == double).unique(
        ["measured_at", "latitude_deg", "longitude_deg"]
    )
    assert places.group_by("measured_at").len()["len"].max() == 2


@pytest.fixture(scope="module")
def road() -> Road:
    return road_of(straight_stage(20_000.0))


def steady_ride(road: Road, seconds: int = 1_800, riders: int = 20) -> Ride:
    """Riders at 10 m/s in a line, four of whom change their bikes after ten minutes."""
    shape = seconds, riders
    behind_m = 3.0 * np.arange(riders)
    distance_m = 10.0 * np.arange(seconds, dtype=np.float64)[:, None] - behind_m
    plain = {
        name: np.full(shape, value, np.float32)
        for name, value in (
            ("lateral_m", 0.0), ("speed_mps", 10.0), ("power_w", 200.0), ("heart_rate_bpm", 140.0),
            ("cadence_rpm", 90.0), ("shelter", 0.6), ("w_balance_j", 15_000.0),
            ("headwind_mps", 0.0), ("crosswind_mps", 0.0),
        )
    }  # fmt: skip
    events = tuple(
        Event("mechanical", (bib,), 600 + bib, 620 + bib, 6_000.0, 1.0) for bib in (3, 5, 7, 9)
    )
    status = np.full(shape, Status.RACING, np.int8)
    for event in events:
        status[event.from_s : event.to_s, event.bibs[0] - 1] = Status.STOPPED
    return Ride(
        start_s=1.8e9, bibs=np.arange(1, riders + 1, dtype=np.int32), length_m=road.length_m,
        time_trial=False, departs_s=np.zeros(riders), distance_m=distance_m,
        status=status, events=events, **plain,
    )  # fmt: skip


def test_a_tracker_left_on_the_old_bike_rides_on_in_a_car(road: Road) -> None:
    ride = steady_ride(road)
    carried = carry(ride, road, replace(Faults(), swaps=4), np.random.default_rng(2))
    assert [event.kind for event in carried.events] == ["in_car"] * 4
    for event in carried.events:
        (bib,) = event.bibs
        column, at_s = bib - 1, event.from_s
        assert at_s == 620 + bib
        assert np.array_equal(carried.distance_m[:at_s, column], ride.distance_m[:at_s, column])
        assert carried.speed_mps[at_s : at_s + 10, column].max() == 0.0
        assert carried.speed_mps[:, column].max() > 12.0
        assert carried.in_car[at_s:, column].all()
        assert np.isnan(carried.sensors["power_w"][at_s:, column]).all()
        assert np.diff(carried.distance_m[:, column]).max() < 30.0
        assert np.diff(carried.distance_m[:, column]).min() >= 0.0
    ends_m = carried.distance_m[-1, carried.in_car[-1]]
    assert (ends_m > ride.distance_m[-1].max()).any(), "one hurries ahead"
    assert (ends_m < ride.distance_m[-1].max()).any(), "one follows"


def test_most_falls_are_felt_for_some_seconds_and_knocks_are_few(road: Road) -> None:
    ride = steady_ride(road)
    crash = Event("crash", tuple(ride.bibs.tolist()), 600, None, 0.0, 1.0)
    ride = replace(ride, events=(crash,))
    felt = np.stack([
        impacts_of(ride, carry(ride, road, Faults(), np.random.default_rng(seed)),
                   np.random.default_rng(seed))
        for seed in range(40)
    ])  # fmt: skip
    fell = felt[:, 600:605].any(axis=1)
    assert 0.75 < fell.mean() < 0.85
    assert felt[:, 600:620].sum(axis=1)[fell].max() == 15
    knocks = felt[:, :590].any(axis=1).sum()
    assert 1 <= knocks <= 12  # one in 150,000 rider seconds


def test_a_bike_without_a_tracker_is_silence(road: Road) -> None:
    carried = carry(
        steady_ride(road), road, replace(Faults(), swaps_silent=1), np.random.default_rng(2)
    )
    (event,) = carried.events
    column = event.bibs[0] - 1
    assert event.kind == "tracker_dead"
    assert carried.on[100 : event.from_s, column].all()
    assert not carried.on[event.from_s :, column].any()


def test_no_rider_is_hit_by_two_faults(road: Road) -> None:
    faults = Faults(clocks=4, stale=4, yesterday=2, dead=4, swaps=2, wrong_pairs=3)
    carried = carry(steady_ride(road), road, faults, np.random.default_rng(2))
    hit = [bib for event in carried.events for bib in event.bibs]
    assert len(hit) == len(set(hit)) == 20
