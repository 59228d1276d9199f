"""The journal: the append-only, encrypted, hash-chained record of everything the truck accepted.

It is the truth and the custody record; DuckDB is a view of it. A folder of segments, each begun
at a start or when the last one is full, never written again once another follows:
`segment` has the bytes.

Recovery tells two things apart. A bad last record with nothing whole behind it is a torn write: it
was never acknowledged, so it is set aside and cut off. Anything else (a bad record before whole
ones, a bad older segment, an end before what the view already holds) is `Damaged` and is never
repaired in silence.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hardware.errors import Damaged, Misconfigured
from truck.segment import (
    GENESIS,
    RECORD_HEADER_BYTES,
    SEGMENT_BYTES,
    Kind,
    Place,
    Segment,
    chain_after,
    decode_segment,
    encode_record,
    encode_segment,
    has_whole_record,
    open_record,
    parse_record,
    segment_cipher,
)

SEGMENT_BYTES_MAX = 16 * 1024 * 1024


class Record(NamedTuple):
    """One record, opened."""

    number: int
    kind: int
    payload: bytes


@dataclass(frozen=True)
class Torn:
    """A torn tail that recovery cut off and kept beside the segment."""

    segment: int
    offset: int
    kept_in: Path


class Journal:
    """An open journal: read from any record on, append at the end.

    Attributes:
        stream: the truck and epoch this journal belongs to.
        places: kind and place of every record, in order; number = index.
        torn: what recovery cut off, or None.
    """

    def __init__(
        self,
        folder: Path,
        key: bytes,
        stream: str,
        sign: Callable[[bytes], bytes],
        *,
        known_records: int = 0,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> None:
        """Open and prove the journal in `folder`, whose stream must be `stream` (32 bytes at most).

        Args:
            folder: made if it is missing.
            key: 32 bytes.
            stream: name of the truck and its epoch.
            sign: the truck's signature over the chain, kept as a SEAL record when a segment ends.
            known_records: how many records the view has seen; fewer here means loss.
            segment_bytes_max: when a segment is full.

        Raises:
            Damaged: as the module says.
            Misconfigured: another stream's or key's journal, or a folder that cannot be used.
        """
        self.folder, self.stream = folder, stream
        self._key, self._sign, self._segment_bytes_max = key, sign, segment_bytes_max
        self.places: list[Place] = []
        self.torn: Torn | None = None
        self._segments: dict[int, Segment] = {}
        self._ciphers: dict[int, AESGCM] = {}
        self._file: int | None = None
        self._size = 0
        self._chain = GENESIS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._recover()
        except OSError as error:
            raise Misconfigured(
                f"cannot use the journal folder {folder}: {error.strerror}",
                "Give the truck a folder it may write to.",
            ) from error
        if len(self.places) < known_records:
            raise Damaged(
                f"journal {folder} ends at record {len(self.places)} but the view already holds "
                f"{known_records}: its tail is lost. Put the missing segment files back, or begin "
                "a new epoch with `truck quarantine`."
            )

    @property
    def next_record(self) -> int:
        """The number the next record will have; all below are durable once `sync` has returned."""
        return len(self.places)

    @property
    def chain(self) -> bytes:
        """The hash over everything so far."""
        return self._chain

    def append(self, kind: Kind, payload: bytes) -> int:
        """Write one record; durable only after `sync`.

        Returns:
            The record's number.

        Raises:
            OSError: full or failing disk; call `reopen` before the next try.
        """
        if self._file is not None and self._size >= self._segment_bytes_max:
            self.seal()
        if self._file is None:
            self._file = self._begin_segment()
        number, segment = self.next_record, max(self._segments)
        data, chain = encode_record(kind, number, payload, self._chain, self._cipher(segment))
        _write_whole(self._file, data)
        offset = self._size + RECORD_HEADER_BYTES
        self.places.append(Place(number, kind, segment, offset, len(payload) + 16))
        self._size += len(data)
        self._chain = chain
        return number

    def seal(self) -> None:
        """End the segment with the truck's signature over the chain, and close it.

        Raises:
            OSError: as `append` and `sync`.
        """
        if self._file is not None:
            self._size = 0  # the seal itself never begins another segment
            self.append(Kind.SEAL, self._sign(self._chain))
            self.sync()
            self.close()

    def sync(self) -> None:
        """Make every record so far durable.

        Raises:
            OSError: after which nothing written since the last `sync` may be believed; `reopen`.
        """
        if self._file is not None:
            os.fdatasync(self._file)

    def reopen(self, known_records: int) -> None:
        """Start over from what the disk really holds, after a failed `append` or `sync`.

        Records from `known_records` on were never acknowledged and are cut off.

        Raises:
            Damaged, Misconfigured: as on opening.
            OSError: the disk still fails.
        """
        self.close()
        if known_records < len(self.places):
            place = self.places[known_records]
            for later in range(place.segment + 1, max(self._segments) + 2):
                self._path(later).unlink(missing_ok=True)
            os.truncate(self._path(place.segment), place.begins)
        fresh = Journal(
            self.folder,
            self._key,
            self.stream,
            self._sign,
            known_records=known_records,
            segment_bytes_max=self._segment_bytes_max,
        )
        self.__dict__.update(fresh.__dict__)

    def read(self, start: int = 0) -> Iterator[Record]:
        """Open records from number `start` on, in order.

        Raises:
            Damaged: a record whose chain held does not open with this key.
        """
        current, data = -1, b""
        for index in range(start, len(self.places)):
            place = self.places[index]
            if place.segment != current or place.offset + place.length > len(data):
                current, data = place.segment, self._path(place.segment).read_bytes()
            yield self._open(place, data)

    def last(self, kind: Kind, before: int | None = None) -> Record | None:
        """The newest record of a kind, of those numbered below `before`."""
        for place in reversed(self.places[:before]):
            if place.kind == kind:
                return self._open(place, self._path(place.segment).read_bytes())
        return None

    def close(self) -> None:
        """Close the file; what was synced stays."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self, place: Place, data: bytes) -> Record:
        payload = open_record(place, data, self._cipher(place.segment))
        return Record(place.number, place.kind, payload)

    def _path(self, segment: int) -> Path:
        return self.folder / f"{segment:06d}.journal"

    def _cipher(self, segment: int) -> AESGCM:
        if segment not in self._ciphers:
            self._ciphers[segment] = segment_cipher(self._key, self._segments[segment])
        return self._ciphers[segment]

    def _begin_segment(self) -> int:
        number = max(self._segments, default=0) + 1
        salt = secrets.token_bytes(32)
        segment = Segment(number, self.next_record, self.stream, salt, self._chain)
        # a crash between here and the fsync leaves a short header: recovery removes it
        descriptor = os.open(
            self._path(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600
        )
        _write_whole(descriptor, encode_segment(segment))
        _sync_folder(self.folder)
        self._segments[number] = segment
        self._size = SEGMENT_BYTES
        return descriptor

    def _recover(self) -> None:
        paths = sorted(self.folder.glob("*.journal"))
        for index, path in enumerate(paths):
            self._recover_segment(path, index + 1, is_last=index == len(paths) - 1)

    def _recover_segment(self, path: Path, expected: int, *, is_last: bool) -> None:
        data = path.read_bytes()
        if is_last and len(data) < SEGMENT_BYTES:
            path.unlink()  # the crash came before its first record: nothing was ever in it
            return
        segment = self._read_segment_header(path, data, expected)
        self._segments[segment.number] = segment
        offset, chain = SEGMENT_BYTES, segment.chain
        while offset < len(data):
            place = parse_record(data, offset, chain, segment.number)
            if place is None or place.number != self.next_record:
                self._judge_bad_tail(path, data, offset, segment.number, is_last=is_last)
                return
            self.places.append(place)
            chain, offset = chain_after(place, data), place.ends
            self._chain = chain

    def _read_segment_header(self, path: Path, data: bytes, expected: int) -> Segment:
        segment = decode_segment(data)
        if segment is None:
            raise Damaged(f"journal segment {path} has no valid header. {_CURE}")
        if segment.stream != self.stream:
            raise Misconfigured(
                f"journal {path} belongs to {segment.stream!r}, not to {self.stream!r}",
                "Give each truck and epoch a folder of its own.",
            )
        follows = segment.first_record == self.next_record and segment.chain == self._chain
        if segment.number != expected or not follows:
            raise Damaged(f"journal segment {path} does not follow the one before. {_CURE}")
        return segment

    def _judge_bad_tail(
        self, path: Path, data: bytes, offset: int, segment: int, *, is_last: bool
    ) -> None:
        """Cut off a torn tail, or name the damage."""
        if not is_last or has_whole_record(data, offset + 1, segment):
            raise Damaged(
                f"journal segment {path} is damaged at byte {offset}, record {self.next_record}; "
                f"whole records follow it, so this is no torn write. {_CURE}"
            )
        kept = path.with_suffix(f".torn-{offset}")
        with contextlib.suppress(OSError):  # a full disk must not keep the truck from starting
            kept.write_bytes(data[offset:])
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.ftruncate(descriptor, offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.torn = Torn(segment, offset, kept)


_CURE = (
    "Nothing was changed. Restore the file from a copy, or set the journal aside and begin a new "
    "epoch with `truck quarantine`; what the cloud holds stays provable."
)


def _write_whole(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
