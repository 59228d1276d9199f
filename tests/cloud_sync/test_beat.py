"""Beats and acks: one shape each, and every other refused by its reason."""

import base64
import dataclasses
import json
from collections.abc import Callable

import pytest

from cloud_sync.ack import PAYLOAD_TYPE as ACK_TYPE
from cloud_sync.ack import Ack, ack_key, open_ack, sign_ack
from cloud_sync.beat import PAYLOAD_TYPE as BEAT_TYPE
from cloud_sync.beat import Beat, beat_key, open_beat, sign_beat
from hardware.errors import Reason, Refused
from hardware.signing import SigningKey, sign_document

KEY, OTHER = SigningKey(bytes(range(32))), SigningKey(b"x" * 32)
HEAD = ("truck-1", 41, "ab" * 32, 9_000)
BEAT = Beat(*HEAD, 1_800_000_000.25, 1_800_000_120.25)
ACK = Ack(*HEAD, 1_800_000_003.5)
KINDS = {
    "beat": (sign_beat(BEAT, KEY), open_beat, BEAT_TYPE),
    "ack": (sign_ack(ACK, KEY), open_ack, ACK_TYPE),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[bytes, Callable, str]:
    return KINDS[request.param]


def reason(kind: tuple[bytes, Callable, str], envelope: bytes, key: SigningKey = KEY) -> Reason:
    with pytest.raises(Refused) as caught:
        kind[1](envelope, key.public)
    return caught.value.reason


def test_what_was_signed_comes_back() -> None:
    assert open_beat(KINDS["beat"][0], KEY.public) == BEAT
    assert open_ack(KINDS["ack"][0], KEY.public) == ACK


def test_a_beat_is_fresh_until_it_expires() -> None:
    assert BEAT.is_fresh(BEAT.expires_s - 0.01)
    assert not BEAT.is_fresh(BEAT.expires_s)


def test_their_keys_sort_by_number() -> None:
    assert beat_key("truck-1", 7) == "truck-1/beat/000000000007.json"
    assert ack_key("truck-1", 41) == "truck-1/acks/000000000041.json"


def test_any_one_byte_changed_or_missing_is_refused(kind) -> None:
    envelope, opened, _ = kind
    for place in range(len(envelope)):
        for wrong in (
            envelope[:place] + bytes([envelope[place] ^ 0x20]) + envelope[place + 1 :],
            envelope[:place],
        ):
            with pytest.raises(Refused):
                opened(wrong, KEY.public)
    assert reason(kind, envelope + b" ") == Reason.MALFORMED


def test_anothers_signature_is_none(kind) -> None:
    assert reason(kind, kind[0], OTHER) == Reason.SIGNATURE


def test_one_kind_of_document_is_not_taken_for_the_other() -> None:
    for name, other in (("beat", "ack"), ("ack", "beat")):
        assert reason(KINDS[name], KINDS[other][0]) == Reason.MALFORMED


def test_an_endless_document_is_not_read(kind) -> None:
    assert reason(kind, kind[0] + b" " * 4096) == Reason.OVERSIZE


@pytest.mark.parametrize(
    "change",
    [
        {"stream": "../x"}, {"stream": None}, {"seq": -1}, {"seq": True}, {"seq": "1"},
        {"digest": "AB" * 32}, {"digest": "ab"}, {"rows": 41}, {"rows": 1e4}, {"extra": 1},
        {"at": 1_800_000_000}, {"at": "2027-01-15T08:00:00"}, {"at": "2027-01-15T09:00:00+01:00"},
        {"at": "soon"}, {"at": "9999-12-31T23:59:59+00:00x"},
    ],
)  # fmt: skip
def test_a_signed_document_of_another_shape_is_refused(kind, change: dict) -> None:
    payload = json.loads(base64.b64decode(json.loads(kind[0])["payload"]))
    assert reason(kind, sign_document({**payload, **change}, kind[2], KEY)) == Reason.MALFORMED
    del payload["digest"]
    assert reason(kind, sign_document(payload, kind[2], KEY)) == Reason.MALFORMED


def test_another_version_is_named(kind) -> None:
    payload = json.loads(base64.b64decode(json.loads(kind[0])["payload"]))
    for version in (2, "1", None):
        wrong = sign_document({**payload, "version": version}, kind[2], KEY)
        assert reason(kind, wrong) == Reason.VERSION


def test_a_beat_that_was_never_fresh_is_refused() -> None:
    wrong = dataclasses.replace(BEAT, expires_s=BEAT.at_s)
    assert reason(KINDS["beat"], sign_beat(wrong, KEY)) == Reason.MALFORMED
