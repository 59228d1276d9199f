"""Virtual bikes: the same seed rides the same race, and the air treats it as asked."""

import csv
import itertools
import tomllib
from collections import Counter

import numpy as np
import pytest

from hardware import packet, sealing, signing
from hardware.authority import create_event
from hardware.errors import Damaged, Misconfigured
from hardware.keys import Credentials
from hardware.rides import Ride, read_rides
from hardware.virtual import stage
from hardware.virtual.bikes import transponders_of
from hardware.virtual.course import course_from_gpx, course_of, loop_course
from hardware.virtual.peloton import Peloton
from hardware.virtual.playback import Playback
from hardware.virtual.radio import Dark, Radio
from hardware.virtual.transponder import next_boot


def as_bytes(readings) -> bytes:
    return b"".join(column.tobytes() for column in readings)


@pytest.fixture(scope="module")
def peloton() -> Peloton:
    return Peloton(loop_course(7), 198, 7)


def test_a_generated_course_is_hilly_of_the_asked_length_and_always_the_same():
    for seed in range(5):
        course, again = loop_course(seed), loop_course(seed)
        assert as_bytes(vars(course).values()) == as_bytes(vars(again).values())
        assert 19_500 < course.length_m < 20_000
        slope = course.gradient(course.distance_m)
        assert 0.06 < np.abs(slope).max() < 0.09
        assert 150 < np.abs(np.diff(course.altitude_m)).sum() / 2 < 1000
    assert loop_course(1).latitude_deg[0] != loop_course(2).latitude_deg[0]


def test_real_routes_are_courses(shared):
    assert (
        180_000
        < course_from_gpx(shared / "routes/TDF2026_Stage09_gneeek.gpx.gz").length_m
        < 190_000
    )
    flat = course_from_gpx(shared / "routes/TDF2025_Stage06.gpx.gz")
    assert 200_000 < flat.length_m < 210_000
    assert not flat.altitude_m.any()


def test_a_course_needs_two_points(tmp_path):
    path = tmp_path / "route.gpx"
    path.write_text('<gpx><trk><trkseg><trkpt lat="1" lon="2"/></trkseg></trk></gpx>')
    with pytest.raises(Damaged, match="two different points"):
        course_from_gpx(path)


def test_the_same_seed_gives_the_same_bytes_whatever_was_asked_before(peloton):
    other = Peloton(loop_course(7), 198, 7)
    other.readings(700.25)  # beyond what it remembers, so it rides again for an earlier time
    for t_s in (0.0, 1.5, 59.99, 60.0):
        assert as_bytes(peloton.readings(t_s)) == as_bytes(other.readings(t_s))
    assert as_bytes(Peloton(loop_course(7), 198, 8).readings(9.0)) != as_bytes(
        peloton.readings(9.0)
    )


def test_each_bike_measures_once_a_second_in_its_own_slot(peloton):
    ends = np.cumsum(np.random.default_rng(1).uniform(0.0, 0.3, 60))
    parts, last = [], -1.0
    for end in [*ends, 10.0]:
        parts.append(peloton.due(last, end))
        last = end
    rider = np.concatenate([part.rider for part in parts])
    t_s = np.concatenate([part.t_s for part in parts])
    assert (np.diff(t_s) >= 0).all()
    assert Counter(rider.tolist())[5] == 10
    assert len(rider) == 198 * 10 + 1
    assert np.allclose(t_s[rider == 99] % 1.0, 0.5)


def test_riders_ride_like_riders(peloton):
    before = peloton.readings(299.0)
    now = peloton.readings(300.0)
    assert (now.speed_mps > 2).all()
    assert (now.speed_mps < 25).all()
    assert (np.abs(now.speed_mps - before.speed_mps) < 3).all()
    assert (now.power_w <= 700).all()
    assert ((now.heart_rate_bpm > 60) & (now.heart_rate_bpm < 210)).all()
    states = peloton._state(300)
    gaps = -np.diff(np.sort(states.distance_m)[::-1])
    assert (gaps > 50).sum() == 3  # four groups on the road


def test_gps_wanders_as_two_recorders_on_one_bike_did(peloton):
    error = np.array([peloton._state(t).gps_m[0].sum(axis=0) for t in range(20, 580)])
    sd = error.std(axis=0).mean()
    assert 1.0 < sd < 1.6
    expected = {1: (0.95, 0.99), 30: (0.45, 0.8), 120: (0.15, 0.5)}
    for lag, (low, high) in expected.items():
        correlation = (error[:-lag] * error[lag:]).mean() / (error**2).mean()
        assert low < correlation < high, lag


def test_riders_come_to_a_stand_behind_the_line():
    course = loop_course(1, 2_000.0)
    peloton = Peloton(course, 20, 1)
    peloton.readings(600.0)
    after = peloton._state(600)
    assert (after.speed_mps == 0).all()
    assert (after.distance_m > course.length_m).all()
    assert (after.distance_m < course.length_m + 200).all()


def ride_of(start_s: float, seconds: int, lat: float = 45.0) -> Ride:
    at_s, none = start_s + np.arange(float(seconds)), np.full(seconds, np.nan)
    north = lat + 1e-4 * np.arange(seconds)
    return Ride(at_s, north, np.full(seconds, 6.0), none, none, none, none, none, 0)


def test_rides_keep_their_distance_in_time_when_played_back():
    rides = {"a": ride_of(1000.0, 100), "b": ride_of(1010.5, 100)}
    playback = Playback(rides, start_s=5.0)
    readings = playback.due(-1.0, 2.0)
    assert list(zip(readings.rider.tolist(), readings.t_s.tolist(), strict=True)) == [
        (1, 0.0), (0, 0.5), (1, 1.0), (0, 1.5), (1, 2.0),
    ]  # fmt: skip
    assert readings.latitude_deg[0] == pytest.approx(45.0 + 5e-4)
    assert np.isnan(readings.course_deg[0])
    assert readings.course_deg[2] == pytest.approx(0.0, abs=1e-6)
    assert playback.due(2.0, 2.0).rider.size == 0
    assert playback.ends_s == 94.0
    steps = [playback.due(t - 1.0, float(t)) for t in range(96)]
    assert sum(step.rider.size for step in steps) == playback.due(-1.0, 100.0).rider.size


def test_rides_of_different_days_cannot_be_played_together():
    with pytest.raises(Misconfigured, match="the ride of a is over"):
        Playback({"a": ride_of(1000.0, 100), "b": ride_of(90_000.0, 100)})
    with pytest.raises(Misconfigured, match="smaller --start-s"):
        Playback({"a": ride_of(1000.0, 100)}, start_s=100.0)


def test_the_five_riders_play_back_in_time(shared):
    playback = Playback(read_rides(shared / "roubaix2020" / "five_riders.csv.gz"), 600.0)
    first = playback.due(-1.0, 30.0)
    assert set(first.rider.tolist()) == {0, 1, 2, 3, 4}
    assert 90 < first.rider.size <= 5 * 31


def share(radio: Radio, packets: int = 20_000) -> Counter:
    counts: Counter = Counter()
    for number in range(packets):
        heard = list(radio.carry(number % 198, number, float(number), b"p"))
        counts["sent"] += min(radio.reach, radio.relays)
        counts["heard"] += len({delivery.relay for delivery in heard})
        counts["doubled"] += len(heard) - len({delivery.relay for delivery in heard})
        late = {d.relay for d in heard if d.send_at_s - number > 1.0}
        counts["late"] += len(late)
    return counts


def test_a_clean_radio_brings_every_packet_to_two_relays_at_once():
    radio = Radio(relays=3, seed=1)
    for bike in range(198):
        heard = list(radio.carry(bike, 0, 12.5, b"packet"))
        assert len({delivery.relay for delivery in heard}) == len(heard) == 2
        assert {(d.send_at_s, d.raw) for d in heard} == {(12.5, b"packet")}
    assert len(list(Radio(relays=1, seed=1).carry(5, 0, 0.0, b"p"))) == 1


def test_the_radio_loses_doubles_and_delays_at_the_rates_asked_for():
    counts = share(Radio(relays=3, seed=4, loss=0.05, double=0.10, reorder=0.20))
    assert 1 - counts["heard"] / counts["sent"] == pytest.approx(0.05, abs=0.006)
    assert counts["doubled"] / counts["heard"] == pytest.approx(0.10, abs=0.008)
    assert counts["late"] / counts["heard"] == pytest.approx(0.20, abs=0.012)
    nothing = share(Radio(relays=3, seed=4, loss=1.0), 100)
    assert nothing["heard"] == 0


def test_a_delayed_packet_is_overtaken_by_the_next_of_its_bike():
    radio = Radio(relays=1, seed=2, reorder=0.3)
    arrivals = sorted(
        (delivery.send_at_s, number)
        for number in range(1000)
        for delivery in radio.carry(3, number, float(number), b"p")
    )
    overtaken = sum(a > b for (_, a), (_, b) in itertools.pairwise(arrivals))
    assert 150 < overtaken < 250  # a late packet whose follower is late too stays in order


def test_the_radio_decides_by_packet_not_by_the_order_of_asking():
    radio = Radio(relays=3, seed=9, loss=0.3, double=0.3, reorder=0.3)
    asked = [(bike, number) for bike in range(10) for number in range(10)]
    forward = {key: list(radio.carry(*key, 0.0, b"")) for key in asked}
    backward = {key: list(radio.carry(*key, 0.0, b"")) for key in reversed(asked)}
    assert forward == backward
    other = Radio(relays=3, seed=10, loss=0.3, double=0.3, reorder=0.3)
    assert forward != {key: list(other.carry(*key, 0.0, b"")) for key in asked}


def test_relays_and_bikes_go_dark_on_request():
    radio = Radio(relays=3, seed=1, dark=(Dark(10.0, 20.0, relay=1), Dark(30.0, 40.0, bike=5)))
    heard = {
        at_s: {(bike, d.relay) for bike in range(6) for d in radio.carry(bike, 0, at_s, b"")}
        for at_s in (9.9, 10.0, 19.9, 20.0, 35.0)
    }
    assert heard[9.9] == heard[20.0]
    assert heard[10.0] == heard[19.9] == {pair for pair in heard[9.9] if pair[1] != 1}
    assert {bike for bike, _ in heard[10.0]} == set(range(6))  # one dead relay loses nothing
    assert heard[35.0] == {pair for pair in heard[9.9] if pair[0] != 5}


def test_a_started_transponder_counts_on_and_signs_what_the_truck_can_open(tmp_path):
    roster = create_event(tmp_path, event="e", now_s=1.8e9, bibs=[11, 12], relays=["a"])
    for boot, suite in ((1, packet.SUITE_CCM8), (2, packet.SUITE_CLEAR)):
        (bike,) = transponders_of(tmp_path / "bikes", roster, [12], 1.8e9, suite)
        fixes = [packet.Fix(bike.ticks(1.8e9 + 0.5 * k), 45.0, 6.0) for k in range(3)]
        (first, n), (second, _) = bike.packet(fixes), bike.packet(fixes[:1])
        headers = [packet.read_header(raw) for raw in (first, second)]
        assert n == headers[0].n == 3
        assert [(h.suite, h.device, h.boot, h.seq) for h in headers] == [
            (suite, 2, boot, 0),
            (suite, 2, boot, 1),
        ]
        assert roster.epoch_s + headers[0].t0 * packet.TICK_S == 1.8e9
        key = roster.device_key(headers[0].kid)
        secret = Credentials(tmp_path / "truck").secret("event")
        cipher = sealing.packet_cipher(secret, key.box_public, roster.event_id, headers[0].kid)
        assert packet.decode_fixes([sealing.open_body(first, cipher)]).t_cs.tolist() == [
            fix.t_cs for fix in fixes
        ]
        assert signing.is_signed(first[:-64], first[-64:], key.sign_public, roster.event_id)
    with pytest.raises(Misconfigured, match="bound to bib 13"):
        transponders_of(tmp_path / "bikes", roster, [13], 1.8e9)


def test_a_boot_counter_only_goes_up_and_says_when_it_cannot(tmp_path):
    path = tmp_path / "boot"
    assert [next_boot(path) for _ in range(3)] == [1, 2, 3]
    path.write_text("65534")
    assert next_boot(path) == 65535
    with pytest.raises(Misconfigured, match="65535 has no next"):
        next_boot(path)
    path.write_text("many")
    with pytest.raises(Misconfigured, match="holds no number"):
        next_boot(path)


def test_a_stage_folder_is_what_the_design_says(tmp_path):
    course = loop_course(3)
    stage.write_stage(
        tmp_path, course, stage.virtual_starters([4, 9]), name='Around "Murat"', start_at_s=1.8e9,
        checkpoints=stage.checkpoints_of(course),
    )  # fmt: skip
    settings = tomllib.loads((tmp_path / "stage.toml").read_text())
    assert settings["name"] == 'Around "Murat"'
    assert settings["start_at"].timestamp() == 1.8e9
    assert settings["length_km"] == pytest.approx(course.length_m / 1000, abs=0.001)
    starters = list(csv.DictReader((tmp_path / "startlist.csv").read_text().splitlines()))
    assert [row["bib"] for row in starters] == ["4", "9"]
    assert set(starters[0]) == {"bib", "name", "team"}
    points = list(csv.DictReader((tmp_path / "checkpoints.csv").read_text().splitlines()))
    assert [float(row["km"]) for row in points] == sorted(float(row["km"]) for row in points)
    again = course_from_gpx(tmp_path / "route.gpx")
    assert again.length_m == pytest.approx(course.length_m, rel=1e-4)
    assert np.abs(again.altitude_m - course.altitude_m).max() < 0.06
    with pytest.raises(Misconfigured, match="already holds a stage"):
        stage.write_stage(tmp_path, course, [], name="x", start_at_s=0.0)


def test_the_stage_of_recorded_rides_follows_the_longest_without_its_jumps(shared, tmp_path):
    rides = read_rides(shared / "roubaix2020" / "five_riders.csv.gz")
    stage.write_stage_from_rides(tmp_path / "one", rides)
    stage.write_stage_from_rides(tmp_path / "two", rides)
    for file in ("stage.toml", "route.gpx", "startlist.csv", "checkpoints.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    course = course_from_gpx(tmp_path / "one" / "route.gpx")
    assert 91_000 < course.length_m < 95_000  # A: 93 km
    assert (tmp_path / "one" / "startlist.csv").read_text().splitlines()[1:3] == ["1,A,", "2,B,"]


def test_a_jump_in_a_track_does_not_make_the_course_longer():
    ride = ride_of(0.0, 200)
    whole = stage.course_of_ride(ride).length_m
    ride.latitude_deg[100] += 0.05
    assert stage.course_of_ride(ride).length_m == pytest.approx(whole, rel=0.01)


def test_altitudes_that_are_missing_are_bridged():
    lat = 45 + np.arange(5) * 1e-3
    course = course_of(lat, np.full(5, 6.0), np.array([np.nan, 100.0, np.nan, 120.0, np.nan]))
    assert course.altitude_m == pytest.approx([100, 100, 110, 120, 120], abs=0.01)
