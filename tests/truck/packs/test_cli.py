"""`truck pack`: from the team's remote to the truck's next start, each refusal its code."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packed_truck import OTHER_TEAM, TEAM, PackedTruck

from cloud_sync.packs import publish
from cloud_sync.remote import open_remote
from truck.cast import free_ports
from truck.cli import main


@dataclass
class Run:
    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    def refused(self, code: int, *words: str) -> None:
        """One sentence, that exit code."""
        (sentence,) = self.err.strip().splitlines()
        assert self.code == code, self.err
        assert sentence.startswith("error: ")
        for word in words:
            assert word in sentence


Cli = Callable[..., Run]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """`truck`, in this process, because starting one takes a second."""

    def run(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["truck", *map(str, arguments)])
        monkeypatch.setenv("NO_COLOR", "1")
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Run(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def truck(packed: PackedTruck, tmp_path: Path) -> PackedTruck:
    return packed.copy(tmp_path)


@pytest.fixture
def remote(truck: PackedTruck, tmp_path: Path) -> Path:
    """The team has published 1, 2 and 4."""
    for version in (1, 2, 4):
        publish(open_remote(str(tmp_path / "remote")), truck.pack_bytes(version), TEAM.public)
    return tmp_path / "remote"


def test_the_evening_from_fetch_to_rollback(
    cli: Cli, truck: PackedTruck, remote: Path, tmp_path: Path
) -> None:
    home = truck.home.folder
    fetched = cli("pack", "fetch", home, remote, "--json")
    assert fetched.code == 0, fetched.err
    document = fetched.json()
    assert (document["schema"], document["version"], document["new"]) == ("truck.pack/1", 4, True)
    assert document["boards"] == {"leaders": ["bib", "to_go_m", "gap_s"]}
    assert not cli("pack", "fetch", home, remote, "--json").json()["new"]
    cli("pack", "fetch", home, remote, "--version", 2)
    asked = cli("pack", "activate", home, 4)
    assert (asked.code, "--yes" in asked.err) == (5, True)
    assert truck.state == ([2, 4], None)
    said = cli("pack", "activate", home, 2, "--yes", "--by", "anna", "--json").json()
    assert (said["by"], said["version"], said["number"]) == ("anna", 2, 1)
    assert cli("pack", "activate", home, 4, "--yes", "--by", "ben", "--note", "moved").code == 0
    shown = cli("pack", "list", home, "--json").json()
    assert [(p["version"], p["in_force"]) for p in shown["packs"]] == [(2, False), (4, True)]
    assert cli("pack", "show", home, 4).code == 0
    back = cli("pack", "rollback", home, "--yes", "--by", "anna")
    assert (back.code, "pack 2" in back.out) == (0, True)
    assert truck.state == ([2, 4], 2)


def test_a_bad_source_is_one_sentence_and_changes_nothing(
    cli: Cli, truck: PackedTruck, remote: Path, tmp_path: Path
) -> None:
    home = truck.home.folder
    assert cli("pack", "fetch", home, remote).code == 0
    assert cli("pack", "activate", home, 4, "--yes").code == 0
    file = tmp_path / "x.pack"

    def fetch_file(data: bytes) -> Run:
        file.write_bytes(data)
        return cli("pack", "fetch", home, file)

    fetch_file(truck.pack_bytes(5, key=OTHER_TEAM)).refused(65, "signature")
    fetch_file(truck.pack_bytes(5, event="vuelta")).refused(78, "event vuelta")
    fetch_file(truck.pack_bytes(3)).refused(78, "older than pack 4", "--version 3")
    fetch_file(truck.pack_bytes(5)[:-9]).refused(65, "more than its manifest lists")
    fetch_file(truck.pack_bytes(5)[:5000]).refused(65, "pack 5", "bytes where")
    fetch_file(b"").refused(65, "no pack")
    fetch_file(truck.pack_bytes(5, {"boards/x.sql": b"DROP TABLE states"})).refused(
        65, "boards/x.sql", "one SELECT"
    )
    fetch_file(truck.pack_bytes(5, {"stage.toml": b"name = 1"})).refused(65, "stage.toml, kind")
    fetch_file(truck.pack_bytes(4, {"boards/y.sql": b"SELECT 1"})).refused(65, "two packs")
    cli("pack", "fetch", home, remote, "--version", 9).refused(78, "no pack 9", "newest is 4")
    cli("pack", "fetch", home, tmp_path / "none").refused(78, "holds no pack")
    cli("pack", "fetch", home, "ftp://x/y").refused(78, "no remote")
    cli("pack", "fetch", tmp_path / "none", remote).refused(10, "truck init")
    assert truck.state == ([4], 4)


def test_what_a_remote_could_do_is_named(
    cli: Cli, truck: PackedTruck, remote: Path, tmp_path: Path
) -> None:
    home, packs = truck.home.folder, remote / "packs" / "test-event"
    index = packs / "index"
    assert cli("pack", "fetch", home, remote).code == 0
    held = (index / "000004.json").read_bytes()
    (index / "000004.json").unlink()  # it withholds the newest, or was rolled back
    cli("pack", "fetch", home, remote).refused(65, "ends with pack 2", "holds pack 4")
    (index / "000005.json").write_bytes(held)  # it serves the newest under another number
    (index / "000006.json").write_bytes(b"{}")  # it invents one
    (index / "000004.json").write_bytes(held)
    again = cli("pack", "fetch", home, remote, "--json")
    assert (again.code, again.json()["version"]) == (0, 4)
    assert "000005.json is ignored" in again.err
    assert "000006.json is ignored" in again.err
    four, two = (next(packs.glob(f"00000{version}-*.pack")) for version in (4, 2))
    data = four.read_bytes()
    four.write_bytes(data[:-1] + b"\1")
    cli("pack", "fetch", home, remote).refused(65, "is not the pack that was signed")
    shutil.copy(two, four)  # it serves another pack in its place
    cli("pack", "fetch", home, remote).refused(65, "not pack 4")
    four.unlink()
    cli("pack", "fetch", home, remote).refused(65, "does not exist")
    assert truck.state == ([4], None)


def test_a_truck_that_trusts_no_team_takes_no_pack(
    cli: Cli, truck: PackedTruck, remote: Path
) -> None:
    config = truck.home.config
    config.write_text("".join(
        line for line in config.read_text().splitlines(keepends=True) if "team" not in line
    ))  # fmt: skip
    cli("pack", "fetch", truck.home.folder, remote).refused(78, "trusts no team", "team_public")
    config.write_text(config.read_text() + 'team_public = "short"\n')
    cli("pack", "fetch", truck.home.folder, remote).refused(78, "team_public")


def test_the_truck_starts_on_the_pack_in_force_and_not_on_a_spoilt_one(
    truck: PackedTruck, mosquitto: Path
) -> None:
    truck.take(3)
    truck.activate(3)
    broker, page = map(str, free_ports(2, socket.SOCK_STREAM))
    home = str(truck.home.folder)
    command = [sys.executable, "-m", "truck", "run", home, "--broker-port", broker, "--page-port"]
    command.append(page)
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    told = next(line for line in running.stderr if line.startswith(("note", "error")))
    running.terminate()
    running.communicate(timeout=30)
    assert "pack 3 (stage 9, Loop 3) is in force, put so by anna" in told
    (truck.home.packs / "000003" / "route.gpx").write_bytes(b"x")
    spoilt = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert spoilt.returncode == 65
    assert "truck pack rollback" in spoilt.stderr
