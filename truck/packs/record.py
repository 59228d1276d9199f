"""The record of activations: who put which pack in force and when; appended, never changed.

`HOME/packs/record.jsonl`, a line each: a DSSE document signed with the truck's key that names the
hash of the line before. A line without its end was never said: a kill leaves the pack before in
force, or the new one, never half of either.
"""

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hardware.errors import Damaged, Misconfigured, Refused
from hardware.keys import sync
from hardware.signing import SigningKey, open_document, sign_document

PAYLOAD_TYPE = "application/vnd.truck.activation+json"
SCHEMA = "truck.activation/1"
NO_PREVIOUS = "0" * 64
_FIELDS = ("number", "prev", "at_us", "by", "note", "what", "version", "digest")


@dataclass(frozen=True)
class Activation:
    """One line of the record.

    Attributes:
        number: counts from 1.
        prev: SHA-256 of the line before, zeros for the first.
        at_us: microseconds since 1970 UTC.
        what: "activate", or "rollback" to what was in force before.
        version: of the pack in force from now on; None is the stage of truck.toml.
        digest: of that pack's signed manifest.
    """

    number: int
    prev: str
    at_us: int
    by: str
    note: str
    what: str
    version: int | None
    digest: str | None


class Record:
    """All activations of a home, proven; one writer at a time."""

    def __init__(self, path: Path, key: SigningKey) -> None:
        """Read the record.

        Raises:
            Damaged: a line was changed, removed or is not this truck's.
            Misconfigured: it cannot be read.
        """
        self._path, self._key = path, key
        try:
            data = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise Misconfigured(
                f"cannot read {path}: {error.strerror}", "Check who owns it."
            ) from error
        whole, _, _ = data.rpartition(b"\n")
        self._bytes = len(whole) + 1 if whole else 0
        self._prev = NO_PREVIOUS
        self.lines: list[Activation] = []
        for line in whole.split(b"\n") if whole else []:
            self.lines.append(self._open(line))
            self._prev = hashlib.sha256(line).hexdigest()

    @property
    def in_force(self) -> Activation | None:
        """The activation whose pack is in force, None for the stage of truck.toml."""
        stack = self._stack()
        return stack[-1] if stack else None

    @property
    def before(self) -> Activation | None:
        """What a rollback would put in force; None for the stage of truck.toml."""
        stack = self._stack()
        return stack[-2] if len(stack) > 1 else None

    def activate(self, version: int, digest: str, *, by: str, note: str, now_us: int) -> Activation:
        """Put a pack in force; durable on return."""
        return self._append("activate", version, digest, by, note, now_us)

    def roll_back(self, *, by: str, note: str, now_us: int) -> Activation:
        """Put in force again what was before; durable on return.

        Raises:
            Misconfigured: no pack is in force.
        """
        if self.in_force is None:
            raise Misconfigured(
                "no pack is in force, so there is nothing to go back from",
                "The truck takes the stage of truck.toml.",
            )
        to = self.before
        version, digest = (to.version, to.digest) if to else (None, None)
        return self._append("rollback", version, digest, by, note, now_us)

    def _stack(self) -> list[Activation]:
        stack: list[Activation] = []
        for line in self.lines:
            if line.what == "activate":
                stack.append(line)
            elif stack:
                stack.pop()
        return stack

    def _append(
        self, what: str, version: int | None, digest: str | None, by: str, note: str, now_us: int
    ) -> Activation:
        said = Activation(
            len(self.lines) + 1, self._prev, now_us, by, note, what, version, digest
        )  # fmt: skip
        line = sign_document({"schema": SCHEMA, **asdict(said)}, PAYLOAD_TYPE, self._key)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.ftruncate(descriptor, self._bytes)  # a torn line was never said
                rest = memoryview(line + b"\n")
                os.lseek(descriptor, self._bytes, os.SEEK_SET)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync(self._path.parent)
        except OSError as error:
            raise Misconfigured(
                f"cannot write {self._path}: {error.strerror}", "Free some space and try again."
            ) from error
        self._bytes += len(line) + 1
        self._prev = hashlib.sha256(line).hexdigest()
        self.lines.append(said)
        return said

    def _open(self, line: bytes) -> Activation:
        number = len(self.lines) + 1
        cure = "Restore the file, or move it away and activate anew"
        try:
            payload, _ = open_document(line, PAYLOAD_TYPE, self._key.public)
        except Refused as refusal:
            raise Damaged(
                f"{self._path}, line {number} is not what this truck wrote: {refusal}. {cure}"
            ) from refusal
        if not _is_well_formed(payload):
            raise Damaged(f"{self._path}, line {number} has other fields. {cure}")
        said = Activation(**{name: payload[name] for name in _FIELDS})
        if said.number != number or said.prev != self._prev:
            raise Damaged(f"{self._path}, line {number} does not follow the one before. {cure}")
        return said


def _is_well_formed(payload: dict[str, Any]) -> bool:
    return (
        payload.keys() == {"schema", *_FIELDS}
        and payload["schema"] == SCHEMA
        and all(type(payload[name]) is int for name in ("number", "at_us"))
        and all(isinstance(payload[name], str) for name in ("prev", "by", "note"))
        and payload["what"] in ("activate", "rollback")
        and (payload["version"] is None or type(payload["version"]) is int)
        and (payload["digest"] is None or isinstance(payload["digest"], str))
    )
