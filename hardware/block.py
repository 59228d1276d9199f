"""A card in a reader: the kernel's block device, ours alone and looked at before each write."""

import errno
import fcntl
import mmap
import os
import struct
from pathlib import Path
from types import TracebackType

from hardware import disks
from hardware.errors import Unsafe

_BLKGETSIZE64 = 0x80081272
_ALIGN = 4096


class BlockDevice:
    """A card as a `hardware.card.Block`.

    Before each write it is compared with what was looked at: number, size, serials, count of
    media. Reads go past the page cache, so they tell what is on the card.
    """

    def __init__(
        self, disk: disks.Disk, sysfs: Path = disks.SYSFS, read_only: bool = False
    ) -> None:
        """Open the disk that was looked at; where it is to be written, for us alone.

        Raises:
            Unsafe: it is another one by now, or in use.
            OSError: it cannot be opened.
        """
        self._disk = disk
        self._sysfs = sysfs
        self.size_bytes = disk.size_bytes
        flags = os.O_NOFOLLOW | os.O_CLOEXEC
        self._in = os.open(disk.path, flags | os.O_RDONLY | os.O_DIRECT)
        self._out = -1
        if read_only:
            return
        try:
            self._out = os.open(disk.path, flags | os.O_RDWR | os.O_EXCL)
        except OSError as error:
            self.close()
            if error.errno == errno.EBUSY:
                raise Unsafe(f"{disk.path} is in use", "Unmount it.") from error
            raise

    def __enter__(self) -> "BlockDevice":
        try:
            self._check()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the card back."""
        os.close(self._in)
        if self._out >= 0:
            os.close(self._out)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from the card itself, not from memory."""
        begin = offset // _ALIGN * _ALIGN
        end = min(-(-(offset + size) // _ALIGN) * _ALIGN, self.size_bytes)
        with mmap.mmap(-1, end - begin) as buffer:  # direct reads need aligned memory
            found = os.preadv(self._in, [buffer], begin)
            if found < offset + size - begin:
                raise OSError(errno.EIO, "the card gave fewer bytes than it has")
            return buffer[offset - begin : offset - begin + size]

    def write(self, offset: int, data: bytes) -> None:
        """Write, if it still is the card that was looked at."""
        self._check()
        rest = memoryview(data)
        while rest:
            done = os.pwrite(self._out, rest, offset)
            offset, rest = offset + done, rest[done:]

    def sync(self) -> None:
        """Make it durable, and forget what memory holds of it."""
        os.fsync(self._out)
        os.posix_fadvise(self._out, 0, 0, os.POSIX_FADV_DONTNEED)

    def _check(self) -> None:
        now = disks.look(Path(self._disk.path), self._sysfs)
        disks.check_same(self._disk, now)
        for descriptor in (self._in, self._out) if self._out >= 0 else (self._in,):
            number = os.fstat(descriptor).st_rdev
            size = bytearray(8)
            fcntl.ioctl(descriptor, _BLKGETSIZE64, size)
            held = f"{os.major(number)}:{os.minor(number)}", struct.unpack("=Q", size)[0]
            if held != (self._disk.number, self._disk.size_bytes):
                raise Unsafe(f"{self._disk.path} became another disk", "Flash it again.")
