"""Every tampering is refused by its own name, by whoever can find it, and nothing is published.

A store, or whoever holds it, can do what the first table shows; the second needs the truck's own
signature over something false, and so a private key to find.
"""

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from odd_rows import odd_rows
from tampered_copy import (
    beat_of,
    digest,
    flip,
    payload,
    place,
    put_beat,
    seal_as,
    sign_for,
    sign_other,
    spoil_signature,
    swap,
)

from cloud_sync.ack import PAYLOAD_TYPE as ACK
from cloud_sync.batch import BatchName
from cloud_sync.beat import PAYLOAD_TYPE as BEAT
from cloud_sync.beat import beat_prefix, sign_beat
from cloud_sync.keyring import Recipient, RecipientKey
from cloud_sync.sealed_parquet import write_plain
from cloud_sync.tampering import NEED_A_KEY, Tampering
from hardware.signing import SigningKey, sign_document

STRANGER = SigningKey(b"e" * 32)
STRANGE = RecipientKey("stranger", b"e" * 32).recipient()
YESTERDAY = {"at_s": 1_700_000_000.0, "expires_s": 1_700_000_030.0}
OF_KEYS = ("keyset_", "erasure_", "rider_key_")  # test_erase.py and test_keyset.py
LATER = "2027-01-15T09:00:00+00:00"


@dataclass(frozen=True)
class Scene:
    """A copy, another stream's copy of the same truck, and the truck's own keys."""

    remote: Path
    other: Path
    truck: SigningKey
    recipients: list[Recipient]
    folder: Path

    def manifest(self, seq: int) -> Path:
        return place(self.remote, "manifest", seq)

    def data(self, seq: int) -> Path:
        return place(self.remote, "data", seq)

    def beat(self, number: int = 1, seq: int = 4, key: SigningKey | None = None, **change) -> Path:
        told = beat_of(self.remote, seq, **change)
        return put_beat(self.remote, number, sign_beat(told, key or self.truck))

    def signed_beat(self, **change) -> bytes:
        envelope = json.loads(self.beat().read_bytes())
        said = json.loads(base64.b64decode(envelope["payload"]))
        return sign_document(said | change, BEAT, self.truck)

    def sealed(self, seq: int = 4, lo: int = 350, hi: int = 351, **about: str) -> bytes:
        path = self.folder / "sealed"
        batch = BatchName("truck-1", seq)
        return seal_as(odd_rows(lo, hi), path, batch, self.recipients, **about)


@dataclass(frozen=True)
class Case:
    """What is done, and then how it is asked; `pulled` when it was pulled once before."""

    act: Callable[[Scene], object]
    flags: Callable[[Scene], list[str]] = lambda _: []
    pulled: bool = False


def live(_: Scene) -> list[str]:
    return ["--live"]


def anchored(scene: Scene) -> list[str]:
    return ["--stream", "truck-1", "--anchor", f"4:{digest(scene.other / 'whole', 4)}"]


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def resign(scene: Scene, data: bytes, seq: int = 4) -> None:
    sign_for(scene.remote, seq, data, scene.truck)


def plain(scene: Scene) -> bytes:
    write_plain(odd_rows(350, 351), scene.folder / "plain")
    return (scene.folder / "plain").read_bytes()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def closed(data: bytes) -> bytes:
    """Another data key in the envelope of the first recipient: one character of it changed."""
    at = data.index(b'sealed\\"') + 200 if b'sealed\\"' in data else data.index(b"sealed") + 200
    return data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :]


def other_object(s: Scene) -> bytes:
    return next((s.other / "truck-2" / "data").glob("*0002-*")).read_bytes()


def version(s: Scene, number: int) -> None:
    sign_other(s.remote, 4, s.truck, version=number)


T = Tampering
BY_A_STORE: dict[Tampering, Case] = {
    T.STREAM_MISSING: Case(lambda s: shutil.rmtree(s.remote / "truck-1" / "manifest")),
    T.FIRST_MISSING: Case(lambda s: s.manifest(0).unlink()),
    T.MANIFEST_MISSING: Case(lambda s: s.manifest(2).unlink()),
    T.MANIFEST_JUNK: Case(
        lambda s: s.manifest(4).with_name("000000000005.json").write_bytes(b"{}")
    ),
    T.MANIFEST_TYPE: Case(lambda s: shutil.copy(s.beat(), s.manifest(2))),
    T.MANIFEST_SIGNER: Case(lambda s: sign_other(s.remote, 2, STRANGER)),
    T.MANIFEST_SIGNATURE: Case(lambda s: spoil_signature(s.manifest(2))),
    T.MANIFEST_SPELLING: Case(
        lambda s: s.manifest(2).write_text(s.manifest(2).read_text().replace(":", ": "))
    ),
    T.MANIFEST_REPLAYED: Case(lambda s: shutil.copy(s.manifest(1), s.manifest(2))),
    T.MANIFEST_REORDERED: Case(lambda s: swap(s.manifest(1), s.manifest(2))),
    T.MANIFEST_OTHER_STREAM: Case(
        lambda s: shutil.copy(s.other / "truck-2/manifest/000000000002.json", s.manifest(2))
    ),
    T.CHAIN_FORKED: Case(lambda s: sign_other(s.remote, 2, s.truck, sealed_at=LATER)),
    T.HEAD_WITHHELD: Case(lambda s: s.manifest(4).unlink(), pulled=True),
    T.HEAD_FORKED: Case(
        lambda s: sign_other(s.remote, 4, s.truck, sealed_at=LATER), pulled=True
    ),
    T.ANCHOR_WITHHELD: Case(lambda s: (s.manifest(4).unlink(), s.data(4).unlink()), anchored),
    T.ANCHOR_FORKED: Case(
        lambda s: sign_other(s.remote, 4, s.truck, sealed_at=LATER), anchored
    ),
    T.BEAT_MISSING: Case(lambda s: None, live),
    T.BEAT_EXPIRED: Case(lambda s: s.beat(**YESTERDAY), live),
    T.BEAT_AHEAD: Case(lambda s: (s.beat(), s.manifest(4).unlink())),
    T.BEAT_FORKED: Case(lambda s: s.beat(digest="ab" * 32)),
    T.BEAT_WITHHELD: Case(
        lambda s: shutil.rmtree(s.remote / beat_prefix("truck-1")), pulled=True
    ),
    T.BEAT_OTHER_STREAM: Case(lambda s: s.beat(stream="truck-2")),
    T.BEAT_JUNK: Case(lambda s: put_beat(s.remote, 1, b"\xff\x00 junk")),
    T.BEAT_TYPE: Case(lambda s: put_beat(s.remote, 1, s.manifest(4).read_bytes())),
    T.BEAT_SIGNER: Case(lambda s: s.beat(key=STRANGER)),
    T.BEAT_SIGNATURE: Case(lambda s: spoil_signature(s.beat())),
    T.BEAT_SPELLING: Case(lambda s: s.beat().write_bytes(s.beat().read_bytes() + b"\n")),
    T.OBJECT_MISSING: Case(lambda s: s.data(2).unlink()),
    T.OBJECT_MISPLACED: Case(
        lambda s: s.data(2).rename(s.data(2).with_name(f"copy-of-{s.data(2).name}"))
    ),
    T.OBJECT_EMPTY: Case(lambda s: s.data(2).write_bytes(b"")),
    T.OBJECT_SHORTER: Case(lambda s: cut(s.data(2), -1)),
    T.OBJECT_LONGER: Case(lambda s: s.data(2).write_bytes(s.data(2).read_bytes() + b"x")),
    T.OBJECT_SWAPPED: Case(lambda s: swap(s.data(2), s.data(3))),
    T.OBJECT_OTHER_STREAM: Case(lambda s: s.data(2).write_bytes(other_object(s))),
    T.OBJECT_CHANGED: Case(lambda s: flip(s.data(2), 999)),
}  # fmt: skip
BY_A_FALSE_TRUCK: dict[Tampering, Case] = {
    T.MANIFEST_VERSION: Case(lambda s: version(s, 99)),
    T.MANIFEST_FIELDS: Case(lambda s: sign_other(s.remote, 4, s.truck, riders=[11])),
    T.ROWS_MISSING: Case(lambda s: sign_other(s.remote, 4, s.truck, rows=[351, 352])),
    T.ROWS_REPEATED: Case(lambda s: sign_other(s.remote, 4, s.truck, rows=[349, 351])),
    T.ROWS_NONE: Case(lambda s: sign_other(s.remote, 4, s.truck, rows=[350, 350])),
    T.OBJECT_NAME: Case(
        lambda s: sign_other(
            s.remote, 4, s.truck,
            object=payload(s.remote, 4)["object"] | {"key": "truck-2/data/x.parquet"},
        )
    ),
    T.BEAT_VERSION: Case(lambda s: put_beat(s.remote, 2, s.signed_beat(version=2))),
    T.BEAT_FIELDS: Case(lambda s: put_beat(s.remote, 2, s.signed_beat(rows=-1))),
    T.OBJECT_NOT_SEALED: Case(lambda s: resign(s, plain(s))),
    T.ENVELOPE_OTHER_BATCH: Case(lambda s: resign(s, s.data(1).read_bytes())),
    T.ENVELOPE_RECIPIENTS: Case(lambda s: resign(s, replace(s, recipients=[STRANGE]).sealed())),
    T.ENVELOPE_CLOSED: Case(lambda s: resign(s, closed(s.data(4).read_bytes()))),
    T.PAGES_DAMAGED: Case(lambda s: resign(s, flipped(s.data(4).read_bytes(), 300))),
    T.FORMAT_UNKNOWN: Case(lambda s: resign(s, s.sealed(format="truck.batch/9"))),
    T.FOOTER_OTHER_BATCH: Case(lambda s: resign(s, s.sealed(batch="truck-1/000000000003"))),
    T.ROW_COUNT: Case(lambda s: resign(s, s.sealed(lo=349))),
    T.ROW_IDS: Case(lambda s: resign(s, s.sealed(lo=10, hi=11))),
}  # fmt: skip
CASES = BY_A_STORE | BY_A_FALSE_TRUCK


@pytest.fixture(scope="session")
def other(crew, pushed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another stream of the same truck, and the first one untouched."""
    home = tmp_path_factory.mktemp("other")
    remote = crew.push(home, "truck-2", [40, 80, 120])
    shutil.copytree(pushed, remote / "whole")
    return remote


@pytest.fixture
def scene(crew, remote: Path, other: Path, tmp_path: Path) -> Scene:
    pair = [crew.operations.recipient(), crew.recovery.recipient()]
    return Scene(remote, other, crew.truck, pair, tmp_path)


def published(folder: Path) -> dict[str, bytes]:
    """All that engines or people find in a pull's folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    shown = [path for path in files if ".pull" not in path.relative_to(folder).parts]
    return {str(path): path.read_bytes() for path in shown if path.name != ".pull.lock"}


def reasons(done) -> list[str]:
    return [found["reason"] for found in done.json()["streams"][0]["failures"]]


def test_the_table_holds_every_name_once() -> None:
    assert len(BY_A_STORE) >= 25
    assert not BY_A_STORE.keys() & BY_A_FALSE_TRUCK.keys()
    rest = {name for name in set(Tampering) - CASES.keys() if not name.startswith(OF_KEYS)}
    assert rest == {T.OTHER, T.ACK_FORKED}


@pytest.mark.parametrize("name", CASES)
def test_a_tampering_is_refused_by_its_own_name(
    cli, crew, pull, scene: Scene, tmp_path: Path, name: Tampering
) -> None:
    case = CASES[name]
    if case.pulled:
        scene.beat(seq=3)
        assert pull(scene.remote).code == 0
    before = published(tmp_path / "out")
    case.act(scene)
    flags = case.flags(scene)
    done = pull(scene.remote, "--json", *flags)
    assert (done.code, set(reasons(done))) == (65, {name})
    assert [line[:7] for line in done.err.splitlines()].count("error: ") == 1
    assert done.err.splitlines()[-1].startswith("error: ")
    assert published(tmp_path / "out") == before
    truck = ["--truck", crew.truck.public.hex(), "--json", *flags]
    blind = cli("verify", scene.remote, *truck)
    seeing = cli("verify", scene.remote, *truck, "--key", crew.key_file)
    if case.pulled:  # who never pulled cannot know
        assert blind.code == seeing.code == 0
    elif name in NEED_A_KEY:
        assert (blind.code, name in blind.json()["unchecked"]) == (0, True)
        assert (seeing.code, set(reasons(seeing)), seeing.json()["unchecked"]) == (65, {name}, [])
    else:
        assert (blind.code, set(reasons(blind))) == (65, {name})
        assert (seeing.code, set(reasons(seeing))) == (65, {name})


VARIANTS: dict[str, tuple[Case, Tampering]] = {
    "the object is cut to half": (Case(lambda s: cut(s.data(2), 2000)), T.OBJECT_SHORTER),
    "a manifest is cut": (Case(lambda s: cut(s.manifest(2), 100)), T.MANIFEST_JUNK),
    "a manifest is empty": (Case(lambda s: cut(s.manifest(2), 0)), T.MANIFEST_JUNK),
    "the recipients of a manifest are edited": (
        Case(lambda s: sign_other(s.remote, 2, STRANGER, recipients=["0" * 16])), T.MANIFEST_SIGNER,
    ),
    "an ack stands in a manifest's place": (
        Case(lambda s: s.manifest(2).write_bytes(sign_document({}, ACK, s.truck))), T.MANIFEST_TYPE,
    ),
    "the stream is renamed": (
        Case(lambda s: (s.remote / "truck-1").rename(s.remote / "truck-0")),
        T.MANIFEST_OTHER_STREAM,
    ),
    "the stream is renamed, and somebody knows its head": (
        Case(
            lambda s: (s.remote / "truck-1").rename(s.remote / "truck-9"),
            lambda s: ["--anchor", str(head_file(s))],
        ),
        T.ANCHOR_WITHHELD,
    ),
    "the last two batches are withheld, a second store has them": (
        Case(
            lambda s: [(s.manifest(n).unlink(), s.data(n).unlink()) for n in (3, 4)],
            lambda s: ["--stream", "truck-1", "--also", str(s.other / "whole")],
        ),
        T.ANCHOR_WITHHELD,
    ),
    "the last batch is withheld, a beat retained elsewhere names it": (
        Case(
            lambda s: (
                s.beat().rename(s.folder / "retained"),
                s.manifest(4).unlink(), s.data(4).unlink(),
            ),
            lambda s: ["--anchor", str(s.folder / "retained")],
        ),
        T.ANCHOR_WITHHELD,
    ),
    "a beat older than the one seen is served": (
        Case(lambda s: s.beat(number=2, seq=3, **YESTERDAY), pulled=True),
        T.BEAT_WITHHELD,
    ),
}  # fmt: skip


def head_file(s: Scene) -> Path:
    path = s.folder / "head.json"
    told = {"stream": "truck-1", "seq": 4, "digest": digest(s.other / "whole", 4)}
    path.write_text(json.dumps({"schema": "cloud-sync.head/1", "heads": [told]}))
    return path


@pytest.mark.parametrize("what", VARIANTS)
def test_other_ways_to_the_same_end_are_named_too(
    pull, scene: Scene, tmp_path: Path, what: str
) -> None:
    case, name = VARIANTS[what]
    if case.pulled:
        scene.beat(number=1)
        assert pull(scene.remote).code == 0
    before = published(tmp_path / "out")
    case.act(scene)
    done = pull(scene.remote, "--json", *case.flags(scene))
    assert (done.code, name in reasons(done)) == (65, True)
    assert published(tmp_path / "out") == before


def test_a_bit_flipped_anywhere_in_an_object_is_found(cli, crew, scene: Scene) -> None:
    whole = scene.data(2).read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 40)):
        scene.data(2).write_bytes(flipped(whole, at))
        done = cli("verify", scene.remote, "--truck", crew.truck.public.hex(), "--json")
        # in the clear part that names the batch it looks like another batch's object
        allowed = {T.OBJECT_CHANGED, T.OBJECT_SWAPPED, T.OBJECT_OTHER_STREAM}
        assert (done.code, set(reasons(done)) <= allowed) == (65, True)


def test_a_bit_flipped_and_signed_for_is_found_with_a_key(crew, scene: Scene) -> None:
    from cloud_sync.audit import verify_stream
    from cloud_sync.folder import Folder

    whole = scene.data(4).read_bytes()
    for at in range(4, len(whole), max(1, len(whole) // 60)):
        resign(scene, flipped(whole, at))
        audit = verify_stream(
            Folder(scene.remote), "truck-1", crew.truck.public, crew.operations, lambda *_: None
        )
        assert audit.failures or opens_the_same(scene, crew, whole), at


def opens_the_same(scene: Scene, crew, whole: bytes) -> bool:
    """A flip in the recovery's envelope harms nobody who holds the operations key."""
    from cloud_sync.folder import Folder
    from cloud_sync.manifest import open_manifest
    from cloud_sync.opening import Opener

    manifest = open_manifest(scene.manifest(4).read_bytes(), crew.truck.public)
    opener = Opener(Folder(scene.remote), "truck-1", crew.operations)
    return opener.open(scene.data(4).read_bytes(), manifest).equals(odd_rows(350, 351))


def test_junk_beside_what_is_named_harms_nobody(pull, scene: Scene) -> None:
    for name in ("data/2.parquet", "manifest/2.json", "manifest/000000000002.json.bak", "x/y"):
        path = scene.remote / "truck-1" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"junk")
    done = pull(scene.remote, "--json")
    assert (done.code, done.json()["rows"]) == (0, 351)
    assert done.json()["streams"][0]["unlisted"] == ["truck-1/data/2.parquet"]


@pytest.mark.parametrize("anchor", ["4", "4:abcd", "nowhere.json", "junk.json"])
def test_an_anchor_that_is_none_is_one_sentence(pull, scene: Scene, anchor: str) -> None:
    (scene.folder / "junk.json").write_text('{"schema": "other"}')
    done = pull(scene.remote, "--stream", "truck-1", "--anchor", anchor)
    assert (done.code, len(done.err.strip().splitlines())) == (78, 1)


def test_an_anchor_that_another_signed_is_refused(pull, scene: Scene) -> None:
    forged = scene.beat(key=STRANGER).rename(scene.folder / "retained")
    done = pull(scene.remote, "--anchor", forged)
    assert (done.code, "is not a beat the truck signed" in done.err) == (65, True)


def test_the_rows_are_the_rows(pull, scene: Scene, tmp_path: Path) -> None:
    scene.beat()
    assert pull(scene.remote, "--live", *anchored(scene)).code == 0
    (file,) = (tmp_path / "out").rglob("*.parquet")
    assert pq.ParquetFile(file).read()["row_id"].to_pylist() == list(range(351))
