"""What a relay's seed is written on: a card in a reader, a card that is mounted, an image file.

Each is looked at before anything is written, tells what it carries now, and is written so that it
is the old one or the new one. A seed is known by its image everywhere: the SHA-256 of the bytes an
image file of it has (hardware/card.py).
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from hardware import keys
from hardware.block import BlockDevice
from hardware.card import (
    CARD_BYTES_MAX,
    CARD_BYTES_MIN,
    image_of,
    read_card,
    work_bytes,
    write_card,
)
from hardware.disks import Disk, check_card, disk_of_mount, label_of_mount, look, system_uses
from hardware.errors import Damaged, Misconfigured, TruckError, Unsafe
from hardware.fat import Volume, make_volume, read_volume
from hardware.seed import COMMIT, FILES, LABEL, Seed, read_seed
from hardware.seed_folder import read_seed_files, write_seed_folder

_CHUNK = 1 << 16


class Target(Protocol):
    """Where a seed goes."""

    @property
    def name(self) -> str:
        """What the crew calls it: its path."""

    def look(self) -> None:
        """Whether it may be written.

        Raises:
            Unsafe: it may not.
            Misconfigured: it is not there, or read-only.
        """

    def files(self) -> dict[str, bytes]:
        """The files of the seed it carries now.

        Raises:
            Damaged: it carries none that can be read.
            OSError: it fails.
        """

    def write(self, files: Mapping[str, bytes], wrote: Callable[[int, int], None]) -> str:
        """Make it carry `files`, read back; the digest of the image that they make.

        `wrote` is told of bytes, and of all there will be.

        Raises:
            Damaged: it does not keep what is written; it is what it was.
            Unsafe: it is another one by now.
            Misconfigured: it is full or read-only.
            OSError: it fails or is gone.
        """


@dataclass
class Card:
    """A card in a reader; `meant` is the path that was typed by hand for a fixed disk."""

    path: Path
    meant: str | None = None
    _disk: Disk | None = field(init=False, default=None)

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    def look(self) -> None:
        """See `Target`; from here on another card in the same reader is refused."""
        self._looked()

    def _looked(self) -> Disk:
        disk = look(self.path)
        check_card(disk, CARD_BYTES_MIN, CARD_BYTES_MAX, self.meant)
        self._disk = disk
        return disk

    def files(self) -> dict[str, bytes]:
        """See `Target`."""
        with BlockDevice(self._disk or look(self.path), read_only=True) as block:
            return files_in_image(read_card(block))

    def write(self, files: Mapping[str, bytes], wrote: Callable[[int, int], None]) -> str:
        """See `Target`; a card that could not be looked at before is looked at now."""
        disk = self._disk or self._looked()
        volume = volume_of(files)
        total = work_bytes(volume)
        with BlockDevice(disk) as block:
            write_card(block, volume, lambda size: wrote(size, total))
        return sha256(image_of(volume)).hexdigest()


@dataclass
class Mount:
    """A card that the desktop has mounted."""

    folder: Path

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.folder)

    def look(self) -> None:
        """See `Target`."""
        disk = disk_of_mount(self.folder)
        uses = system_uses(disk) if disk else ()
        if uses:
            raise Unsafe(
                f"{self.folder} is on the system disk: {uses[0]} is on it too",
                "Name the folder where the card is mounted.",
            )
        if os.statvfs(self.folder).f_flag & os.ST_RDONLY:
            raise Misconfigured(
                f"{self.folder} is read-only", "Slide the card's lock, or take another."
            )
        label = label_of_mount(self.folder)
        if label is not None and label.upper() != LABEL:
            raise Misconfigured(
                f"the card at {self.folder} is labelled {label!r}, so no node would look into it",
                f"Label it {LABEL}: fatlabel /dev/... {LABEL}; or flash it with --card.",
            )

    def files(self) -> dict[str, bytes]:
        """See `Target`."""
        return read_seed_files(self.folder)

    def write(self, files: Mapping[str, bytes], wrote: Callable[[int, int], None]) -> str:
        """See `Target`; looks again, for it may be gone, and the folder under it still there."""
        self.look()
        total = 4 * sum(map(len, files.values()))
        write_seed_folder(self.folder, files, lambda size: wrote(size, total))
        return image_digest(files)


@dataclass
class Image:
    """An image file; `dd` makes a card of it. It is replaced as a whole."""

    path: Path

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    def look(self) -> None:
        """See `Target`."""
        if self.path.is_symlink():
            raise Unsafe(f"{self.path} is a link to {self.path.resolve()}", "Name a plain file.")
        if self.path.exists() and not self.path.is_file():
            raise Unsafe(f"{self.path} is no plain file", "For a disk use --card.")

    def files(self) -> dict[str, bytes]:
        """See `Target`."""
        return read_volume(self.path, FILES)

    def write(self, files: Mapping[str, bytes], wrote: Callable[[int, int], None]) -> str:
        """See `Target`; runs of zeros stay holes in the file."""
        image = image_of(volume_of(files))
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.truncate(len(image))
                for at in range(0, len(image), _CHUNK):
                    piece = image[at : at + _CHUNK]
                    if piece != bytes(len(piece)):
                        file.seek(at)
                        file.write(piece)
                    wrote(len(piece), 2 * len(image))
                file.flush()
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if temporary.read_bytes() != image:
                raise Damaged(f"{self.path} reads back otherwise than it was written: the disk is "
                              "worn; write to another")  # fmt: skip
            wrote(len(image), 2 * len(image))
            temporary.replace(self.path)
            keys.sync(self.path.parent)
            return sha256(image).hexdigest()
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise Misconfigured(
                f"cannot write {self.path}: {error.strerror}", "Free some space."
            ) from error


def target_at(path: Path) -> Target:
    """The kind of target that is at a path, for looking at what it carries.

    Raises:
        Misconfigured: nothing is there.
    """
    if path.is_block_device():
        return Card(path)
    if path.is_dir():
        return Mount(path)
    if not path.exists():
        raise Misconfigured(f"nothing is at {path}", "Name a card, a folder or an image.")
    return Image(path)


def volume_of(files: Mapping[str, bytes]) -> Volume:
    """The volume of a seed; its serial number follows from the contents."""
    return make_volume({name: files[name] for name in FILES}, sha256(files[COMMIT]).hexdigest()[:8])


def image_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256, in hex, of the image file that a seed's files make."""
    return sha256(image_of(volume_of(files))).hexdigest()


def seed_on(target: Target) -> Seed | None:
    """The seed a target carries now, None where it carries no whole one."""
    try:
        return read_seed(target.files())
    except (TruckError, OSError):
        return None


def files_in_image(image: bytes) -> dict[str, bytes]:
    """The files of a seed in the bytes of its image.

    Raises:
        Damaged: there is no volume, or it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="card-") as folder:
        path = Path(folder) / "card.img"
        path.write_bytes(image)
        return read_volume(path, FILES)
