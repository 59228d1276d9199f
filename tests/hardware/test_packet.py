"""The packet's encoding: what goes in comes out, and what no sensor can say becomes none."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import packet
from hardware.errors import Refused
from hardware.packet import Fix, Header

TRAILER = bytes(packet.TRAILER_BYTES)


def sensor(low: float, high: float) -> st.SearchStrategy[float | None]:
    return st.none() | st.floats(low, high)


@st.composite
def rides(draw: st.DrawFn) -> list[Fix]:
    """Fixes that mostly follow each other closely, so that packets of several fixes come out."""
    t_cs, lat, lon = (
        draw(st.integers(0, 10**9)),
        draw(st.floats(-89, 89)),
        draw(st.floats(-179, 179)),
    )
    altitude = draw(st.floats(-400, 5000))
    fixes = []
    for _ in range(draw(st.integers(1, 12))):
        t_cs += draw(st.integers(0, 300))
        lat += draw(st.floats(-1e-3, 1e-3) | st.sampled_from([0.0, 0.01]))
        lon += draw(st.floats(-1e-3, 1e-3))
        altitude += draw(st.floats(-10, 10))
        lost, no_altitude = draw(
            st.sampled_from([(False, False)] * 8 + [(True, False), (False, True)])
        )
        fixes.append(
            Fix(
                t_cs,
                None if lost else lat,
                None if lost else lon,
                None if no_altitude else altitude,
                draw(sensor(0, 30)),
                draw(sensor(0, 360)),
                draw(sensor(0, 2000)),
                draw(sensor(0, 250)),
                draw(sensor(0, 250)),
                draw(sensor(0, 60)),
                fix=draw(st.sampled_from([1, 2, 2, 2, 3])),
                sos=draw(st.sampled_from([False] * 9 + [True])),
                impact=draw(st.sampled_from([False] * 9 + [True])),
                battery=draw(st.none() | st.integers(0, 14)),
            )
        )
    return fixes


def packets_of(fixes: list[Fix]) -> list[bytes]:
    """Opened packets (header and body) that hold all the fixes."""
    opened = []
    while fixes:
        body, n = packet.encode_body(fixes)
        opened.append(
            packet.encode_header(Header(0x11, n, 1, 256, len(opened), fixes[0].t_cs)) + body
        )
        fixes = fixes[n:]
    return opened


def near(got: float, sent: float | None, step: float) -> bool:
    return math.isnan(got) if sent is None else abs(got - sent) <= step / 2 + 1e-9


@given(rides())
@settings(max_examples=150, deadline=None)
def test_fixes_come_out_as_they_went_in_to_half_a_step(sent):
    opened = packets_of(sent)
    for raw in opened:
        assert packet.read_header(raw + TRAILER).n == raw[1]
    fixes = packet.decode_fixes(opened)
    assert not packet.bad_values(fixes).any()
    assert fixes.t_cs.tolist() == [fix.t_cs for fix in sent]
    si = packet.to_si(fixes)
    for row, fix in enumerate(sent):
        assert near(si["latitude_deg"][row], fix.latitude_deg, 1e-7)
        assert near(si["longitude_deg"][row], fix.longitude_deg, 1e-7)
        assert near(si["altitude_m"][row], fix.altitude_m, 0.1)
        assert near(si["speed_mps"][row], fix.speed_mps, 0.01)
        assert near(si["power_w"][row], fix.power_w, 1)
        assert near(si["heart_rate_bpm"][row], fix.heart_rate_bpm, 1)
        assert near(si["cadence_rpm"][row], fix.cadence_rpm, 1)
        status = int(fixes.status[row])
        assert status & 3 == (0 if fix.latitude_deg is None else fix.fix)
        assert bool(status & 4) == fix.sos
        assert bool(status & 8) == fix.impact
        assert status >> 4 == (15 if fix.battery is None else fix.battery)
        if fixes.fix_index[row] == 0:
            turn = None if fix.course_deg is None else fix.course_deg % 360
            got = si["course_deg"][row]
            assert near(got, turn, 0.01) or near(got + 360, turn, 0.01)
            worst = None if fix.accuracy_m is None else min(fix.accuracy_m, 50.8)
            assert near(si["accuracy_m"][row], worst, 0.2)


@pytest.mark.parametrize(
    ("changes", "held"),
    [
        ({"t_cs": 355}, 2),
        ({"t_cs": 356}, 1),
        ({"t_cs": 99}, 1),
        ({"latitude_deg": 45.0 + 32767e-7}, 2),
        ({"latitude_deg": 45.0 + 32768e-7}, 1),
        ({"longitude_deg": 6.0 - 32768e-7}, 1),
        ({"altitude_m": 112.7}, 2),
        ({"altitude_m": 112.8}, 1),
        ({"altitude_m": 87.2}, 2),
        ({"altitude_m": 87.1}, 1),
        ({"altitude_m": None}, 1),
        ({"latitude_deg": None}, 1),
        ({"sos": True}, 1),
    ],
)
def test_a_delta_that_does_not_fit_begins_a_new_packet(changes, held):
    following = {"t_cs": 200, "latitude_deg": 45.0, "longitude_deg": 6.0, "altitude_m": 100.0}
    fixes = [Fix(100, 45.0, 6.0, 100.0), Fix(**following | changes)]
    assert packet.encode_body(fixes)[1] == held


def test_a_packet_holds_255_fixes_and_not_one_more():
    fixes = [Fix(k, 45.0, 6.0, 100.0) for k in range(300)]
    body, n = packet.encode_body(fixes)
    assert n == 255
    assert len(body) + packet.HEADER_BYTES + packet.TRAILER_BYTES == packet.PACKET_BYTES_MAX


@given(
    st.builds(
        Fix,
        t_cs=st.just(0),
        **{
            name: st.none() | st.floats() | st.floats(-400, 400)
            for name in (
                "latitude_deg", "longitude_deg", "altitude_m", "speed_mps", "course_deg", "power_w",
                "heart_rate_bpm", "cadence_rpm", "accuracy_m",
            )
        },
        fix=st.integers(0, 9),
        battery=st.none() | st.integers(-3, 99),
    )
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_whatever_a_sensor_says_the_packet_holds_only_possible_values(fix):
    fixes = packet.decode_fixes(packets_of([fix]))
    assert not packet.bad_values(fixes).any()


def test_a_position_off_the_earth_is_sent_as_none():
    fixes = packet.decode_fixes(
        packets_of([Fix(0, 91.0, 6.0), Fix(0, None, 6.0), Fix(0, 45.0, 6.0, fix=0)])
    )
    assert (fixes.lat_e7 == packet.NONE_POSITION).all()
    assert (fixes.status & 3 == 0).all()


def test_packets_of_different_lengths_decode_in_their_order():
    runs = [
        [Fix(100 * k + i, 45.0 + k, 6.0, 100.0) for i in range(n)]
        for k, n in enumerate((3, 1, 2, 3))
    ]
    opened = [raw for run in runs for raw in packets_of(run)]
    fixes = packet.decode_fixes(opened)
    assert fixes.packet.tolist() == [0, 0, 0, 1, 2, 2, 3, 3, 3]
    assert fixes.fix_index.tolist() == [0, 1, 2, 0, 0, 1, 0, 1, 2]
    assert fixes.t_cs.tolist() == [0, 1, 2, 100, 200, 201, 300, 301, 302]
    assert np.allclose(packet.to_si(fixes)["latitude_deg"], 45.0 + fixes.packet)


def test_no_packets_decode_to_no_rows():
    fixes = packet.decode_fixes([])
    assert all(len(column) == 0 for column in fixes)
    assert packet.bad_values(fixes).tolist() == []


@given(
    st.builds(
        lambda suite, n, rest: bytes([suite, n]) + rest[: 34 + 12 * (n - 1)],
        st.sampled_from([0x11, 0x12, 0x13]),
        st.integers(1, 5),
        st.binary(min_size=34 + 12 * 4, max_size=34 + 12 * 4),
    )
)
@settings(max_examples=200, deadline=None)
def test_hostile_bodies_decode_or_are_refused_and_never_raise(opened):
    try:
        header = packet.read_header(opened + TRAILER)
    except Refused:
        return
    assert len(packet.bad_values(packet.decode_fixes([opened]))) == header.n


def test_a_position_that_wraps_around_by_deltas_is_a_bad_value():
    """2^31 - 1 plus one is the 'none' position in 32 bits; it must not pass for absent."""
    first = packet._FIRST.pack(2**31 - 1, 2**31 - 1, 0, 0, 0, 0, 0, 0, 0, 0)
    further = packet._FURTHER.pack(0, 0, 1, 1, 0, 0, 0, 0)
    header = packet.encode_header(Header(0x11, 2, 1, 256, 0, 0))
    assert packet.bad_values(packet.decode_fixes([header + first + further])).any()


def test_a_header_field_too_wide_is_said_so():
    with pytest.raises(ValueError, match="out of range"):
        packet.encode_header(Header(0x12, 1, 70000, 256, 0, 0))
