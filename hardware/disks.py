"""What the kernel says of a disk, and whether a card may be written there.

The kernel's word, never a name's: sysfs says what is removable, how large it is, what stands on it,
and counts the media that have been in a reader (`diskseq`); the mount table and the list of swaps
say what is in use. Whatever is not plainly a card is refused before it is opened.
"""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hardware.errors import Misconfigured, Unsafe

SYSFS = Path("/sys")
_SYSTEM = ("/", "/boot", "/home", "/opt", "/root", "/srv", "/usr", "/var")
_IDENTITY = ("diskseq", "device/cid", "device/serial", "device/wwid", "loop/backing_file")


@dataclass(frozen=True)
class Disk:
    """A disk at one look; another card in the same reader is another disk.

    Attributes:
        number: major and minor, as "8:16".
        whole: of a partition, the disk it is a part of.
        identity: what the kernel knows it by: its count of media, serials.
        used_by: what stands on it: mount points, "swap", other devices.
    """

    path: str
    number: str
    size_bytes: int
    removable: bool
    read_only: bool
    whole: str | None
    identity: tuple[str, ...]
    used_by: tuple[str, ...]


def look(path: Path, sysfs: Path = SYSFS) -> Disk:
    """What the kernel says of the disk at `path`.

    Raises:
        Unsafe: a link, or no disk at all.
        Misconfigured: nothing is there.
    """
    named = os.path.abspath(path)  # noqa: PTH100 - links must not be followed
    try:
        found = os.lstat(named)
    except OSError as error:
        raise Misconfigured(f"no card at {path}: {error.strerror}", "Put it in, wait.") from error
    if os.path.realpath(named) != named:
        raise Unsafe(
            f"{path} is a link to {os.path.realpath(named)}", "Name the disk itself, with --card."
        )
    if not stat.S_ISBLK(found.st_mode):
        raise Unsafe(f"{path} is no disk", "For a file use --image, for a folder --mount.")
    return look_at(named, found.st_rdev, sysfs)


def look_at(path: str, device: int, sysfs: Path = SYSFS) -> Disk:
    """What the kernel says of the disk with a device number.

    Raises:
        Misconfigured: it knows none of that number (any more).
    """
    number = f"{os.major(device)}:{os.minor(device)}"
    folder = sysfs / "dev" / "block" / number
    size = _word(folder / "size")
    if size is None:
        raise Misconfigured(f"the card at {path} is gone", "Put it back in.")
    folder = folder.resolve()
    part = (folder / "partition").exists()
    return Disk(
        path=path,
        number=number,
        size_bytes=int(size) * 512,
        # a reader inside a laptop calls its slot fixed; what is in it says that it is an SD card
        removable=_word(folder / "removable") == "1" or _word(folder / "device/type") == "SD",
        read_only=_word(folder / "ro") == "1",
        whole=folder.parent.name if part else None,
        identity=tuple(f"{name} {_word(folder / name)}" for name in _IDENTITY),
        used_by=tuple(_used_by(folder, _in_use())),
    )


def check_card(disk: Disk, low: int, high: int, meant: str | None = None) -> None:
    """Whether a card may be written on this disk.

    Args:
        disk: at a look.
        low: the smallest size of a card, bytes.
        high: the largest.
        meant: the path that was typed by hand for a disk that the kernel calls fixed.

    Raises:
        Unsafe: saying why not.
        Misconfigured: it is a card, but read-only.
    """
    path = disk.path
    if disk.whole is not None:
        raise Unsafe(f"{path} is a part of /dev/{disk.whole}", "Name the whole card.")
    for use in disk.used_by:
        if use == "swap" or use in _SYSTEM:
            raise Unsafe(f"{path} is the system disk: {use} is on it", "Name the card's own disk.")
    if disk.used_by:
        what = disk.used_by[0]
        if what.startswith("/"):
            raise Unsafe(f"{path} is mounted at {what}", "Unmount it, or flash it with --mount.")
        raise Unsafe(f"{path} is in use by {what}", "Name the card's own disk.")
    if not disk.removable and meant != path:
        raise Unsafe(
            f"{path} is a fixed disk, not a card",
            f"If you are sure, type it again by hand: --yes-i-mean {path}.",
        )
    if disk.size_bytes > high:
        raise Unsafe(
            f"{path} is too large for a card: {_gib(disk.size_bytes)}, not {_gib(high)} at most",
            "Name the card's own disk.",
        )
    if disk.size_bytes < low:
        raise Unsafe(
            f"{path} is too small: {disk.size_bytes} bytes, {low} are needed", "Take another card."
        )
    if disk.read_only:
        raise Misconfigured(f"{path} is read-only", "Slide the card's lock, or take another.")


def check_same(before: Disk, now: Disk) -> None:
    """Whether it is still the disk that was looked at.

    Raises:
        Unsafe: another one, or somebody has begun to use it.
    """
    if now != before:
        raise Unsafe(
            f"{before.path} is not the card that was looked at any more",
            "Leave the cards in until their light is green; flash this one again.",
        )


def disk_of_mount(folder: Path, sysfs: Path = SYSFS) -> Disk | None:
    """The disk under a mount point; None where no disk is under it.

    Raises:
        Unsafe: nothing is mounted there.
    """
    if not os.path.ismount(folder):
        raise Unsafe(
            f"no card is mounted at {folder}", "Mount it there; for a mere folder use --image."
        )
    device = folder.stat().st_dev
    if not (sysfs / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}").exists():
        return None
    disk = look_at(str(folder), device, sysfs)
    if disk.whole is None:
        return disk
    parent = _word(sysfs / "class" / "block" / disk.whole / "dev") or "0:0"
    major, minor = map(int, parent.split(":"))
    return look_at(str(folder), os.makedev(major, minor), sysfs)


def label_of_mount(folder: Path) -> str | None:
    """The label of the file system mounted at a folder; None where no disk may be asked for it."""
    found = folder.stat().st_dev
    device = Path(f"/dev/block/{os.major(found)}:{os.minor(found)}")
    if not device.exists():
        name = _word(SYSFS / "dev" / "block" / device.name / "uevent") or ""
        said = dict(line.split("=", 1) for line in name.splitlines())
        device = Path("/dev") / said.get("DEVNAME", "")
    blkid = shutil.which("blkid", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if blkid is None or not device.is_block_device() or not os.access(device, os.R_OK):
        return None
    asked = subprocess.run(
        [blkid, "-p", "-o", "value", "-s", "LABEL", device], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return asked.stdout.strip()


def system_uses(disk: Disk) -> tuple[str, ...]:
    """What of the system is on a disk."""
    return tuple(use for use in disk.used_by if use == "swap" or use in _SYSTEM)


def _used_by(folder: Path, in_use: dict[str, list[str]]) -> Iterator[str]:
    """What stands on a disk: itself, its partitions, and whatever is built on either."""
    yield from in_use.get(_word(folder / "dev") or "", [])
    for part in sorted(folder.glob("*/partition")):
        yield from _used_by(part.parent, in_use)
    for holder in sorted((folder / "holders").glob("*")):
        yield from _used_by(holder.resolve(), in_use)
        yield holder.name


def _in_use() -> dict[str, list[str]]:
    """Mount points and swaps by device number."""
    found: dict[str, list[str]] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, about = line.partition(" - ")
        _, _, number, _, point, *_ = fields.split()
        point = point.encode().decode("unicode_escape")
        found.setdefault(number, []).append(point)
        source = about.split()[1]
        if number.startswith("0:") and source.startswith("/"):  # btrfs numbers its mounts itself
            found.setdefault(_number_of(source), []).append(point)
    for line in Path("/proc/swaps").read_text().splitlines()[1:]:
        source = line.split()[0]
        found.setdefault(_number_of(source), []).append("swap")
    return found


def _number_of(path: str) -> str:
    """The number of a device file, or of the disk a file (a swap file) is on."""
    try:
        found = Path(path).stat()
    except OSError:
        return ""
    device = found.st_rdev if stat.S_ISBLK(found.st_mode) else found.st_dev
    return f"{os.major(device)}:{os.minor(device)}"


def _word(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.0f} GiB"
