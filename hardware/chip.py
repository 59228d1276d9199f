"""A transponder's flash over a serial port: esptool, unmodified, as a process of its own.

What it writes and reads goes through memory files, so that no private key meets the laptop's disk.
"""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Sequence

from hardware.errors import Misconfigured, Unavailable
from hardware.partitions import REGION_AT, REGION_BYTES, TABLE_AT, Image, check_table

_TIMEOUT_S = 120.0
_SAID_CHARACTERS_MAX = 200
_FATAL = re.compile(r"fatal error occurred: (.*)")


def read_region(port: str) -> bytes:
    """The part of the flash that holds the two slots, after a look at the partition table.

    Raises:
        Unavailable: no chip answers, or it went away.
        Refused: it is no transponder: `check_table`.
        Misconfigured: esptool is not installed.
    """
    size = REGION_AT - TABLE_AT + REGION_BYTES
    with _memory(b"") as output:
        _esptool(port, ["read-flash", hex(TABLE_AT), hex(size), output.path], [output])
        flash = output.read()
    if len(flash) != size:
        raise Unavailable(f"{port}: esptool read {len(flash)} bytes of {size}; plug it in again")
    check_table(flash[: REGION_AT - TABLE_AT])
    return flash[REGION_AT - TABLE_AT :]


def write_slot(port: str, image: Image) -> None:
    """Write a slot: its NVS, whose hash the chip confirms, and only then the page of its keys.

    Raises:
        Unavailable: no chip answers, it went away, or it does not hold what was sent.
        Misconfigured: esptool is not installed.
    """
    with _memory(image.nvs) as nvs, _memory(image.keys) as keys_page:
        where = [hex(image.slot.nvs.at), nvs.path, hex(image.slot.keys.at), keys_page.path]
        _esptool(port, ["write-flash", *where], [nvs, keys_page])


class _memory:  # noqa: N801 - used as a function
    """A file in memory that a child process opens by its path."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __enter__(self) -> "_memory":
        self.descriptor = os.memfd_create("chip")
        os.write(self.descriptor, self._data)
        self.path = f"/proc/self/fd/{self.descriptor}"
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def read(self) -> bytes:
        """What is in it now."""
        return os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)


def _esptool(port: str, command: Sequence[str], files: Sequence[_memory]) -> None:
    if importlib.util.find_spec("esptool") is None:
        raise Misconfigured("esptool is not installed here", "Install big-data-truck[crew].")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "esptool", "--chip", "esp32", "--port", port, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            pass_fds=[file.descriptor for file in files], timeout=_TIMEOUT_S, check=False,
            env=os.environ | {"NO_COLOR": "1", "COLUMNS": "400"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{port}: no end after {_TIMEOUT_S:.0f} s; plug it in again") from error
    if done.returncode:
        text = done.stdout.decode(errors="replace")
        said = _FATAL.findall(text) or text.split("\n\n")[-1].split("\n") or [""]
        why = said[-1].strip().split(". ")[0].rstrip(".!")[:_SAID_CHARACTERS_MAX]
        raise Unavailable(f"{port}: {why or 'esptool ended without a word'}")
