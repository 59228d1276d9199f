"""Key sets: who may open what, from the root's signature to the batch that leaves one out."""

import base64
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from odd_rows import OddRows

from cloud_sync.keyring import RecipientKey
from cloud_sync.keyset import (
    PAYLOAD_TYPE,
    KeySet,
    Kind,
    Member,
    check_recipients,
    encode_keyset,
    keyset_key,
    open_keyset,
    sign_keyset,
)
from cloud_sync.manifest import Manifest, open_manifest
from cloud_sync.outbox import Outbox
from cloud_sync.recipients import KeySetFile
from cloud_sync.replicate import Sealer
from hardware.errors import Damaged, Misconfigured, Refused
from hardware.signing import SigningKey, sign_document

ROOT = SigningKey(b"r" * 32)
OTHER = SigningKey(b"o" * 32)
BOTH = (Kind.READINGS, Kind.BIOMETRICS)


def recipient(name: str):
    return RecipientKey(name, name[0].encode() * 32).recipient()


def make(version: int = 1, names: str = "abc", name: str = "tour", revoked: str = "") -> KeySet:
    members = tuple(Member(recipient(n), BOTH, n in revoked) for n in names)
    return KeySet(name, version, members)


def test_a_signed_set_comes_back_as_it_was() -> None:
    keyset = make(3, revoked="c")
    opened = open_keyset(sign_keyset(keyset, ROOT), ROOT.public)
    assert opened == keyset
    assert [r.name for r in opened.active(Kind.READINGS)] == ["a", "b"]


def test_any_one_byte_changed_or_cut_is_refused() -> None:
    signed = sign_keyset(make(), ROOT)
    for place in range(0, len(signed), 7):
        wrong = bytearray(signed)
        wrong[place] ^= 1
        for data in (bytes(wrong), signed[:place]):
            with pytest.raises(Refused):
                open_keyset(data, ROOT.public)


def test_a_set_of_another_root_is_refused() -> None:
    with pytest.raises(Refused, match="signature"):
        open_keyset(sign_keyset(make(), OTHER), ROOT.public)


@pytest.mark.parametrize(
    ("keyset", "why"),
    [
        (make(0), "version 0"),
        (make(names="a"), "1 active recipients"),
        (make(names="abc", revoked="bc"), "1 active recipients"),
        (make(names="aab"), "names the name a twice"),
        (
            KeySet("tour", 1, (Member(recipient("a"), BOTH), Member(recipient("b"), BOTH[:1]))),
            "recipients of biometrics",
        ),
    ],
)
def test_a_set_nobody_should_seal_by_is_neither_signed_nor_taken(keyset: KeySet, why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        sign_keyset(keyset, ROOT)
    signed = sign_document(encode_keyset(keyset), PAYLOAD_TYPE, ROOT)
    with pytest.raises(Refused, match=why):
        open_keyset(signed, ROOT.public)


def test_one_key_under_two_names_is_refused() -> None:
    twin = Member(RecipientKey("twin", b"a" * 32).recipient(), BOTH)
    with pytest.raises(Misconfigured, match="names the key"):
        make().with_member(twin)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "truck.keyset/2"},
        {"version": "1"},
        {"version": True},
        {"name": "../x"},
        {"recipients": 3},
        {"recipients": [{}]},
        {"extra": 1},
    ],
)
def test_a_signed_set_of_another_shape_is_refused(change: dict) -> None:
    signed = sign_document({**encode_keyset(make()), **change}, PAYLOAD_TYPE, ROOT)
    with pytest.raises(Refused):
        open_keyset(signed, ROOT.public)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "0" * 16},
        {"public": "AAAA"},
        {"algorithm": "rsa-oaep-sha256"},
        {"algorithm": "none"},
        {"kinds": ["photos"]},
        {"revoked": 0},
        {"name": ""},
    ],
)
def test_a_recipient_of_another_shape_is_refused(change: dict) -> None:
    payload = encode_keyset(make())
    payload["recipients"][1] |= change
    with pytest.raises(Refused):
        open_keyset(sign_document(payload, PAYLOAD_TYPE, ROOT), ROOT.public)


@pytest.fixture
def lay(tmp_path: Path) -> Callable[..., Path]:
    """Lay a key set where the truck looks."""

    def write(keyset: KeySet, root: SigningKey = ROOT) -> Path:
        path = tmp_path / "keyset.json"
        path.write_bytes(sign_keyset(keyset, root))
        return path

    return write


def manifests(spool: Path, truck: bytes) -> list[Manifest]:
    with Outbox(spool) as outbox:
        return [open_manifest(entry.manifest, truck) for entry in outbox.waiting()]


def test_a_rotation_holds_from_the_next_batch_on(crew, lay: Callable, tmp_path: Path) -> None:
    file = KeySetFile(lay(make(1)), ROOT.public, tmp_path)
    sealer = Sealer(tmp_path, "t", crew.truck, file.of(Kind.READINGS))
    sealer.seal_due(OddRows(5), 1.0, flush=True)
    lay(make(2, "abcd", revoked="b"))
    sealer.seal_due(OddRows(9), 2.0, flush=True)
    sealer.close()
    first, second = manifests(tmp_path, crew.truck.public)
    ids = {n: recipient(n).key_id for n in "abcd"}
    assert (first.keyset, first.recipients) == (1, tuple(ids[n] for n in "abc"))
    assert (second.keyset, second.recipients) == (2, tuple(ids[n] for n in "acd"))
    for version in (1, 2):  # both wait for the pusher, as signed
        waiting = (tmp_path / keyset_key("t", version)).read_bytes()
        assert open_keyset(waiting, ROOT.public).version == version


@pytest.mark.parametrize(
    ("offered", "root", "why"),
    [
        (make(1), ROOT, "holds 2 already"),
        (make(3, name="giro"), ROOT, "this truck follows tour"),
        (make(3), OTHER, "no key set of this root"),
        (make(2, "abcd"), ROOT, "two forms of version 2"),
    ],
)
def test_a_set_that_may_not_be_taken_is_named_and_the_held_one_goes_on(
    lay: Callable, tmp_path: Path, offered: KeySet, root: SigningKey, why: str
) -> None:
    file = KeySetFile(lay(make(2)), ROOT.public, tmp_path / "spool")
    lay(offered, root)
    assert file.of(Kind.READINGS)().keyset == 2
    assert why in file.problem
    # after a restart just the same
    again = KeySetFile(tmp_path / "keyset.json", ROOT.public, tmp_path / "spool")
    assert (again.of(Kind.READINGS)().keyset, why in again.problem) == (2, True)
    lay(make(4))
    assert (again.of(Kind.READINGS)().keyset, again.problem) == (4, "")


def test_a_cut_or_missing_file_is_named(lay: Callable, tmp_path: Path) -> None:
    path = lay(make(1))
    whole = path.read_bytes()
    file = KeySetFile(path, ROOT.public, tmp_path / "spool")
    path.write_bytes(whole[:100])
    assert file.of(Kind.READINGS)().keyset == 1
    assert "no key set of this root" in file.problem
    path.unlink()
    assert file.of(Kind.READINGS)().keyset == 1
    assert "cannot read the key set" in file.problem
    with pytest.raises(Misconfigured, match="cannot read the key set"):
        KeySetFile(path, ROOT.public, tmp_path / "fresh")


def test_every_wrong_recipient_is_named(crew, lay: Callable, tmp_path: Path) -> None:
    file = KeySetFile(lay(make(1)), ROOT.public, tmp_path)
    sealer = Sealer(tmp_path, "t", crew.truck, file.of(Kind.READINGS))
    sealer.seal_due(OddRows(5), 1.0, flush=True)
    sealer.close()
    (manifest,) = chain = manifests(tmp_path, crew.truck.public)
    check_recipients(chain, {1: make(1)}, Kind.READINGS)
    cases = {
        "is none of them": {1: make(1, "ab")},
        "d was left out": {1: make(1, "abcd")},
        "which is missing": {2: make(2)},
    }
    for why, keysets in cases.items():
        with pytest.raises(Damaged, match=why):
            check_recipients(chain, keysets, Kind.READINGS)
    bare = dataclasses.replace(manifest, keyset=None)
    with pytest.raises(Damaged, match="by no key set"):
        check_recipients([bare], {1: make(1)}, Kind.READINGS)
    later = dataclasses.replace(manifest, keyset=2)
    with pytest.raises(Damaged, match="by key set 1, after 2"):
        check_recipients([later, manifest], {1: make(1), 2: make(2)}, Kind.READINGS)


def test_a_set_holds_nothing_secret() -> None:
    payload = json.loads(base64.b64decode(json.loads(sign_keyset(make(), ROOT))["payload"]))
    assert "seed" not in json.dumps(payload)
    assert (b"a" * 32).hex() not in json.dumps(payload)
