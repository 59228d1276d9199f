"""Where a transponder keeps its configuration: two slots, so that the old or the new one is whole.

    0x8000   partition table, as `gen_esp32part` writes it
    0x9000   nvs_a    0x3000      0xF000   keys_a   0x1000
    0xC000   nvs_b    0x3000      0x10000  keys_b   0x1000

A slot counts when its keys' page holds and opens its NVS partition; of two such slots the later
made one counts. What is flashed goes into the other slot, NVS first and the keys' page last: until
that page is whole nothing opens the new NVS, and the old slot is not touched. One region of
0x9000 bytes from the table on is read, one of 0x8000 from the first slot on is a file's image.
"""

import hashlib
import struct
from typing import NamedTuple

from hardware.errors import Reason, Refused
from hardware.nvs import TransponderConfig, build_nvs, read_nvs
from hardware.nvs_pages import encode_keys, open_keys

TABLE_AT = 0x8000
TABLE_BYTES = 0x1000
REGION_AT = 0x9000
REGION_BYTES = 0x8000
_ROW = struct.Struct("<2sBBII16sI")
_ROW_MAGIC, _MD5_MAGIC = b"\xaa\x50", b"\xeb\xeb".ljust(16, b"\xff")
_ROWS_MAX = 95
_DATA, _NVS, _NVS_KEYS, _ENCRYPTED = 1, 2, 4, 1


class Partition(NamedTuple):
    """One row of the partition table; `at` is an address on the flash."""

    name: str
    kind: int
    subtype: int
    at: int
    size_bytes: int
    flags: int

    def of(self, region: bytes) -> bytes:
        """Its bytes in a region."""
        return region[self.at - REGION_AT : self.at - REGION_AT + self.size_bytes]


class Slot(NamedTuple):
    """A place for one configuration."""

    nvs: Partition
    keys: Partition


class Image(NamedTuple):
    """What is written into a slot, in this order."""

    slot: Slot
    nvs: bytes
    keys: bytes


A = Slot(
    Partition("nvs_a", _DATA, _NVS, 0x9000, 0x3000, 0),
    Partition("keys_a", _DATA, _NVS_KEYS, 0xF000, 0x1000, _ENCRYPTED),
)
B = Slot(
    Partition("nvs_b", _DATA, _NVS, 0xC000, 0x3000, 0),
    Partition("keys_b", _DATA, _NVS_KEYS, 0x10000, 0x1000, _ENCRYPTED),
)


def encode_table() -> bytes:
    """The partition table of a transponder, as far as we know it: its two slots."""
    rows = b"".join(
        _ROW.pack(_ROW_MAGIC, p.kind, p.subtype, p.at, p.size_bytes, p.name.encode(), p.flags)
        for p in (A.nvs, B.nvs, A.keys, B.keys)
    )
    return (rows + _MD5_MAGIC + hashlib.md5(rows).digest()).ljust(TABLE_BYTES, b"\xff")  # noqa: S324 - what the ROM checks


def check_table(table: bytes) -> None:
    """Whether a chip's table has our slots, so that nothing else is overwritten.

    Raises:
        Refused: MALFORMED, where it is none; VALUE, where it is another device's.
    """
    found = set()
    for at in range(0, min(len(table), _ROWS_MAX * _ROW.size), _ROW.size):
        row = table[at : at + _ROW.size]
        if row[:16] == _MD5_MAGIC:
            if hashlib.md5(table[:at]).digest() != row[16:]:  # noqa: S324
                raise Refused(Reason.MALFORMED, "a partition table that is damaged")
            break
        if len(row) < _ROW.size or row[:2] != _ROW_MAGIC:
            raise Refused(Reason.MALFORMED, "no partition table")
        _, kind, subtype, start, size, name, flags = _ROW.unpack(row)
        label = name.rstrip(b"\0").decode("ascii", "replace")
        found.add(Partition(label, kind, subtype, start, size, flags))
    else:
        raise Refused(Reason.MALFORMED, "a partition table without an end")
    if not found >= {A.nvs, B.nvs, A.keys, B.keys}:
        raise Refused(Reason.VALUE, "a partition table without a transponder's slots")


def read_slot(region: bytes, slot: Slot) -> TransponderConfig:
    """The configuration in a slot.

    Raises:
        Refused: with the reason of `open_keys` or `read_nvs`.
    """
    return read_nvs(slot.nvs.of(region), open_keys(slot.keys.of(region)))


def active(region: bytes) -> tuple[Slot, TransponderConfig]:
    """The slot that counts in a region, and its configuration.

    Raises:
        Refused: LENGTH, or the reason why the first slot, or the one that holds anything, is none.
    """
    if len(region) != REGION_BYTES:
        raise Refused(Reason.LENGTH, f"a transponder's image of {len(region)} bytes")
    found: list[tuple[int, Slot, TransponderConfig]] = []
    why: Refused | None = None
    for slot in (A, B):
        try:
            config = read_slot(region, slot)
        except Refused as error:
            if why is None or slot.keys.of(region).strip(b"\xff"):
                why = error
        else:
            found.append((config.made_ms, slot, config))
    if not found:
        raise why or Refused(Reason.MALFORMED, "no slot")
    _, slot, config = max(found, key=lambda item: item[0])
    return slot, config


def build(config: TransponderConfig, nvs_keys: bytes, slot: Slot) -> Image:
    """What is to be written into a slot.

    Raises:
        Refused: VALUE, a field that does not fit.
    """
    return Image(slot, build_nvs(config, nvs_keys, slot.nvs.size_bytes), encode_keys(nvs_keys))


def region_of(image: Image) -> bytes:
    """The image of a chip that holds this alone, as a file's bytes."""
    region = bytearray(b"\xff" * REGION_BYTES)
    for partition, data in ((image.slot.nvs, image.nvs), (image.slot.keys, image.keys)):
        begin = partition.at - REGION_AT
        region[begin : begin + partition.size_bytes] = data
    return bytes(region)
