"""The offline root, a rotation and a grant, as their people do them."""

import shutil
from pathlib import Path

import pytest
from copy_desk import BIO, STREAM, Desk
from odd_rows import OddRows

from cloud_sync.cloud_copy import Access
from cloud_sync.keyring import read_recipient
from cloud_sync.keyset import Kind, keyset_key, open_keyset
from cloud_sync.recipients import InForce
from cloud_sync.replicate import Sealer


class Root:
    """The machine with the root's key: one draft, one signed set."""

    def __init__(self, cli, desk: Desk, name: str = "root") -> None:
        self.cli, self.desk, self.name = cli, desk, name
        self.draft, self.signed = desk.path(f"{name}.draft"), desk.path("keyset.json")
        assert cli("keys", "root", desk.path(name)).code == 0
        assert cli("keys", "set", "new", self.draft, "--name", "tour").code == 0

    @property
    def public(self) -> str:
        return self.desk.path(f"{self.name}.pub").read_text().strip()

    def add(self, *names: str, kinds: tuple[str, ...] = ("readings",)) -> None:
        words = [word for kind in kinds for word in ("--for", kind)]
        pubs = [self.desk.path(f"{name}.pub") for name in names]
        done = self.cli("keys", "set", "add", self.draft, *pubs, *words)
        assert done.code == 0, done.err

    def sign(self):
        key = self.desk.path(f"{self.name}.key")
        return self.cli("keys", "set", "sign", self.draft, "--root-key", key, "--to", self.signed)

    def access(self) -> Access:
        return Access(keyset=self.signed, keyset_root=self.public)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "desk", str(tmp_path / "remote"))


@pytest.fixture
def root(cli, desk: Desk) -> Root:
    made = Root(cli, desk)
    made.add("operations")
    made.add("medical", kinds=("biometrics",))
    made.add("recovery", kinds=("readings", "biometrics"))
    made.add("newcomer", kinds=("readings", "biometrics"))
    assert made.sign().code == 0
    return made


def pull(cli, desk: Desk, name: str, to: Path):
    return cli("pull", desk.url, "--to", to, *desk.key(name), *desk.trust(), "--json")


def streams(done) -> list[str]:
    return [stream["stream"] for stream in done.json()["streams"]]


def test_a_set_is_drafted_signed_and_shown(cli, root: Root) -> None:
    shown = cli("keys", "set", "show", root.signed, "--root", root.public, "--json")
    document = shown.json()
    assert (document["schema"], document["version"], document["signed"]) == (
        "truck.keyset/1", 1, True,
    )  # fmt: skip
    assert [r["name"] for r in document["recipients"]][:2] == ["operations", "medical"]
    assert "operations" in cli("keys", "set", "show", root.draft).out
    assert root.sign().code == 0
    assert cli("keys", "set", "show", root.signed, "--root", root.public, "--json").json()[
        "version"
    ] == 2  # fmt: skip


def test_a_revoked_recipient_opens_what_was_sealed_before_and_nothing_later(
    cli, desk: Desk, root: Root, tmp_path: Path
) -> None:
    desk.seal(40, root.access())
    assert cli("keys", "set", "revoke", root.draft, "newcomer").code == 0
    assert root.sign().code == 0
    desk.seal(40, root.access())
    desk.push()
    for stream in (STREAM, BIO):
        for version in (1, 2):
            assert (Path(desk.url) / keyset_key(stream, version)).exists()
    done = cli("verify", desk.url, *desk.trust(), "--root", root.public, "--json")
    assert done.code == 0, done.err
    assert {s["keyset"]["version"] for s in done.json()["streams"]} == {2}
    late = pull(cli, desk, "newcomer", tmp_path / "late")
    assert late.code == 78
    assert "cannot open batch truck-1/000000000001" in late.err
    for name, opened in {
        "operations": [STREAM], "medical": [BIO], "recovery": [STREAM, BIO],
    }.items():  # fmt: skip
        held = pull(cli, desk, name, tmp_path / name)
        assert (held.code, streams(held)) == (0, opened)


def test_who_may_read_only_readings_is_told_so_of_biometrics(
    cli, desk: Desk, root: Root, tmp_path: Path
) -> None:
    desk.seal(40, root.access())
    desk.push()
    left_out = pull(cli, desk, "operations", tmp_path / "out")
    assert f"{BIO}: not sealed to this key, left out" in left_out.err
    asked = cli(
        "pull", desk.url, "--to", tmp_path / "o2", "--stream", BIO, *desk.key("operations"),
        *desk.trust(),
    )  # fmt: skip
    assert (asked.code, "cannot open batch truck-1.bio/" in asked.err) == (78, True)


def keyset_file(desk: Desk, stream: str = STREAM) -> Path:
    return Path(desk.url) / keyset_key(stream, 1)


TAMPERINGS = {
    "a key set removed": (lambda d: keyset_file(d).unlink(), "which is missing"),
    "a key set cut": (
        lambda d: keyset_file(d).write_bytes(keyset_file(d).read_bytes()[:200]),
        "no key set the root signed",
    ),
    "a key set under another version": (
        lambda d: shutil.copy(keyset_file(d), Path(d.url) / keyset_key(STREAM, 2)),
        "holds version 1 of the key set",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_with_key_sets_is_named(cli, desk: Desk, root: Root, name: str) -> None:
    desk.seal(40, root.access())
    desk.push()
    tamper, why = TAMPERINGS[name]
    tamper(desk)
    done = cli("verify", desk.url, *desk.trust(), "--root", root.public)
    assert done.code == 65
    assert why in done.err


def test_batches_of_another_root_or_of_no_key_set_are_named(cli, desk: Desk, root: Root) -> None:
    desk.seal(40, root.access())
    desk.push()
    other = Root(cli, desk, "other")
    done = cli("verify", desk.url, *desk.trust(), "--root", other.public)
    assert (done.code, "no key set the root signed" in done.err) == (65, True)
    plain = Desk(desk.folder / "plain", str(desk.folder / "remote-2"))
    plain.seal(40)
    plain.push()
    done = cli("verify", plain.url, *plain.trust(), "--root", root.public)
    assert (done.code, "was sealed by no key set" in done.err) == (65, True)


def test_recipients_other_than_the_key_sets_are_named(cli, desk: Desk, root: Root) -> None:
    """A truck that seals to one more than its key set has, and says it followed it."""
    signed = root.signed.read_bytes()
    keyset = open_keyset(signed, bytes.fromhex(root.public))
    one_more = (*keyset.active(Kind.READINGS), read_recipient(desk.path("medical.pub")))
    sealer = Sealer(desk.spool, STREAM, desk.truck, lambda: InForce(one_more, 1, signed))
    sealer.seal_due(OddRows(40), 1.0, flush=True)
    sealer.close()
    desk.push()
    done = cli("verify", desk.url, *desk.trust(), "--root", root.public)
    assert done.code == 65
    assert "was not sealed to the recipients of key set 1" in done.err
    assert f"{one_more[-1].key_id} is none of them" in done.err


def test_an_old_batch_opens_to_a_new_recipient_and_no_object_changes(
    cli, desk: Desk, tmp_path: Path
) -> None:
    for _ in range(3):
        desk.seal(40)
    desk.push()
    data = {p: p.read_bytes() for p in Path(desk.url).rglob("*") if p.is_file()}
    assert pull(cli, desk, "newcomer", tmp_path / "no").code == 78
    to = ["--to", str(desk.path("newcomer.pub"))]
    trust = ["--truck", desk.truck.public.hex()]
    done = cli("keys", "grant", desk.url, *to, *desk.key("recovery"), *trust, "--json")
    assert done.code == 0, done.err
    assert done.json()["streams"] == {STREAM: 3, BIO: 3 + 3}
    assert {path: path.read_bytes() for path in data} == data
    again = cli("keys", "grant", desk.url, *to, *desk.key("recovery"), *trust, "--json")
    assert again.json()["streams"] == {STREAM: 0, BIO: 0}
    held = pull(cli, desk, "newcomer", tmp_path / "out")
    assert (held.code, streams(held)) == (0, [STREAM, BIO])
    known = pull(cli, desk, "recovery", tmp_path / "known")
    assert known.json()["rows"] == held.json()["rows"] == 240
    for path in (tmp_path / "known").rglob("*.parquet"):
        twin = tmp_path / "out" / path.relative_to(tmp_path / "known")
        assert twin.read_bytes() == path.read_bytes()


def test_a_grant_in_another_place_opens_nothing(cli, desk: Desk, tmp_path: Path) -> None:
    for _ in range(2):
        desk.seal(40)
    desk.push()
    to = ["--to", str(desk.path("newcomer.pub"))]
    trust = ["--truck", desk.truck.public.hex()]
    done = cli("keys", "grant", desk.url, *to, *desk.key("operations"), *trust, "--stream", STREAM)
    assert done.code == 0, done.err
    first, second = sorted((Path(desk.url) / STREAM / "keys" / "grants").iterdir())
    second.write_bytes(first.read_bytes())
    held = pull(cli, desk, "newcomer", tmp_path / "out")
    assert held.code == 65
    assert "the key of batch truck-1/000000000001 does not open" in held.err
    first.write_bytes(b"junk")
    held = pull(cli, desk, "newcomer", tmp_path / "other")
    assert "the key of batch truck-1/000000000000 does not open" in held.err
    for name in ("out", "other"):
        assert not list((tmp_path / name / STREAM).glob("*.parquet"))


def test_who_cannot_open_cannot_grant(cli, desk: Desk) -> None:
    desk.seal(40)
    desk.push()
    done = cli(
        "keys", "grant", desk.url, "--to", desk.path("medical.pub"), *desk.key("newcomer"),
        "--truck", desk.truck.public.hex(),
    )  # fmt: skip
    assert (done.code, "cannot open batch" in done.err) == (78, True)


def test_after_an_erasure_the_others_are_still_granted(cli, desk: Desk, tmp_path: Path) -> None:
    desk.seal(40)
    desk.push()
    assert cli(*desk.erase()).code == 0
    to = ["--to", str(desk.path("newcomer.pub"))]
    done = cli("keys", "grant", desk.url, *to, *desk.key("medical"), *desk.trust(), "--json")
    assert done.code == 0, done.err
    assert done.json()["streams"] == {BIO: 3}
    assert cli(*desk.erase(rider=198)).code == 0  # and his grant goes with his key
    assert len(list((Path(desk.url) / BIO / "keys" / "grants").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["set", "revoke", "{draft}", "nobody"], "nobody is not in it"),
        (["set", "add", "{draft}", "{desk}/operations.pub"], "names the name operations twice"),
        (["set", "add", "{draft}", "{desk}/operations.key"], "holds no recipient's public key"),
        (["set", "new", "{draft}", "--name", "x"], "exists already"),
        (["set", "show", "{signed}"], "no draft of a key set"),
        (["set", "show", "{draft}", "--root", "ab" * 32], "no key set of this root"),
        (["set", "sign", "{draft}", "--root-key", "none", "--to", "x"], "cannot read"),
        (["root", "{desk}/root"], "never overwritten"),
    ],
)
def test_a_slip_is_one_sentence(cli, desk: Desk, root: Root, words: list[str], why: str) -> None:
    places = {"draft": root.draft, "signed": root.signed, "desk": desk.folder}
    done = cli("keys", *[word.format(**places) for word in words])
    assert done.code in (65, 78)
    assert why in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_set_with_one_recipient_is_not_signed(cli, desk: Desk) -> None:
    root = Root(cli, desk)
    root.add("operations")
    done = root.sign()
    assert (done.code, "two are needed" in done.err) == (78, True)
    assert not root.signed.exists()
