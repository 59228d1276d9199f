"""One contract, over every kind of remote."""

import os
import secrets
import threading
import time
from pathlib import Path

import pytest

from cloud_sync.folder import Folder
from cloud_sync.remote import AlreadyThere, NotThere, Remote, open_remote
from hardware.errors import Damaged, Misconfigured, Unavailable


@pytest.fixture(params=["folder", "s3", "az", "gs", "moto"])
def remote(request: pytest.FixtureRequest, tmp_path: Path, start_cloud, reach) -> Remote:
    if request.param == "folder":
        return open_remote(str(tmp_path / "remote"))
    return open_remote(reach(start_cloud(request.param)))


def test_what_was_put_comes_back_byte_for_byte(remote: Remote) -> None:
    for size in (0, 1, 4096, 3_000_000):
        data = secrets.token_bytes(size)
        remote.put_new(f"truck/data/{size}.parquet", data)
        assert remote.get(f"truck/data/{size}.parquet", size) == data


def test_a_key_is_written_once(remote: Remote) -> None:
    remote.put_new("truck/manifest/0.json", b"first")
    for again in (b"first", b"second"):
        with pytest.raises(AlreadyThere):
            remote.put_new("truck/manifest/0.json", again)
    assert remote.get("truck/manifest/0.json", 100) == b"first"


def test_of_eight_writers_at_once_one_wins_and_its_bytes_are_whole(remote: Remote) -> None:
    wins: list[bytes] = []
    start = threading.Barrier(8)

    def write(data: bytes) -> None:
        start.wait()
        try:
            remote.put_new("truck/manifest/1.json", data)
        except AlreadyThere:
            return
        wins.append(data)

    threads = [threading.Thread(target=write, args=(bytes([k]) * 50_000,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    assert remote.get("truck/manifest/1.json", 50_000) == wins[0]


def test_a_missing_key_is_not_there(remote: Remote) -> None:
    with pytest.raises(NotThere):
        remote.get("truck/data/none.parquet", 10)


def test_a_longer_object_shows_as_longer_and_is_not_read_whole(remote: Remote) -> None:
    remote.put_new("truck/data/long.parquet", bytes(500_000))
    assert remote.get("truck/data/long.parquet", 1000) == bytes(1001)


def test_keys_are_listed_below_their_prefix_only_and_in_order(remote: Remote) -> None:
    for key in ("b/data/2", "b/data/1", "b/manifest/1", "a/data/1", "bb/data/1"):
        remote.put_new(key, b"x")
    assert remote.keys("b/data/") == ["b/data/1", "b/data/2"]
    assert remote.keys("c/data/") == []
    assert remote.streams() == ["a", "b", "bb"]


def test_an_empty_remote_has_no_streams(remote: Remote) -> None:
    assert remote.streams() == []


@pytest.mark.parametrize(
    "key", ["../x", "a/../../x", "/etc/x", "a//b", "", "a/", ".hidden", "a/.b", "a\0b", "a\nb"]
)
def test_a_key_cannot_leave_its_place(remote: Remote, tmp_path: Path, key: str) -> None:
    with pytest.raises(Damaged):
        remote.put_new(key, b"x")
    with pytest.raises(Damaged):
        remote.get(key, 10)
    assert not (tmp_path / "x").exists()


def test_a_key_was_stored_now(remote: Remote) -> None:
    remote.put_new("truck/data/when", b"x")
    assert abs(remote.stored_at_s("truck/data/when") - time.time()) < 3.0
    with pytest.raises(NotThere):
        remote.stored_at_s("truck/data/never")


def test_what_the_doctor_leaves_is_no_stream(remote: Remote) -> None:
    for key in ("truck/data/1", "doctor/x/first"):
        remote.put_new(key, b"x")
    assert remote.streams() == ["truck"]


def test_a_folder_leaves_nothing_but_the_object(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "remote")
    stale = tmp_path / "remote" / "t" / "data" / ".1.parquet.77-1.tmp"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half")
    assert folder.keys("t/data/") == []
    folder.put_new("t/data/1.parquet", b"whole")
    assert [path.name for path in stale.parent.iterdir()] == ["1.parquet"]
    stale.write_bytes(b"half")
    with pytest.raises(AlreadyThere):
        folder.put_new("t/data/1.parquet", b"whole")
    assert [path.name for path in stale.parent.iterdir()] == ["1.parquet"]


def test_a_folder_is_named_three_ways(tmp_path: Path) -> None:
    open_remote(f"file://{tmp_path}/r").put_new("t/x", b"1")
    assert open_remote(str(tmp_path / "r")).get("t/x", 1) == b"1"


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(Misconfigured, match="ftp://x is no remote"):
        open_remote("ftp://x")


def test_s3_without_credentials_is_refused_before_any_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with pytest.raises(Misconfigured, match="AWS_ACCESS_KEY_ID"):
        open_remote("s3://cloud")


@pytest.mark.usefixtures("s3_env")
def test_a_missing_bucket_is_named() -> None:
    for ask in (lambda r: r.keys("a/"), lambda r: r.get("a/b", 1)):
        with pytest.raises(Misconfigured, match="no such bucket"):
            ask(open_remote("s3://nowhere/x"))


@pytest.mark.usefixtures("s3_env")
def test_refused_credentials_name_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "reader-secret")
    with pytest.raises(Misconfigured, match="clock is right"):
        open_remote("s3://cloud/x").put_new("a/b", b"1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(Misconfigured, match="AWS_SECRET_ACCESS_KEY"):
        open_remote("s3://cloud/x").keys("a/")


def test_a_store_that_is_away_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, s3_env: object
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="does not answer"):
        open_remote("s3://cloud/x").put_new("a/b", b"1")
