"""Which packets and bundles were seen: the replay window and the duplicate check in one.

Kept per (sender, boot): for every sequence number seen, a 64-bit digest of the bytes. A repeat
with the same digest is a duplicate (a second relay heard it too), one with another is a replay.
Unlike the sliding bitmap of RFC 6479 it forgets nothing of the days it covers, because back-fill
after a long outage comes newest first and would fall behind any sliding window and be lost
(docs/decisions/0004). It costs 8 bytes a packet: 29 MB for a stage of 3.6 million readings; who
scatters numbers to make it cost 2 KiB each is given `GROWTH_MAX` of them a minute.
"""

import hashlib
from array import array
from collections import defaultdict
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from truck.columns import numbers

_CHUNK = 256
GROWTH_MAX = 256
"""Chunks a sender may add a minute: 65,536 numbers in a row, 100 times what a relay sends live."""
_MINUTE_US = 60_000_000


class Seen(Enum):
    """What the window knows of a (sender, boot, seq)."""

    NEW = "new"
    SAME = "same"
    OTHER = "other"


def digests_of(packets: list[bytes]) -> npt.NDArray[np.uint64]:
    """`hardware.bundle.digest_of` each, as a column."""
    hashes = b"".join([hashlib.blake2b(raw, digest_size=8).digest() for raw in packets])
    found = np.frombuffer(hashes, "<u8")
    return np.where(found == 0, np.uint64(1), found)


class ReplayWindow:
    """Digests by (sender, boot) and sequence number; reading never changes it.

    A number may come to have several digests: whoever has judged other bytes commits them too.
    """

    def __init__(self) -> None:
        self._chunks: dict[tuple[int, int, int], array[int]] = {}
        self._others: dict[int, set[tuple[int, int, int]]] = defaultdict(set)
        self._minute = -1
        self._added: dict[int, set[tuple[int, ...]]] = defaultdict(set)

    def look(self, sender: int, boot: int, seq: int, digest: int) -> Seen:
        """Whether this sequence number is new, the same bytes again, or other bytes."""
        chunk = self._chunks.get((sender, boot, seq // _CHUNK))
        known = chunk[seq % _CHUNK] if chunk is not None else 0
        if known == 0:
            return Seen.NEW
        same = known == digest or (boot, seq, digest) in self._others.get(sender, ())
        return Seen.SAME if same else Seen.OTHER

    def turn(self, now_us: int) -> None:
        """Begin a new minute of `admits` where one has begun."""
        if now_us // _MINUTE_US != self._minute:
            self._minute = now_us // _MINUTE_US
            self._added.clear()

    def admits(self, sender: int, boot: int, seq: int, other: int = 0) -> bool:
        """Whether a new number may come in, or makes the window grow too fast.

        Ask only for what is verified: nobody else may use up a sender's minute.

        Args:
            sender: as in `look`.
            boot: its start.
            seq: the number.
            other: where the number is taken, the digest of the further bytes.
        """
        place = (boot, seq, other) if other else (boot, seq // _CHUNK)
        if (sender, *place) in self._chunks:
            return True
        added = self._added[sender]
        if place not in added and len(added) >= GROWTH_MAX:
            return False
        added.add(place)
        return True

    def commit(self, sender: int, boot: int, seq: int, digest: int) -> None:
        """Remember it; call only once the packet is verified and the journal holds it."""
        key = (sender, boot, seq // _CHUNK)
        chunk = self._chunks.get(key)
        if chunk is None:
            chunk = self._chunks[key] = array("Q", bytes(8 * _CHUNK))
        if chunk[seq % _CHUNK] in (0, digest):
            chunk[seq % _CHUNK] = digest
        else:
            self._others[sender].add((boot, seq, digest))

    def load(
        self,
        sender: npt.NDArray[Any],
        boot: npt.NDArray[Any],
        seq: npt.NDArray[Any],
        digest: npt.NDArray[Any],
    ) -> None:
        """Remember many at once, as columns, after a restart."""
        if not len(seq):
            return
        group, known = _ranks(sender)
        for column in (boot, seq // _CHUNK):
            rank, choices = _ranks(column)
            group, known = _ranks(group * choices + rank)
        table = np.zeros((known, _CHUNK), np.uint64)
        table[group, seq % _CHUNK] = digest
        for i in np.flatnonzero(table[group, seq % _CHUNK] != digest).tolist():
            self._others[int(sender[i])].add((int(boot[i]), int(seq[i]), int(digest[i])))
        row = np.zeros(known, np.int64)
        row[group] = np.arange(len(group))  # any row of each group tells its key
        keys = zip(
            sender[row].tolist(), boot[row].tolist(), (seq[row] // _CHUNK).tolist(), strict=True
        )
        for key, digests in zip(keys, table, strict=True):
            if key in self._chunks:
                digests = np.where(digests == 0, np.array(self._chunks[key]), digests)
            self._chunks[key] = array("Q", digests.tobytes())


def _ranks(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], int]:
    """A number from 0 on for each different value, and how many there are; hashed, not sorted."""
    encoded = numbers(values).dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)
