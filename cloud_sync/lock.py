"""One process a job: a lock the kernel drops when its holder dies, however it dies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hardware.errors import Locked, Misconfigured
from hardware.home import take_lock


@contextmanager
def hold_lock(path: Path, what: str) -> Iterator[None]:
    """Hold `path` while the block runs; `what` says what the holder does.

    Raises:
        Locked: when another process holds it.
        Misconfigured: when the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"cannot write {path.parent}: {error.strerror}", "Choose a folder this user may write."
        ) from error
    descriptor = take_lock(path, f"another process is {what}")
    try:
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
