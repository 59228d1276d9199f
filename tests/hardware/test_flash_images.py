"""Transponders as image files: keys that nobody else has, a roster that lets them speak."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
from chip_event import CLOCK, crew_of, ignore, make_event, roster_of

from hardware import flash_ledger, keys
from hardware.authority import amend_roster
from hardware.crew import Crew
from hardware.errors import Damaged
from hardware.flash_images import flash_images, image_path, read_image
from hardware.signing import SigningKey
from hardware.transponders import Flashed, State, read_record


def flash(event: Path, crew: Crew, folder: Path, *, resume: bool = False) -> list[Flashed]:
    return flash_images(event, crew, folder, by="Ana", clock=CLOCK, resume=resume, told=ignore)


def made_by(results: list[Flashed]) -> set[str]:
    """The serials that were made, where all that is left was proven already."""
    assert {r.state for r in results} == {State.PROVEN, State.KEPT}
    return {r.member.serial for r in results if r.state is State.PROVEN}


@pytest.fixture
def flashed(tmp_path) -> tuple[Path, Crew, Path]:
    event, crew = make_event(tmp_path / "event", 5)
    assert {r.state for r in flash(event, crew, tmp_path / "nvs")} == {State.PROVEN}
    return event, crew, tmp_path / "nvs"


def test_every_image_holds_the_keys_that_the_roster_names(flashed) -> None:
    event, crew, folder = flashed
    roster = roster_of(event)
    assert roster.version == 2  # one version for the whole sheet
    for member in crew.transponders:
        config = read_image(image_path(folder, member.serial))
        key = roster.device_key(config.device << 8 | config.generation)
        assert key.sign_public == SigningKey(config.sign_seed).public
        assert key.box_public == keys.box_public(config.box_private)
        assert (config.event, config.name) == ("race", member.name)
        assert roster.bib_of(config.device, CLOCK.now_s()) == (member.bib or 0)
        assert config.event_box_public == roster.event_box_public


def test_the_laptop_keeps_no_private_key(flashed) -> None:
    event, crew, folder = flashed
    everything = b"".join(path.read_bytes() for path in event.rglob("*") if path.is_file())
    for member in crew.transponders:
        config = read_image(image_path(folder, member.serial))
        for secret in (config.sign_seed, config.box_private):
            assert secret not in everything
            assert secret.hex().encode() not in everything


def test_the_ledger_names_what_each_file_holds(flashed) -> None:
    event, crew, folder = flashed
    ledger = flash_ledger.read(event)
    assert ledger.problems == ()
    assert [e.serial for e in ledger.entries] == [m.serial for m in crew.transponders]
    for entry in ledger.entries:
        region = image_path(folder, entry.serial).read_bytes()
        assert (
            entry.image_sha256
            == hashlib.sha256(region[:0x3000] + region[0x6000:0x7000]).hexdigest()
        )
        record = read_record(event, entry.serial)
        assert record is not None
        assert entry.config_sha256 == record.config_sha256


def test_flashed_again_has_new_keys_and_the_old_are_revoked(flashed) -> None:
    event, crew, folder = flashed
    before = read_image(image_path(folder, "T-001"))
    flash(event, crew, folder)
    after = read_image(image_path(folder, "T-001"))
    assert (after.device, after.generation) == (before.device, before.generation + 1)
    assert after.boot > before.boot
    assert after.sign_seed != before.sign_seed
    kids = {d.generation: d.revoked for d in roster_of(event).devices if d.device == after.device}
    assert kids == {1: True, 2: False}


def test_resume_makes_only_what_is_missing(flashed) -> None:
    event, crew, folder = flashed
    image_path(folder, "T-002").unlink()
    broken = image_path(folder, "T-004")
    broken.write_bytes(broken.read_bytes()[:100])
    version = roster_of(event).version
    states = {r.member.serial: r.state for r in flash(event, crew, folder, resume=True)}
    assert {serial for serial, state in states.items() if state is State.PROVEN} == {
        "T-002",
        "T-004",
    }
    assert roster_of(event).version == version + 1
    assert {r.state for r in flash(event, crew, folder, resume=True)} == {State.KEPT}
    assert roster_of(event).version == version + 1


def test_resume_makes_again_what_the_sheet_or_a_revocation_has_overtaken(flashed) -> None:
    event, _, folder = flashed
    device = read_image(image_path(folder, "T-003")).device
    amend_roster(
        event,
        lambda roster: dataclasses.replace(
            roster,
            devices=tuple(
                dataclasses.replace(d, revoked=d.device == device) for d in roster.devices
            ),
        ),
    )
    sheet = crew_of(5, name="Racer").members
    crew = Crew((sheet[0], *crew_of(5).members[1:]))
    states = {r.member.serial: r.state for r in flash(event, crew, folder, resume=True)}
    assert {serial for serial, state in states.items() if state is State.PROVEN} == {
        "T-001",
        "T-003",
    }
    assert read_image(image_path(folder, "T-001")).name == "Racer 1"


def test_a_batch_that_died_before_the_roster_is_finished_by_resume(flashed, tmp_path) -> None:
    event, crew, folder = flashed
    authority = (event / "authority.key").read_bytes()
    (event / "authority.key").unlink()
    with pytest.raises(Exception, match="authority"):
        flash(event, crew, folder)
    (event / "authority.key").write_bytes(authority)
    assert {r.state for r in flash(event, crew, folder, resume=True)} == {State.KEPT}
    config = read_image(image_path(folder, "T-001"))
    assert not roster_of(event).device_key(config.device << 8 | config.generation).revoked
    assert config.generation == 2


def test_one_file_that_cannot_be_written_does_not_stop_the_others(tmp_path) -> None:
    event, crew = make_event(tmp_path / "event", 3)
    image_path(tmp_path / "nvs", "T-002").mkdir(parents=True)
    states = {r.member.serial: r.state for r in flash(event, crew, tmp_path / "nvs")}
    assert states == {"T-001": State.PROVEN, "T-002": State.FAILED, "T-003": State.PROVEN}


def test_a_damaged_ledger_or_record_stops_the_batch_before_anything_is_made(flashed) -> None:
    event, crew, folder = flashed
    record = event / "transponders" / "T-001.json"
    whole = record.read_bytes()
    record.write_bytes(whole.replace(b'"device": 1', b'"device": 2'))
    with pytest.raises(Damaged, match=r"T-001\.json is damaged"):
        flash(event, crew, folder)
    record.write_bytes(json.dumps({"schema": "truck.transponder/1"}).encode())
    with pytest.raises(Damaged):
        flash(event, crew, folder)
    record.write_bytes(whole)
    image = image_path(folder, "T-001").read_bytes()
    (event / "ledger.head").unlink()
    with pytest.raises(Damaged, match="ledger"):
        flash(event, crew, folder)
    assert image_path(folder, "T-001").read_bytes() == image
