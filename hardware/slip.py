"""SLIP (RFC 1055): packets as frames on a serial line.

Each frame stands between two END bytes, so a receiver that joins in the middle, or meets garbage,
is in step again at the next END.
"""

END, ESC, ESC_END, ESC_ESC = b"\xc0", b"\xdb", b"\xdc", b"\xdd"


def encode_frame(packet: bytes) -> bytes:
    """A packet as it goes over the line, with an END on both sides."""
    return END + packet.replace(ESC, ESC + ESC_ESC).replace(END, ESC + ESC_END) + END


class Deframer:
    """Bytes as they come in, packets out; a frame is held only up to `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._frame = bytearray()
        self._skipping = False
        self.oversize = 0
        """Frames that grew beyond the bound and were thrown away."""
        self.malformed = 0
        """Frames with an escape that stands for nothing."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes in; the packets that ended with them, empty frames left out."""
        *ended, rest = data.split(END)
        packets = []
        for part in ended:
            self._add(part)
            packet = None if self._skipping else self._unescape(bytes(self._frame))
            if packet:
                packets.append(packet)
            self.reset()
        self._add(rest)
        return packets

    def reset(self) -> None:
        """Forget the frame that has begun: the line was unplugged, or the frame has ended."""
        self._frame.clear()
        self._skipping = False

    def _add(self, part: bytes) -> None:
        if self._skipping:
            return
        if len(self._frame) + len(part) > 2 * self._bytes_max:  # every byte may be escaped
            self.oversize += 1
            self._frame.clear()
            self._skipping = True
            return
        self._frame += part

    def _unescape(self, frame: bytes) -> bytes | None:
        bare, *escaped = frame.split(ESC)
        packet = bytearray(bare)
        for part in escaped:
            if part[:1] == ESC_END:
                packet += END
            elif part[:1] == ESC_ESC:
                packet += ESC
            else:
                self.malformed += 1
                return None
            packet += part[1:]
        if len(packet) > self._bytes_max:
            self.oversize += 1
            return None
        return bytes(packet)
