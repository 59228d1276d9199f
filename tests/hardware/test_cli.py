"""The `hardware` command as its users meet it."""

import json
import os
from pathlib import Path

import pytest
from hardware_command import hardware, refused

from hardware import clock, keys
from hardware.errors import Misconfigured

VECTORS = Path(__file__).parent.parent / "vectors" / "packet"


@pytest.fixture(scope="module")
def event(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "event"
    done = hardware("event", "new", folder, "--event=race", "--relay=moto-1", "--bib=7", "--bib=11")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder}\n"
    return folder


def test_help_teaches_every_command():
    for command in ([], ["event", "new"], ["roster", "show"], ["packet"], ["stage"], ["bikes"]):
        done = hardware(*command, "--help")
        assert done.returncode == 0
        assert "Usage" in done.stdout
        assert len(done.stdout.split()) > 30


def test_an_event_is_made_once_with_private_keys_private(event):
    assert {path.name for path in event.iterdir()} == {
        "authority.key", "authority.pub", "ca.key", "ca.crt", "rosters", "truck.pub", "truck",
        "relays", "bikes",
    }  # fmt: skip
    for path in event.rglob("*.key"):
        assert path.stat().st_mode & 0o077 == 0
    said = refused(78, "event", "new", event, "--event=x", "--relay=a", "--riders=1")
    assert "already holds an event" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["--riders=2", "--bib=1"],
        ["--bib=1", "--bib=1"],
        ["--bib=0"],
        ["--riders=1", "--event= "],
    ],
)
def test_unclear_riders_and_names_are_refused(tmp_path, arguments):
    refused(78, "event", "new", tmp_path / "e", "--event=x", "--relay=a", *arguments)
    assert not (tmp_path / "e").exists()


def test_a_relay_needs_a_name_that_a_topic_can_carry(tmp_path):
    said = refused(78, "event", "new", tmp_path / "e", "--event=x", "--relay=Moto 1", "--riders=1")
    assert "'Moto 1'" in said
    assert not (tmp_path / "e").exists()


def test_a_roster_is_shown_only_when_its_signature_holds(event, tmp_path):
    public = event / "truck" / "authority.pub"
    roster = event / "truck" / "roster.json"
    done = hardware("roster", "show", roster, "--authority", public, "--json")
    shown = json.loads(done.stdout)
    assert shown["schema"] == "hardware.roster/1"
    assert [(row["device"], row["bib"]) for row in shown["devices"]] == [(1, 7), (2, 11)]
    assert shown["relays"] == [{"name": "moto-1", "revoked": False}]
    table = hardware("roster", "show", roster, "--authority", public)
    assert "race, version 1, relays moto-1" in table.stdout
    changed = tmp_path / "roster.json"
    changed.write_bytes(roster.read_bytes().replace(b'"sig":"', b'"sig":"AAAA'))
    assert "refused (signature)" in refused(65, "roster", "show", changed, "--authority", public)
    said = refused(78, "roster", "show", tmp_path / "none", "--authority", public)
    assert "cannot read roster" in said
    assert "64 hex digits" in refused(78, "roster", "show", roster, "--authority", roster)


def test_a_packet_is_explained_and_opened_with_the_events_key(event, tmp_path):
    keys_of = [
        "--roster",
        event / "truck/roster.json",
        "--authority",
        event / "truck/authority.pub",
    ]
    raw = tmp_path / "packet.bin"
    raw.write_bytes(_packet_of(event))
    done = hardware("packet", raw, *keys_of)
    assert done.returncode == 0, done.stderr
    assert "AES-CCM-8" in done.stdout
    assert "valid" in done.stdout
    assert "latitude_deg" not in done.stdout
    done = hardware("packet", raw, *keys_of, "--event-key", event / "truck/event.key")
    assert "45.5" in done.stdout
    raw.write_text(_packet_of(event).hex())
    assert hardware("packet", raw, *keys_of).returncode == 0
    flipped = bytearray(_packet_of(event))
    flipped[-1] ^= 1
    raw.write_bytes(flipped)
    done = hardware("packet", raw, *keys_of)
    assert done.returncode == 65
    assert "NOT VALID" in done.stdout
    assert "is not signed by device 1" in done.stderr
    raw.write_bytes(b"short")
    assert "refused (malformed)" in refused(65, "packet", raw, *keys_of)
    foreign = json.loads((VECTORS / "ok-sealed-5.json").read_text())["packet_hex"]
    raw.write_text(foreign[:8] + "0900" + foreign[12:])
    assert "unknown_key" in refused(65, "packet", raw, *keys_of)


def _packet_of(event: Path) -> bytes:
    from hardware.packet import Fix
    from hardware.virtual.transponder import Transponder, read_secrets

    home = keys.Credentials(event / "bikes")
    bike = Transponder(read_secrets(event / "bikes/devices.json")[1], home.roster(), boot=1)
    return bike.packet([Fix(1000, 45.5, 6.0)])[0]


def test_a_stage_is_written_for_rides_and_for_a_seed(tmp_path, shared):
    done = hardware("stage", tmp_path / "v", "--seed=2", "--riders=3")
    assert done.stdout == f"{tmp_path / 'v'}\n"
    assert len((tmp_path / "v" / "startlist.csv").read_text().splitlines()) == 4
    ride = shared / "power_rides" / "elpatron_chaingang.fit"
    assert hardware("stage", tmp_path / "r", "--ride", ride).returncode == 0
    assert "elpatron_chaingang" in (tmp_path / "r" / "startlist.csv").read_text()
    assert "already holds a stage" in refused(78, "stage", tmp_path / "v")
    broken = shared / "broken_fit" / "nick.fit"
    assert "not whole at byte" in refused(65, "stage", tmp_path / "b", "--ride", broken)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--riders=3"], "the event has 2 riders"),
        (["--ride=nothing.fit"], "cannot read nothing.fit"),
        (["--dark=1:5"], "--dark 1:5 is no window"),
        (["--relay=nowhere"], "--relay nowhere is no address"),
        (["--stage=nowhere"], "cannot read nowhere/route.gpx"),
    ],
)
def test_bikes_that_cannot_start_say_why(event, options, said):
    assert said in refused(78, "bikes", event, "--relay=127.0.0.1:9", *options)


@pytest.mark.parametrize("text", ["fast", "0@0", "-1@0", "nan@0", "inf@0", "2@", "2@inf"])
def test_a_clock_that_is_none_is_one_sentence(monkeypatch, text):
    monkeypatch.setenv("TRUCK_CLOCK", text)
    with pytest.raises(Misconfigured, match="TRUCK_CLOCK"):
        clock.from_environment()


def test_a_faster_clock_is_handed_down(monkeypatch):
    fast = clock.faster(20.0)
    for name, value in fast.environment().items():
        monkeypatch.setenv(name, value)
    assert clock.from_environment() == fast
    assert fast.wall_s(10.0) == 0.5


def test_a_key_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "k" / "secret.key"
    keys.write_file(path, b"old")
    taken = iter([2, 1, OSError(28, "No space left on device")])

    def full(descriptor: int, data: memoryview) -> int:
        step = next(taken)
        if isinstance(step, OSError):
            raise step
        return step

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Misconfigured, match="No space left on device"):
        keys.write_file(path, b"newer")
    assert path.read_bytes() == b"old"
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]
