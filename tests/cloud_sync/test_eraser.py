"""Deleting for good: every version in a versioned bucket, and a lock is named, not passed over."""

import datetime as dt
import secrets
from pathlib import Path
from typing import Any

import boto3
import pytest
from copy_desk import BIO, Desk

from cloud_sync.eraser import open_eraser
from cloud_sync.remote import NotThere
from hardware.errors import Misconfigured, Unavailable

KEY = f"{BIO}/keys/riders/{'a' * 32}.json"


@pytest.fixture
def client(s3_env) -> Any:
    return boto3.client("s3")


@pytest.fixture
def versioned(client) -> str:
    """A bucket that keeps every version."""
    name = f"versioned-{secrets.token_hex(4)}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def versions(client, bucket: str) -> list[str]:
    listed = client.list_object_versions(Bucket=bucket)
    return [e["Key"] for e in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]]


def test_a_folder_forgets_a_key_and_what_a_kill_left_beside_it(tmp_path: Path) -> None:
    eraser = open_eraser(str(tmp_path))
    eraser.remote.put_new(KEY, b"key")
    half = (tmp_path / KEY).with_name(f".{'a' * 32}.json.1-2.tmp")
    half.write_bytes(b"k")
    assert [eraser.erase(KEY), eraser.erase(KEY)] == [1, 0]
    with pytest.raises(NotThere):
        eraser.remote.get(KEY, 10)
    assert not half.exists()


def test_every_version_of_a_key_goes_and_no_other_key(client, versioned: str) -> None:
    eraser = open_eraser(f"s3://{versioned}/race")
    eraser.remote.put_new(KEY, b"key")
    eraser.remote.put_new(f"{KEY}5", b"another, of which this is the beginning")
    client.put_object(Bucket=versioned, Key=f"race/{KEY}", Body=b"again")
    client.delete_object(Bucket=versioned, Key=f"race/{KEY}")
    assert len(versions(client, versioned)) == 4
    assert eraser.erase(KEY) == 3
    assert versions(client, versioned) == [f"race/{KEY}5"]
    assert eraser.erase(KEY) == 0


def test_a_bucket_without_versions_forgets_too(client) -> None:
    prefix = secrets.token_hex(6)
    eraser = open_eraser(f"s3://cloud/{prefix}")
    eraser.remote.put_new(KEY, b"key")
    assert eraser.erase(KEY) == 1
    with pytest.raises(NotThere):
        eraser.remote.get(KEY, 10)


def test_what_a_lock_holds_back_is_named(client) -> None:
    name = f"locked-{secrets.token_hex(4)}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    eraser = open_eraser(f"s3://{name}")
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    client.put_object(
        Bucket=name, Key=KEY, Body=b"key", ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=until,
    )  # fmt: skip
    with pytest.raises(Misconfigured, match="object lock"):
        eraser.erase(KEY)
    assert eraser.remote.get(KEY, 10) == b"key"


def test_one_who_may_only_read_cannot_erase(client, s3, monkeypatch) -> None:
    prefix = secrets.token_hex(6)
    open_eraser(f"s3://cloud/{prefix}").remote.put_new(KEY, b"key")
    for name, value in s3.environment("reader").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match="cannot be erased"):
        open_eraser(f"s3://cloud/{prefix}").erase(KEY)


def test_a_store_that_is_away_is_waited_for(s3_env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Unavailable, match="cannot be asked"):
        open_eraser("s3://cloud/x").erase(KEY)


def test_a_rider_is_erased_from_a_versioned_bucket(
    cli, client, versioned: str, tmp_path: Path
) -> None:
    desk = Desk(tmp_path / "desk", f"s3://{versioned}/race")
    desk.seal(40)
    desk.push()
    done = cli(*desk.erase(), "--json")
    assert done.code == 0, done.err
    (key_id,) = done.json()["keys"]
    assert not [key for key in versions(client, versioned) if key_id in key]
    out = tmp_path / "out"
    pull = cli("pull", desk.url, "--to", out, *desk.key("medical"), *desk.trust())
    assert pull.code == 0, pull.err
