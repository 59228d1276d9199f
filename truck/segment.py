"""A journal segment's bytes: header and records, parsed and proven without touching a disk.

    segment header, 128 bytes: magic 8 · segment u32 · first record u64 · stream 32 · salt 32 ·
                               chain so far 32 · SHA-256 of these 116 bytes, first 12
    record: sync u32 · kind u8 · zeros 3 · length u32 · record u64, then `length` bytes AES-256-GCM
            (payload and tag; nonce = record, AAD = these 20 bytes), then the chain, 32 bytes:
            SHA-256(chain before · header · ciphertext)

A segment's key is HKDF(journal key, its own salt), so no nonce meets the same key twice even when
a torn record's number is used again.
"""

import hashlib
import struct
from enum import IntEnum
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hardware.errors import Damaged

RECORD_BYTES_MAX = 64 * 1024 * 1024
GENESIS = bytes(32)  # the chain before the first record
_CHAIN_BYTES = 32
_MAGIC = b"TRUCKJ\x00\x01"
_SEGMENT = struct.Struct("<8sIQ32s32s32s")
_PROOF_BYTES = 12
SEGMENT_BYTES = _SEGMENT.size + _PROOF_BYTES
_RECORD = struct.Struct("<IB3xIQ")
RECORD_HEADER_BYTES = _RECORD.size
_SYNC = 0x4B435254  # "TRCK"
_SYNC_BYTES = struct.pack("<I", _SYNC)


class Kind(IntEnum):
    """What a record holds."""

    TICK = 1
    ROSTER = 2
    STAGE = 3
    SEAL = 4
    RULING = 5


_KINDS = frozenset(Kind)
_NUMBERS_MAX = 1 << 24  # of records in one segment: each has 68 bytes at least


class Segment(NamedTuple):
    """A segment's header."""

    number: int
    first_record: int
    stream: str
    salt: bytes
    chain: bytes


class Place(NamedTuple):
    """Where a record's ciphertext lies, proven by its chain but not opened."""

    number: int
    kind: int
    segment: int
    offset: int
    length: int

    @property
    def begins(self) -> int:
        """The offset of the record's header."""
        return self.offset - RECORD_HEADER_BYTES

    @property
    def ends(self) -> int:
        """The offset behind the record's chain."""
        return self.offset + self.length + _CHAIN_BYTES


def encode_segment(segment: Segment) -> bytes:
    """The header bytes of a segment; its stream's name has 32 bytes at most."""
    stream = segment.stream.encode().ljust(32, b"\0")
    header = _SEGMENT.pack(
        _MAGIC, segment.number, segment.first_record, stream, segment.salt, segment.chain
    )
    return header + hashlib.sha256(header).digest()[:_PROOF_BYTES]


def decode_segment(data: bytes) -> Segment | None:
    """The header at the start of `data`, or None where there is no sound one."""
    header, proof = data[: _SEGMENT.size], data[_SEGMENT.size : SEGMENT_BYTES]
    if data[:8] != _MAGIC or hashlib.sha256(header).digest()[:_PROOF_BYTES] != proof:
        return None
    number, first, stream, salt, chain = _SEGMENT.unpack(header)[1:]
    return Segment(number, first, stream.rstrip(b"\0").decode(errors="replace"), salt, chain)


def segment_cipher(key: bytes, segment: Segment) -> AESGCM:
    """The cipher of a segment's records."""
    return AESGCM(
        HKDF(hashes.SHA256(), 32, salt=segment.salt, info=b"journal segment 1").derive(key)
    )


def encode_record(
    kind: Kind, number: int, payload: bytes, chain: bytes, cipher: AESGCM
) -> tuple[bytes, bytes]:
    """A record's bytes, and the chain behind it.

    Raises:
        ValueError: the payload is larger than `parse_record` would ever take back.
    """
    if len(payload) + 16 > RECORD_BYTES_MAX:
        raise ValueError(f"a record of {len(payload)} bytes")
    header = _RECORD.pack(_SYNC, kind, len(payload) + 16, number)
    body = cipher.encrypt(_nonce(number), payload, header)
    after = hashlib.sha256(chain + header + body).digest()
    return header + body + after, after


def open_record(place: Place, data: bytes, cipher: AESGCM) -> bytes:
    """The payload of a record that lies in a segment's bytes.

    Raises:
        Damaged: it does not open with this key.
    """
    end = place.offset + place.length
    header, body = data[place.begins : place.offset], data[place.offset : end]
    try:
        return cipher.decrypt(_nonce(place.number), body, header)
    except InvalidTag as error:
        raise Damaged(
            f"journal record {place.number} does not open with this journal key; check that the "
            "key stick belongs to this truck."
        ) from error


def parse_record(data: bytes, offset: int, chain: bytes, segment: int) -> Place | None:
    """The record at `offset`, or None where no whole one follows on `chain`."""
    if offset + _RECORD.size > len(data):
        return None
    sync, kind, length, number = _RECORD.unpack_from(data, offset)
    place = Place(number, kind, segment, offset + _RECORD.size, length)
    if sync != _SYNC or length > RECORD_BYTES_MAX or place.ends > len(data):
        return None
    digest = hashlib.sha256(chain)
    digest.update(memoryview(data)[offset : place.offset + length])
    return place if digest.digest() == data[place.ends - _CHAIN_BYTES : place.ends] else None


def chain_after(place: Place, data: bytes) -> bytes:
    """The chain behind a record that `parse_record` found."""
    return data[place.ends - _CHAIN_BYTES : place.ends]


def names_record(data: bytes, offset: int, above: int) -> bool:
    """Whether the header of a record numbered higher stands anywhere from `offset` on.

    One record is made durable before the next is written, so no torn write leaves such a header.
    """
    at = data.find(_SYNC_BYTES, offset)
    while 0 <= at <= len(data) - _RECORD.size:
        _, kind, length, number = _RECORD.unpack_from(data, at)
        if above < number < above + _NUMBERS_MAX and kind in _KINDS and length <= RECORD_BYTES_MAX:
            return True
        at = data.find(_SYNC_BYTES, at + 1)
    return False


def _nonce(record: int) -> bytes:
    return record.to_bytes(12, "little")
