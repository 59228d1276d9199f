"""A wrong disk is refused, each for its own reason, by what the kernel says of a real device."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hardware.block import BlockDevice
from hardware.card import CARD_BYTES_MAX, CARD_BYTES_MIN
from hardware.disks import Disk, check_card, check_same, disk_of_mount, look
from hardware.errors import Exit, Misconfigured, Unsafe
from hardware.targets import Mount

SIZE = CARD_BYTES_MIN + (8 << 20)
Loop = Callable[[int], Path]


def check(path: Path, meant: bool = True) -> Disk:
    disk = look(path)
    check_card(disk, CARD_BYTES_MIN, CARD_BYTES_MAX, str(path) if meant else None)
    return disk


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def mounted(loop: Loop, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A loop device with a file system, mounted."""
    device, folder = loop(SIZE), tmp_path / "mounted"
    run("mkfs.ext4", "-q", device)
    folder.mkdir()
    run("mount", device, folder)
    yield device, folder
    run("umount", folder)


def test_the_disk_this_system_runs_from_is_refused() -> None:
    number = Path("/").stat().st_dev
    uevent = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/uevent")
    if not uevent.exists():
        pytest.fail("/ is on no disk here, so this test proves nothing: run it on a machine")
    name = dict(line.split("=") for line in uevent.read_text().split())["DEVNAME"]
    with pytest.raises(Unsafe, match=r"system disk|a part of") as caught:
        check(Path("/dev") / name)
    assert caught.value.exit_code == Exit.UNSAFE


def test_a_disk_with_swap_is_the_system_disk(loop: Loop) -> None:
    device = loop(SIZE)
    run("mkswap", device)
    run("swapon", device)
    try:
        with pytest.raises(Unsafe, match="is the system disk: swap is on it"):
            check(device)
    finally:
        run("swapoff", device)
    assert check(device)


def test_a_mounted_disk_is_refused_and_no_longer_when_it_is_not(
    mounted: tuple[Path, Path],
) -> None:
    device, folder = mounted
    with pytest.raises(Unsafe, match=f"{device} is mounted at {folder}"):
        check(device)


def test_a_disk_of_which_a_part_is_mounted_is_refused(loop: Loop, tmp_path: Path) -> None:
    device, folder = loop(64 << 20), tmp_path / "part"
    subprocess.run(["sfdisk", "-q", device], input=b"2048,\n", check=True)
    run("partx", "--update", device)
    part = Path(f"{device}p1")
    folder.mkdir()
    try:
        with pytest.raises(Unsafe, match=f"{part} is a part of {device}"):
            check(part)
        run("mkfs.ext4", "-q", part)
        run("mount", part, folder)
        try:
            with pytest.raises(Unsafe, match=f"{device} is mounted at {folder}"):
                check(device)
        finally:
            run("umount", folder)
    finally:
        run("partx", "--delete", device)
    assert check(device)


def test_a_fixed_disk_is_refused_unless_its_very_path_is_typed_by_hand(loop: Loop) -> None:
    device = loop(SIZE)
    with pytest.raises(Unsafe, match=f"fixed disk.*--yes-i-mean {device}") as caught:
        check(device, meant=False)
    assert caught.value.exit_code == Exit.UNSAFE
    with pytest.raises(Unsafe, match="fixed disk"):
        check_card(look(device), CARD_BYTES_MIN, CARD_BYTES_MAX, f"{device}0")
    assert check(device).removable is False


def test_what_the_kernel_calls_removable_needs_no_typing(loop: Loop, tmp_path: Path) -> None:
    device = loop(SIZE)
    number = device.stat().st_rdev
    sysfs = tmp_path / "sys"
    folder = sysfs / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}"
    (folder / "device").mkdir(parents=True)
    for name, text in (("size", SIZE // 512), ("removable", 1), ("ro", 0), ("diskseq", 7)):
        (folder / name).write_text(f"{text}\n")
    check_card(look(device, sysfs), CARD_BYTES_MIN, CARD_BYTES_MAX)
    (folder / "removable").write_text("0\n")
    (folder / "device" / "type").write_text("SD\n")  # the slot of a laptop
    check_card(look(device, sysfs), CARD_BYTES_MIN, CARD_BYTES_MAX)
    (folder / "device" / "type").write_text("MMC\n")  # soldered in
    with pytest.raises(Unsafe, match="fixed disk"):
        check_card(look(device, sysfs), CARD_BYTES_MIN, CARD_BYTES_MAX)


def test_a_disk_too_large_or_too_small_is_refused(loop: Loop) -> None:
    with pytest.raises(Unsafe, match="too large for a card: 128 GiB"):
        check(loop(CARD_BYTES_MAX + 4096))
    with pytest.raises(Unsafe, match=f"too small: .* {CARD_BYTES_MIN} are needed"):
        check(loop(CARD_BYTES_MIN - 4096))


def test_a_link_to_another_disk_is_refused(loop: Loop, tmp_path: Path) -> None:
    device = loop(SIZE)
    (tmp_path / "card").symlink_to(device)
    (tmp_path / "dev").symlink_to(device.parent)
    for link in (tmp_path / "card", tmp_path / "dev" / device.name):
        with pytest.raises(Unsafe, match=f"is a link to {device}"):
            check(link)


def test_a_file_a_folder_and_nothing_are_no_disk(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path, Path("/dev/null")):
        with pytest.raises(Unsafe, match="is no disk"):
            check(path)
    with pytest.raises(Misconfigured, match="no card at"):
        check(tmp_path / "gone")


def test_a_locked_card_is_said(loop: Loop) -> None:
    device = loop(SIZE)
    run("blockdev", "--setro", device)
    with pytest.raises(Misconfigured, match="is read-only"):
        check(device)


def test_another_card_in_the_same_reader_is_refused(loop: Loop, tmp_path: Path) -> None:
    device = loop(SIZE)
    before = check(device)
    run("losetup", "--detach", device)
    other = tmp_path / "other"
    other.touch()
    os.truncate(other, SIZE)
    run("losetup", device, other)
    with pytest.raises(Unsafe, match="not the card that was looked at"):
        check_same(before, look(device))
    with pytest.raises(Unsafe, match="not the card that was looked at"), BlockDevice(before):
        pass
    assert not any(other.read_bytes())


def test_a_name_that_leads_to_another_disk_is_refused(loop: Loop, tmp_path: Path) -> None:
    first, second = loop(SIZE), loop(SIZE)
    name = tmp_path / "card"
    os.mknod(name, 0o600 | 0o060000, first.stat().st_rdev)
    before = check(name)
    with BlockDevice(before) as block:
        block.write(0, bytes(512))
        name.unlink()
        os.mknod(name, 0o600 | 0o060000, second.stat().st_rdev)
        with pytest.raises(Unsafe, match="not the card that was looked at"):
            block.write(0, b"\xff" * 512)
    assert not any(second.read_bytes()[:512])


def test_a_card_that_changes_its_size_while_written_is_refused(loop: Loop, tmp_path: Path) -> None:
    device = loop(SIZE)
    with BlockDevice(check(device)) as block:
        block.write(0, bytes(512))
        os.truncate(tmp_path / "disk-0", 2 * SIZE)
        run("losetup", "--set-capacity", device)
        with pytest.raises(Unsafe, match="not the card that was looked at"):
            block.write(0, b"\xff" * 512)


def test_nobody_else_can_take_a_card_that_is_being_written(mounted: tuple[Path, Path]) -> None:
    device, folder = mounted
    with pytest.raises(Unsafe, match="is in use"):
        BlockDevice(look(device))
    run("umount", folder)
    with BlockDevice(look(device)):
        refused = subprocess.run(["mount", device, folder], check=False, capture_output=True)
        assert refused.returncode
    run("mount", device, folder)


def test_a_mount_is_one_and_the_disk_under_it_is_told(
    mounted: tuple[Path, Path], tmp_path: Path, mount: Callable[[Path, int], None]
) -> None:
    device, folder = mounted
    found = disk_of_mount(folder)
    assert found is not None
    assert found.number == look(device).number
    mount(tmp_path / "memory", 1 << 20)
    assert disk_of_mount(tmp_path / "memory") is None
    with pytest.raises(Unsafe, match="no card is mounted at"):
        disk_of_mount(tmp_path)


def test_a_mounted_card_that_no_node_would_look_into_is_refused(
    mounted: tuple[Path, Path], tmp_path: Path
) -> None:
    device, folder = mounted
    with pytest.raises(Misconfigured, match="is labelled '', so no node would look into it"):
        Mount(folder).look()
    run("umount", folder)
    run("e2label", device, "CIDATA")
    run("mount", device, folder)
    Mount(folder).look()
