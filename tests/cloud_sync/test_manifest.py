import base64
import dataclasses
import hashlib
import json

import pytest

from cloud_sync.batch import BatchName
from cloud_sync.manifest import NO_PREVIOUS, PAYLOAD_TYPE, check_chain, open_manifest, sign_manifest
from hardware.errors import Damaged, Refused
from hardware.signing import SigningKey, sign_document

TRUCK = SigningKey(bytes(range(32)))


def make(seq: int, prev: str, rows: tuple[int, int], stream: str = "s", **more) -> bytes:
    return sign_manifest(
        BatchName(stream, seq),
        prev=prev,
        rows=rows,
        sha256=more.get("sha256", hashlib.sha256(bytes([seq])).hexdigest()),
        size=10,
        recipients=["a", "b"],
        now_s=1_800_000_000.25,
        key=more.get("key", TRUCK),
    )[0]


def digest(envelope: bytes) -> str:
    return open_manifest(envelope, TRUCK.public).digest


@pytest.fixture
def chain() -> list[bytes]:
    links: list[bytes] = []
    for seq in range(4):
        links.append(make(seq, digest(links[-1]) if links else NO_PREVIOUS, (seq * 5, seq * 5 + 5)))
    return links


def test_a_whole_chain_holds(chain: list[bytes]) -> None:
    manifests = check_chain("s", chain, TRUCK.public)
    assert [(m.lo, m.hi) for m in manifests] == [(0, 5), (5, 10), (10, 15), (15, 20)]
    assert manifests[0].sealed_at == "2027-01-15T08:00:00.250000+00:00"


def test_nothing_about_the_race_stands_in_a_manifest(chain: list[bytes]) -> None:
    manifest = open_manifest(chain[1], TRUCK.public)
    assert {field.name for field in dataclasses.fields(manifest)} == {
        "batch", "prev", "lo", "hi", "key", "sha256", "size", "recipients", "sealed_at", "digest",
        "keyset", "rider_keys",
    }  # fmt: skip


def test_any_one_byte_changed_is_refused(chain: list[bytes]) -> None:
    for place in range(len(chain[1])):
        for change in (0x01, 0x20, 0x80):
            wrong = bytearray(chain[1])
            wrong[place] ^= change
            with pytest.raises(Refused):
                open_manifest(bytes(wrong), TRUCK.public)


def test_any_length_but_its_own_is_refused(chain: list[bytes]) -> None:
    for cut in range(len(chain[1])):
        with pytest.raises(Refused):
            open_manifest(chain[1][:cut], TRUCK.public)
    with pytest.raises(Refused):
        open_manifest(chain[1] + b" ", TRUCK.public)


def test_each_wrong_link_is_named(chain: list[bytes]) -> None:
    first, second = digest(chain[0]), digest(chain[1])
    cases = {
        "replay of manifest s/000000000000": [chain[0], chain[0]],
        "manifest s/000000000002, served before its turn": [chain[0], chain[2]],
        "another stream, t": [chain[0], make(1, first, (5, 10), stream="t")],
        "the chain forks": [chain[0], chain[1], make(2, first, (10, 15))],
        "row 5 is next": [chain[0], make(1, first, (6, 10))],
        "rows 5 to 5": [chain[0], make(1, first, (5, 5))],
        "signature": [chain[0], chain[1], make(2, second, (10, 15), key=SigningKey(b"x" * 32))],
    }
    for sentence, links in cases.items():
        with pytest.raises(Damaged, match=sentence) as caught:
            check_chain("s", links, TRUCK.public)
        assert f"manifest s/{len(links) - 1:012d}" in str(caught.value)


def payload_of(envelope: bytes) -> dict:
    return json.loads(base64.b64decode(json.loads(envelope)["payload"]))


def test_manifests_of_version_1_are_still_read(chain: list[bytes]) -> None:
    old = {k: v for k, v in payload_of(chain[0]).items() if k not in {"keyset", "rider_keys"}}
    signed = sign_document({**old, "version": 1}, PAYLOAD_TYPE, TRUCK)
    manifest = open_manifest(signed, TRUCK.public)
    assert (manifest.hi, manifest.keyset, manifest.rider_keys) == (5, None, ())


@pytest.mark.parametrize(
    "change",
    [
        {"version": 3},
        {"version": 1},
        {"version": True},
        {"keyset": 0},
        {"keyset": "1"},
        {"rider_keys": ["7"]},
        {"rider_keys": None},
        {"seq": -1},
        {"seq": True},
        {"seq": "1"},
        {"rows": [0]},
        {"rows": [0, 1.5]},
        {"object": {}},
        {"object": {"key": "../x", "sha256": "0", "size": 1}},
        {"recipients": [1]},
        {"extra": 1},
        {"prev": None},
    ],
)
def test_a_signed_manifest_of_another_shape_is_refused(chain: list[bytes], change: dict) -> None:
    signed = sign_document({**payload_of(chain[0]), **change}, PAYLOAD_TYPE, TRUCK)
    with pytest.raises((Refused, Damaged)):
        check_chain("s", [signed], TRUCK.public)
