"""Recipients in force: the key set a truck follows, read from the file its operator lays there.

The one accepted last is kept in the spool, so that an older file is refused after a restart too.
A file that is not taken is a sentence for the operator; sealing goes on by the one held.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud_sync.keyring import Recipient, read_recipient
from cloud_sync.keyset import RECIPIENTS_MIN, KeySet, Kind, check_successor, open_keyset
from hardware import keys
from hardware.errors import Misconfigured, Refused, TruckError

_HELD = "keyset.json"


@dataclass(frozen=True)
class InForce:
    """To whom the next batch is sealed; `keyset` and its signed bytes where there is one."""

    recipients: tuple[Recipient, ...]
    keyset: int | None = None
    signed: bytes = b""


Recipients = Callable[[], InForce]


def named_one_by_one(recipients: Sequence[Recipient]) -> Recipients:
    """Always these, without a key set.

    Raises:
        Misconfigured: when they are too few.
    """
    if len({recipient.key_id for recipient in recipients}) < RECIPIENTS_MIN:
        raise Misconfigured(
            "sealing needs two different recipients",
            "Name the operations key and one kept offline for recovery.",
        )
    in_force = InForce(tuple(recipients))
    return lambda: in_force


def read_recipients(paths: Sequence[Path]) -> Recipients | None:
    """The recipients in these .pub files, or None where there are none.

    Raises:
        Misconfigured: a file that is no public key; only one recipient.
    """
    return named_one_by_one([read_recipient(path) for path in paths]) if paths else None


class KeySetFile:
    """A key set that may be replaced by a newer one while the truck runs.

    Args:
        path: where the operator lays it.
        root: public key of the offline root.
        spool: folder that keeps the one accepted last.

    Raises:
        Misconfigured: when there is none to begin with, or the one kept is not this root's.
    """

    def __init__(self, path: Path, root: bytes, spool: Path) -> None:
        self._path, self._root, self._held_path = path, root, spool / _HELD
        self._held: tuple[KeySet, bytes] | None = None
        self._seen: tuple[int, int] | None = None
        self.problem = ""
        if self._held_path.exists():
            signed = keys.read_file(self._held_path, "the key set in force")
            self._held = self._open(signed, self._held_path), signed
        self._look()
        if self._held is None:
            raise Misconfigured(self.problem)

    def names_any(self, kind: Kind) -> bool:
        """Whether the set held names anybody for a kind."""
        return self._held is not None and bool(self._held[0].active(kind))

    def of(self, kind: Kind) -> Recipients:
        """The recipients of a kind, looked up anew at every call."""

        def in_force() -> InForce:
            self._look()
            if self._held is None:
                raise Misconfigured(self.problem)
            keyset, signed = self._held
            return InForce(keyset.active(kind), keyset.version, signed)

        return in_force

    def _look(self) -> None:
        """Take the file if it has changed and may be taken; else say why not."""
        try:
            stat = self._path.stat()
            mark = (stat.st_mtime_ns, stat.st_size)
            if mark == self._seen:
                return
            signed = keys.read_file(self._path, "the key set")
            offered = self._open(signed, self._path), signed
            if self._held is not None:
                check_successor(self._held, offered)
            if self._held is None or self._held[1] != signed:
                keys.write_file(self._held_path, signed, 0o644)
            self._held, self._seen, self.problem = offered, mark, ""
        except OSError as error:
            self.problem = f"cannot read the key set at {self._path}: {error.strerror}"
        except TruckError as error:
            self.problem = str(error)

    def _open(self, signed: bytes, path: Path) -> KeySet:
        try:
            return open_keyset(signed, self._root)
        except Refused as error:
            raise Misconfigured(
                f"{path} is no key set of this root: {error}",
                "Fetch the file that `cloud-sync keys set sign` wrote, or mend keyset_root.",
            ) from error
