"""A relay's card is the old one or the new one, whatever fails while it is written."""

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_card import FaultyCard

from hardware.block import BlockDevice
from hardware.card import (
    CARD_BYTES_MIN,
    IMAGE_BYTES,
    SLOTS,
    Block,
    counting_slot,
    image_of,
    read_card,
    work_bytes,
    write_card,
)
from hardware.disks import look
from hardware.errors import Damaged, Misconfigured
from hardware.fat import SECTOR, Volume, make_volume, read_volume
from hardware.seed import COMMIT, FILES, read_seed, seed_files

PULLS = 20


@functools.cache
def files(version: int) -> dict[str, bytes]:
    return seed_files(
        event="tour-2027", name="moto-1", serial="R-01", config_version=version,
        node=b"configuration %d " % version * 40, token=bytes([version] * 32),
        authority_public=bytes(32), ca_certificate=b"PEM\n", roster=b"roster " * 3000 * version,
    )  # fmt: skip


@functools.cache
def volume(version: int) -> Volume:
    return make_volume(files(version), f"{version:08x}")


def write(block: Block, version: int) -> None:
    write_card(block, volume(version), lambda _: None)


def version_on(medium: bytes | bytearray, folder: Path) -> int | None:
    """Which whole seed another program finds on a card; None where there is no volume.

    A volume that is no whole seed fails: that would be a card that is half.
    """
    image = folder / "card.img"
    image.write_bytes(medium)
    listed = subprocess.run(["mdir", "-i", image, "::"], capture_output=True, check=False)
    if listed.returncode:
        return None
    return read_seed(read_volume(image, FILES)).config_version


def blank() -> bytearray:
    return bytearray(CARD_BYTES_MIN + 4096)


def with_version(version: int) -> bytearray:
    return bytearray(_written(version))


@functools.cache
def _written(version: int) -> bytes:
    medium = blank()
    write(FaultyCard(medium), version)
    return bytes(medium)


def test_a_card_is_read_by_mtools_fsck_and_blkid(tmp_path: Path) -> None:
    medium = with_version(1)
    assert counting_slot(medium[:SECTOR]) == 0
    image = tmp_path / "card.img"
    for version, slot in ((2, 1), (3, 0)):  # in each of the two slots
        write(FaultyCard(medium), version)
        assert counting_slot(medium[:SECTOR]) == slot
        image.write_bytes(medium)
        assert read_volume(image, FILES) == files(version)
        checked = subprocess.run(
            ["fsck.vfat", "-n", image], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout
        told = subprocess.check_output(["blkid", "-p", "-o", "export", image], text=True)
        assert "LABEL=CIDATA\n" in told
        assert "TYPE=vfat\n" in told


def test_the_same_files_are_the_same_image_and_an_image_is_a_card(tmp_path: Path) -> None:
    image = image_of(volume(1))
    assert image == image_of(make_volume(dict(files(1)), f"{1:08x}"))
    assert len(image) == IMAGE_BYTES
    copied = bytearray(image.ljust(CARD_BYTES_MIN, b"\0"))  # by dd, say
    write(FaultyCard(copied), 2)
    assert counting_slot(copied[:SECTOR]) == 1
    assert version_on(copied, tmp_path) == 2
    assert version_on(image_of(volume(2)), tmp_path) == 2
    assert read_card(FaultyCard(copied)) == image_of(volume(2))


def test_the_last_file_is_written_after_all_others_are_durable() -> None:
    order: list[tuple[str, bool]] = []

    class Watched(FaultyCard):
        def write(self, offset: int, data: bytes) -> None:
            order.append(("write", files(1)[COMMIT][:SECTOR] in data))
            super().write(offset, data)

        def sync(self) -> None:
            order.append(("sync", False))
            super().sync()

    medium = with_version(3)
    write(Watched(medium), 1)
    commit = order.index(("write", True))
    assert ("sync", False) in order[:commit]
    assert ("sync", False) in order[commit:]
    assert ("write", True) not in order[:commit]
    assert order[-2:] == [("write", False), ("sync", False)]  # the sector that counts
    assert order[-3] == ("sync", False)


def test_progress_comes_to_the_end() -> None:
    done: list[int] = []
    write_card(FaultyCard(blank()), volume(1), done.append)
    assert sum(done) == work_bytes(volume(1))


@functools.cache
def steps(old: int | None) -> int:
    card = FaultyCard(blank() if old is None else with_version(old))
    write(card, 2)
    return card.steps


@pytest.mark.parametrize("old", [1, None])
@pytest.mark.parametrize("seed", range(PULLS))
def test_a_card_pulled_out_is_the_old_or_the_new_one(
    seed: int, old: int | None, tmp_path: Path
) -> None:
    medium = blank() if old is None else with_version(old)
    # most seeds anywhere on the way, the others close to its end, where the sector that counts is
    span = range(steps(old)) if seed % 4 else range(steps(old) - 12, steps(old))
    card = FaultyCard(medium, seed=seed, pull_at=span[seed * 7919 % len(span)])
    with pytest.raises(OSError, match="No such device"):
        write(card, 2)
    assert version_on(medium, tmp_path) in (old, 2)
    write(FaultyCard(medium), 2)  # put back in
    assert version_on(medium, tmp_path) == 2


def test_a_card_pulled_out_at_the_last_steps_is_old_then_new(tmp_path: Path) -> None:
    found = []
    for pull_at in range(steps(1) - 3, steps(1) + 1):
        medium = with_version(1)
        try:
            write(FaultyCard(medium, seed=3, pull_at=pull_at), 2)
        except OSError:
            assert pull_at < steps(1)
        found.append(version_on(medium, tmp_path))
    assert found == sorted(found, key=lambda version: version or 0)
    assert (found[0], found[-1]) == (1, 2)


def a_bit_to_be_cleared(new: bytes, at: int) -> tuple[int, int]:
    """A bit near `at` that the new bytes need to be 0, so that a worn cell shows in it."""
    while new[at] == 0xFF:
        at += 1
    clear = 0xFF & ~new[at]
    return at, clear & -clear


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.99])
def test_a_worn_cell_in_the_slot_is_found_and_the_card_stays_the_old_one(
    share: float, tmp_path: Path
) -> None:
    medium = with_version(1)
    body = volume(2).whole[SECTOR:]
    at, mask = a_bit_to_be_cleared(body, int(share * len(body)))
    worn = FaultyCard(medium, stuck=(SLOTS[1] * SECTOR + at, mask))
    with pytest.raises(Damaged, match=rf"byte {SLOTS[1] * SECTOR + at} reads back otherwise"):
        write(worn, 2)
    assert version_on(medium, tmp_path) == 1


def test_a_worn_cell_under_the_sector_that_counts_leaves_the_old_one(tmp_path: Path) -> None:
    medium = with_version(1)
    # bit 2048 of the reserved count is 1 for slot A alone: stuck there, the card cannot move to B
    worn = FaultyCard(medium, stuck=(15, 0x08))
    with pytest.raises(Damaged, match="first sector does not keep"):
        write(worn, 2)
    assert version_on(medium, tmp_path) == 1


@pytest.mark.parametrize("offset", [SLOTS[1] * SECTOR, SLOTS[1] * SECTOR + 70_000])
def test_a_bit_flipped_on_its_way_back_is_found(offset: int, tmp_path: Path) -> None:
    medium = with_version(1)
    with pytest.raises(Damaged, match="worn"):
        write(FaultyCard(medium, flips_read=offset), 2)
    assert version_on(medium, tmp_path) == 1
    write(FaultyCard(medium), 2)
    assert version_on(medium, tmp_path) == 2


def test_a_locked_card_stays_what_it_is(tmp_path: Path) -> None:
    medium = with_version(1)
    with pytest.raises(OSError, match="Read-only"):
        write(FaultyCard(medium, locked=True), 2)
    assert version_on(medium, tmp_path) == 1


def test_somebody_elses_card_is_blank_until_it_is_ours(tmp_path: Path) -> None:
    medium = bytearray(b"\xa5" * len(blank()))
    subprocess.run(["mkfs.ext4", "-q", tmp_path / "other.img", "8M"], check=True)
    other = (tmp_path / "other.img").read_bytes()
    medium[: len(other)] = other
    write(FaultyCard(medium), 1)
    image = tmp_path / "card.img"
    image.write_bytes(medium)
    told = subprocess.check_output(["blkid", "-p", "-o", "export", image], text=True)
    assert "TYPE=vfat\n" in told
    assert not any(medium[-(1 << 20) :])


def test_what_is_no_card_of_ours_is_said() -> None:
    with pytest.raises(Damaged, match="carries no seed"):
        read_card(FaultyCard(blank()))


def test_files_that_do_not_fit_are_refused_in_a_sentence() -> None:
    with pytest.raises(Misconfigured, match="mtools cannot make the volume"):
        make_volume({"a": bytes(3 << 20), "b": bytes(3 << 20)}, "00000001")


@pytest.mark.parametrize("real", [False, True])
def test_the_real_card_and_the_faulty_one_keep_one_contract(
    real: bool, loop: Callable[[int], Path]
) -> None:
    size = CARD_BYTES_MIN + 4096
    if real:
        with BlockDevice(look(loop(size))) as block:
            _contract(block, size)
    else:
        _contract(FaultyCard(bytearray(size)), size)


def _contract(block: Block, size: int) -> None:
    assert block.size_bytes == size
    assert block.read(0, SECTOR) == bytes(SECTOR)
    some = bytes(range(256)) * 6
    block.write(SECTOR * 3, some)
    block.sync()
    assert block.read(SECTOR * 3, len(some)) == some
    assert block.read(SECTOR * 2, SECTOR * 5) == bytes(SECTOR) + some + bytes(SECTOR)
    block.write(size - SECTOR, some[:SECTOR])
    block.sync()
    assert block.read(size - SECTOR, SECTOR) == some[:SECTOR]
    with pytest.raises(OSError, match=r"Input/output|fewer bytes"):
        block.read(size, SECTOR)
    write(block, 1)
    write(block, 2)
    assert read_card(block) == image_of(volume(2))
