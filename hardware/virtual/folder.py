"""A folder that appears when it is whole: made under another name, then renamed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hardware.errors import Misconfigured


def check_free(folder: Path) -> None:
    """Refuse a folder that holds something, before the work rather than after.

    Raises:
        Misconfigured: it is no folder, not empty, or cannot be read.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Misconfigured(f"{folder} is not empty", "Choose a new folder.")
    except OSError as error:
        raise _unwritable(folder, error) from error


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` at the end, and vanishes after an error.

    Raises:
        Misconfigured: it is not empty, or cannot be written.
    """
    check_free(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> Misconfigured:
    return Misconfigured(
        f"cannot write {folder}: {error.strerror or error}",
        "Free some space or choose another folder.",
    )
