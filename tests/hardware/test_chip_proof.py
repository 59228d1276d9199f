"""A transponder proven later, from its image file or from its port, through the commands."""

import dataclasses
import json
from pathlib import Path

import pytest
from chip_event import CLOCK, crew_of, ignore, make_event
from esp32_rom import Esp32, Faults
from hardware_command import Done, hardware

from hardware import partitions
from hardware.crew import Crew
from hardware.flash_images import flash_images, image_path
from hardware.nvs import build_nvs
from hardware.nvs_pages import encode_keys, open_keys
from hardware.transponders import Flashed


def flash(event: Path, crew: Crew, folder: Path) -> list[Flashed]:
    return flash_images(event, crew, folder, by="Ana", clock=CLOCK, resume=False, told=ignore)


@pytest.fixture
def flashed(tmp_path) -> tuple[Path, Path, Path]:
    """An event, its sheet, a folder of images."""
    event, crew = make_event(tmp_path / "event", 3)
    sheet = tmp_path / "crew.csv"
    rows = [f"{m.role},{m.name},{m.serial},{m.bib or ''},{m.channel}" for m in crew.members]
    sheet.write_text("\n".join(["role,name,serial,bib,channel", *rows]))
    flash(event, crew, tmp_path / "nvs")
    return event, sheet, tmp_path / "nvs"


def verdict(done: Done) -> str:
    return str(json.loads(done.stdout)["cards"][0]["verdict"])


def test_an_image_is_proven_later_and_an_older_one_is_told_apart(flashed, tmp_path) -> None:
    event, _, folder = flashed
    path = image_path(folder, "T-001")
    done = hardware("verify", path, "--event", event)
    assert done.returncode == 0, done.stdout
    assert "PROVEN" in done.stdout
    older = tmp_path / "older.bin"
    older.write_bytes(path.read_bytes())
    assert verdict(hardware("verify", older, "--json")) == "unproven"
    flash(event, crew_of(3), folder)
    done = hardware("verify", older, "--event", event, "--json")
    assert (done.returncode, verdict(done)) == (1, "older")
    assert verdict(hardware("verify", path, "--event", event, "--json")) == "proven"


def test_damage_another_event_and_a_revocation_have_their_names(flashed, tmp_path) -> None:
    event, _, folder = flashed
    path = image_path(folder, "T-001")
    broken = tmp_path / "broken.bin"
    broken.write_bytes(path.read_bytes()[:70] + b"\0" + path.read_bytes()[71:])
    done = hardware("verify", broken, "--event", event, "--json")
    assert (done.returncode, verdict(done)) == (65, "damaged")
    other, _ = make_event(tmp_path / "other", 2)
    assert verdict(hardware("verify", path, "--event", other, "--json")) == "foreign"
    done = hardware("roster", "revoke", event, "--device", "1")
    assert done.returncode == 0, done.stderr
    assert verdict(hardware("verify", path, "--event", event, "--json")) == "revoked"


def test_flash_and_verify_over_a_port_as_the_crew_types_them(flashed, tmp_path) -> None:
    event, sheet, _ = flashed
    with Esp32(tmp_path / "ttyUSB0") as chip, Esp32(tmp_path / "ttyUSB1") as worn:
        worn.faults = Faults(worn=frozenset(range(0x9000 + 64, 0x9000 + 200)))
        ports = ("--serial", f"{chip.port}=T-001", "--serial", f"{worn.port}=T-002")
        done = hardware("flash", sheet, "--event", event, *ports, "--by", "Ana", "--json")
        assert done.returncode == 3, done.stderr
        told = {d["serial"]: d for d in json.loads(done.stdout)["devices"]}
        assert told["T-001"]["state"] == "proven"
        assert told["T-002"]["state"] == "failed"
        assert "it holds no configuration" in told["T-002"]["said"]
        done = hardware("verify", chip.port, "--event", event)
        assert done.returncode == 0, done.stdout
        resumed = hardware(
            "flash", sheet, "--event", event, "--serial", chip.port, "--resume", "--json"
        )
        assert json.loads(resumed.stdout)["devices"][0]["state"] == "kept"
    twice = ("--serial", chip.port, "--serial", f"{chip.port}=T-001")
    assert hardware("flash", sheet, "--event", event, *twice).returncode == 78
    assert hardware("ledger", "verify", event).returncode == 0


def test_a_chip_that_was_started_since_is_still_proven(flashed, tmp_path) -> None:
    event, _, folder = flashed
    region = image_path(folder, "T-001").read_bytes()
    slot, config = partitions.active(region)
    nvs_keys = open_keys(slot.keys.of(region))
    nvs = build_nvs(dataclasses.replace(config, boot=config.boot + 3), nvs_keys, 0x3000)
    image = partitions.Image(slot, nvs, encode_keys(nvs_keys))
    path = tmp_path / "started.bin"
    path.write_bytes(partitions.region_of(image))
    done = hardware("verify", path, "--event", event)
    assert done.returncode == 0
    assert "started since" in done.stdout
