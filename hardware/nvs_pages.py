"""Reads an encrypted NVS partition: the ESP-IDF page format, every bit of it accounted for.

    page, 4096 bytes: header 32 · states of 126 entries, 2 bits each, 32 · 126 entries of 32
    header:           state u32 · sequence u32 · version u8 · 0xFF ... · CRC-32 of bytes 4 to 27
    entry:            namespace u8 · type u8 · span u8 · chunk u8 · CRC-32 of the other 28 bytes ·
                      key 16, zero-padded · value 8, or size u16 · 0xFFFF · CRC-32 of the data
    keys' page:       XTS key 32 · tweak key 32 · CRC-32 of both · 0xFF ...

An entry that is written is AES-256-XTS, its place in the partition the tweak; all else is clear.
Source: ESP-IDF programming guide, "NVS Flash", "Structure of a page" and "NVS Encryption"; what
`esp_idf_nvs_partition_gen` writes. Where IDF would mend (a page being freed, a key twice after a
power cut), this refuses: such a partition is not one we made.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hardware.errors import Reason, Refused

PAGE_BYTES = 4096
ENTRY_BYTES = 32
KEY_BYTES = 64  # XTS key and tweak key
Value = int | str | bytes

_PAGES_MAX = 16
_FIRST_ENTRY = 64
_ENTRIES = 126
_BLANK = b"\xff" * PAGE_BYTES
_PAGE_STATES = (0xFFFFFFFE, 0xFFFFFFFC)  # active, full
_VERSION_2 = 0xFE
_EMPTY, _WRITTEN, _ERASED = 3, 2, 0
_INTEGERS = {
    0x01: "<B", 0x11: "<b", 0x02: "<H", 0x12: "<h",
    0x04: "<I", 0x14: "<i", 0x08: "<Q", 0x18: "<q",
}  # fmt: skip
_TEXT, _BLOB, _BLOB_INDEX = 0x21, 0x42, 0x48
_ANY_CHUNK = 0xFF


class _Entry(NamedTuple):
    """One entry as it stands: an integer, a text, a blob's chunk or a blob's index."""

    namespace: int
    kind: int
    chunk: int
    key: str
    value: bytes  # an integer's or index's 8 bytes, or the data of a text or a chunk


def crc32(data: bytes) -> int:
    """The CRC that NVS uses: zlib's, begun with ones."""
    return zlib.crc32(data, 0xFFFFFFFF)


def open_keys(page: bytes) -> bytes:
    """The 64 key bytes in a page of an `nvs_keys` partition.

    Raises:
        Refused: LENGTH, or MALFORMED where it holds no key or its CRC does not hold.
    """
    if len(page) != PAGE_BYTES:
        raise Refused(Reason.LENGTH, f"a page of NVS keys of {len(page)} bytes")
    if page == _BLANK:
        raise Refused(Reason.MALFORMED, "no NVS keys: the page is blank")
    keys, (crc,) = page[:KEY_BYTES], struct.unpack_from("<I", page, KEY_BYTES)
    if crc != crc32(keys) or page[KEY_BYTES + 4 :].strip(b"\xff"):
        raise Refused(Reason.MALFORMED, "NVS keys: the page is damaged")
    if keys[:32] == keys[32:]:
        raise Refused(Reason.VALUE, "NVS keys: both halves are one key")
    return keys


def encode_keys(keys: bytes) -> bytes:
    """The page that holds 64 key bytes."""
    return (keys + struct.pack("<I", crc32(keys))).ljust(PAGE_BYTES, b"\xff")


def read_partition(image: bytes, keys: bytes) -> dict[str, dict[str, Value]]:
    """All values of an encrypted NVS partition, by namespace and key.

    Raises:
        Refused: LENGTH, VERSION, MALFORMED (what a CRC or the format says) or CIPHERTEXT (an entry
            that these keys do not open, or that was changed).
    """
    if not image or len(image) % PAGE_BYTES or len(image) > _PAGES_MAX * PAGE_BYTES:
        raise Refused(Reason.LENGTH, f"an NVS partition of {len(image)} bytes")
    pages: dict[int, int] = {}
    for at in range(0, len(image), PAGE_BYTES):
        sequence = _sequence(image[at : at + PAGE_BYTES], at)
        if sequence is not None and pages.setdefault(sequence, at) != at:
            raise Refused(Reason.MALFORMED, f"NVS page at {at:#x}: its sequence stands twice")
    found = [entry for _, at in sorted(pages.items()) for entry in _entries(image, at, keys)]
    return _values(found)


def _sequence(page: bytes, at: int) -> int | None:
    """A page's sequence number, None of a blank page."""
    if page == _BLANK:
        return None
    state, sequence, version = struct.unpack_from("<IIB", page)
    (crc,) = struct.unpack_from("<I", page, 28)
    if state not in _PAGE_STATES:
        raise Refused(Reason.MALFORMED, f"NVS page at {at:#x}: state {state:#x}")
    if crc != crc32(page[4:28]):
        raise Refused(Reason.MALFORMED, f"NVS page at {at:#x}: its header is damaged")
    if version != _VERSION_2:
        raise Refused(Reason.VERSION, f"NVS page at {at:#x}: version {version:#x}")
    return int(sequence)


def _entries(image: bytes, at: int, keys: bytes) -> Iterator[_Entry]:
    """The written entries of the page at `at`."""
    states = int.from_bytes(image[at + 32 : at + _FIRST_ENTRY], "little")
    if states >> (2 * _ENTRIES) != 0xF:
        raise Refused(Reason.MALFORMED, f"NVS page at {at:#x}: its table of entries is damaged")

    def state(number: int) -> int:
        return states >> (2 * number) & 3

    def opened(number: int) -> bytes:
        place = at + _FIRST_ENTRY + number * ENTRY_BYTES
        tweak = place.to_bytes(16, "little")
        cipher = Cipher(algorithms.AES(keys), modes.XTS(tweak)).decryptor()
        return cipher.update(image[place : place + ENTRY_BYTES])

    number = 0
    while number < _ENTRIES:
        place = at + _FIRST_ENTRY + number * ENTRY_BYTES
        if state(number) == _EMPTY:
            if image[place : place + ENTRY_BYTES].strip(b"\xff"):
                raise Refused(Reason.MALFORMED, f"NVS entry at {place:#x}: not marked as written")
            number += 1
            continue
        if state(number) == _ERASED:
            number += 1
            continue
        if state(number) != _WRITTEN:
            raise Refused(Reason.MALFORMED, f"NVS entry at {place:#x}: no such state")
        head = opened(number)
        span = head[2]
        rows = range(number + 1, number + span)
        if struct.unpack_from("<I", head, 4)[0] != crc32(head[:4] + head[8:]):
            raise Refused(Reason.CIPHERTEXT, f"NVS entry at {place:#x}: changed, or other NVS keys")
        if not span or rows.stop > _ENTRIES or any(state(row) != _WRITTEN for row in rows):
            raise Refused(Reason.MALFORMED, f"NVS entry at {place:#x}: a part of it is missing")
        yield _entry(head, b"".join(map(opened, rows)), place)
        number += span


def _entry(head: bytes, data: bytes, place: int) -> _Entry:
    namespace, kind, _, chunk = head[:4]
    name, _, padding = head[8:24].partition(b"\0")
    if not name or padding.strip(b"\0") or not name.isascii():
        raise Refused(Reason.MALFORMED, f"NVS entry at {place:#x}: no key")
    value = head[24:]
    if kind in (_TEXT, _BLOB):
        size, crc = struct.unpack("<H2xI", value)
        value, rest = data[:size], data[size:]
        if len(value) != size or len(rest) >= ENTRY_BYTES:
            raise Refused(Reason.MALFORMED, f"NVS entry at {place:#x}: {size} bytes in {len(data)}")
        if crc != crc32(value) or rest.strip(b"\xff"):
            raise Refused(Reason.CIPHERTEXT, f"NVS data at {place:#x}: changed, or other NVS keys")
    elif data or kind not in {*_INTEGERS, _BLOB_INDEX}:
        raise Refused(Reason.MALFORMED, f"NVS entry at {place:#x}: type {kind:#x}")
    return _Entry(namespace, kind, chunk, name.decode(), value)


def _values(entries: list[_Entry]) -> dict[str, dict[str, Value]]:
    """Namespaces named, blobs put together."""
    chunks = {(e.namespace, e.key, e.chunk): e.value for e in entries if e.kind == _BLOB}
    if len(chunks) != sum(e.kind == _BLOB for e in entries):
        raise Refused(Reason.MALFORMED, "NVS: a blob's chunk stands twice")
    names = {e.value[0]: e.key for e in entries if not e.namespace and e.kind == 0x01}
    values: dict[str, dict[str, Value]] = {name: {} for name in names.values()}
    for entry in entries:
        if not entry.namespace or entry.kind == _BLOB:
            continue
        if entry.namespace not in names:
            raise Refused(Reason.MALFORMED, f"NVS: {entry.key} in a namespace without a name")
        into = values[names[entry.namespace]]
        if entry.key in into:
            raise Refused(Reason.MALFORMED, f"NVS: {entry.key} stands twice")
        into[entry.key] = _value(entry, chunks)
    if chunks:
        raise Refused(Reason.MALFORMED, "NVS: a blob's chunk without its index")
    return values


def _value(entry: _Entry, chunks: dict[tuple[int, str, int], bytes]) -> Value:
    """An entry's value; a blob takes its chunks out of `chunks`."""
    if entry.kind == _TEXT:
        text, _, rest = entry.value.partition(b"\0")
        try:
            if rest or not entry.value.endswith(b"\0"):
                raise ValueError("not ended by one zero")
            return text.decode()
        except ValueError as error:
            raise Refused(Reason.MALFORMED, f"NVS: {entry.key} is no text") from error
    if entry.kind == _BLOB_INDEX:
        size, count, first = struct.unpack_from("<IBB", entry.value)
        places = [(entry.namespace, entry.key, first + n) for n in range(count)]
        parts = [chunks.pop(place, None) for place in places]
        blob = b"".join(part for part in parts if part is not None)
        if None in parts or len(blob) != size or entry.chunk != _ANY_CHUNK:
            raise Refused(Reason.MALFORMED, f"NVS: {entry.key} is not whole")
        return blob
    (number,) = struct.unpack_from(_INTEGERS[entry.kind], entry.value)
    return int(number)
