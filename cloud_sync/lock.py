"""One process a job: a lock the kernel drops when its holder dies, however it dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hardware.errors import Locked, Misconfigured


@contextmanager
def hold_lock(path: Path, what: str) -> Iterator[None]:
    """Hold `path` while the block runs.

    Raises:
        Locked: when another process holds it.
        Misconfigured: when the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Misconfigured(
            f"cannot write {path}: {error.strerror}", "Choose a folder this user may write."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Locked(f"another process is {what}", "Stop it first, or let it work.") from error
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether some process holds `path` now."""
    try:
        with hold_lock(path, ""):
            return False
    except Locked:
        return True
