"""A stage as it is simulated: riders keep to physics, stop where it is said, and repeat exactly."""

import dataclasses
import hashlib

import numpy as np
import pytest
from plain_processor import on_a_plain_processor

from hardware.stage import Checkpoint
from hardware.virtual.ride import Event, Ride, Status
from hardware.virtual.riders import Field, field_of
from hardware.virtual.road import Road, road_of
from hardware.virtual.simulation import simulate
from hardware.virtual.truth import distance_of, groups_of
from hardware.virtual.weather import Spell, Weather, made_weather
from tests.hardware.virtual.stages import START_S, loop_stage, straight_stage

CALM = Weather((Spell(0.0, START_S, 20.0, 0.5, 200.0),))
PLACES = (
    Checkpoint(4.0, "crossing", "rails"),
    Checkpoint(7.0, "feed", "bags"),
    Checkpoint(9.0, "crossing", "rails"),
    Checkpoint(12.0, "crossing", "rails"),
)


@pytest.fixture(scope="module")
def field() -> Field:
    return field_of(loop_stage(0, 16_000.0), 0, riders=60)


@pytest.fixture(scope="module")
def ride(field: Field) -> Ride:
    stage = loop_stage(0, 16_000.0, checkpoints=PLACES)
    return simulate(stage, field, made_weather(0, START_S, 16_000.0), 0, 1_800)


def columns_of(ride: Ride, bibs: tuple[int, ...]) -> list[int]:
    return [int(np.flatnonzero(ride.bibs == bib)[0]) for bib in bibs]


def events_of(ride: Ride, kind: str) -> list[Event]:
    return [event for event in ride.events if event.kind == kind]


def stands(ride: Ride, event: Event) -> np.ndarray:
    """Seconds that each of an event's riders stands in it."""
    seconds = slice(event.from_s, ride.seconds if event.to_s is None else event.to_s + 5)
    return (ride.status[seconds][:, columns_of(ride, event.bibs)] == Status.STOPPED).sum(0)


def test_half_an_hour_holds_crashes_and_stops_of_every_kind(ride: Ride) -> None:
    kinds = {event.kind for event in ride.events}
    assert {"crash", "mechanical", "comfort_stop", "feed_zone", "attack"} <= kinds
    assert max(len(event.bibs) for event in events_of(ride, "crash")) >= 3


def test_riders_who_crash_or_puncture_really_stand_still(ride: Ride) -> None:
    for event in events_of(ride, "crash") + events_of(ride, "mechanical"):
        if event.from_s < ride.seconds - 60:
            assert (stands(ride, event) >= 7).all(), event


def test_a_comfort_stop_is_several_riders_at_one_place_for_30_to_100_s(ride: Ride) -> None:
    (event,) = events_of(ride, "comfort_stop")
    stood = stands(ride, event)
    assert len(event.bibs) >= 3
    assert (stood >= 28).all()
    assert (stood <= 100).all()
    rows = ride.status[event.from_s : event.to_s, columns_of(ride, event.bibs)] == Status.STOPPED
    at_m = ride.distance_m[event.from_s : event.to_s, columns_of(ride, event.bibs)][rows]
    assert at_m.max() - at_m.min() < 60.0


def test_a_closed_level_crossing_holds_who_comes_and_nobody_passes_it(field: Field) -> None:
    found = 0
    for seed in (0, 2, 4):
        stage = loop_stage(0, 16_000.0, checkpoints=PLACES)
        ride = simulate(stage, field, CALM, seed, 1_500)
        for event in events_of(ride, "level_crossing"):
            found += 1
            held = columns_of(ride, event.bibs)
            assert event.to_s is not None
            last = min(event.to_s, ride.seconds - 1)
            assert (ride.distance_m[last, held] < event.distance_m).all()
            if event.to_s < ride.seconds - 5:
                assert (stands(ride, event) > 0).mean() > 0.8
    assert found > 0


def test_a_feed_zone_slows_everybody_down(ride: Ride) -> None:
    (event,) = events_of(ride, "feed_zone")
    inside = np.abs(ride.distance_m - event.distance_m) < 150.0
    assert ride.speed_mps[inside].max() < 13.0
    assert np.median(ride.speed_mps[inside]) < 10.0


def test_distance_is_the_integral_of_speed_and_never_falls(ride: Ride) -> None:
    on_road = ride.status[1:] <= Status.STOPPED
    step_m = np.diff(ride.distance_m, axis=0)
    mean_mps = (ride.speed_mps[1:] + ride.speed_mps[:-1]) / 2
    assert np.abs(step_m - mean_mps)[on_road].max() < 0.05
    assert step_m[on_road].min() >= 0.0
    assert ride.speed_mps.max() < 28.0


def test_a_bunch_is_compact_on_the_road_and_as_wide_as_it(ride: Ride) -> None:
    flag = 60
    assert np.ptp(ride.distance_m[flag + 60]) < 120.0
    riding = ride.status == Status.RACING
    assert np.abs(ride.lateral_m[riding]).max() < 4.0
    assert np.abs(np.diff(ride.lateral_m, axis=0)).max() < 1.6


def test_everybody_is_in_exactly_one_group_while_on_the_road(ride: Ride) -> None:
    groups = groups_of(ride)
    on_road = np.isin(ride.status, (Status.RACING, Status.STOPPED))
    assert ((groups >= 0) == on_road).all()


def test_w_balance_is_never_negative_and_power_stays_human(ride: Ride, field: Field) -> None:
    assert ride.w_balance_j.min() >= 0.0
    assert (ride.w_balance_j <= field.w_prime_j.astype(np.float32)).all()
    assert (ride.power_w <= field.sprint_w.astype(np.float32) + 1.0).all()
    assert ride.heart_rate_bpm.min() > 60.0
    assert (ride.heart_rate_bpm < field.most_bpm).all()


def test_a_weak_rider_spends_his_w_prime_on_a_climb_and_is_dropped() -> None:
    stage = straight_stage(12_000.0, 0.07)
    field = field_of(stage, 0, riders=30)
    cp_w = field.cp_w.copy()
    cp_w[5] *= 0.75
    ride = simulate(stage, dataclasses.replace(field, cp_w=cp_w), CALM, 0, 1_500)
    assert ride.w_balance_j[:, 5].min() < 0.1 * field.w_prime_j[5]
    assert ride.distance_m[-1, 5] < np.median(ride.distance_m[-1]) - 200.0
    # 7 %: 5 W/kg make about 20 km/h
    speed_kmh = np.median(ride.distance_m[-1] - ride.distance_m[600]) / 899 * 3.6
    assert 17.0 < speed_kmh < 25.0


def test_a_strong_crosswind_breaks_the_field_and_a_calm_day_does_not() -> None:
    stage = straight_stage(28_000.0)
    field = field_of(stage, 0, riders=120)
    wind = Weather((Spell(0.0, START_S, 15.0, 13.0, 0.0),))
    blown, still = (simulate(stage, field, air, 0, 1_800) for air in (wind, CALM))
    event = events_of(blown, "echelon")[0]
    assert event.to_s is not None
    assert not events_of(still, "echelon")
    assert "left" in event.note
    assert blown.crosswind_mps[event.from_s].mean() > 4.0
    groups = groups_of(blown)[event.from_s : event.to_s]
    large = [np.sum(np.bincount(row[row >= 0]) >= 8) for row in groups]
    assert np.mean(np.array(large) >= 2) > 0.5


def test_a_flat_stage_is_ridden_at_the_speed_of_the_day() -> None:
    stage = straight_stage(40_000.0)
    field = field_of(stage, 2, riders=100)
    ride = simulate(stage, field, CALM, 2)
    finish_s = np.argmax((ride.status == Status.FINISHED).any(1)) - 60
    assert 41.0 < ride.length_m / finish_s * 3.6 < 49.0
    done = ride.status[-1] == Status.FINISHED
    assert done.mean() > 0.9
    assert (ride.distance_m[-1, done] != ride.length_m).any()
    assert distance_of(ride)[-1, done] == pytest.approx(ride.length_m)


def test_a_time_trial_starts_one_by_one_and_nobody_drafts() -> None:
    stage = loop_stage(2, 9_000.0, "time-trial")
    field = field_of(stage, 2, riders=8)
    ride = simulate(stage, field, CALM, 2, 900)
    for rider, departs_s in enumerate(ride.departs_s.astype(int).tolist()):
        assert (ride.status[: departs_s + 1, rider] == Status.NOT_STARTED).all()
        assert (ride.distance_m[: departs_s + 1, rider] == 0.0).all()
        assert ride.distance_m[departs_s + 30, rider] > 150.0
    assert (np.diff(ride.departs_s) == 60.0).all()
    assert (ride.shelter == 1.0).all()


def digest(*things: Field | Ride | Road) -> str:
    hashed = hashlib.sha256()
    for thing in things:
        for item in dataclasses.fields(thing):
            value = getattr(thing, item.name)
            plain = value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
            hashed.update(plain)
    return hashed.hexdigest()


def digest_of_many() -> str:
    """A race, and what others begin from: large fields and long roads."""
    fields = [field_of(straight_stage(2_000.0), seed) for seed in range(0, 12, 2)]
    roads = [road_of(loop_stage(seed, 80_000.0)) for seed in range(0, 12, 2)]
    return digest(short_ride(6, 900), *fields, *roads)


def short_ride(seed: int, seconds: int) -> Ride:
    stage = loop_stage(4, 12_000.0, checkpoints=PLACES[:2])
    field = field_of(stage, seed, riders=40)
    return simulate(stage, field, made_weather(seed, START_S, 12_000.0), seed, seconds)


def test_the_same_seed_rides_the_same_race_and_another_a_different_one() -> None:
    assert digest(short_ride(6, 300)) == digest(short_ride(6, 300))
    assert digest(short_ride(6, 300)) != digest(short_ride(8, 300))


def test_a_longer_ride_begins_as_the_shorter_one() -> None:
    short, long = short_ride(6, 200), short_ride(6, 500)
    assert np.array_equal(short.distance_m, long.distance_m[:200])
    assert np.array_equal(short.power_w, long.power_w[:200])


def test_a_plain_processor_rides_the_same_race() -> None:
    code = (
        "from tests.hardware.virtual.test_simulation import digest_of_many;print(digest_of_many())"
    )
    assert on_a_plain_processor(code) == digest_of_many()
