"""Looking at copies: head, ls, diff and watch say what is proven, and nothing of what is not."""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tampered_copy import digest, place, sign_other

from cloud_sync.ack import ack_key, open_ack, sign_ack
from cloud_sync.compare import Verdict, compare
from cloud_sync.folder import Folder
from cloud_sync.manifest import Manifest, open_manifest
from cloud_sync.tampering import Tampered
from cloud_sync.watch import acknowledge
from hardware.signing import SigningKey

CLOUD = SigningKey(b"c" * 32)


@pytest.fixture
def truck(crew) -> list[str]:
    return ["--truck", crew.truck.public.hex()]


def test_a_head_is_said_and_is_an_anchor(cli, pull, truck, remote: Path, tmp_path: Path) -> None:
    said = cli("head", remote, *truck)
    assert f"truck-1 4:{digest(remote, 4)}" in said.out
    told = cli("head", remote, *truck, "--json")
    (head,) = told.json()["heads"]
    assert (head["seq"], head["rows"], head["beat"]) == (4, 351, None)
    (tmp_path / "head.json").write_text(told.out)
    assert pull(remote, "--anchor", tmp_path / "head.json").code == 0
    place(remote, "manifest", 4).unlink()
    refused = cli("verify", remote, *truck, "--anchor", tmp_path / "head.json")
    assert (refused.code, "withheld" in refused.err) == (65, True)


def test_ls_lists_streams_and_batches(cli, truck, remote: Path) -> None:
    assert "truck-1" in cli("ls", remote, *truck).out
    (stream,) = cli("ls", remote, *truck, "--stream", "truck-1", "--json").json()["streams"]
    assert [batch["rows"] for batch in stream["batches"]] == [
        [0, 30], [30, 31], [31, 200], [200, 350], [350, 351],
    ]  # fmt: skip
    place(remote, "manifest", 2).unlink()
    assert cli("ls", remote, *truck).code == 65


def test_diff_tells_the_same_from_behind_forked_and_incomplete(
    cli, crew, pull, truck, remote: Path, tmp_path: Path
) -> None:
    second = Path(shutil.copytree(remote, tmp_path / "second"))
    head = tmp_path / "head.json"
    head.write_text(cli("head", remote, *truck, "--json").out)

    def verdict(code: int, other: object = second) -> str:
        done = cli("diff", remote, other, *truck, "--json")
        assert done.code == code, done.err
        return done.json()["differences"][0]["verdict"]

    assert pull(remote).code == 0
    for other in (second, tmp_path / "out", head):
        assert verdict(0, other) == "same"
    place(second, "data", 1).rename(tmp_path / "kept")
    assert verdict(65) == "incomplete"
    (tmp_path / "kept").rename(second / Folder(remote).keys("truck-1/data/")[1])
    place(second, "manifest", 4).unlink()
    assert verdict(3) == "ahead"
    place(remote, "manifest", 4).unlink()
    place(remote, "manifest", 3).unlink()
    assert verdict(3) == "behind"
    sign_other(remote, 2, crew.truck, sealed_at="2027-01-15T09:00:00+00:00")
    assert verdict(65) == "forked"
    assert cli("diff", remote, head, *truck).code == 65


def test_compare_is_pure() -> None:
    assert compare("s", [], []).verdict is Verdict.SAME


def test_watch_proves_pulls_and_acknowledges_as_batches_come(
    cli, crew, truck, remote: Path, tmp_path: Path
) -> None:
    (tmp_path / "cloud.key").write_text(CLOUD.seed.hex())
    hidden = [place(remote, "data", 4), place(remote, "manifest", 4)]
    kept = [(path, path.read_bytes()) for path in hidden]
    for path in hidden:
        path.unlink()
    command = [
        sys.executable, "-m", "cloud_sync", "watch", remote, *truck, "--to", tmp_path / "out",
        "--key", crew.key_file, "--ack", tmp_path / "cloud.key", "--every-s", "0.2",
    ]  # fmt: skip
    watching = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    try:
        assert watching.stdout is not None
        first = [watching.stdout.readline() for _ in range(4)]
        for path, data in kept:
            path.write_bytes(data)
        last = watching.stdout.readline()
        deadline = time.monotonic() + 60
        while not (remote / ack_key("truck-1", 4)).exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        watching.terminate()
        watching.communicate(timeout=60)
    assert watching.returncode == 0
    assert [line.split()[0] for line in (*first, last)] == [f"truck-1/{n:012d}" for n in range(5)]
    ack = open_ack((remote / ack_key("truck-1", 4)).read_bytes(), CLOUD.public)
    assert (ack.seq, ack.digest, ack.rows) == (4, digest(remote, 4), 351)
    summary = json.loads((tmp_path / "out/stream=truck-1/_pull.json").read_text())
    assert (summary["rows_pulled"], summary["verified"]) == (351, True)


def test_watch_ends_where_something_does_not_hold(cli, truck, remote: Path) -> None:
    place(remote, "data", 3).write_bytes(b"")
    done = cli("watch", remote, *truck, "--seconds", "30", process=True)
    assert (done.code, "has no bytes" in done.err) == (65, True)
    assert len(done.out.splitlines()) == 3


def last(remote: Path, crew) -> Manifest:
    return open_manifest(place(remote, "manifest", 4).read_bytes(), crew.truck.public)


def test_an_ack_is_given_once_and_another_in_its_place_is_named(crew, remote: Path) -> None:
    head, store = last(remote, crew), Folder(remote)
    first = acknowledge(store, head, CLOUD, 1000.0)
    assert acknowledge(store, head, CLOUD, 2000.0) == first
    path = remote / ack_key("truck-1", 4)
    for ack, key in (
        (first, SigningKey(b"e" * 32)),
        (replace(first, digest="ab" * 32), CLOUD),
    ):
        path.write_bytes(sign_ack(ack, key))
        with pytest.raises(Tampered) as refused:
            acknowledge(store, head, CLOUD, 3000.0)
        assert refused.value.kind == "ack_forked"
