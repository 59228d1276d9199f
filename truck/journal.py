"""The journal: the append-only, encrypted, hash-chained record of everything the truck accepted.

It is the truth and the custody record; DuckDB is a view of it. A folder of segments, each begun
at a start or when the last one is full, never written again once another follows:
`segment` has the bytes.

Recovery tells two things apart. A bad last record with no other behind it is a torn write: it
was never acknowledged, so it is set aside and cut off. Anything else (a bad record before
others, a bad older segment, an end before what the view already holds) is `Damaged` and is never
repaired in silence.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hardware import keys
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
    names_record,
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


class Journal:
    """An open journal: read from any record on, append at the end.

    Attributes:
        stream: the truck and epoch this journal belongs to.
        places: kind and place of every record, in order; number = index.
        torn: where the torn tail is kept that recovery cut off, or None.
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
        self.torn: Path | None = None
        self._segments: dict[int, Segment] = {}
        self._ciphers: dict[int, AESGCM] = {}
        self._file: int | None = None
        self._size = 0
        self._failed = False
        self._durable, self._durable_chain = 0, GENESIS
        self._chain = GENESIS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._recover()
            self._mark_durable()
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

    def append(self, kind: Kind, payload: bytes) -> int:
        """Write one record; durable, and to be read, only after `sync`.

        After a failure the next call first starts over from what the disk really holds: records
        that were not synced were never acknowledged, and are cut off.

        Returns:
            The record's number.

        Raises:
            OSError: full or failing disk; nothing since the last `sync` may be believed.
        """
        if self._failed:
            self._start_over()
        with self._failing():
            if self._file is not None and self._size >= self._segment_bytes_max:
                self.seal()
            if self._file is None:
                self._begin_segment()
            return self._write(kind, payload)

    def seal(self) -> None:
        """End the segment with the truck's signature over the chain, and close it.

        Raises:
            OSError: as `append` and `sync`.
        """
        if self._file is not None and not self._failed:
            with self._failing():
                self._write(Kind.SEAL, self._sign(self._chain))
                self.sync()
                self.close()

    def sync(self) -> None:
        """Make every record so far durable.

        Raises:
            OSError: as `append`.
        """
        if self._file is not None:
            with self._failing():
                os.fdatasync(self._file)
            self._mark_durable()

    def read(self, start: int = 0) -> Iterator[Record]:
        """Open records from number `start` on, in order, as far as they are durable.

        Raises:
            Damaged: a record whose chain held does not open with this key.
        """
        current, data = -1, b""
        for index in range(start, self._durable):
            place = self.places[index]
            if place.segment != current or place.offset + place.length > len(data):
                current, data = place.segment, self._path(place.segment).read_bytes()
            yield self._open(place, data)

    def last(self, kind: Kind, before: int | None = None) -> Record | None:
        """The newest record of a kind, of those numbered below `before`."""
        for place in reversed(self.places[: self._durable if before is None else before]):
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

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Remember a failure, whatever it was, until `_start_over`."""
        try:
            yield
        except BaseException:
            self._failed = True
            raise

    def _start_over(self) -> None:
        """Cut off what was written since the last `sync`; safe to try again."""
        self.close()
        del self.places[self._durable :]
        self._chain = self._durable_chain
        last = self.places[-1].segment if self.places else 0
        for path in self.folder.glob("*.journal"):
            if int(path.stem) > last:
                path.unlink()
        self._segments = {n: segment for n, segment in self._segments.items() if n <= last}
        self._ciphers.clear()
        if last:
            os.truncate(self._path(last), self.places[-1].ends)
            keys.sync(self._path(last))
        keys.sync(self.folder)
        self._failed = False

    def _mark_durable(self) -> None:
        self._durable, self._durable_chain = len(self.places), self._chain

    def _write(self, kind: Kind, payload: bytes) -> int:
        if self._file is None:
            raise ValueError("no segment is open")
        number, segment = self.next_record, max(self._segments)
        data, chain = encode_record(kind, number, payload, self._chain, self._cipher(segment))
        _write_whole(self._file, data)
        offset = self._size + RECORD_HEADER_BYTES
        self.places.append(Place(number, kind, segment, offset, len(payload) + 16))
        self._size += len(data)
        self._chain = chain
        return number

    def _begin_segment(self) -> None:
        number = max(self._segments, default=0) + 1
        salt = secrets.token_bytes(32)
        segment = Segment(number, self.next_record, self.stream, salt, self._chain)
        # a crash between here and the fsync leaves a short header: recovery removes it
        self._file = os.open(
            self._path(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600
        )
        _write_whole(self._file, encode_segment(segment))
        keys.sync(self.folder)
        self._segments[number] = segment
        self._size = SEGMENT_BYTES

    def _recover(self) -> None:
        paths = sorted(self.folder.glob("*.journal"))
        for index, path in enumerate(paths):
            self._recover_segment(path, index + 1, is_last=index == len(paths) - 1)
        # a killed truck's last record may stand in the page cache only: it is shown and
        # acknowledged from now on, so it must be on the disk
        if self.places:
            keys.sync(self._path(self.places[-1].segment))
        keys.sync(self.folder)

    def _recover_segment(self, path: Path, expected: int, *, is_last: bool) -> None:
        data = path.read_bytes()
        if is_last and (len(data) <= SEGMENT_BYTES or not any(data)):
            path.unlink()  # the crash came before its first record: nothing was ever in it
            return
        segment = self._read_segment_header(path, data, expected)
        self._segments[segment.number] = segment
        offset, chain = SEGMENT_BYTES, segment.chain
        while offset < len(data):
            place = parse_record(data, offset, chain, segment.number)
            if place is None or place.number != self.next_record:
                self._judge_bad_tail(path, data, offset, is_last=is_last)
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

    def _judge_bad_tail(self, path: Path, data: bytes, offset: int, *, is_last: bool) -> None:
        """Cut off a torn tail, or name the damage."""
        if not is_last or names_record(data, offset + 1, self.next_record):
            raise Damaged(
                f"journal segment {path} is damaged at byte {offset}, record {self.next_record}; "
                f"records follow it, so this is no torn write. {_CURE}"
            )
        kept = path.with_suffix(f".torn-{offset}")
        with contextlib.suppress(OSError):  # a full disk must not keep the truck from starting
            kept.write_bytes(data[offset:])
        os.truncate(path, offset)
        self.torn = kept


_CURE = (
    "Nothing was changed. Restore the file from a copy, or set the journal aside and begin a new "
    "epoch with `truck quarantine`; what the cloud holds stays provable."
)


def _write_whole(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
