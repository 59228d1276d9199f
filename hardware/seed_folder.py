"""A relay's seed in the folder of a mounted card: written so that one whole seed is always there.

The new seed is laid beside the old one, in `new-seed/`, its COMMIT last, and read back. Only then
is the old COMMIT taken away, the new files take the places of the old ones, and at the end
`new-seed/` goes. Who reads takes the files at the top where they are whole, else those in
`new-seed/`: a card pulled out before the old COMMIT is gone is the old one, after it the new one.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from hardware import keys
from hardware.errors import Damaged, Misconfigured
from hardware.seed import COMMIT, FILES, FOREIGN, Seed, read_seed

BESIDE = "new-seed"


def read_seed_folder(folder: Path) -> Seed:
    """The whole seed in a folder.

    Raises:
        Damaged: there is none; the sentence is of the files at the top.
    """
    return read_seed(read_seed_files(folder))


def read_seed_files(folder: Path) -> dict[str, bytes]:
    """The files of the whole seed in a folder, or what is at its top where none is whole.

    Raises:
        Damaged: a file cannot be read.
    """
    top, beside = _files_in(folder), _files_in(folder / BESIDE)
    return beside if not _is_whole(top) and _is_whole(beside) else top


def write_seed_folder(
    folder: Path, files: Mapping[str, bytes], wrote: Callable[[int], None]
) -> None:
    """Make a folder hold a seed, every file read back; or leave the seed it held.

    Args:
        folder: the top of the mounted card.
        files: of `hardware.seed.seed_files`, COMMIT last.
        wrote: told of bytes written and read back, four times all of `files` in the end.

    Raises:
        Damaged: a file does not read back as it was written, or a foreign one is there.
        Misconfigured: the card is full or read-only.
        OSError: it fails or is gone.
    """
    foreign = [name for name in FOREIGN if (folder / name).exists()]
    if foreign:
        raise Damaged(f"{folder} holds a foreign {foreign[0]}; remove it and flash the card again")
    if not _is_whole(_files_in(folder)) and _is_whole(_files_in(folder / BESIDE)):
        _put_all(folder, _files_in(folder / BESIDE), lambda _: None)  # who was pulled out half-way
    _clear(folder)
    try:
        _put_all(folder / BESIDE, files, wrote)
    except (Damaged, Misconfigured):
        _clear(folder)
        raise
    _remove(folder / COMMIT)
    _put_all(folder, files, wrote)
    _clear(folder)


def _put_all(folder: Path, files: Mapping[str, bytes], wrote: Callable[[int], None]) -> None:
    """Each file whole and durable, in their order, then all of them read back."""
    for name, data in files.items():
        keys.write_file(folder / name, data)
        wrote(len(data))
    for name, data in files.items():
        if _from_the_card(folder / name) != data:
            raise Damaged(f"{folder / name} reads back otherwise than it was written: the card is "
                          "worn; take another")  # fmt: skip
        wrote(len(data))


def _clear(folder: Path) -> None:
    """Take `new-seed/` away, its COMMIT first."""
    beside = folder / BESIDE
    if not beside.is_dir():
        return
    for path in [beside / COMMIT, *sorted(beside.iterdir())]:
        _remove(path)
    beside.rmdir()
    keys.sync(folder)


def _remove(path: Path) -> None:
    if path.exists():
        path.unlink()
        keys.sync(path.parent)


def _files_in(folder: Path) -> dict[str, bytes]:
    try:
        names = {path.name for path in folder.iterdir() if path.is_file()}
        wanted = [name for name in (*FILES, *FOREIGN) if name in names]
        return {name: _from_the_card(folder / name) for name in wanted}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Damaged(f"cannot read the card at {folder}: {error.strerror}") from error


def _is_whole(files: Mapping[str, bytes]) -> bool:
    try:
        read_seed(files)
    except Damaged:
        return False
    return True


def _from_the_card(path: Path) -> bytes:
    """A file's bytes, not from memory where the kernel can be asked to forget them."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)
