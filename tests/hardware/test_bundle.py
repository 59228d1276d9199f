"""Bundles and acknowledgements: what comes back is what was signed, or Refused."""

import datetime as dt

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import bundle
from hardware.bundle import (
    Ack,
    Acked,
    Bundle,
    decode_ack,
    decode_bundle,
    encode_ack,
    encode_bundle,
)
from hardware.errors import Reason, Refused
from hardware.signing import SigningKey, cose_sign, decode_cbor

KEY = SigningKey(bytes([3] * 32))
EVENT = b"race-2027"
SENT = Bundle(
    relay="moto-1",
    boot=3,
    number=70_000,
    packets=(b"a" * 108, b"b" * 156, b""),
    heard_at_us=(1_800_000_000_000_000, 1_800_000_000_000_250, 1_799_999_999_999_999),
    rssi_dbm=(-70, -128, 4),
)
ACK = Ack("moto-1", (Acked(3, 70_000, 2**64 - 1), Acked(2, 1, 1)), 987_654)
VERSIONS = {"bundle": 1, "ack": 2}


def opened(payload: object, kind: str = "bundle") -> object:
    """What the decoder makes of a payload that the relay's own key has signed."""
    raw = payload if isinstance(payload, bytes) else cbor2.dumps(payload)
    message = cose_sign(raw, KEY, f"truck {kind} {VERSIONS[kind]} ".encode() + EVENT)
    decode = decode_bundle if kind == "bundle" else decode_ack
    return decode(message, "moto-1", KEY.public, EVENT)


def reason_of(payload: object, kind: str = "bundle") -> Reason:
    with pytest.raises(Refused) as refusal:
        opened(payload, kind)
    return refusal.value.reason


def fields(**changes: object) -> dict[int, object]:
    good = {1: 1, 2: "moto-1", 3: 1, 4: 2, 5: [b"p"], 6: 100, 7: [0], 8: [-70]}
    return good | {int(key[1:]): value for key, value in changes.items()}


def test_a_bundle_comes_back_as_it_was():
    assert decode_bundle(encode_bundle(SENT, KEY, EVENT), "moto-1", KEY.public, EVENT) == SENT


def test_a_full_bundle_of_the_longest_packets_is_not_too_long():
    packets = (bytes(bundle.PACKET_BYTES_MAX),) * bundle.PACKETS_MAX
    times = tuple(range(2**50, 2**50 + 128))
    sent = Bundle("a" * 32, 2**62, 2**62, packets, times, (-128,) * 128)
    message = encode_bundle(sent, KEY, EVENT)
    assert len(message) <= bundle.BUNDLE_BYTES_MAX
    assert decode_bundle(message, "a" * 32, KEY.public, EVENT) == sent


def test_an_acknowledgement_comes_back_as_it_was():
    assert decode_ack(encode_ack(ACK, KEY, EVENT), "moto-1", KEY.public, EVENT) == ACK


@pytest.mark.parametrize("kind", ["bundle", "ack"])
def test_no_bit_of_a_message_can_be_flipped(kind):
    message, decode = {
        "bundle": (encode_bundle(SENT, KEY, EVENT), decode_bundle),
        "ack": (encode_ack(ACK, KEY, EVENT), decode_ack),
    }[kind]
    for bit in range(8 * len(message)):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Refused):
            decode(bytes(flipped), "moto-1", KEY.public, EVENT)
    for length in range(len(message)):
        with pytest.raises(Refused):
            decode(message[:length], "moto-1", KEY.public, EVENT)


def test_a_message_of_another_event_key_or_kind_is_refused():
    message, other = encode_bundle(SENT, KEY, EVENT), SigningKey(bytes([4] * 32))
    for public, event in ((KEY.public, b"race-2026"), (other.public, EVENT)):
        with pytest.raises(Refused) as refusal:
            decode_bundle(message, "moto-1", public, event)
        assert refusal.value.reason == Reason.SIGNATURE
    with pytest.raises(Refused) as refusal:
        decode_ack(message, "moto-1", KEY.public, EVENT)
    assert refusal.value.reason == Reason.SIGNATURE


def test_a_relay_cannot_speak_in_the_name_of_another():
    assert reason_of(fields(_2="heli")) == Reason.WRONG_SENDER
    assert reason_of({1: 2, 2: "heli", 3: [], 4: 0}, "ack") == Reason.WRONG_SENDER


def test_too_much_is_refused_by_name():
    many = bundle.PACKETS_MAX + 1
    assert reason_of(fields(_5=[b"p"] * many, _7=[0] * many, _8=[0] * many)) == Reason.OVERSIZE
    assert reason_of(fields(_5=[bytes(bundle.BUNDLE_BYTES_MAX)])) == Reason.OVERSIZE
    assert reason_of({1: 2, 2: "moto-1", 3: [[1, 1, 1]] * 5000, 4: 0}, "ack") == Reason.MALFORMED


@pytest.mark.parametrize("version", [0, 2, 2**63 - 1])
def test_another_version_is_refused(version):
    assert reason_of(fields(_1=version)) == Reason.VERSION


HUGE = 2**64 - 1
MALFORMED = {
    "an instant before 1970": fields(_6=-1),
    "an instant no calendar shows": fields(_6=253_402_300_799_999_999, _7=[1]),
    "no map": [1, 2],
    "version true": fields(_1=True),
    "version float": fields(_1=1.0),
    "no packets": fields(_5=[], _7=[], _8=[]),
    "packets no list": fields(_5=b"p"),
    "packet no bytes": fields(_5=["p"]),
    "packet nested": fields(_5=[[b"p"]]),
    "columns differ": fields(_7=[0, 1]),
    "offset float": fields(_7=[0.5]),
    "offset huge": fields(_7=[HUGE]),
    "sum overflows": fields(_6=2**63 - 1, _7=[1]),
    "first none": fields(_6=None),
    "rssi text": fields(_8=["x"]),
    "boot negative": fields(_3=-1),
    "boot huge": fields(_3=HUGE),
    "boot true": fields(_3=True),
    "number none": fields(_4=None),
    "number big": fields(_4=2**200),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_bundle_of_a_true_relay_is_refused(name):
    assert reason_of(MALFORMED[name]) == Reason.MALFORMED


@pytest.mark.parametrize(
    "bundles",
    [
        None, [1], [[1, 2]], [[1, 2, 3, 4]], [[1, -1, 3]], [["a", 1, 3]], [[1, HUGE, 3]], {1: 2},
        [[1, 2, 0]], [[1, 2, -1]], [[1, 2, HUGE + 1]], [[1, 2, True]], [[1, 2, b"12345678"]],
    ],
)  # fmt: skip
def test_a_malformed_acknowledgement_of_the_true_truck_is_refused(bundles):
    assert reason_of({1: 2, 2: "moto-1", 3: bundles, 4: 0}, "ack") == Reason.MALFORMED


def test_an_acknowledgement_of_the_old_version_without_digests_is_refused():
    old = {1: 1, 2: "moto-1", 3: [[3, 70_000]], 4: 0}
    assert reason_of(old, "ack") == Reason.VERSION
    message = cose_sign(cbor2.dumps(old), KEY, b"truck ack 1 " + EVENT)
    with pytest.raises(Refused) as refusal:
        decode_ack(message, "moto-1", KEY.public, EVENT)
    assert refusal.value.reason == Reason.SIGNATURE


HOSTILE_CBOR = {
    "shared list within itself": "d81c81d81d00",
    "date": "c11a514b67b0",
    "date of text": "c06161",
    "big number": "c2581f" + "ff" * 31,
    "big float": "c5821b7fffffffffffffff01",
    "decimal": "c4821b7fffffffffffffff01",
    "fraction over zero": "d81e820100",
    "pattern": "d82369282b292b2b2b2b2b24",
    "mime": "d8246141",
    "set": "d9010281a0",
    "string reference": "d90100d81900",
    "address": "d9010441ff",
    "array of 2^63": "9b7fffffffffffffff",
    "bytes of 2^63": "5b7fffffffffffffff",
    "map of 2^63": "bb7fffffffffffffff",
    "2,000 arrays deep": "81" * 2000 + "00",
    "2,000 tags deep": "c6" * 2000 + "00",
    "indefinite array": "9f01ff",
    "a key twice": "a201000100",
    "break alone": "ff",
    "nothing": "",
}


@pytest.mark.parametrize("name", HOSTILE_CBOR)
def test_hostile_cbor_is_refused_alone_and_under_a_true_signature(name):
    data = bytes.fromhex(HOSTILE_CBOR[name])
    with pytest.raises(Refused) as refusal:
        decode_cbor(data)
    assert refusal.value.reason == Reason.MALFORMED
    assert reason_of(data) == Reason.MALFORMED
    inside = b"\xa8\x01\x01\x02\x66moto-1\x03\x01\x04\x01\x05" + data
    assert reason_of(inside) == Reason.MALFORMED


@given(st.binary(max_size=400))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_a_value_or_refused(data):
    for decode in (decode_bundle, decode_ack):
        with pytest.raises(Refused):
            decode(data, "moto-1", KEY.public, EVENT)
    try:
        decode_cbor(data)
    except Refused as refusal:
        assert refusal.reason == Reason.MALFORMED  # noqa: PT017 (a value is as good)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.binary(max_size=8)
    | st.text(max_size=8) | st.datetimes(timezones=st.just(dt.UTC)),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.integers(0, 9) | st.text(max_size=2), inner, max_size=3)
    | st.builds(cbor2.CBORTag, st.integers(0, 70_000), inner),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.integers(1, 8), values, max_size=8), st.sampled_from(["bundle", "ack"]))
@settings(max_examples=400, deadline=None)
def test_any_payload_of_a_true_sender_is_a_value_or_refused(changes, kind):
    good = fields() if kind == "bundle" else {1: 2, 2: "moto-1", 3: [[1, 2, 3]], 4: 5}
    try:
        message = opened(good | changes, kind)
    except Refused:
        return
    assert message.relay == "moto-1"
    assert isinstance(message, Bundle if kind == "bundle" else Ack)
