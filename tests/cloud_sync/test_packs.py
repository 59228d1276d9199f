"""The remote team's side of stage packs: built, published, listed, on a folder and on S3."""

import secrets
from pathlib import Path

import pytest

from cloud_sync.packs import FIRST_PART, publish, published_packs
from cloud_sync.remote import open_remote
from hardware.errors import Misconfigured
from hardware.keys import read_key
from hardware.pack import build_pack, open_pack
from hardware.signing import SigningKey
from hardware.virtual.course import loop_course
from hardware.virtual.stage import virtual_starters, write_stage

EVENT = "tour-2027"


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    folder = tmp_path / "stage"
    write_stage(folder, loop_course(3), virtual_starters([11]), name="Loop", start_at_s=1.8e9)
    (folder / "boards").mkdir()
    (folder / "boards" / "leaders.sql").write_text("SELECT bib FROM states")
    (folder / "notes.txt").write_text("for ourselves")
    return folder


@pytest.fixture
def team(cli, tmp_path: Path) -> Path:
    assert cli("pack", "keygen", tmp_path / "team").code == 0
    return tmp_path / "team.key"


def options(team: Path, version: int) -> list[object]:
    return ["--key", team, "--event", EVENT, "--number", 9, "--version", version, "--json"]


def test_a_pack_is_built_into_a_file_that_the_teams_key_proves(cli, stage, team, tmp_path) -> None:
    done = cli("pack", "build", stage, *options(team, 1), "--out", tmp_path / "one.pack")
    assert done.code == 0, done.err
    assert done.json()["left_out"] == ["notes.txt"]
    public = read_key(team.with_suffix(".pub"), "team key")
    pack = open_pack((tmp_path / "one.pack").read_bytes(), public)
    assert dict(pack.files)["route.gpx"] == (stage / "route.gpx").read_bytes()
    assert pack.manifest.digest == done.json()["sha256"]
    other = cli("pack", "build", stage, *options(team, 2), "--out", tmp_path / "one.pack")
    assert (other.code, "exists already" in other.err) == (78, True)


def test_what_is_published_is_listed_and_never_replaced(cli, stage, team, tmp_path) -> None:
    url, public = tmp_path / "remote", team.with_suffix(".pub")
    for version in (1, 3):
        done = cli("pack", "build", stage, *options(team, version), "--to", url)
        assert done.code == 0, done.err
    (stage / "boards" / "leaders.sql").write_text("SELECT bib FROM groups")
    for version, words in ((3, "is taken"), (2, "--version 4")):
        done = cli("pack", "build", stage, *options(team, version), "--to", url)
        assert (done.code, words in done.err) == (78, True), done.err
    (url / "packs" / EVENT / "index" / "000009.json").write_text("{}")
    shown = cli("pack", "list", url, "--team", public, "--event", EVENT, "--json").json()
    assert [pack["version"] for pack in shown["packs"]] == [1, 3]
    assert shown["not_signed"] == [f"packs/{EVENT}/index/000009.json"]


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_publishing_again_after_a_lost_answer_is_no_second_pack(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    key = SigningKey(bytes(range(32)))
    what = {"event": EVENT, "version": 1, "stage": 9, "name": "Loop", "now_s": 1.8e9}
    data = build_pack({"stage.toml": b""}, key=key, **what)
    other = build_pack({"stage.toml": b"#"}, key=key, **what)
    url = str(tmp_path / "remote")
    if kind == "s3":
        request.getfixturevalue("s3_env")
        url = f"s3://cloud/{secrets.token_hex(6)}"
    remote = open_remote(url)
    manifest = publish(remote, data, key.public)
    assert publish(remote, data, key.public) == manifest
    assert published_packs(remote, EVENT, key.public) == ([manifest], [])
    with pytest.raises(Misconfigured, match="is taken"):
        publish(remote, other, key.public)
    # a manifest that was moved to another number is none of the team's there
    remote.put_new(f"packs/{EVENT}/index/000002.json", remote.get(manifest.index_key, 65536))
    assert published_packs(remote, EVENT, key.public)[1] == [f"packs/{EVENT}/index/000002.json"]


def test_packs_are_no_stream_of_a_truck(cli, stage, team, tmp_path) -> None:
    assert cli("pack", "build", stage, *options(team, 1), "--to", tmp_path / "remote").code == 0
    assert open_remote(str(tmp_path / "remote")).streams() == [FIRST_PART]
    done = cli("verify", tmp_path / "remote", "--truck", "ab" * 32)
    assert (done.code, "holds no stream" in done.err) == (78, True)


def test_what_is_wrong_with_a_folder_key_or_place_is_one_sentence(
    cli, stage, team, tmp_path
) -> None:
    to = ["--out", tmp_path / "x.pack"]
    for words, arguments in (
        ("no folder", ["pack", "build", tmp_path / "none", *options(team, 1), *to]),
        ("team signing key", ["pack", "build", stage, *options(tmp_path / "no.key", 1), *to]),
        ("not clear", ["pack", "build", stage, *options(team, 1)]),
        ("makes no pack", ["pack", "build", stage, *options(team, 0), *to]),
        ("never overwritten", ["pack", "keygen", tmp_path / "team"]),
        ("team public key", ["pack", "list", tmp_path, "--team", tmp_path / "no.pub",
                             "--event", EVENT]),
    ):  # fmt: skip
        done = cli(*arguments)
        assert (done.code, len(done.err.strip().splitlines())) == (78, 1), done.err
        assert words in done.err
    (stage / "route.gpx").write_text("<gpx/>")
    done = cli("pack", "build", stage, *options(team, 1), *to)
    assert (done.code, "route.gpx" in done.err) == (78, True)
    assert not (tmp_path / "x.pack").exists()
