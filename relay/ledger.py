"""The heard ledger: which packets (kid, boot, seq) were spooled, kept when the bundles are gone.

One row of table `heard` is a bitmap, little-endian, of 1,024 consecutive seq of one boot.
"""

import collections
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

CHUNK_BITS = 1024
_CHUNK_BYTES = CHUNK_BITS // 8


class PacketId(NamedTuple):
    """What makes a packet itself: device key, the device's boot, seq."""

    kid: int
    boot: int
    seq: int


def mark(database: sqlite3.Connection, packets: Iterable[PacketId]) -> int:
    """Enter packets, inside the caller's transaction; how many were new."""
    chunks: dict[tuple[int, int, int], int] = collections.defaultdict(int)
    for kid, boot, seq in packets:
        chunks[kid, boot, seq // CHUNK_BITS] |= 1 << seq % CHUNK_BITS
    return sum(_merge(database, at, bits) for at, bits in chunks.items())


def _merge(database: sqlite3.Connection, at: tuple[int, int, int], bits: int) -> int:
    row = database.execute(
        "SELECT bits FROM heard WHERE kid = ? AND boot = ? AND chunk = ?", at
    ).fetchone()
    before = int.from_bytes(row[0], "little") if row else 0
    after = before | bits
    if after != before:
        database.execute(
            "INSERT OR REPLACE INTO heard VALUES (?, ?, ?, ?)",
            (*at, after.to_bytes(_CHUNK_BYTES, "little")),
        )
    return (after ^ before).bit_count()


def merge_row(database: sqlite3.Connection, at: tuple[int, int, int], bits: bytes) -> None:
    """Enter a whole row, as saved from another database."""
    _merge(database, at, int.from_bytes(bits[:_CHUNK_BYTES], "little"))


def count(database: sqlite3.Connection) -> int:
    """How many distinct packets the ledger holds."""
    rows = database.execute("SELECT bits FROM heard")
    return sum(int.from_bytes(bits, "little").bit_count() for (bits,) in rows)


def ranges(database: sqlite3.Connection) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """The seq heard of each (kid, boot), as closed ranges in order."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    query = "SELECT kid, boot, chunk, bits FROM heard ORDER BY kid, boot, chunk"
    for kid, boot, chunk, raw in database.execute(query):
        runs = found.setdefault((kid, boot), [])
        for low, high in _runs(int.from_bytes(raw, "little")):
            low, high = low + chunk * CHUNK_BITS, high + chunk * CHUNK_BITS
            if runs and runs[-1][1] == low - 1:
                runs[-1] = (runs[-1][0], high)
            else:
                runs.append((low, high))
    return found


def _runs(bits: int) -> list[tuple[int, int]]:
    """The runs of ones, as closed ranges of bit numbers."""
    runs, at = [], 0
    while bits:
        zeros = (bits & -bits).bit_length() - 1
        bits >>= zeros
        ones = (~bits & (bits + 1)).bit_length() - 1
        bits >>= ones
        runs.append((at + zeros, at + zeros + ones - 1))
        at += zeros + ones
    return runs
