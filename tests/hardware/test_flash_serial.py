"""esptool, unmodified, flashes a pty that speaks the ESP32's protocol: old or new, never half."""

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from chip_event import CLOCK, ignore, make_event, roster_of
from esp32_rom import FLASH_BYTES, Esp32, Faults

from hardware import flash_ledger, keys, partitions
from hardware.chip import write_slot
from hardware.crew import Crew
from hardware.errors import Misconfigured, Refused, Unavailable
from hardware.flash_images import flash_images, image_path
from hardware.flash_serial import flash_ports
from hardware.nvs import TransponderConfig
from hardware.partitions import A, B, Image, Slot, active
from hardware.signing import SigningKey
from hardware.transponders import Flashed, State, Workshop

# One write of a slot: 3 sectors erased and 48 pages programmed, then 1 and 16 for its keys, which
# stand whole in the first half of their first page
OPERATIONS = 68
KEYS_WRITTEN = 53
CUTS = int(os.environ.get("TRUCK_CHIP_CUTS", "20"))


def flash(
    event: Path, crew: Crew, ports: dict[str, str | None], *, resume: bool = False
) -> dict[str, Flashed]:
    results = flash_ports(event, crew, ports, by="Ana", clock=CLOCK, resume=resume, told=ignore)
    return {result.target: result for result in results}


def on(chip: Esp32) -> tuple[Slot, TransponderConfig] | None:
    """What a transponder would find when it starts."""
    try:
        return active(chip.region)
    except Refused:
        return None


@pytest.fixture(autouse=True)
def impatient(tmp_path, monkeypatch) -> None:
    """esptool asks a chip that is gone once, not seven times."""
    config = tmp_path / "esptool.cfg"
    config.write_text("[esptool]\nconnect_attempts = 1\n")
    monkeypatch.setenv("ESPTOOL_CFGFILE", str(config))


@pytest.fixture
def chip(tmp_path):
    with Esp32(tmp_path / "ttyUSB0") as made:
        yield made


def test_a_blank_chip_gets_the_keys_that_the_roster_names(tmp_path, chip) -> None:
    event, crew = make_event(tmp_path / "event", 2)
    result = flash(event, crew, {str(chip.port): "T-001"})[str(chip.port)]
    assert result.state is State.PROVEN, result.said
    found = on(chip)
    assert found
    slot, config = found
    key = roster_of(event).device_key(config.device << 8 | config.generation)
    assert slot is A
    assert key.sign_public == SigningKey(config.sign_seed).public
    assert key.box_public == keys.box_public(config.box_private)
    (entry,) = flash_ledger.read(event).entries
    assert (entry.serial, entry.target) == ("T-001", str(chip.port))


def test_a_second_flash_knows_the_chip_and_leaves_the_first_slot_as_it_was(tmp_path, chip) -> None:
    event, crew = make_event(tmp_path / "event", 2)
    flash(event, crew, {str(chip.port): "T-001"})
    before = chip.region
    assert flash(event, crew, {str(chip.port): None})[str(chip.port)].state is State.PROVEN
    found = on(chip)
    assert found
    assert found[0] is B
    assert found[1].generation == 2
    assert A.nvs.of(chip.region) == A.nvs.of(before)
    assert A.keys.of(chip.region) == A.keys.of(before)


def test_the_rom_loader_alone_will_do(tmp_path, chip) -> None:
    event, crew = make_event(tmp_path / "event", 2)
    image = tmp_path / "image.bin"
    flash_images(event, crew, tmp_path, by="Ana", clock=CLOCK, resume=False, told=ignore)
    esptool = [sys.executable, "-m", "esptool", "--chip", "esp32", "--port", chip.port, "--no-stub"]
    for command in (["write-flash", "0x9000", tmp_path / "T-001.bin"],
                    ["read-flash", "0x9000", "0x8000", image]):  # fmt: skip
        subprocess.run([*esptool, *command], check=True, capture_output=True, timeout=60)
    assert image.read_bytes() == chip.region == (tmp_path / "T-001.bin").read_bytes()
    found = on(chip)
    assert found
    assert found[1].serial == "T-001"


def test_who_a_chip_is_must_be_clear_before_it_is_written(tmp_path, chip) -> None:
    event, crew = make_event(tmp_path / "event", 3)
    port = str(chip.port)
    assert "Name it" in flash(event, crew, {port: None})[port].said
    flash(event, crew, {port: "T-001"})
    before = chip.region
    result = flash(event, crew, {port: "T-002"})[port]
    assert result.state is State.FAILED
    assert "says it is T-001, not T-002" in result.said
    assert chip.region == before
    with pytest.raises(Misconfigured, match="two ports"):
        flash(event, crew, {port: "T-001", "/dev/null": "T-001"})
    with pytest.raises(Misconfigured, match="nobody on the crew sheet"):
        flash(event, crew, {port: "T-009"})


def test_another_device_is_not_overwritten(tmp_path) -> None:
    event, crew = make_event(tmp_path / "event", 2)
    flash_bytes = bytearray(b"\x00" * 0x400000)
    with Esp32(tmp_path / "ttyUSB0", flash_bytes) as chip:
        result = flash(event, crew, {str(chip.port): "T-001"})[str(chip.port)]
        assert result.state is State.FAILED
        assert "no partition table" in result.said
        assert chip.operations == 0


def test_a_port_where_no_chip_answers_is_one_sentence(tmp_path) -> None:
    event, crew = make_event(tmp_path / "event", 2)
    result = flash(event, crew, {"/dev/null": "T-001"})["/dev/null"]
    assert result.state is State.FAILED
    assert "\n" not in result.said


@pytest.fixture
def flashed(tmp_path) -> tuple[Path, Crew, list[bytes], list[Image]]:
    """An event of 4, the chips as they are, and for each an image with other keys for slot b."""
    event, crew = make_event(tmp_path / "event", 4)
    flash_images(event, crew, tmp_path, by="Ana", clock=CLOCK, resume=False, told=ignore)
    regions = [image_path(tmp_path, m.serial).read_bytes() for m in crew.transponders]
    workshop = Workshop(event, crew.transponders)
    images = [
        workshop.make(member, CLOCK.now_s(), B, active(region)[1]).image
        for member, region in zip(crew.transponders, regions, strict=True)
    ]
    return event, crew, regions, images


def holding(region: bytes) -> bytearray:
    """The flash of a chip that holds a region."""
    whole = bytearray(b"\xff" * FLASH_BYTES)
    whole[partitions.REGION_AT : partitions.REGION_AT + len(region)] = region
    return whole


def test_cut_at_twenty_points_a_write_ends_as_old_or_new(tmp_path, flashed) -> None:
    """It resets there, or is pulled off its cable; the keys' first page makes the new one count."""
    _, _, regions, images = flashed
    old = active(regions[0])
    cuts = [(fault, point) for fault in ("reset", "pulled") for point in range(1, OPERATIONS + 1)]
    random.Random(20).shuffle(cuts)

    def cut(fault: str, point: int) -> None:
        faults = Faults(frozenset({point})) if fault == "reset" else Faults(unplug_at=point)
        with Esp32(tmp_path / f"{fault}{point}", holding(regions[0]), faults) as chip:
            with pytest.raises(Unavailable) as error:
                write_slot(str(chip.port), images[0])
            assert "\n" not in str(error.value)
        now = on(chip)
        assert now
        assert now == old or (now[0], now[1].generation) == (B, 2)
        assert (now != old) == (point >= KEYS_WRITTEN)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda both: cut(*both), cuts[:CUTS]))


def test_the_batch_goes_on_past_chips_that_reset_and_resume_finishes_them(
    tmp_path, flashed
) -> None:
    event, crew, regions, _ = flashed
    with ExitStack() as stack:
        chips = [
            stack.enter_context(Esp32(tmp_path / f"ttyUSB{n}", holding(region)))
            for n, region in enumerate(regions)
        ]
        ports = dict.fromkeys(str(chip.port) for chip in chips)
        chips[1].faults = Faults(reset_at=frozenset({20}))
        chips[2].faults = Faults(reset_at=frozenset({20, 40}))
        results = flash(event, crew, ports)
        states = [results[str(chip.port)].state for chip in chips]
        assert states == [State.PROVEN, State.PROVEN, State.FAILED, State.PROVEN]
        assert "it holds the configuration of T-003, generation 1, whole" in results[
            str(chips[2].port)
        ].said  # fmt: skip
        again = flash(event, crew, ports, resume=True)
        states = [again[str(chip.port)].state for chip in chips]
        assert states == [State.KEPT, State.KEPT, State.PROVEN, State.KEPT]
        for chip in chips:
            found = on(chip)
            assert found
            assert found[1].generation == 2
            kid = found[1].device << 8 | 2
            assert roster_of(event).device_key(kid).sign_public == SigningKey(
                found[1].sign_seed
            ).public  # fmt: skip
    assert flash_ledger.read(event).problems == ()


def test_an_unplugged_one_is_finished_when_it_is_back(tmp_path, flashed) -> None:
    event, crew, regions, _ = flashed
    port = tmp_path / "ttyUSB0"
    with Esp32(port, holding(regions[0]), Faults(unplug_at=30)) as chip:
        result = flash(event, crew, {str(port): None})[str(port)]
        assert result.state is State.FAILED
        assert "plug it in again" in result.said
    with Esp32(port, chip.flash) as again:
        assert flash(event, crew, {str(port): None}, resume=True)[str(port)].state is State.PROVEN
        found = on(again)
        assert found
        assert found[1].generation == 2


def test_flipped_bits_are_found_and_a_worn_cell_leaves_the_old_one(tmp_path, flashed) -> None:
    event, crew, regions, _ = flashed
    with ExitStack() as stack:
        chips = [
            stack.enter_context(Esp32(tmp_path / f"ttyUSB{n}", holding(regions[n])))
            for n in range(3)
        ]
        old = [on(chip) for chip in chips]
        chips[0].faults = Faults(flip_at=frozenset({4}))
        chips[1].faults = Faults(worn=frozenset(range(B.nvs.at + 64, B.nvs.at + 200)))
        chips[2].faults = Faults(flip_after_md5=B.nvs.at + 100)  # esptool itself is content
        results = flash(event, crew, dict.fromkeys(str(chip.port) for chip in chips))
        states = [results[str(chip.port)].state for chip in chips]
        assert states == [State.PROVEN, State.FAILED, State.FAILED]
        same = [on(chip) == was for chip, was in zip(chips, old, strict=True)]
        assert same == [False, True, True]
        assert "MD5 of file does not match" in results[str(chips[1].port)].said
        assert "not what was written" in results[str(chips[2].port)].said


def test_table_of_another_maker_is_refused_by_name(tmp_path) -> None:
    event, crew = make_event(tmp_path / "event", 2)
    with Esp32(tmp_path / "ttyUSB0") as chip:
        chip.flash[partitions.TABLE_AT + 12] ^= 1
        said = flash(event, crew, {str(chip.port): "T-001"})[str(chip.port)].said
        assert "partition table" in said
        assert chip.operations == 0
