"""A log of signed, chained lines: any changed, removed, added or swapped line is found and named.

One JSON line an entry in `<stem>.jsonl`. Each line counts, names the SHA-256 of the line before and
is signed. A removed last line is found by the head beside it, a signed document that says how many
lines there are, how many bytes, and how the last one reads:

    <stem>.jsonl   the lines
    <stem>.head    how they end; replaced after a line is durable: a line may be ahead of it

A line is durable before its head is, and the head before `add` returns. What a crash leaves
behind the head is a whole signed line, which counts, or a torn one, which proves nothing: it is
cut off at the next `add` and kept beside.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from hardware import clock, keys
from hardware.errors import Damaged, Locked, Misconfigured, Reason, Refused
from hardware.signing import SigningKey, is_signed, open_exact_document, sign_document, signed_bytes

LINE_BYTES_MAX = 4096
_BEFORE_THE_FIRST = "0" * 64
_LOCK_WAIT_S = 10.0
_LOCK_STEP_S = 0.02

Entry = TypeVar("Entry")


class Problem(NamedTuple):
    """What is wrong, and in which line of the file, counted from 1."""

    line: int
    what: str


@dataclass(frozen=True)
class Head:
    """How a log ends."""

    lines: int = 0
    bytes: int = 0
    sha256: str = _BEFORE_THE_FIRST


@dataclass(frozen=True)
class Log(Generic[Entry]):
    """A log as read: the entries whose lines are signed, and everything that is wrong."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    head: Head
    torn_bytes: int
    public: bytes


@dataclass(frozen=True)
class ChainedLog(Generic[Entry]):
    """One kind of log: what it is called, what its signatures are bound to, what a line holds.

    Attributes:
        entry: a dataclass of plain JSON values; the fields of a line.
        stem: of its files.
        name: in sentences, "flash ledger".
        aad: external_aad of a line's signature.
        head_type: payload type of the head; `head_schema` its schema.
        verify: the command that names a wrong line.
    """

    entry: type[Entry]
    stem: str
    name: str
    aad: bytes
    head_type: str
    head_schema: str
    verify: str

    def begin(self, folder: Path, key: SigningKey) -> None:
        """Make an empty log."""
        keys.write_file(folder / f"{self.stem}.jsonl", b"", 0o644)
        self._write_head(folder, Head(), key)

    def add(self, folder: Path, key: SigningKey, entries: Sequence[Entry]) -> Head:
        """Add lines, within `only_one`; durable on return.

        Raises:
            Damaged: the log's end is not what its head says; `verify` names the line.
            Misconfigured: the folder cannot be written, or an entry is too long for a line.
        """
        head = self._settled(folder, key)
        for begin in range(0, len(entries), 64):  # a head and its fsyncs for up to 64 lines
            head = self._write(folder, key, head, entries[begin : begin + 64])
        return head

    def read(self, folder: Path, public: bytes) -> Log[Entry]:
        """The log with every problem in it named.

        Raises:
            Damaged: one of its files is missing or cannot be read.
        """
        data, head = self._bytes_of(folder, "jsonl"), self._bytes_of(folder, "head")
        return self.examine(data, head, public)

    def examine(self, data: bytes, head_bytes: bytes, public: bytes) -> Log[Entry]:
        """A log's bytes and its head, judged with the key's public half; nothing is trusted."""
        lines = data.split(b"\n")
        torn = len(lines.pop())
        entries: list[Entry] = []
        problems: list[Problem] = []
        number, before = 0, _BEFORE_THE_FIRST
        for place, line in enumerate(lines, start=1):
            try:
                counted, prev, entry = self._open_line(line, public)
            except Refused as error:
                problems.append(Problem(place, f"not as it was written: {error}"))
                number, before = number + 1, hashlib.sha256(line).hexdigest()
                continue
            if counted != number + 1:
                problems.append(Problem(place, f"entry {counted} stands where {number + 1} should"))
            elif prev != before:
                problems.append(Problem(place, "does not follow on the line before it"))
            entries.append(entry)
            number, before = counted, hashlib.sha256(line).hexdigest()
        try:
            head = self._open_head(head_bytes, public)
        except Refused as error:
            head = Head()
            what = f"{self.stem}.head is not as it was written: {error}"
            problems.append(Problem(len(lines), what))
        else:
            problems += _at_the_end(head, lines, torn)
        return Log(tuple(entries), tuple(problems), head, torn, public)

    @contextmanager
    def only_one(self, folder: Path) -> Iterator[None]:
        """Held by one process at a time.

        Raises:
            Locked: another process has been adding to it for 10 s.
            Misconfigured: the folder cannot be written.
        """
        path = folder / f"{self.stem}.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            what = f"cannot write {path}: {error.strerror}"
            raise Misconfigured(what, "Free some space.") from error
        try:
            until_s = clock.monotonic_s() + _LOCK_WAIT_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if clock.monotonic_s() >= until_s:
                        what = f"another process holds the {self.name} of {folder}"
                        raise Locked(what, "Wait for its end.") from error
                clock.sleep_s(_LOCK_STEP_S)
            yield
        finally:
            os.close(descriptor)

    def _open_line(self, line: bytes, public: bytes) -> tuple[int, str, Entry]:
        """A line's number, the digest of the line before, and its entry.

        Raises:
            Refused: MALFORMED, OVERSIZE or SIGNATURE.
        """
        if len(line) > LINE_BYTES_MAX:
            raise Refused(Reason.OVERSIZE, f"a line of {len(line)} bytes")
        try:
            row = json.loads(line)
            signature = bytes.fromhex(row.pop("signature"))
            signed = _canonical(row)
            number, prev = row.pop("number"), row.pop("prev")
            entry = self.entry(**row)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Refused(Reason.MALFORMED, f"no {self.name} line") from error
        if not is_signed(signed, signature, public, self.aad):
            raise Refused(Reason.SIGNATURE, "its signature does not hold")
        if _with_signature(signed, signature) != line:  # what no signature covers has one spelling
            raise Refused(Reason.MALFORMED, "another spelling")
        return number, prev, entry

    def _open_head(self, head: bytes, public: bytes) -> Head:
        payload, _ = open_exact_document(head, self.head_type, public)
        if payload.pop("schema", None) != self.head_schema:
            raise Refused(Reason.VERSION, f"{self.name} head")
        try:
            return Head(**payload)
        except TypeError as error:
            raise Refused(Reason.MALFORMED, f"{self.name} head") from error

    def _line(self, entry: Any, number: int, prev: str, key: SigningKey) -> bytes:
        signed = _canonical({"number": number, "prev": prev, **asdict(entry)})
        line = _with_signature(signed, key.sign(signed_bytes(signed, self.aad)))
        if len(line) > LINE_BYTES_MAX:
            raise Misconfigured(
                f"the {self.name} entry {signed[:64].decode(errors='replace')} ... is longer than "
                "a line may be",
                f"Keep names and words short: {LINE_BYTES_MAX} bytes in all.",
            )
        return line

    def _write(
        self, folder: Path, key: SigningKey, head: Head, entries: Sequence[Entry]
    ) -> Head:  # fmt: skip
        lines, number, prev = b"", head.lines, head.sha256
        for entry in entries:
            line = self._line(entry, number + 1, prev, key)
            lines += line + b"\n"
            number, prev = number + 1, hashlib.sha256(line).hexdigest()
        path = folder / f"{self.stem}.jsonl"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                rest = memoryview(lines)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            what = f"cannot write {path}: {error.strerror}"
            raise Misconfigured(what, "Free some space; what was done stays so.") from error
        return self._write_head(folder, Head(number, head.bytes + len(lines), prev), key)

    def _write_head(self, folder: Path, head: Head, key: SigningKey) -> Head:
        signed = sign_document({"schema": self.head_schema, **asdict(head)}, self.head_type, key)
        keys.write_file(folder / f"{self.stem}.head", signed, 0o644)
        return head

    def _settled(self, folder: Path, key: SigningKey) -> Head:
        """The head brought up to what is durable; a torn line is cut off and kept beside."""
        path = folder / f"{self.stem}.jsonl"
        try:
            head = self._open_head(self._bytes_of(folder, "head"), key.public)
        except Refused as error:
            raise self._damaged(folder) from error
        data = self._bytes_of(folder, "jsonl")
        body, tail = data[: head.bytes], data[head.bytes :]
        last = body[:-1].rpartition(b"\n")[2]
        ends = hashlib.sha256(last).hexdigest() if body else _BEFORE_THE_FIRST
        if len(body) < head.bytes or ends != head.sha256:
            raise self._damaged(folder)
        *ahead, torn = tail.split(b"\n")
        number, prev, whole = head.lines, head.sha256, head.bytes
        for line in ahead:
            try:
                counted, before, _ = self._open_line(line, key.public)
            except Refused as error:
                raise self._damaged(folder) from error
            if (counted, before) != (number + 1, prev):
                raise self._damaged(folder)
            number, prev, whole = counted, hashlib.sha256(line).hexdigest(), whole + len(line) + 1
        if torn:
            keys.write_file(folder / f"{self.stem}.torn-{number + 1}", torn)
            os.truncate(path, whole)
            keys.sync(path)
        settled = Head(number, whole, prev)
        return settled if settled == head else self._write_head(folder, settled, key)

    def _bytes_of(self, folder: Path, kind: str) -> bytes:
        path = folder / f"{self.stem}.{kind}"
        try:
            return path.read_bytes()
        except OSError as error:
            raise Damaged(
                f"the {self.name} has lost {path}: {error.strerror}; fetch the file from a copy"
            ) from error

    def _damaged(self, folder: Path) -> Damaged:
        return Damaged(
            f"the {self.name} of {folder} does not end as its head says; `{self.verify}` "
            "names the line, and nothing is added to it"
        )


def _at_the_end(head: Head, lines: list[bytes], torn: int) -> Iterator[Problem]:
    """What the head knows better than the lines."""
    if len(lines) < head.lines:
        for missing in range(len(lines) + 1, head.lines + 1):
            what = "torn off in the middle" if torn and missing == len(lines) + 1 else "missing"
            yield Problem(missing, f"{what}: the head says there are {head.lines}")
    elif head.lines and hashlib.sha256(lines[head.lines - 1]).hexdigest() != head.sha256:
        yield Problem(head.lines, "is another line than the head says")


def _canonical(row: dict[str, Any]) -> bytes:
    return json.dumps(row, sort_keys=True, separators=(",", ":")).encode()


def _with_signature(signed: bytes, signature: bytes) -> bytes:
    return signed[:-1] + b',"signature":"' + signature.hex().encode() + b'"}'
