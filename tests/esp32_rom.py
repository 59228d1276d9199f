"""An ESP32 on a pty: it speaks the serial protocol of the ROM loader, and of the stub after it.

Enough for esptool, unmodified, to detect it, load its stub, write, hash and read back; with and
without `--no-stub`. Source: Espressif's "Serial Protocol", esptool's documentation.

Flash is programmed in pages of 256 bytes and erased in sectors of 4096; each of these is one
operation, and a fault strikes in the middle of one of them.
"""

import contextlib
import hashlib
import os
import select
import struct
import threading
import tty
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hardware import partitions

FLASH_BYTES = 4 * 1024 * 1024
_PAGE, _SECTOR = 256, 4096
_SPI, _SPI_W0, _SPI_USR2 = 0x3FF42000, 0x3FF42080, 0x3FF42024
_ANSWERS = {0x9F: 0x1640EF, 0x5A: 0x50444653}  # Winbond, 4 MB; "SFDP"
_OK, _UNKNOWN, _NOT_BEGUN, _CHECKSUM, _LENGTH = 0, 0x05, 0x06, 0x07, 0x09


class Gone(Exception):
    """The cable was pulled in the middle of an operation."""


class _Reset(Exception):
    """The chip has reset in the middle of an operation; it comes up in its loader again."""


@dataclass
class Faults:
    """What goes wrong, counted in flash operations since the chip was plugged in."""

    reset_at: frozenset[int] = frozenset()
    unplug_at: int | None = None
    flip_at: frozenset[int] = frozenset()  # a bit of that page does not take
    worn: frozenset[int] = frozenset()  # addresses whose lowest bit never takes
    flip_after_md5: int | None = None  # an address that changes after its hash was asked for


@dataclass
class Esp32:
    """One chip; `port` is a link to its pty, which goes when it is unplugged."""

    port: Path
    flash: bytearray = field(default_factory=lambda: bytearray(b"\xff" * FLASH_BYTES))
    faults: Faults = field(default_factory=Faults)
    operations: int = 0
    resets: int = 0

    def __post_init__(self) -> None:
        table = partitions.encode_table()
        if self.flash[partitions.TABLE_AT] == 0xFF:
            self.flash[partitions.TABLE_AT : partitions.TABLE_AT + len(table)] = table
        self._stub = self._writing = False
        self._registers = {0x40001000: 0x00F01D83, 0x3FF40014: 347}
        self._at = self._erased = 0  # where the next block goes, and how far sectors are erased
        self._inflate, self._inflated = zlib.decompressobj(), b""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port.symlink_to(os.ttyname(self._slave))
        self._plugged = True
        self._wake = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def region(self) -> bytes:
        """The flash where the slots are."""
        return bytes(self.flash[partitions.REGION_AT :][: partitions.REGION_BYTES])

    def __enter__(self) -> "Esp32":
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._wake[1], b"x")
        self._thread.join(5)
        for descriptor in self._wake:
            os.close(descriptor)

    def _serve(self) -> None:
        with contextlib.suppress(OSError, Gone):
            for frame in self._frames():
                try:
                    self._answer(frame)
                except struct.error:
                    self._reply(frame[1] if len(frame) > 1 else 0, status=_LENGTH)
        self.port.unlink(missing_ok=True)  # whoever has it open sees it hang up
        os.close(self._slave)
        os.close(self._master)

    def _frames(self) -> Iterator[bytes]:
        """SLIP frames from the host, until the cable is pulled."""
        data = b""
        while True:
            ready, _, _ = select.select([self._master, self._wake[0]], [], [])
            if self._wake[0] in ready:
                return
            data += os.read(self._master, 65536)
            *frames, data = data.split(b"\xc0")
            for frame in filter(None, frames):
                yield frame.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")

    def _send(self, frame: bytes) -> None:
        frame = frame.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
        rest = memoryview(b"\xc0" + frame + b"\xc0")
        while rest:
            rest = rest[os.write(self._master, rest) :]

    def _reply(self, op: int, value: int = 0, data: bytes = b"", status: int = _OK) -> None:
        ending = bytes((int(status != _OK), status)) + (b"" if self._stub else bytes(2))
        self._send(struct.pack("<BBHI", 1, op, len(data + ending), value) + data + ending)

    def _answer(self, frame: bytes) -> None:
        """One command of the host."""
        _, op, _, checksum = struct.unpack_from("<BBHI", frame)
        data = frame[8:]
        if op in (0x03, 0x11) and not self._writing:
            self._reply(op, status=_NOT_BEGUN)
            return
        if op in (0x03, 0x07, 0x11) and _xor(data[16:]) != checksum & 0xFF:
            self._reply(op, status=_CHECKSUM)
            return
        try:
            command = getattr(self, f"_op_{op:02x}")
        except AttributeError:
            self._reply(op, status=_UNKNOWN)
            return
        try:
            command(op, data)
        except _Reset:
            self.resets += 1
            self._stub = self._writing = False
            os.write(self._master, b"\r\nrst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT)\r\n")

    def _op_08(self, op: int, _data: bytes) -> None:  # SYNC
        for _ in range(8):
            self._reply(op, 0 if self._stub else 0x20120707)

    def _op_0a(self, op: int, data: bytes) -> None:  # READ_REG
        self._reply(op, self._registers.get(struct.unpack("<I", data)[0], 0))

    def _op_09(self, op: int, data: bytes) -> None:  # WRITE_REG
        for address, value, _, _ in struct.iter_unpack("<IIII", data):
            self._registers[address] = value
            if address == _SPI:  # run the SPI command that was set up
                self._registers[_SPI_W0] = _ANSWERS.get(self._registers[_SPI_USR2] & 0xFF, 0)
                self._registers[_SPI] = 0
        self._reply(op)

    def _op_05(self, op: int, _data: bytes) -> None:  # MEM_BEGIN, SPI_SET_PARAMS and the like
        self._reply(op)

    _op_07 = _op_0b = _op_0d = _op_0f = _op_05

    def _op_06(self, op: int, data: bytes) -> None:  # MEM_END
        self._reply(op)
        if struct.unpack("<II", data)[1]:
            self._stub = True
            self._send(b"OHAI")

    def _op_02(self, op: int, data: bytes) -> None:  # FLASH_BEGIN, FLASH_DEFL_BEGIN
        size, _, _, at = struct.unpack_from("<IIII", data)
        self._at = self._erased = at
        self._inflate, self._inflated, self._writing = zlib.decompressobj(), b"", True
        if not self._stub:  # the stub erases as it goes
            self._erase_to(at + size)
        self._reply(op)

    _op_10 = _op_02

    def _op_03(self, op: int, data: bytes) -> None:  # FLASH_DATA
        self._program(data[16:])
        self._reply(op)

    def _op_11(self, op: int, data: bytes) -> None:  # FLASH_DEFL_DATA
        self._inflated += self._inflate.decompress(data[16:])
        pages = len(self._inflated) if self._inflate.eof else len(self._inflated) // _PAGE * _PAGE
        block, self._inflated = self._inflated[:pages], self._inflated[pages:]
        self._program(block)
        self._reply(op)

    _op_04 = _op_12 = _op_05  # FLASH_END, FLASH_DEFL_END

    def _op_13(self, op: int, data: bytes) -> None:  # SPI_FLASH_MD5
        at, size = struct.unpack_from("<II", data)
        digest = hashlib.md5(self.flash[at : at + size])
        self._reply(op, data=digest.digest() if self._stub else digest.hexdigest().encode())
        worn = self.faults.flip_after_md5
        if worn is not None and at <= worn < at + size:
            self.flash[worn] ^= 1

    def _op_0e(self, op: int, data: bytes) -> None:  # READ_FLASH_SLOW
        at, size = struct.unpack("<II", data)
        self._reply(op, data=bytes(self.flash[at : at + size]).ljust(64, b"\0"))

    def _op_d2(self, op: int, data: bytes) -> None:  # READ_FLASH of the stub
        at, size, block, _ = struct.unpack("<IIII", data)
        content = bytes(self.flash[at : at + size])
        self._reply(op)
        for begin in range(0, size, block):
            self._send(content[begin : begin + block])
        self._send(hashlib.md5(content).digest())

    def _program(self, block: bytes) -> None:
        if self._stub:
            self._erase_to(self._at + len(block))
        for begin in range(0, len(block), _PAGE):
            page, at = block[begin : begin + _PAGE], self._at
            half = at + len(page) // 2
            for place, byte in zip(range(at, half), page, strict=False):
                self._take(place, byte)
            self._operation(at)
            for place, byte in zip(range(half, at + len(page)), page[half - at :], strict=True):
                self._take(place, byte)
            self._at += len(page)

    def _take(self, place: int, byte: int) -> None:
        """Programming clears bits; a worn cell keeps its lowest one."""
        self.flash[place] &= byte | (place in self.faults.worn)

    def _erase_to(self, end: int) -> None:
        while self._erased < end:
            self.flash[self._erased : self._erased + _SECTOR // 2] = b"\xff" * (_SECTOR // 2)
            self._operation(self._erased)
            self.flash[self._erased : self._erased + _SECTOR] = b"\xff" * _SECTOR
            self._erased += _SECTOR

    def _operation(self, at: int) -> None:
        """One erase or page, half done: here faults strike."""
        self.operations += 1
        if self.operations in self.faults.reset_at:
            raise _Reset
        if self.operations == self.faults.unplug_at:
            raise Gone
        if self.operations in self.faults.flip_at:
            self.flash[at] ^= 1


def _xor(data: bytes) -> int:
    state = 0xEF
    for byte in data:
        state ^= byte
    return state
