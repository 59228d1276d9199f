"""The folder that a pack is made from: a stage folder with boards, model and settings beside."""

from pathlib import Path

from hardware.errors import Misconfigured
from hardware.pack import FILES_MAX, PACK_BYTES_MAX, is_pack_name


def read_pack_folder(folder: Path) -> tuple[dict[str, bytes], list[str]]:
    """The files of a folder that belong into a pack, by name, and the names of all others.

    Raises:
        Misconfigured: no folder, a file that cannot be read, or more than any pack holds.
    """
    if not folder.is_dir():
        raise Misconfigured(f"{folder} is no folder", "Name a stage folder.")
    files: dict[str, bytes] = {}
    others: list[str] = []
    room = PACK_BYTES_MAX
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        if not is_pack_name(name) or path.is_symlink() or not path.is_file():
            others.append(name)
            continue
        try:
            with path.open("rb") as file:
                files[name] = file.read(room + 1)
        except OSError as error:
            raise Misconfigured(
                f"cannot read {path}: {error.strerror}", "Check its permissions."
            ) from error
        room -= len(files[name])
        if room < 0 or len(files) > FILES_MAX:
            raise Misconfigured(
                f"{folder} holds more than a pack of {PACK_BYTES_MAX >> 20} MiB, {FILES_MAX} files",
                "Take out what the truck does not need.",
            )
    return files, others
