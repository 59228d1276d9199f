"""A relay's card as bytes: two slots, and the one sector that says which of them counts.

    sector 0                boot sector of the volume that counts: it begins at slot A or slot B
    1 to 2047               zeros
    2048 to 10238           slot A: all sectors of a volume but its boot sector
    10239 to 18429          slot B

To every reader a card is one ordinary FAT volume without a partition table; that it has many
"reserved" sectors before its first table is a plain field of its boot sector. A new seed goes into
the slot that does not count, is read back there, and then one sector is written: whatever
happens before, the card is the old one; after it, the new one. An image file is a card with slot A.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hardware.errors import Damaged
from hardware.fat import SECTOR, VOLUME_SECTORS, Volume
from hardware.seed import LABEL

BODY_SECTORS = VOLUME_SECTORS - 1
SLOTS = (2048, 2048 + BODY_SECTORS)  # the first sector of each
CARD_BYTES_MIN = (SLOTS[-1] + BODY_SECTORS) * SECTOR
CARD_BYTES_MAX = 128 << 30
IMAGE_BYTES = (SLOTS[0] + BODY_SECTORS) * SECTOR
_RESERVED, _TOTAL, _LABEL, _MAGIC = 14, 19, 43, 510  # where they stand in a boot sector
_CHUNK = 1 << 20
_BOOT_TRIES = 3


class Block(Protocol):
    """A device of sectors. `read` tells what is on the medium, never what a cache holds."""

    @property
    def size_bytes(self) -> int:
        """How many bytes it has."""

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of whole sectors.

        Raises:
            OSError: the device fails or is gone.
        """

    def write(self, offset: int, data: bytes) -> None:
        """Write whole sectors; durable only after `sync`.

        Raises:
            OSError: the device fails or is gone.
        """

    def sync(self) -> None:
        """Make what was written durable.

        Raises:
            OSError: the device fails or is gone.
        """


@dataclass(frozen=True)
class _Run:
    """Bytes that go to an offset of the device."""

    offset: int
    data: bytes


def boot_sector(volume: bytes, slot: int) -> bytes:
    """The boot sector that makes the volume in `slot` count."""
    boot = bytearray(volume[:SECTOR])
    struct.pack_into("<H", boot, _RESERVED, SLOTS[slot])
    struct.pack_into("<H", boot, _TOTAL, SLOTS[slot] + BODY_SECTORS)
    return bytes(boot)


def counting_slot(boot: bytes) -> int | None:
    """Which slot a sector 0 makes count; None where it is not that of a card of ours."""
    (reserved,) = struct.unpack_from("<H", boot, _RESERVED)
    (total,) = struct.unpack_from("<H", boot, _TOTAL)
    labelled = boot[_LABEL : _LABEL + 11] == LABEL.encode().ljust(11)
    if not labelled or boot[_MAGIC:] != b"\x55\xaa" or total - reserved != BODY_SECTORS:
        return None
    return SLOTS.index(reserved) if reserved in SLOTS else None


def image_of(volume: Volume) -> bytes:
    """The bytes of an image file: a card whose slot A counts."""
    gap = bytes((SLOTS[0] - 1) * SECTOR)
    return boot_sector(volume.whole, 0) + gap + volume.whole[SECTOR:]


def write_card(block: Block, volume: Volume, wrote: Callable[[int], None]) -> None:
    """Make a card carry `volume`, proven; or leave it what it was.

    In the slot that does not count: all but the last file, then the last file, each made durable
    and read back. Then the boot sector, read back too; one that cannot be is put back. A card that
    is not ours yet is made blank first, so that it is never half of what it was.

    Args:
        block: the device.
        volume: what it is to carry.
        wrote: told of bytes written or read back, for a progress bar; `work_bytes` in all.

    Raises:
        Damaged: what reads back is not what was written; the card is what it was.
        OSError: the device failed or is gone.
    """
    before = block.read(0, SECTOR)
    active = counting_slot(before)
    if active is None:
        before = _make_blank(block)
    slot = 1 if active == 0 else 0
    start = SLOTS[slot] * SECTOR
    body = [_Run(start, volume.without_last[SECTOR:])]
    last = [_Run(start + run.offset, run.data) for run in _changes(volume)]
    for runs in (body, last):
        for run in runs:
            for at in range(0, len(run.data), _CHUNK):
                block.write(run.offset + at, run.data[at : at + _CHUNK])
                wrote(len(run.data[at : at + _CHUNK]))
        block.sync()
        for run in runs:
            _compare(block, run, wrote)
    _compare(block, _Run(start, volume.whole[SECTOR:]), wrote)
    _write_boot(block, boot_sector(volume.whole, slot), before)


def work_bytes(volume: Volume) -> int:
    """How many bytes `write_card` says it has written and read back."""
    body, last = len(volume.whole) - SECTOR, sum(len(run.data) for run in _changes(volume))
    return 2 * (body + last) + body


def read_card(block: Block) -> bytes:
    """The volume that counts on a card of ours, as an image of slot A.

    Raises:
        Damaged: it is none of ours.
        OSError: the device fails.
    """
    boot = block.read(0, SECTOR)
    slot = counting_slot(boot)
    if slot is None:
        raise Damaged("the card carries no seed")
    body = b"".join(
        block.read(SLOTS[slot] * SECTOR + at, min(_CHUNK, BODY_SECTORS * SECTOR - at))
        for at in range(0, BODY_SECTORS * SECTOR, _CHUNK)
    )
    return image_of(Volume(b"", boot + body))


def _changes(volume: Volume) -> list[_Run]:
    """The sectors that the last file changes, as runs from the slot's beginning."""
    runs: list[_Run] = []
    for at in range(SECTOR, len(volume.whole), SECTOR):
        sector = volume.whole[at : at + SECTOR]
        if sector == volume.without_last[at : at + SECTOR]:
            continue
        offset = at - SECTOR
        if runs and runs[-1].offset + len(runs[-1].data) == offset:
            runs[-1] = _Run(runs[-1].offset, runs[-1].data + sector)
        else:
            runs.append(_Run(offset, sector))
    return runs


def _make_blank(block: Block) -> bytes:
    """Wipe what would say that a card is something: its beginning, and copies of it at its end."""
    ends = (block.size_bytes - _CHUNK) // SECTOR * SECTOR
    for offset, size in ((0, SECTOR), (SECTOR, SLOTS[0] * SECTOR - SECTOR), (ends, _CHUNK)):
        block.write(offset, bytes(size))
        block.sync()
    _compare(block, _Run(0, bytes(SLOTS[0] * SECTOR)), lambda _: None)
    return bytes(SECTOR)


def _compare(block: Block, run: _Run, wrote: Callable[[int], None]) -> None:
    for at in range(0, len(run.data), _CHUNK):
        expected = run.data[at : at + _CHUNK]
        found = block.read(run.offset + at, len(expected))
        if found != expected:
            wrong = next(
                (k for k, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b),
                len(found),
            )
            raise Damaged(
                f"byte {run.offset + at + wrong} reads back otherwise than it was written: the "
                "card or the reader is worn; take another"
            )
        wrote(len(expected))


def _write_boot(block: Block, boot: bytes, before: bytes) -> None:
    """Write the sector that counts; where it does not read back, the one before."""
    block.write(0, boot)
    block.sync()
    if block.read(0, SECTOR) == boot:
        return
    for _ in range(_BOOT_TRIES):
        block.write(0, before)
        block.sync()
        if block.read(0, SECTOR) == before:
            raise Damaged(
                "the card's first sector does not keep what is written: it is worn, and is left "
                "as it was; take another"
            )
    raise Damaged(
        "the card's first sector keeps nothing that is written: throw the card away; no node "
        "takes anything from it"
    )
