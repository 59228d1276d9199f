"""The doctor on real stores, and on one that ignores create-only."""

import json
import os
from pathlib import Path

import pytest
from clouds import Cloud
from http_proxy import Proxy, drop_header

from cloud_sync.remote import open_remote

CHECKS = ["address", "create", "read back", "missing", "list", "create-only", "clock"]


def failed(run) -> dict:
    report = run.json()
    assert report["schema"] == "cloud-sync.doctor/1"
    assert not report["ok"]
    assert all(check["ok"] for check in report["checks"][:-1])
    last = report["checks"][-1]
    assert not last["ok"]
    assert last["why"]
    assert last["try"]
    return last


@pytest.mark.parametrize("kind", ["folder", "s3", "az", "gs"])
def test_it_accepts_a_store_that_honours_create_only(
    cli, tmp_path: Path, start_cloud, reach, kind: str
) -> None:
    url = str(tmp_path / "r") if kind == "folder" else reach(start_cloud(kind))
    done = cli("doctor", url, "--json")
    assert done.code == 0, done.out
    assert [check["name"] for check in done.json()["checks"]] == CHECKS
    remote = open_remote(url)
    left = remote.keys("doctor/")
    assert 0 < sum(len(remote.get(key, 100)) for key in left) < 100
    assert remote.streams() == []


@pytest.mark.parametrize(
    ("kind", "header"),
    # Azure's signature covers the header, so that only its own server could ignore it
    [("moto", "if-none-match"), ("gs", "x-goog-if-generation-match")],
)
def test_it_refuses_a_store_that_ignores_create_only(
    cli, start_cloud, reach, kind: str, header: str
) -> None:
    cloud = start_cloud(kind)
    proxy = Proxy(cloud.port, drop_header(header))
    try:
        done = cli("doctor", reach(cloud, proxy.port), "--json")
    finally:
        proxy.close()
    last = failed(done)
    assert (done.code, last["name"]) == (78, "create-only")
    assert "of 8 writers create one key" in last["seen"]
    assert "honours create-only" in last["try"]


def test_a_wrong_clock_is_named(cli, tmp_path: Path) -> None:
    done = cli("doctor", tmp_path / "r", "--json", TRUCK_CLOCK="1.0@0.0")
    assert done.code == 0
    done = cli("doctor", tmp_path / "r", "--json", TRUCK_CLOCK="1.0001@0.0")
    last = failed(done)
    assert (done.code, last["name"]) == (78, "clock")
    assert "ahead of the clock" in last["seen"]


def test_missing_and_refused_credentials_are_told_apart(cli, start_cloud, reach) -> None:
    cloud: Cloud = start_cloud("s3")
    url = reach(cloud)
    wrong = {"AWS_ACCESS_KEY_ID": "truck", "AWS_SECRET_ACCESS_KEY": "wrong"}
    for name, environment in {
        "address": dict.fromkeys([n for n in os.environ if n.startswith("AWS_")], ""),
        "create": wrong,
    }.items():
        done = cli("doctor", url, "--json", **environment)
        last = failed(done)
        assert (done.code, last["name"]) == (78, name)
        assert "AWS_SECRET_ACCESS_KEY" in last["try"]


def test_a_right_that_is_missing_is_named_and_delete_is_not_asked_for(
    cli, start_cloud, reach
) -> None:
    url = reach(start_cloud("s3"))
    done = cli(
        "doctor", url, "--json", AWS_ACCESS_KEY_ID="reader", AWS_SECRET_ACCESS_KEY="reader-secret"
    )
    last = failed(done)
    assert (done.code, last["name"]) == (78, "create")
    assert "create, read and list; no delete" in last["try"]
    writer = {"AWS_ACCESS_KEY_ID": "writer", "AWS_SECRET_ACCESS_KEY": "writer-secret"}
    assert cli("doctor", url, "--json", **writer).code == 0


def test_a_store_that_is_away_is_worth_another_try(cli, start_cloud, reach) -> None:
    done = cli("doctor", reach(start_cloud("s3"), 9), "--json")
    assert (done.code, failed(done)["name"]) == (75, "create")


def test_it_says_the_same_to_people(cli, tmp_path: Path) -> None:
    done = cli("doctor", tmp_path / "r")
    assert done.out.splitlines()[5].startswith("ok   create-only: one winner of 8")
    (tmp_path / "file").write_text("in the way")
    done = cli("doctor", tmp_path / "file")
    assert done.code == 78
    assert "FAIL create" in done.out
    assert "what to try: Choose a folder" in done.out
    with pytest.raises(json.JSONDecodeError):
        done.json()
