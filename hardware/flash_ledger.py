"""The flash ledger: who flashed what, when, and how it was proven.

One JSON line an entry in EVENT/ledger.jsonl. Each line counts, names the SHA-256 of the line
before and is signed with the laptop's ledger key, so that a changed, removed, added or swapped line
is found and named. A removed last line is found by the head beside it, a signed document that says
how many lines there are, how many bytes, and how the last one reads:

    ledger.jsonl        the lines
    ledger.head         how they end; replaced after a line is durable: a line may be ahead of it
    ledger.key, .pub    the laptop's key; .pub is written last: the other three are there

A line is durable before its head is, and the head before `append` returns. What a crash leaves
behind the head is a whole signed line, which counts, or a torn one, which proves nothing: it is
cut off at the next append and kept beside.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hardware import clock, keys
from hardware.errors import Damaged, Locked, Misconfigured, NotInitialised, Reason, Refused
from hardware.signing import SigningKey, is_signed, open_exact_document, sign_document, signed_bytes

HEAD_TYPE = "application/vnd.truck.ledger-head+json"
HEAD_SCHEMA = "truck.ledger-head/1"
LINE_BYTES_MAX = 4096
_AAD = b"truck flash ledger 1"
_BEFORE_THE_FIRST = "0" * 64
_LOCK_WAIT_S = 10.0
_LOCK_STEP_S = 0.02


@dataclass(frozen=True)
class Entry:
    """One device flashed, or found as it should be; digests are SHA-256 in hex."""

    at_s: float
    by: str
    role: str
    name: str
    serial: str
    target: str
    config_version: int
    config_sha256: str
    image_sha256: str
    proven: str


class Problem(NamedTuple):
    """What is wrong, and in which line of the file, counted from 1."""

    line: int
    what: str


@dataclass(frozen=True)
class Head:
    """How the ledger ends."""

    lines: int = 0
    bytes: int = 0
    sha256: str = _BEFORE_THE_FIRST


@dataclass(frozen=True)
class Ledger:
    """A ledger as read: the entries whose lines are signed, and everything that is wrong."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    head: Head
    torn_bytes: int
    public: bytes


def append(folder: Path, entries: Sequence[Entry]) -> Head:
    """Add lines to an event's ledger, made with its key where there is none; durable on return.

    Raises:
        Damaged: the ledger's end is not what its head says; `verify` names the line.
        Locked: another process has been adding to it for 10 s.
        Misconfigured: the folder cannot be written, or an entry is too long for a line.
    """
    with _only_one(folder):
        key = _key_of(folder)
        head = _settled(folder, key)
        for begin in range(0, len(entries), 64):  # a head and its fsyncs for up to 64 lines
            head = _write(folder, key, head, entries[begin : begin + 64])
    return head


def read(folder: Path) -> Ledger:
    """An event's ledger with every problem in it named.

    Raises:
        NotInitialised: nothing has been flashed for this event yet.
        Damaged: one of its files is missing or cannot be read.
    """
    public_path = folder / "ledger.pub"
    if not public_path.exists():
        raise NotInitialised(
            f"{folder} has no flash ledger: nothing has been flashed here yet", "Flash something."
        )
    public = keys.read_key(public_path, "ledger public key")
    return examine(_bytes_of(folder / "ledger.jsonl"), _bytes_of(folder / "ledger.head"), public)


def examine(data: bytes, head_bytes: bytes, public: bytes) -> Ledger:
    """A ledger's bytes and its head, judged with the key's public half; nothing is trusted."""
    lines = data.split(b"\n")
    torn = len(lines.pop())
    entries: list[Entry] = []
    problems: list[Problem] = []
    number, before = 0, _BEFORE_THE_FIRST
    for place, line in enumerate(lines, start=1):
        try:
            counted, prev, entry = _open_line(line, public)
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
        head = _open_head(head_bytes, public)
    except Refused as error:
        head = Head()
        problems.append(Problem(len(lines), f"ledger.head is not as it was written: {error}"))
    else:
        problems += _at_the_end(head, lines, torn)
    return Ledger(tuple(entries), tuple(problems), head, torn, public)


def _at_the_end(head: Head, lines: list[bytes], torn: int) -> Iterator[Problem]:
    """What the head knows better than the lines."""
    if len(lines) < head.lines:
        for missing in range(len(lines) + 1, head.lines + 1):
            what = "torn off in the middle" if torn and missing == len(lines) + 1 else "missing"
            yield Problem(missing, f"{what}: the head says there are {head.lines}")
    elif head.lines and hashlib.sha256(lines[head.lines - 1]).hexdigest() != head.sha256:
        yield Problem(head.lines, "is another line than the head says")


def _open_line(line: bytes, public: bytes) -> tuple[int, str, Entry]:
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
        entry = Entry(**row)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Refused(Reason.MALFORMED, "no ledger line") from error
    if not is_signed(signed, signature, public, _AAD):
        raise Refused(Reason.SIGNATURE, "its signature does not hold")
    if _with_signature(signed, signature) != line:  # what no signature covers has one spelling
        raise Refused(Reason.MALFORMED, "another spelling")
    return number, prev, entry


def _open_head(head: bytes, public: bytes) -> Head:
    payload, _ = open_exact_document(head, HEAD_TYPE, public)
    if payload.pop("schema", None) != HEAD_SCHEMA:
        raise Refused(Reason.VERSION, "ledger head")
    try:
        return Head(**payload)
    except TypeError as error:
        raise Refused(Reason.MALFORMED, "ledger head") from error


def _canonical(row: dict[str, Any]) -> bytes:
    return json.dumps(row, sort_keys=True, separators=(",", ":")).encode()


def _with_signature(signed: bytes, signature: bytes) -> bytes:
    return signed[:-1] + b',"signature":"' + signature.hex().encode() + b'"}'


def _line(entry: Entry, number: int, prev: str, key: SigningKey) -> bytes:
    signed = _canonical({"number": number, "prev": prev, **asdict(entry)})
    line = _with_signature(signed, key.sign(signed_bytes(signed, _AAD)))
    if len(line) > LINE_BYTES_MAX:
        raise Misconfigured(
            f"the ledger entry of {entry.name[:64]!r} is longer than a line may be",
            f"Keep names, serials and targets short: {LINE_BYTES_MAX} bytes in all.",
        )
    return line


def _write(folder: Path, key: SigningKey, head: Head, entries: Sequence[Entry]) -> Head:
    lines, number, prev = b"", head.lines, head.sha256
    for entry in entries:
        line = _line(entry, number + 1, prev, key)
        lines += line + b"\n"
        number, prev = number + 1, hashlib.sha256(line).hexdigest()
    path = folder / "ledger.jsonl"
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
        raise Misconfigured(
            f"cannot write {path}: {error.strerror}", "Free some space; what was flashed stays so."
        ) from error
    return _write_head(folder, Head(number, head.bytes + len(lines), prev), key)


def _write_head(folder: Path, head: Head, key: SigningKey) -> Head:
    signed = sign_document({"schema": HEAD_SCHEMA, **asdict(head)}, HEAD_TYPE, key)
    keys.write_file(folder / "ledger.head", signed, 0o644)
    return head


def _settled(folder: Path, key: SigningKey) -> Head:
    """The head brought up to what is durable; a torn line is cut off and kept beside."""
    path = folder / "ledger.jsonl"
    try:
        head = _open_head(_bytes_of(folder / "ledger.head"), key.public)
    except Refused as error:
        raise _damaged(folder) from error
    data = _bytes_of(path)
    body, tail = data[: head.bytes], data[head.bytes :]
    last = body[:-1].rpartition(b"\n")[2]
    ends = hashlib.sha256(last).hexdigest() if body else _BEFORE_THE_FIRST
    if len(body) < head.bytes or ends != head.sha256:
        raise _damaged(folder)
    *ahead, torn = tail.split(b"\n")
    number, prev, whole = head.lines, head.sha256, head.bytes
    for line in ahead:
        try:
            counted, before, _ = _open_line(line, key.public)
        except Refused as error:
            raise _damaged(folder) from error
        if (counted, before) != (number + 1, prev):
            raise _damaged(folder)
        number, prev, whole = counted, hashlib.sha256(line).hexdigest(), whole + len(line) + 1
    if torn:
        keys.write_file(folder / f"ledger.torn-{number + 1}", torn)
        os.truncate(path, whole)
        keys.sync(path)
    settled = Head(number, whole, prev)
    return settled if settled == head else _write_head(folder, settled, key)


def _key_of(folder: Path) -> SigningKey:
    """The ledger's key; with the first one the ledger is made."""
    private, public = folder / "ledger.key", folder / "ledger.pub"
    if public.exists():
        return SigningKey(keys.read_key(private, "ledger key"))
    key = SigningKey(keys.new_secret())
    keys.write_key(private, key.seed)
    keys.write_file(folder / "ledger.jsonl", b"", 0o644)
    _write_head(folder, Head(), key)
    keys.write_file(public, key.public.hex().encode() + b"\n", 0o644)
    return key


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    path = folder / "ledger.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Misconfigured(f"cannot write {path}: {error.strerror}", "Free some space.") from error
    try:
        until_s = clock.monotonic_s() + _LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if clock.monotonic_s() >= until_s:
                    raise Locked(
                        f"another process holds the flash ledger of {folder}", "Wait for its end."
                    ) from error
            clock.sleep_s(_LOCK_STEP_S)
        yield
    finally:
        os.close(descriptor)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Damaged(
            f"the flash ledger has lost {path}: {error.strerror}; fetch the file from a copy"
        ) from error


def _damaged(folder: Path) -> Damaged:
    return Damaged(
        f"the flash ledger of {folder} does not end as its head says; `hardware ledger verify` "
        "names the line, and nothing is added to it"
    )
