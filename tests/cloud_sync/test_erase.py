"""Erasing one rider: his biometrics are noise on every copy, all else is what it was."""

import hashlib
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
from body_rows import body_rows
from copy_desk import BIO, STREAM, Desk
from odd_rows import odd_rows

from cloud_sync.erasure import Erasure, erasure_key, open_erasure, sign_erasure
from cloud_sync.rider_keys import rider_key_prefix
from cloud_sync.sealed_parquet import is_same
from hardware.errors import Refused
from hardware.signing import SigningKey


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "desk", str(tmp_path / "remote"))
    for _ in range(3):
        made.seal(40)
    made.push()
    return made


def pulled(folder: Path, stream: str) -> pa.Table:
    stages = ds.partitioning(pa.schema([("stage", pa.string())]), flavor="hive")
    found = ds.dataset(folder / f"stream={stream}", format="parquet", partitioning=stages)
    return found.to_table().sort_by("row_id")


def others(table: pa.Table, bib: int = 7) -> pa.Table:
    return table.filter(pc.not_equal(table["bib"], bib))


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_each_key_opens_its_own_stream_and_rows_join_by_row_id(cli, desk: Desk, tmp_path) -> None:
    out = tmp_path / "out"
    for name, stream, rows in (
        ("operations", STREAM, odd_rows(0, 120)),
        ("medical", BIO, body_rows(0, 120)),
    ):
        done = cli("pull", desk.url, "--to", out, *desk.key(name), *desk.trust(), "--json")
        assert done.code == 0, done.err
        assert [s["stream"] for s in done.json()["streams"]] == [stream]
        assert is_same(pulled(out, stream).select(rows.column_names), rows)
    both = tmp_path / "both"
    assert cli("pull", desk.url, "--to", both, *desk.key("recovery"), *desk.trust()).code == 0
    assert pulled(both, BIO)["row_id"].equals(pulled(both, STREAM)["row_id"])


def test_one_rider_is_gone_everywhere_and_the_rest_is_untouched(
    cli, desk: Desk, tmp_path: Path
) -> None:
    remote, out = Path(desk.url), tmp_path / "out"
    second = shutil.copytree(remote, tmp_path / "second")
    assert cli("pull", desk.url, "--to", out, *desk.key("medical"), *desk.trust()).code == 0
    before, stored = pulled(out, BIO), hashes(remote)
    done = cli(
        *desk.erase(), "--also", second, "--pulled", out, "--spool", desk.spool, "--json"
    )  # fmt: skip
    assert done.code == 0, done.err
    report = done.json()
    assert (len(report["keys"]), report["objects"], report["pulled_rows"]) == (1, 2, 40)
    assert report["files"] == 1
    (key_id,) = report["keys"]
    for place in (remote, second, desk.folder):
        assert not [path for path in place.rglob("*") if key_id in path.name]
    after = hashes(remote)
    assert [k for k in stored if k not in after] == [f"{rider_key_prefix(BIO)}{key_id}.json"]
    assert all(after[name] == stored[name] for name in after if name in stored)
    # what was pulled, what is pulled now, and what a fresh machine pulls
    assert is_same(pulled(out, BIO), others(before))
    for folder, url in ((out, desk.url), (tmp_path / "fresh", str(second))):
        again = cli("pull", url, "--to", folder, *desk.key("medical"), *desk.trust(), "--json")
        assert again.code == 0, again.err
        assert is_same(pulled(folder, BIO), others(before))
    assert again.json()["streams"][0]["rows"] == 120


def test_verify_shows_who_erased_and_needs_no_private_key(cli, desk: Desk) -> None:
    assert cli(*desk.erase()).code == 0
    done = cli("verify", desk.url, *desk.trust(), "--json")
    assert done.code == 0, done.err
    bio = next(s for s in done.json()["streams"] if s["stream"] == BIO)
    (erasure,) = bio["erasures"]
    assert (erasure["by"], erasure["reason"], erasure["rider_keys"]) == (
        "A. Doctor", "asked for", 1,
    )  # fmt: skip
    assert erasure["at"].startswith("20")
    assert bio["rider_keys"] == 3
    opened = cli("verify", desk.url, *desk.trust(), *desk.key("medical"), "--json")
    assert opened.code == 0, opened.err


def test_the_bib_stands_nowhere_in_the_erasure(cli, desk: Desk) -> None:
    assert cli(*desk.erase(rider=198)).code == 0
    (path,) = (Path(desk.url) / BIO / "erasures").iterdir()
    erasure = open_erasure(path.read_bytes(), [desk.cloud.public])
    assert erasure.stream == BIO
    assert "198" not in f"{erasure.by} {erasure.reason}"


def test_a_second_run_finds_nothing_left_and_says_so(cli, desk: Desk) -> None:
    assert cli(*desk.erase()).code == 0
    again = cli(*desk.erase())
    assert (again.code, "nothing of rider 7" in again.err) == (78, True)


def test_a_run_killed_after_its_event_is_simply_run_again(cli, desk: Desk) -> None:
    saved = shutil.copytree(Path(desk.url) / BIO / "keys", desk.folder / "saved")
    assert cli(*desk.erase()).code == 0
    shutil.rmtree(Path(desk.url) / BIO / "keys")
    shutil.copytree(saved, Path(desk.url) / BIO / "keys")
    done = cli("verify", desk.url, *desk.trust())
    assert done.code == 65
    assert "was erased by A. Doctor and is served again" in done.err
    assert cli(*desk.erase()).code == 0
    assert cli("verify", desk.url, *desk.trust()).code == 0
    assert len(list((Path(desk.url) / BIO / "erasures").iterdir())) == 1


def test_only_the_stage_asked_for_goes(cli, desk: Desk) -> None:
    done = cli(*desk.erase(), "--stage", "two")
    assert (done.code, "nothing of rider 7" in done.err) == (78, True)
    assert cli(*desk.erase(), "--stage", "one").code == 0


def rider_files(desk: Desk) -> list[Path]:
    return sorted((Path(desk.url) / rider_key_prefix(BIO)).iterdir())


def put_erasure(desk: Desk, signer: SigningKey, stream: str = BIO) -> None:
    ids = tuple(path.stem for path in rider_files(desk))
    signed = sign_erasure(Erasure(stream, ids, "x", "y", 1.0), signer)
    path = Path(desk.url) / erasure_key(BIO, signed)
    path.parent.mkdir()
    path.write_bytes(signed)


def swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


TAMPERINGS = {
    "a rider's key removed": (
        lambda d: rider_files(d)[1].unlink(),
        "rider_key_missing", "is missing and no erasure speaks of it",
    ),
    "all riders' keys removed": (
        lambda d: shutil.rmtree(Path(d.url) / rider_key_prefix(BIO)),
        "rider_key_missing", "no erasure speaks of it",
    ),
    "two riders' keys swapped": (
        lambda d: swap(*rider_files(d)[:2]), "rider_key_changed", "SHA-256",
    ),
    "one byte of a rider's key changed": (
        lambda d: rider_files(d)[0].write_bytes(rider_files(d)[0].read_bytes()[:-1] + b" "),
        "rider_key_changed", "is not the one its manifest names",
    ),
    "an erasure the cloud team did not sign": (
        lambda d: put_erasure(d, SigningKey(b"e" * 32)),
        "erasure_forged", "no erasure that the cloud team",
    ),
    "an erasure of another stream": (
        lambda d: put_erasure(d, d.cloud, "truck-2.bio"),
        "erasure_other_stream", "erasure of another stream, truck-2.bio",
    ),
    "an erasure that was not carried out": (
        lambda d: put_erasure(d, d.cloud),
        "rider_key_served_again", "was erased by x and is served again",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_with_riders_keys_is_named_without_any_private_key(
    cli, desk: Desk, tmp_path: Path, name: str
) -> None:
    tamper, reason, why = TAMPERINGS[name]
    tamper(desk)
    done = cli("verify", desk.url, *desk.trust(), "--json")
    assert done.code == 65
    assert why in done.err
    (bio,) = [told for told in done.json()["streams"] if told["stream"] == BIO]
    assert {found["reason"] for found in bio["failures"]} == {reason}
    pull = cli("pull", desk.url, "--to", tmp_path / "out", *desk.key("medical"), *desk.trust())
    assert pull.code == 65
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_without_the_cloud_teams_key_an_erasure_proves_nothing(cli, desk: Desk) -> None:
    assert cli(*desk.erase()).code == 0
    done = cli("verify", desk.url, "--truck", desk.truck.public.hex())
    assert done.code == 65
    assert "nobody is named who may sign erasures" in done.err


def test_a_key_that_opens_no_biometrics_cannot_erase(cli, desk: Desk) -> None:
    words = desk.erase()
    words[words.index("--key") + 1] = str(desk.path("operations.key"))
    done = cli(*words)
    assert (done.code, "cannot open rider key" in done.err) == (78, True)


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "x" * 201])
def test_who_and_why_are_one_line(cli, desk: Desk, text: str) -> None:
    words = desk.erase()
    words[words.index("--reason") + 1] = text
    assert cli(*words).code == 78


def test_any_one_byte_of_an_erasure_changed_is_refused() -> None:
    key = SigningKey(b"c" * 32)
    signed = sign_erasure(Erasure(BIO, ("0" * 32,), "a", "b", 1.5), key)
    assert open_erasure(signed, [SigningKey(b"x" * 32).public, key.public]).at_s == 1.5
    for place in range(0, len(signed), 5):
        wrong = bytearray(signed)
        wrong[place] ^= 1
        with pytest.raises(Refused):
            open_erasure(bytes(wrong), [key.public])
