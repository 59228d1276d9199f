"""Sealed, pushed and pulled rows are the rows; every tampering is named and exits 65."""

import hashlib
import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from odd_rows import odd_rows

from cloud_sync.batch import BatchName
from cloud_sync.manifest import open_manifest, sign_manifest
from cloud_sync.sealed_parquet import is_same
from hardware.signing import SigningKey

ENDS = [30, 31, 200, 350, 351]


@pytest.fixture(scope="module")
def pushed(crew, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder remote with five batches; tests tamper with copies of it."""
    from cloud_sync.folder import Folder
    from cloud_sync.outbox import Outbox
    from cloud_sync.push import put_proven

    home = tmp_path_factory.mktemp("pushed")
    crew.seal(home / "spool", ENDS)
    with Outbox(home / "spool") as outbox:
        for entry in outbox.waiting():
            remote = Folder(home / "remote")
            put_proven(remote, entry.key, (home / "spool" / entry.key).read_bytes())
            put_proven(remote, entry.batch.manifest_key(), entry.manifest)
    return home / "remote"


@pytest.fixture
def remote(pushed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pushed, tmp_path / "remote"))


@pytest.fixture
def pull(cli, crew, tmp_path: Path) -> Callable:
    def run(url: object, *more: object, to: str = "out", **environment: str):
        truck = crew.truck.public.hex()
        command = ["pull", url, "--to", tmp_path / to, "--truck", truck]
        key = [] if "--key" in more else ["--key", crew.key_file]
        return cli(*command, *key, *more, **environment)

    return run


def pulled(folder: Path) -> list[Path]:
    return sorted((folder / "truck-1").glob("*.parquet"))


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_sealed_pushed_and_pulled_rows_are_the_rows(
    cli, crew, pull, tmp_path: Path, kind: str, request: pytest.FixtureRequest, outbox_states
) -> None:
    crew.seal(tmp_path / "spool", ENDS)
    url, environment = str(tmp_path / "remote"), {}
    if kind == "s3":
        environment = request.getfixturevalue("s3").environment()
        url = f"s3://cloud/{secrets.token_hex(6)}"
    push = cli("push", tmp_path / "spool", "--to", url, "--json", **environment)
    assert (push.code, push.json()["batches"], push.json()["rows"]) == (0, 5, 351)
    assert set(outbox_states(tmp_path / "spool")) == {"released"}
    assert list((tmp_path / "spool" / "truck-1" / "data").iterdir()) == []
    done = pull(url, "--json", **environment)
    assert done.code == 0, done.err
    summary = done.json()
    assert (summary["schema"], summary["verified"]) == ("cloud-sync.pull/1", True)
    assert (summary["rows"], summary["streams"][0]["batches"]) == (351, 5)
    assert is_same(pa.concat_tables(map(pq.read_table, pulled(tmp_path / "out"))), odd_rows(0, 351))
    assert summary["streams"][0]["head"]["seq"] == 4


def test_duckdb_pyarrow_and_polars_agree_on_the_rows(pull, remote: Path, tmp_path: Path) -> None:
    assert pull(remote).code == 0
    files = [str(path) for path in pulled(tmp_path / "out")]
    arrow = pa.concat_tables(map(pq.read_table, files))
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        duck = db.sql(f"SELECT * FROM read_parquet({files!r}) ORDER BY row_id").to_arrow_table()
    polar = pl.read_parquet(files).to_arrow()
    for other in (duck, polar):
        assert is_same(other.cast(arrow.schema), arrow)
    assert is_same(arrow, odd_rows(0, 351))


def test_what_was_proven_is_not_fetched_again(pull, remote: Path, tmp_path: Path, pushed) -> None:
    later = [remote / "truck-1" / kind for kind in ("data", "manifest")]
    hidden = [
        (path, path.read_bytes()) for folder in later for path in sorted(folder.iterdir())[3:]
    ]
    for path, _ in hidden:
        path.unlink()
    first = pull(remote, "--json").json()["streams"][0]
    assert (first["fetched"], first["rows"]) == (3, 200)
    for path, data in hidden:
        path.write_bytes(data)
    second = pull(remote, "--json").json()["streams"][0]
    assert (second["fetched"], second["rows"]) == (2, 351)
    pulled(tmp_path / "out")[1].write_bytes(b"cut")
    third = pull(remote, "--json").json()["streams"][0]
    assert (third["fetched"], third["rows"]) == (1, 351)
    assert is_same(pa.concat_tables(map(pq.read_table, pulled(tmp_path / "out"))), odd_rows(0, 351))


def test_objects_no_manifest_names_are_reported_and_harmless(pull, remote: Path) -> None:
    (remote / "truck-1" / "data" / "000000000009-0123456789abcdef.parquet").write_bytes(b"junk")
    (remote / "truck-1" / "manifest" / "readme.txt").write_bytes(b"junk")
    done = pull(remote, "--json")
    assert done.code == 0
    assert done.json()["streams"][0]["unlisted"] == [
        "truck-1/data/000000000009-0123456789abcdef.parquet"
    ]


def place(remote: Path, kind: str, seq: int) -> Path:
    (path,) = (remote / "truck-1" / kind).glob(f"{seq:012d}*")
    return path


def sign_other(crew, remote: Path, seq: int, key: SigningKey | None = None, **change) -> None:
    """Put another manifest, well formed and signed, in the place of number `seq`."""
    old = open_manifest(place(remote, "manifest", seq).read_bytes(), crew.truck.public)
    data = change.pop("data", None)
    fields = {
        "batch": old.batch,
        "prev": old.prev,
        "rows": (old.lo, old.hi),
        "sha256": old.sha256 if data is None else hashlib.sha256(data).hexdigest(),
        "size": old.size if data is None else len(data),
    } | change
    batch = fields.pop("batch")
    if data is not None:
        (remote / batch.object_key(fields["sha256"])).write_bytes(data)
    manifest, _ = sign_manifest(
        batch, **fields, recipients=old.recipients, now_s=5.0, key=key or crew.truck
    )
    place(remote, "manifest", seq).write_bytes(manifest)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


OBJECT, MANIFEST = "batch truck-1/000000000002", "manifest truck-1/000000000002"
TAMPERINGS: dict[str, tuple[Callable, str, str]] = {
    "an object removed": (lambda c, r: place(r, "data", 2).unlink(), OBJECT, "missing"),
    "two objects swapped": (
        lambda c, r: swap(place(r, "data", 2), place(r, "data", 3)), OBJECT, "than the",
    ),
    "an object shortened": (
        lambda c, r: place(r, "data", 2).write_bytes(place(r, "data", 2).read_bytes()[:-1]),
        OBJECT, "shorter",
    ),
    "an object lengthened": (
        lambda c, r: place(r, "data", 2).write_bytes(place(r, "data", 2).read_bytes() + b"x"),
        OBJECT, "longer",
    ),
    "an older object served in its place": (
        lambda c, r: place(r, "data", 2).write_bytes(place(r, "data", 1).read_bytes()),
        OBJECT, "shorter",
    ),
    "one byte of an object changed": (
        lambda c, r: flip(place(r, "data", 2), 999), OBJECT, "SHA-256",
    ),
    "an older object signed for a newer place": (
        lambda c, r: sign_other(c, r, 4, data=place(r, "data", 1).read_bytes()),
        "batch truck-1/000000000004", "is of 'truck-1/000000000001'",
    ),
    "rows that are not the manifest's": (
        lambda c, r: sign_other(c, r, 4, rows=(350, 360)),
        "batch truck-1/000000000004", "holds 1 rows, its manifest names 10",
    ),
    "one byte of a manifest changed": (
        lambda c, r: flip(place(r, "manifest", 2), 300), MANIFEST, "not one the truck signed",
    ),
    "an older manifest served in its place": (
        lambda c, r: place(r, "manifest", 2).write_bytes(place(r, "manifest", 1).read_bytes()),
        MANIFEST, "replay of manifest truck-1/000000000001",
    ),
    "a forked manifest": (
        lambda c, r: sign_other(c, r, 2, sha256="ab" * 32),
        "manifest truck-1/000000000003", "the chain forks",
    ),
    "a manifest signed by another key": (
        lambda c, r: sign_other(c, r, 2, key=SigningKey(b"e" * 32)), MANIFEST, "signature",
    ),
    "a manifest of another stream": (
        lambda c, r: sign_other(c, r, 2, batch=BatchName("truck-2", 2), data=None),
        MANIFEST, "another stream, truck-2",
    ),
    "a manifest removed": (lambda c, r: place(r, "manifest", 2).unlink(), MANIFEST, "is missing"),
    "the first manifest removed": (
        lambda c, r: place(r, "manifest", 0).unlink(),
        "manifest truck-1/000000000000", "is missing",
    ),
    "a forged manifest at the end": (
        lambda c, r: (r / "truck-1/manifest/000000000005.json").write_bytes(b"{}"),
        "manifest truck-1/000000000005", "not one the truck signed",
    ),
    "every manifest removed": (
        lambda c, r: shutil.rmtree(r / "truck-1" / "manifest"), "stream truck-1", "no manifest",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_is_named_and_nothing_is_published(
    cli, crew, pull, remote: Path, tmp_path: Path, name: str
) -> None:
    tamper, what, why = TAMPERINGS[name]
    tamper(crew, remote)
    done = pull(remote, "--json")
    assert done.code == 65
    assert what in done.err
    assert why in done.err
    assert not done.json()["verified"]
    assert pulled(tmp_path / "out") == []
    assert not (tmp_path / "out" / "truck-1" / "pull.json").exists()
    key = ["--key", crew.key_file] if "manifest's" in name or "signed for" in name else []
    verified = cli("verify", remote, "--truck", crew.truck.public.hex(), *key)
    assert verified.code == 65
    assert what in verified.err


def test_every_batch_that_fails_is_named_not_only_the_first(pull, remote: Path) -> None:
    place(remote, "data", 1).unlink()
    flip(place(remote, "data", 3), 500)
    failures = pull(remote, "--json").json()["streams"][0]["failures"]
    assert ["000000000001" in failures[0], "000000000003" in failures[1]] == [True, True]
    assert len(failures) == 2


def test_after_the_object_is_back_only_it_is_fetched(pull, remote: Path, tmp_path: Path) -> None:
    path = place(remote, "data", 2)
    data = path.read_bytes()
    path.unlink()
    assert pull(remote).code == 65
    path.write_bytes(data)
    assert pull(remote, "--json").json()["streams"][0]["fetched"] == 1
    assert is_same(pa.concat_tables(map(pq.read_table, pulled(tmp_path / "out"))), odd_rows(0, 351))


def test_a_head_seen_and_then_withheld_is_noticed(pull, remote: Path, tmp_path: Path) -> None:
    assert pull(remote).code == 0
    place(remote, "manifest", 4).unlink()
    done = pull(remote)
    assert done.code == 65
    assert "manifest truck-1/000000000004 was there at the last pull and is withheld" in done.err
    shutil.rmtree(remote / "truck-1")
    done = pull(remote)
    assert done.code == 65
    assert "withheld" in done.err
    assert len(pulled(tmp_path / "out")) == 5


def test_a_head_seen_and_then_forked_is_noticed(crew, pull, remote: Path) -> None:
    assert pull(remote).code == 0
    sign_other(crew, remote, 4)
    done = pull(remote)
    assert done.code == 65
    assert "manifest truck-1/000000000004 is another than at the last pull" in done.err


def test_a_wrong_private_key_names_those_that_open_it(
    cli, crew, pull, remote: Path, tmp_path
) -> None:
    assert cli("keygen", tmp_path / "stranger").code == 0
    done = pull(remote, "--key", tmp_path / "stranger.key")
    assert done.code == 78
    for key in (crew.operations, crew.recovery):
        assert key.recipient().key_id in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_verifying_needs_no_private_key(cli, crew, remote: Path, tmp_path: Path) -> None:
    (tmp_path / "truck.pub").write_text(crew.truck.public.hex() + "\n")
    done = cli("verify", remote, "--truck", tmp_path / "truck.pub", "--json")
    assert done.code == 0
    document = done.json()
    assert (document["schema"], document["opened"]) == ("cloud-sync.verify/1", False)
    assert (document["rows"], document["streams"][0]["fetched"]) == (351, 5)
    opened = cli(
        "verify", remote, "--truck", tmp_path / "truck.pub", "--key", crew.key_file, "--json"
    )
    assert opened.json()["opened"]


def test_a_full_or_foreign_target_is_one_sentence(pull, remote: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = pull(remote, to="file/x")
    assert (done.code, len(done.err.strip().splitlines())) == (78, 1)
    (tmp_path / "out" / "truck-1").mkdir(parents=True)
    (tmp_path / "out" / "truck-1" / "pull.json").write_text(json.dumps({"schema": "other"}))
    done = pull(remote)
    assert done.code == 78
    assert "pull.json" in done.err
