"""The roster: who may speak, and that nobody but the authority says so."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import keys
from hardware.authority import create_event, publish_roster
from hardware.errors import Misconfigured, Reason, Refused
from hardware.roster import (
    PAYLOAD_TYPE,
    Binding,
    DeviceKey,
    RelayKey,
    Roster,
    check_newer,
    open_roster,
    sign_roster,
)  # fmt: skip
from hardware.signing import SigningKey, sign_document

AUTHORITY = SigningKey(bytes([7] * 32))
# RFC 8032's curve has eight points of small order; these are the encodings of four
SMALL_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
]


def device(number: int, generation: int = 1) -> DeviceKey:
    seed = bytes([number, generation] * 16)
    return DeviceKey(number, generation, SigningKey(seed).public, keys.box_public(seed), 0.0, 2e9)


@pytest.fixture
def roster() -> Roster:
    return Roster(
        event="race-2027",
        version=4,
        epoch_s=1.8e9,
        event_box_public=keys.box_public(bytes([9] * 32)),
        truck_sign_public=SigningKey(bytes([8] * 32)).public,
        devices=(device(1), device(2, 2), replace(device(3), revoked=True)),
        bindings=(Binding(2, 21, 0.0), Binding(1, 11, 0.0), Binding(1, 12, 1000.0)),
        relays=(RelayKey("moto-1", SigningKey(bytes([6] * 32)).public),),
    )


def reason_of(envelope: bytes, public: bytes = AUTHORITY.public) -> Reason:
    with pytest.raises(Refused) as refusal:
        open_roster(envelope, public)
    return refusal.value.reason


def test_a_signed_roster_opens_to_the_same_roster(roster):
    assert open_roster(sign_roster(roster, AUTHORITY), AUTHORITY.public) == roster


def test_a_roster_of_another_authority_is_refused(roster):
    stranger = SigningKey(bytes([5] * 32))
    assert reason_of(sign_roster(roster, stranger)) == Reason.SIGNATURE
    assert reason_of(sign_roster(roster, AUTHORITY), stranger.public) == Reason.SIGNATURE


def test_a_roster_with_any_byte_of_its_payload_changed_is_refused(roster):
    envelope = json.loads(sign_roster(roster, AUTHORITY))
    for at in range(0, len(envelope["payload"]), 7):
        letter = "A" if envelope["payload"][at] != "A" else "B"
        changed = envelope["payload"][:at] + letter + envelope["payload"][at + 1 :]
        assert reason_of(json.dumps(envelope | {"payload": changed}).encode()) in (
            Reason.SIGNATURE,
            Reason.MALFORMED,
        )


def test_a_document_of_another_type_is_no_roster(roster):
    envelope = sign_document({"schema": "truck.roster/1"}, "application/other", AUTHORITY)
    assert reason_of(envelope) == Reason.MALFORMED
    envelope = sign_document({"schema": "truck.roster/2"}, PAYLOAD_TYPE, AUTHORITY)
    assert reason_of(envelope) == Reason.VERSION


@pytest.mark.parametrize("point", SMALL_ORDER, ids=lambda point: point.hex()[:8])
def test_a_small_order_key_anywhere_is_refused(roster, point):
    bad = replace(device(4), sign_public=point)
    for changed in (
        replace(roster, devices=(*roster.devices, bad)),
        replace(roster, truck_sign_public=point),
        replace(roster, relays=(RelayKey("heli", point),)),
    ):
        assert reason_of(sign_roster(changed, AUTHORITY)) == Reason.VALUE


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)], ids=["zero", "one"])
def test_a_small_order_box_key_is_refused(roster, point):
    bad = replace(device(4), box_public=point)
    assert reason_of(sign_roster(replace(roster, devices=(bad,)), AUTHORITY)) == Reason.VALUE
    whole = replace(roster, event_box_public=point)
    assert reason_of(sign_roster(whole, AUTHORITY)) == Reason.VALUE


@pytest.mark.parametrize(
    "changes",
    [
        {"devices": (device(1), device(1))},
        {"devices": (replace(device(1), device=1 << 24),)},
        {"devices": (replace(device(1), generation=256),)},
        {"relays": (RelayKey("Moto 1", SigningKey(bytes(32)).public),)},
        {"relays": (RelayKey("a", SigningKey(bytes(32)).public),) * 2},
        {"epoch_s": float("nan")},
    ],
    ids=["kid-twice", "device-too-high", "generation-too-high", "name", "relay-twice", "epoch"],
)
def test_names_and_numbers_that_cannot_be_used_are_refused(roster, changes):
    assert reason_of(sign_roster(replace(roster, **changes), AUTHORITY)) == Reason.VALUE


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    field=st.sampled_from(
        ["event", "version", "epoch_s", "event_box_public", "devices", "bindings", "relays"]
    ),
    value=json_values,
)
@settings(max_examples=200, deadline=None)
def test_an_authority_that_signs_nonsense_is_refused_or_read(field, value):
    payload = {
        "schema": "truck.roster/1", "event": "e", "version": 1, "epoch_s": 0.0,
        "event_box_public": keys.box_public(bytes([9] * 32)).hex(),
        "truck_sign_public": AUTHORITY.public.hex(), "devices": [], "bindings": [], "relays": [],
    }  # fmt: skip
    try:
        envelope = sign_document(payload | {field: value}, PAYLOAD_TYPE, AUTHORITY)
    except UnicodeEncodeError:  # half a surrogate pair has no bytes to sign
        return
    try:
        roster = open_roster(envelope, AUTHORITY.public)
    except Refused:
        return
    assert isinstance(roster, Roster)


@given(st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=200, deadline=None)
def test_hostile_envelopes_are_refused(envelope):
    with pytest.raises(Refused):
        open_roster(envelope, AUTHORITY.public)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "payload": st.text(max_size=12) | json_values,
            "payloadType": st.just(PAYLOAD_TYPE) | json_values,
            "signatures": st.lists(
                st.fixed_dictionaries({}, optional={"keyid": json_values, "sig": json_values}),
                max_size=2,
            )
            | json_values,
        },
    )
)
@settings(max_examples=300, deadline=None)
def test_envelopes_of_nearly_the_right_shape_are_refused(envelope):
    with pytest.raises(Refused):
        open_roster(json.dumps(envelope).encode(), AUTHORITY.public)


def test_only_a_newer_roster_of_the_same_event_may_follow(roster):
    check_newer(roster, replace(roster, version=5))
    check_newer(roster, roster)
    with pytest.raises(Misconfigured, match="version 3 is older than 4"):
        check_newer(roster, replace(roster, version=3))
    with pytest.raises(Misconfigured, match="'other', not 'race-2027'"):
        check_newer(roster, replace(roster, event="other"))


def test_keys_are_found_by_kid_and_refused_by_name(roster):
    assert roster.device_key(1 << 8 | 1).device == 1
    for kid, reason in (
        (1 << 8 | 2, Reason.GENERATION),
        (2 << 8 | 1, Reason.GENERATION),
        (9 << 8 | 1, Reason.UNKNOWN_KEY),
        (3 << 8 | 1, Reason.REVOKED),
    ):
        with pytest.raises(Refused) as refusal:
            roster.device_key(kid)
        assert refusal.value.reason == reason


def test_a_binding_holds_from_its_time_on(roster):
    assert [roster.bib_of(1, at_s) for at_s in (-1.0, 0.0, 999.9, 1000.0)] == [0, 11, 11, 12]
    assert roster.bib_of(2, 5.0) == 21
    assert roster.bib_of(99, 5.0) == 0


@given(
    st.lists(
        st.builds(Binding, st.integers(1, 4), st.integers(1, 9), st.integers(-3, 3)), max_size=9
    ),
    st.lists(st.tuples(st.integers(0, 5), st.integers(-8, 8)), max_size=9),
)
def test_bibs_in_columns_are_the_last_binding_begun_of_each_device(bindings, asked):
    bound = Roster("e", 1, 0.0, bytes(32), bytes(32), (), tuple(bindings), ())
    rows = np.array(asked, np.int64).reshape(-1, 2)
    expected = []
    for number, half in asked:
        begun = [b for b in bindings if b.device == number and b.from_s <= half / 2]
        last = max((b.from_s for b in begun), default=0)
        expected.append(next((b.bib for b in reversed(begun) if b.from_s == last), 0))
    assert bound.bibs_of(rows[:, 0], rows[:, 1] / 2).tolist() == expected


def test_a_published_roster_is_one_version_higher_in_every_folder(tmp_path):
    first = create_event(tmp_path, event="e", now_s=1.8e9, bibs=[1, 2], relays=["a", "b"])
    revoked = replace(first, devices=(replace(first.devices[0], revoked=True), first.devices[1]))
    publish_roster(tmp_path, revoked)
    homes = [tmp_path / "truck", tmp_path / "relays/a", tmp_path / "relays/b", tmp_path / "bikes"]
    for home in homes:
        found = keys.Credentials(home).roster()
        assert found.version == 2
        assert found.devices[0].revoked


def test_an_event_folder_is_made_once_and_says_so(tmp_path):
    create_event(tmp_path, event="e", now_s=1.8e9, bibs=[1], relays=["a"])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(Misconfigured, match="already holds an event"):
        create_event(tmp_path, event="f", now_s=1.8e9, bibs=[1], relays=["a"])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
