"""Sealed, pushed and pulled rows are the rows; every tampering is named and exits 65."""

import contextlib
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from cloud_desk import lay_desk
from odd_rows import odd_rows
from tampered_copy import flip, place, sign_other

from cloud_sync import pull as pull_room
from cloud_sync.sealed_parquet import is_same


def pulled(folder: Path) -> list[Path]:
    return sorted((folder / "stream=truck-1").rglob("*.parquet"))


def rows_of(folder: Path) -> pa.Table:
    """All rows pulled, in order, as they were sealed."""
    files = [pq.ParquetFile(path).read() for path in pulled(folder)]
    return pa.concat_tables(files).sort_by("row_id")


ENDS = [30, 31, 200, 350, 351]
COMMAND = [sys.executable, "-c", "from cloud_sync.cli import main; main()"]


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
    assert (summary["schema"], summary["verified"]) == ("cloud-sync.pull/2", True)
    assert (summary["rows"], summary["streams"][0]["batches"]) == (351, 5)
    assert is_same(rows_of(tmp_path / "out"), odd_rows(0, 351))
    assert summary["streams"][0]["head"]["seq"] == 4


def test_duckdb_pyarrow_and_polars_agree_on_the_rows(pull, remote: Path, tmp_path: Path) -> None:
    assert pull(remote).code == 0
    expected = odd_rows(0, 351)
    below = f"{tmp_path}/out/**/*.parquet"
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        duck = db.sql(f"SELECT * FROM read_parquet('{below}') ORDER BY row_id").to_arrow_table()
    polar = pl.read_parquet(below, hive_partitioning=True).sort("row_id").to_arrow()
    arrow = ds.dataset(tmp_path / "out", format="parquet", partitioning="hive").to_table()
    for found in (duck, polar, arrow):
        assert set(found["stream"].to_pylist()) == {"truck-1"}
        assert set(found["stage"].to_pylist()) == {"unnamed"}
        assert set(map(str, found["date"].to_pylist())) == {"2023-11-14"}
        ordered = found.sort_by("row_id").select(expected.column_names)
        assert is_same(ordered.cast(expected.schema), expected)


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
    assert (third["fetched"], third["rows"]) == (2, 351)
    assert len(pulled(tmp_path / "out")) == 2
    assert is_same(rows_of(tmp_path / "out"), odd_rows(0, 351))


def test_objects_no_manifest_names_are_reported_and_harmless(pull, remote: Path) -> None:
    (remote / "truck-1" / "data" / "000000000009-0123456789abcdef.parquet").write_bytes(b"junk")
    (remote / "truck-1" / "manifest" / "readme.txt").write_bytes(b"junk")
    done = pull(remote, "--json")
    assert done.code == 0
    assert done.json()["streams"][0]["unlisted"] == [
        "truck-1/data/000000000009-0123456789abcdef.parquet"
    ]


def test_every_batch_that_fails_is_named_not_only_the_first(pull, remote: Path) -> None:
    place(remote, "data", 1).unlink()
    flip(place(remote, "data", 3), 500)
    failures = pull(remote, "--json").json()["streams"][0]["failures"]
    assert [found["reason"] for found in failures] == ["object_missing", "object_changed"]
    assert "batch truck-1/000000000001" in failures[0]["what"]
    assert "batch truck-1/000000000003" in failures[1]["what"]
    assert len(failures) == 2


def test_after_the_object_is_back_only_it_is_fetched(pull, remote: Path, tmp_path: Path) -> None:
    path = place(remote, "data", 2)
    data = path.read_bytes()
    path.unlink()
    assert pull(remote).code == 65
    path.write_bytes(data)
    assert pull(remote, "--json").json()["streams"][0]["fetched"] == 1
    assert is_same(rows_of(tmp_path / "out"), odd_rows(0, 351))


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
    assert is_same(rows_of(tmp_path / "out"), odd_rows(0, 351))


def test_a_head_seen_and_then_forked_is_noticed(crew, pull, remote: Path) -> None:
    assert pull(remote).code == 0
    sign_other(remote, 4, crew.truck, sealed_at="2027-01-15T08:00:05+00:00")
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
    assert (document["schema"], document["opened"]) == ("cloud-sync.verify/2", False)
    assert (document["rows"], document["streams"][0]["fetched"]) == (351, 5)
    opened = cli(
        "verify", remote, "--truck", tmp_path / "truck.pub", "--key", crew.key_file, "--json"
    )
    assert opened.json()["opened"]


def test_a_full_or_foreign_target_is_one_sentence(pull, remote: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = pull(remote, to="file/x")
    assert (done.code, len(done.err.strip().splitlines())) == (78, 1)
    (tmp_path / "out" / "stream=truck-1").mkdir(parents=True)
    (tmp_path / "out" / "stream=truck-1" / "_pull.json").write_text(json.dumps({"schema": "other"}))
    done = pull(remote)
    assert done.code == 78
    assert "_pull.json" in done.err


def test_since_and_stage_bring_a_part_and_later_the_rest(tmp_path: Path) -> None:
    desk = lay_desk(tmp_path / "desk")
    command = ["cloud-sync", "pull", "copy", "--to", "out", "--key", "operations.key"]

    def pull(*more: str) -> dict:
        done = desk.run(*command, "--truck", "truck.pub", "--json", *more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["streams"][0]

    def rows() -> pa.Table:
        stages = ds.partitioning(pa.schema([("stage", pa.string())]), flavor="hive")
        found = ds.dataset(desk.folder / "out", format="parquet", partitioning=stages)
        return found.to_table().sort_by("row_id")

    assert pull("--since", "4")["fetched"] == 2
    assert rows()["row_id"].to_pylist() == list(range(200, 300))
    assert pull("--stage", "Pau - Hautacam")["fetched"] == 4
    assert rows()["stage"].value_counts().to_pylist() == [
        {"values": "pau-hautacam", "counts": 150},
        {"values": "luchon-superbagneres", "counts": 100},
    ]  # fmt: skip
    assert pull()["fetched"] == 1  # its rows of the other stage
    whole = rows()
    assert is_same(whole.select(desk.table.column_names), desk.table)
    folders = {path.parent.name for path in (desk.folder / "out").rglob("*.parquet")}
    assert folders == {"date=2027-07-16", "date=2027-07-17"}
    assert pull("--since", "2027-07-16T00:00:00Z")["fetched"] == 0


@pytest.mark.parametrize("since", ["yesterday", "2027-07-16T12:00:00", "-1"])
def test_a_since_that_is_none_is_one_sentence(pull, remote: Path, since: str) -> None:
    done = pull(remote, f"--since={since}")
    assert (done.code, len(done.err.strip().splitlines())) == (78, 1)


def test_sealed_files_are_kept_as_they_are_without_a_key(
    pull, remote: Path, tmp_path: Path
) -> None:
    done = pull(remote, "--encrypted", "--json")
    assert (done.code, done.json()["streams"][0]["fetched"]) == (0, 5)
    kept = {path.name: path.read_bytes() for path in pulled(tmp_path / "out")}
    assert kept == {p.name: p.read_bytes() for p in (remote / "truck-1/data").iterdir()}
    assert pull(remote, "--encrypted", "--json").json()["streams"][0]["fetched"] == 0
    mixed = pull(remote)
    assert (mixed.code, "holds sealed files" in mixed.err) == (78, True)
    assert pull(remote, "--encrypted", "--stage", "x").code == 78


def test_a_pull_killed_anywhere_goes_on_where_it_was(crew, remote: Path, tmp_path: Path) -> None:
    """Killed at seeded points; after each nothing shows but what a summary names."""
    arguments = ["pull", str(remote), "--to", "out", "--key", crew.key_file]
    command = [*COMMAND, *arguments, "--truck", crew.truck.public.hex(), "--json"]
    chance = random.Random(int(os.environ.get("TRUCK_CHAOS_SEED", "1")))
    kills = int(os.environ.get("TRUCK_CHAOS_KILLS", "3"))
    for _ in range(kills):
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.8, 2.0))
        process.kill()
        process.wait()
        summary = tmp_path / "out" / "stream=truck-1" / "_pull.json"
        if summary.exists():
            told = json.loads(summary.read_text())
            assert told["rows_pulled"] == 351
            assert is_same(rows_of(tmp_path / "out"), odd_rows(0, 351))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert is_same(rows_of(tmp_path / "out"), odd_rows(0, 351))
    assert not list((tmp_path / "out" / ".pull").rglob("*.staged"))


def test_what_a_killed_pull_opened_is_not_fetched_again(
    crew, pull, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull_room, "_GROUP_BATCHES", 2)
    last = place(remote, "data", 4)
    last.rename(tmp_path / "away")  # as good as a kill: four are opened, nothing is published
    assert pull(remote).code == 65
    assert pulled(tmp_path / "out") == []
    groups = sorted((tmp_path / "out/.pull/truck-1").glob("*/group.json"))
    assert len(groups) == 2
    groups[0].unlink()  # a kill before the group was whole
    (tmp_path / "away").rename(last)
    assert pull(remote, "--json").json()["streams"][0]["fetched"] == 3
    assert is_same(rows_of(tmp_path / "out"), odd_rows(0, 351))
