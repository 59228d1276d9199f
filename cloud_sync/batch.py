"""A batch: rows [lo, hi) of one stream, sealed, signed and stored as one object.

A stream is what one truck commits in one epoch of its disk; within it batches count from 0 and
their row ranges abut. Names in the remote:

    <stream>/data/<seq:012d>-<sha16>.parquet    the sealed rows
    <stream>/manifest/<seq:012d>.json           the signed commit point, created once
    <stream>/keys/                              key sets, grants, and riders' keys

The biometrics of stream X, by the same row ids, are stream X.bio.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from cloud_sync.remote import DOCTOR
from hardware.errors import Misconfigured

_BIOMETRICS = ".bio"
_LEDGER = ".ledger"
_EPOCH = re.compile(r"e[1-9][0-9]*")
_STREAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class BatchSource(Protocol):
    """Where committed rows come from; the truck's store satisfies it."""

    def row_end(self) -> int:
        """Rows [0, row_end) are committed and will never change."""
        ...

    def rows(self, lo: int, hi: int) -> pa.Table:
        """Exactly hi - lo rows in row_id order, column `row_id` (int64) first."""
        ...


@dataclass(frozen=True)
class BatchName:
    """Which batch this is; what every key wrapping and file of it is bound to."""

    stream: str
    seq: int

    def __str__(self) -> str:
        """As people and key material name it."""
        return f"{self.stream}/{self.seq:012d}"

    def object_key(self, sha256: str) -> str:
        """Where the sealed rows are stored."""
        return f"{data_prefix(self.stream)}{self.seq:012d}-{sha256[:16]}.parquet"

    def manifest_key(self) -> str:
        """Where the manifest is stored."""
        return f"{manifest_prefix(self.stream)}{self.seq:012d}.json"


def data_prefix(stream: str) -> str:
    """The folder of a stream's objects."""
    return f"{stream}/data/"


def manifest_prefix(stream: str) -> str:
    """The folder of a stream's manifests."""
    return f"{stream}/manifest/"


def biometrics_of(stream: str) -> str:
    """The stream of the biometrics that belong to a stream's rows, by row_id."""
    return f"{stream}{_BIOMETRICS}"


def epoch_of(stream: str, number: int) -> str:
    """The stream that holds all rows anew, after `number` times its place was taken; 0 is itself.

    X becomes X.e1, X.bio becomes X.e1.bio.
    """
    base, dot, kind = stream.partition(".")
    return f"{base}.e{number}{dot}{kind}" if number else stream


def last_epochs(streams: Iterable[str]) -> list[str]:
    """The streams without those that a later epoch holds anew, sorted."""
    last: dict[str, tuple[int, str]] = {}
    for stream in streams:
        base, _, rest = stream.partition(".")
        epoch, _, kind = rest.partition(".")
        number = int(epoch[1:]) if _EPOCH.fullmatch(epoch) else 0
        first = f"{base}.{kind if number else rest}"
        last[first] = max(last.get(first, (-1, "")), (number, stream))
    return sorted(stream for _, stream in last.values())


def is_biometrics(stream: str) -> bool:
    """Whether a stream carries biometrics."""
    return stream.endswith(_BIOMETRICS)


def ledger_of(stream: str) -> str:
    """The stream that says how complete a stream is, see `cloud_sync.complete`."""
    return f"{stream}{_LEDGER}"


def stream_of(ledger: str) -> str | None:
    """The stream whose ledger this is; None where it is none."""
    return ledger.removesuffix(_LEDGER) if ledger.endswith(_LEDGER) else None


def keys_prefix(stream: str) -> str:
    """The folder of a stream's key documents."""
    return f"{stream}/keys/"


def is_stream(name: str) -> bool:
    """Whether a name may name a folder and a key."""
    return _STREAM.fullmatch(name) is not None and name != DOCTOR


def check_stream(stream: str) -> str:
    """A stream's name, if it may name a folder and a key.

    Raises:
        Misconfigured: when it may not.
    """
    if not is_stream(stream):
        raise Misconfigured(
            f"{stream!r} cannot name a stream",
            "Use 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit, and not"
            " 'doctor'.",
        )
    return stream
