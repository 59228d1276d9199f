"""A recipient is revoked while the truck runs, a rider erased after the race; all as processes."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from cloud_sync.batch import biometrics_of
from cloud_sync.keyring import create_key
from cloud_sync.manifest import open_manifest
from cloud_sync.outbox import Outbox
from hardware import home, keys
from hardware.errors import TruckError
from truck import demo
from truck.cast import Cast
from truck.config import TruckConfig

RIDER = 7
KINDS = {
    "operations": ["readings"],
    "medical": ["biometrics"],
    "recovery": ["readings", "biometrics"],
    "newcomer": ["readings", "biometrics"],
}


def cloud_sync(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cloud_sync", *map(str, words)], capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def told(*words: object) -> Any:
    done = cloud_sync(*words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in words else done.stdout


def follow_a_keyset(cast: Cast) -> None:
    """Draft and sign version 1, and have the truck follow it instead of names."""
    folder = cast.folder
    create_key(folder / "newcomer")
    for name in ("root", "cloud", "stranger"):
        told("keys", "root", folder / name)
    told("keys", "set", "new", folder / "draft", "--name", "tour")
    for name, kinds in KINDS.items():
        words = [word for kind in kinds for word in ("--for", kind)]
        told("keys", "set", "add", folder / "draft", folder / f"{name}.pub", *words)
    sign(cast)
    path = cast.truck_home / "truck.toml"
    config = home.load_settings(TruckConfig, path, {})
    fields = {k: str(v) if isinstance(v, Path) else v for k, v in config.model_dump().items()}
    root = keys.read_key(folder / "root.pub", "root").hex()
    for name in ("recipients", "bio_recipients"):
        del fields[name]
    fields |= {"keyset": str(folder / "keyset.json"), "keyset_root": root}
    home.save_settings(TruckConfig, path, fields)


def sign(cast: Cast, root: str = "root") -> None:
    folder = cast.folder
    told(
        "keys", "set", "sign", folder / "draft", "--root-key", folder / f"{root}.key",
        "--to", folder / "keyset.json",
    )  # fmt: skip


def keysets_used(cast: Cast, stream: str) -> list[int | None]:
    with contextlib.suppress(TruckError), Outbox(cast.outbox) as outbox:
        rows = outbox._run("SELECT manifest FROM batch WHERE stream = ? ORDER BY seq", (stream,))
        public = keys.read_key(cast.event / "truck.pub", "truck")
        return [open_manifest(manifest, public).keyset for (manifest,) in rows]
    return []


def alarms(cast: Cast) -> list[str]:
    return [row["name"] for row in cast.truck_status().get("alarms", [])]


def bodies(folder: Path, stream: str) -> pa.Table:
    files = sorted((folder / f"stream={stream}").rglob("*.parquet"))
    return pa.concat_tables([pq.ParquetFile(path).read() for path in files]).sort_by("row_id")


@pytest.mark.timeout(400)
def test_a_rotation_on_the_road_and_an_erasure_after_it(
    tmp_path: Path, finish: Callable[[Cast], dict[str, Any]]
) -> None:
    script = demo.Script(riders=20)
    cast = demo.set_the_stage(tmp_path / "demo", script)
    follow_a_keyset(cast)
    stream = home.load_settings(TruckConfig, cast.truck_home / "truck.toml", {}).stream
    bio = biometrics_of(stream)
    try:
        demo.start(cast, script)
        demo.start_bikes(cast, script)
        cast.wait_for("a first batch", lambda: 1 in keysets_used(cast, stream), 60)
        first = (cast.folder / "keyset.json").read_bytes()
        told("keys", "set", "revoke", cast.folder / "draft", "newcomer")
        sign(cast, "stranger")
        cast.wait_for("the alarm", lambda: "keyset" in alarms(cast), 60)
        sign(cast)
        cast.wait_for("the rotation", lambda: 3 in keysets_used(cast, stream), 60)
        cast.wait_for("the alarm's end", lambda: "keyset" not in alarms(cast), 60)
        cast.kill("truck")
        (cast.folder / "keyset.json").write_bytes(first)  # an older set, after a restart
        cast.start_truck()
        cast.wait_for("the alarm again", lambda: "keyset" in alarms(cast), 60)
        finish(cast)
    finally:
        cast.end_all()
    assert set(keysets_used(cast, stream)) == {1, 3}
    public = keys.read_key(cast.event / "truck.pub", "truck").hex()
    trust = ["--truck", public, "--cloud", cast.folder / "cloud.pub"]
    rooted = [*trust, "--root", cast.folder / "root.pub"]
    told("verify", cast.cloud, *rooted)
    late = cloud_sync(
        "pull", cast.cloud, "--to", tmp_path / "late", "--key", cast.folder / "newcomer.key",
        *trust, "--stream", stream,
    )  # fmt: skip
    assert (late.returncode, "cannot open batch" in late.stderr) == (78, True)
    before = bodies(cast.pulled, bio)
    assert pc.sum(pc.equal(before["bib"], RIDER)).as_py() > 0
    report = told(
        "erase", cast.cloud, "--stream", stream, "--rider", RIDER, "--by", "A. Doctor",
        "--reason", "asked for", "--sign", cast.folder / "cloud.key",
        "--key", cast.folder / "medical.key", "--pulled", cast.pulled, "--spool", cast.outbox,
        "--json",
    )  # fmt: skip
    rest = before.filter(pc.not_equal(before["bib"], RIDER))
    assert report["pulled_rows"] == before.num_rows - rest.num_rows
    assert bodies(cast.pulled, bio).equals(rest)
    shown = told("verify", cast.cloud, *rooted, "--json")
    assert [s["erasures"][0]["by"] for s in shown["streams"] if s["stream"] == bio] == ["A. Doctor"]
    for key in ("medical", "recovery"):
        fresh = tmp_path / key
        told(
            "pull", cast.cloud, "--to", fresh, "--key", cast.folder / f"{key}.key", *trust,
            "--stream", bio,
        )  # fmt: skip
        assert bodies(fresh, bio).equals(rest)
