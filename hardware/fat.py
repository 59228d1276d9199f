"""FAT volumes, made and read by mtools: what a relay's card carries.

A volume here is a FAT16 file system of 4 MiB, labelled CIDATA; the same files make the same bytes.
It is made twice, without its last file and with it, so that a writer can put the last file down
after all others (hardware/card.py). mtools makes and reads it because everybody can read what it
makes; images of other libraries were not readable to others.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hardware.errors import Damaged, Misconfigured
from hardware.seed import LABEL

SECTOR = 512
VOLUME_SECTORS = 8192
VOLUME_BYTES = VOLUME_SECTORS * SECTOR
_MADE_AT_S = "1577836800"  # 2020-01-01: of every file, so that the same files are the same bytes
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Volume:
    """A file system's bytes without its last file, and with it."""

    without_last: bytes
    whole: bytes


def make_volume(files: Mapping[str, bytes], serial: str) -> Volume:
    """A volume that holds `files`, written in their order.

    Args:
        files: names and contents; at least one.
        serial: of the volume, 8 hex digits.

    Raises:
        Misconfigured: mtools is not installed, or the files do not fit.
    """
    *first, last = files
    with tempfile.TemporaryDirectory(prefix="card-") as name:
        folder = Path(name)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        image = folder / ".image"
        image.write_bytes(b"")
        os.truncate(image, VOLUME_BYTES)
        size = ["-c", "1", "-T", str(VOLUME_SECTORS)]
        _mtools("mformat", "-i", str(image), "-v", LABEL, "-N", serial, *size, "::")
        if first:
            _mtools("mcopy", "-i", str(image), *(str(folder / file) for file in first), "::")
        without_last = image.read_bytes()
        _mtools("mcopy", "-i", str(image), str(folder / last), "::")
        return Volume(without_last, image.read_bytes())


def read_volume(image: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """The files at the top of an image's volume; those not `wanted` come by name alone.

    Raises:
        Damaged: there is no FAT volume, or one of its files cannot be read.
        Misconfigured: mtools is not installed.
    """
    listed = _mtools("mdir", "-b", "-i", str(image), "::", otherwise=f"{image} holds no FAT volume")
    names = [line.removeprefix("::/") for line in listed.splitlines() if line.strip()]
    files = dict.fromkeys(names, b"")
    present = [name for name in names if name in wanted]
    if present:
        with tempfile.TemporaryDirectory(prefix="card-") as folder:
            sources = (f"::{name}" for name in present)
            what = f"a file on {image} cannot be read"
            _mtools("mcopy", "-n", "-i", str(image), *sources, folder, otherwise=what)
            files |= {name: (Path(folder) / name).read_bytes() for name in present}
    return files


def _mtools(*command: str, otherwise: str = "") -> str:
    """What a command of mtools says; `otherwise` is the sentence where it is an image's fault."""
    program = shutil.which(command[0])
    if program is None:
        raise Misconfigured("mtools is not installed", "Install it: apt install mtools.")
    environment = {"SOURCE_DATE_EPOCH": _MADE_AT_S, "TZ": "UTC", "MTOOLSRC": os.devnull}
    try:
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, stdin=subprocess.DEVNULL, check=False,
            env=environment | {"LC_ALL": "C.UTF-8"}, timeout=_TIMEOUT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Damaged(otherwise or f"{command[0]} did not end") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        said = lines[-1][:200] if lines else f"{command[0]} ended with {done.returncode}"
        if otherwise:
            raise Damaged(f"{otherwise}: {said}")
        raise Misconfigured(f"mtools cannot make the volume: {said}", "Are the files too large?")
    return done.stdout.decode("utf-8", "replace")
