"""What a relay lets pass, and how it counts what it does not."""

import dataclasses
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import clock
from hardware.errors import Misconfigured, Reason, Refused
from relay.radio import BURST_PACKETS, RATE_HZ, Gate, Radio

NOW_S = 1000.0


@pytest.fixture
def gate(event):
    return Gate(event.roster)


def reason(gate, raw, now_s=NOW_S):
    with pytest.raises(Refused) as refused:
        gate.check(raw, now_s)
    return refused.value.reason


def test_a_signed_packet_passes_once_and_its_exact_repeat_does_not(event, gate):
    raw = event.packet(1, 7)
    assert gate.check(raw, NOW_S).seq == 7
    assert gate.check(raw, NOW_S) is None
    assert gate.check(event.packet(1, 8), NOW_S).seq == 8


def test_every_flipped_bit_is_refused(event, gate):
    raw = event.packet(1, 0)
    seen = set()
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        seen.add(reason(gate, bytes(flipped)))
    assert seen >= {Reason.SIGNATURE, Reason.VERSION, Reason.LENGTH, Reason.UNKNOWN_KEY}
    assert gate.check(raw, NOW_S) is not None


@given(raw=st.binary(max_size=400))
def test_no_bytes_are_more_than_a_refusal(event, raw):
    with pytest.raises(Refused):
        Gate(event.roster).check(raw, NOW_S)


def test_a_packet_of_another_event_is_refused(event, other_event, gate):
    other_event.keys = event.keys
    assert reason(gate, other_event.packet(1, 0)) == Reason.SIGNATURE


def test_roster_validity_is_held(event):
    first, *rest = event.roster.devices
    later = dataclasses.replace(first, valid_from_s=first.valid_to_s - 1.0)
    ended = dataclasses.replace(first, valid_to_s=first.valid_from_s + 1.0)
    revoked = dataclasses.replace(first, revoked=True)
    raw = event.packet(1, 0)

    def under(device):
        return reason(Gate(dataclasses.replace(event.roster, devices=(device, *rest))), raw)

    assert under(later) == Reason.NOT_YET_VALID
    assert under(ended) == Reason.EXPIRED
    assert under(revoked) == Reason.REVOKED
    assert under(rest[0]) == Reason.UNKNOWN_KEY
    assert under(dataclasses.replace(first, generation=2)) == Reason.GENERATION


def test_a_device_that_floods_is_held_to_its_rate_and_others_are_not(event, gate):
    burst = [event.packet(1, seq) for seq in range(int(BURST_PACKETS) + 1)]
    for raw in burst[:-1]:
        assert gate.check(raw, NOW_S)
    assert reason(gate, burst[-1]) == Reason.RATE
    assert gate.check(event.packet(2, 0), NOW_S)
    assert gate.check(burst[-1], NOW_S + 1.5 / RATE_HZ), "refused by rate is not remembered"
    assert reason(gate, event.packet(1, 1000), NOW_S + 1.5 / RATE_HZ) == Reason.RATE


def test_forgeries_under_a_bikes_number_do_not_use_up_its_rate(event, gate):
    raw = event.packet(1, 0)
    for _ in range(1000):
        reason(gate, raw[:-1] + bytes((raw[-1] ^ 1,)))
    assert gate.check(raw, NOW_S)


def test_replays_of_what_it_said_elsewhere_do_not_silence_a_bike(event, gate):
    assert gate.check(event.packet(1, 300), NOW_S)
    for seq in range(int(BURST_PACKETS)):
        assert gate.check(event.packet(1, seq), NOW_S)
    assert reason(gate, event.packet(1, 200)) == Reason.RATE
    assert gate.check(event.packet(1, 301), NOW_S)


def test_a_clock_set_back_does_not_silence_a_bike(event, gate):
    for seq in range(int(BURST_PACKETS)):
        gate.check(event.packet(1, seq), NOW_S)
    assert reason(gate, event.packet(1, 500), NOW_S - 3600.0) == Reason.RATE
    assert gate.check(event.packet(1, 501), NOW_S - 3599.0)


def test_the_memory_of_repeats_is_bounded(event, gate):
    gate._recent.update(number.to_bytes(4, "big") for number in range(8192))
    raw = event.packet(1, 1)
    assert gate.check(raw, NOW_S)
    assert gate.check(raw, NOW_S) is None
    assert gate._recent == {raw}
    assert len(gate._before) == 8192


def test_the_socket_counts_what_it_heard_by_reason(event, gate):
    radio = Radio("127.0.0.1", 0, gate, clock.Clock())
    radio.start()
    good = [event.packet(device, seq) for device in (1, 2, 3) for seq in range(50)]
    bad = bytearray(good[0])
    bad[40] ^= 1
    before_us = time.time_ns() // 1000
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bike:
        for raw in (*good, good[0], bytes(bad), b"", b"x" * 5000, good[0] + b"\0"):
            bike.sendto(raw, ("127.0.0.1", radio.port))
    end_s = time.monotonic() + 10
    while sum(radio.refused.values()) < 4 and time.monotonic() < end_s:
        time.sleep(0.01)
    radio.stop()
    heard = radio.take()
    assert [packet.raw for packet in heard] == good
    assert all(before_us <= packet.heard_at_us <= time.time_ns() // 1000 for packet in heard)
    assert radio.counts() == {
        "packets": 150,
        "doubled": 1,
        "overflowed": 0,
        "refused": {"signature": 1, "malformed": 1, "version": 1, "length": 1},
    }


def test_what_the_kernel_dropped_is_counted(event, gate):
    radio = Radio("127.0.0.1", 0, gate, clock.Clock())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bike:
        for _ in range(100_000):
            bike.sendto(b"noise", ("127.0.0.1", radio.port))
        radio.start()
        end_s = time.monotonic() + 10
        while radio.overflowed == 0 and time.monotonic() < end_s:
            bike.sendto(b"noise", ("127.0.0.1", radio.port))
            time.sleep(0.01)
    radio.stop()
    assert radio.overflowed > 0


def test_a_port_in_use_is_one_sentence(gate):
    radio = Radio("127.0.0.1", 0, gate, clock.Clock())
    with pytest.raises(Misconfigured, match=f"UDP 127.0.0.1:{radio.port}: Address already in use"):
        Radio("127.0.0.1", radio.port, gate, clock.Clock())
    radio.stop()
