import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_sync.folder import Folder
from cloud_sync.lock import hold_lock

ENDS = [10, 20, 30]
COMMAND = [sys.executable, "-c", "from cloud_sync.cli import main; main()"]


def count(remote: Path, kind: str) -> int:
    folder = remote / "truck-1" / kind
    return len(list(folder.iterdir())) if folder.exists() else 0


def await_true(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not check():
        assert time.monotonic() < deadline, f"{what} did not happen within 30 s"
        time.sleep(0.05)


def watch(spool: Path, to: Path | str) -> subprocess.Popen:
    return subprocess.Popen(
        [*COMMAND, "push", str(spool), "--to", str(to), "--watch", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def spool(crew, tmp_path: Path) -> Path:
    crew.seal(tmp_path / "spool", ENDS)
    return tmp_path / "spool"


def test_pushing_twice_changes_nothing(cli, spool: Path, tmp_path: Path) -> None:
    first = cli("push", spool, "--to", tmp_path / "r", "--json").json()
    again = cli("push", spool, "--to", tmp_path / "r", "--json").json()
    assert (first["schema"], first["batches"], first["waiting"]) == ("cloud-sync.push/1", 3, 0)
    assert (again["batches"], again["waiting"]) == (0, 0)
    assert (count(tmp_path / "r", "data"), count(tmp_path / "r", "manifest")) == (3, 3)


def test_a_local_file_stays_until_object_and_manifest_were_read_back(
    cli, spool: Path, tmp_path: Path
) -> None:
    (tmp_path / "r" / "truck-1").mkdir(parents=True)
    (tmp_path / "r" / "truck-1" / "manifest").write_text("in the way")
    done = cli("push", spool, "--to", tmp_path / "r")
    assert done.code == 78
    assert len(list((spool / "truck-1" / "data").iterdir())) == 3


def test_another_object_at_our_next_number_is_an_alarm(cli, spool: Path, tmp_path: Path) -> None:
    Folder(tmp_path / "r").put_new("truck-1/manifest/000000000001.json", b"{}")
    done = cli("push", spool, "--to", tmp_path / "r")
    assert done.code == 65
    assert "000000000001.json holds other bytes" in done.err
    assert "new epoch" in done.err
    assert count(tmp_path / "r", "manifest") == 2
    assert "new epoch" in cli("status", spool, "--json").json()["error"]


def test_a_sealed_file_that_changed_on_disk_is_not_sent(cli, spool: Path, tmp_path: Path) -> None:
    victim = sorted((spool / "truck-1" / "data").iterdir())[1]
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    done = cli("push", spool, "--to", tmp_path / "r")
    assert done.code == 65
    assert "batch truck-1/000000000001 has changed on disk" in done.err
    assert not list((tmp_path / "r").rglob("000000000001*"))


def test_a_spool_without_an_outbox_is_not_initialised(cli, tmp_path: Path) -> None:
    for command in (["push", tmp_path, "--to", tmp_path / "r"], ["status", tmp_path]):
        done = cli(*command)
        assert done.code == 10
        assert "holds no outbox" in done.err


def test_a_watching_pusher_may_start_before_the_truck(crew, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    pusher = watch(spool, tmp_path / "r")
    try:
        await_true(lambda: (spool / "push.lock").exists(), "the pusher's start")
        crew.seal(spool, ENDS)
        await_true(lambda: count(tmp_path / "r", "manifest") == 3, "the push")
    finally:
        pusher.kill()
        pusher.communicate()


def test_only_one_pusher_runs(cli, spool: Path, tmp_path: Path) -> None:
    with hold_lock(spool / "push.lock", "testing"):
        assert cli("push", spool, "--to", tmp_path / "r").code == 11
        assert cli("status", spool, "--json").json()["pusher"]["running"]
    assert not cli("status", spool, "--json").json()["pusher"]["running"]


def test_status_tells_what_is_sealed_and_how_far_behind_the_copy_is(
    cli, spool: Path, tmp_path: Path
) -> None:
    before = cli("status", spool, "--json", TRUCK_CLOCK="1.0@0.0").json()
    assert before["schema"] == "cloud-sync.status/1"
    assert (before["sealed"]["rows"], before["pending"]["batches"]) == (30, 3)
    assert before["pusher"]["state"] == "never ran"
    assert before["heads"][0]["seq"] == 2
    cli("push", spool, "--to", tmp_path / "r")
    after = cli("status", spool, "--json").json()
    assert (after["uploaded"]["batches"], after["pending"]["bytes"], after["lag_s"]) == (3, 0, 0)
    assert (after["pusher"]["state"], after["error"]) == ("done", "")


def test_a_remote_that_is_away_keeps_custody_and_says_so(cli, spool: Path, s3) -> None:
    done = cli("push", spool, "--to", "s3://cloud/x", **s3.environment(port=9))
    assert done.code == 75
    assert "does not answer" in done.err
    status = cli("status", spool, "--json")
    assert status.code == 75
    assert status.json()["pending"]["batches"] == 3
    assert "does not answer" in status.json()["error"]


def test_a_watching_pusher_outlives_an_absent_remote_and_ends_on_sigterm(
    cli, crew, spool: Path, tmp_path: Path, outbox_states
) -> None:
    # a file-size limit makes a full folder, for as long as it holds
    pusher = watch(spool, tmp_path / "r")
    try:
        await_true(lambda: count(tmp_path / "r", "manifest") == 3, "the first push")
        resource_of(pusher.pid, 150_000)
        crew.seal(spool, [20_030])
        await_true(lambda: "failed" in state(cli, spool)["error"], "the error")
        assert state(cli, spool)["pusher"]["running"]
        assert count(tmp_path / "r", "manifest") == 3
        resource_of(pusher.pid, -1)
        await_true(lambda: outbox_states(spool)[-1] == "released", "the second push")
        pusher.send_signal(signal.SIGTERM)
        out, err = pusher.communicate(timeout=10)
    finally:
        pusher.kill()
        pusher.wait()
    assert (pusher.returncode, err) == (0, "")
    assert '"rows": 20030' in out
    assert state(cli, spool)["pusher"]["state"] == "stopped"
    assert state(cli, spool)["error"] == ""


def test_a_watching_pusher_waits_for_a_folder_that_worked_before(
    cli, crew, spool: Path, tmp_path: Path
) -> None:
    remote, away = tmp_path / "r", tmp_path / "away"
    pusher = watch(spool, remote)
    try:
        await_true(lambda: count(remote, "manifest") == 3, "the first push")
        remote.rename(away)
        remote.write_text("no folder")
        crew.seal(spool, [40])
        await_true(lambda: "Choose a folder" in state(cli, spool)["error"], "the error")
        assert pusher.poll() is None
        remote.unlink()
        away.rename(remote)
        await_true(lambda: count(remote, "manifest") == 4, "the second push")
    finally:
        pusher.kill()
        pusher.communicate()


def state(cli, spool: Path) -> dict:
    return cli("status", spool, "--json").json()


def resource_of(pid: int, file_bytes: int) -> None:
    """Limit how large a file a running process may write; -1 lifts it."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (file_bytes, resource.RLIM_INFINITY))


def test_a_read_only_folder_is_one_sentence(spool: Path, tmp_path: Path) -> None:
    remote = tmp_path / "r"
    remote.mkdir(mode=0o555)
    # root may write anywhere, unless that capability is taken from it
    drop = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*drop, *COMMAND, "push", spool, "--to", remote],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78, done.stderr
    assert "Permission denied" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
