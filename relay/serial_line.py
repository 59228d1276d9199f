"""The radio on a serial line: SLIP frames, one packet each, through the same gate as UDP.

A line that is not there, or is pulled out, is tried again every second; the frame it was in the
middle of is forgotten. Nothing on a line can make it hold more than one bounded frame.
"""

import threading
from typing import Any

import serial
import structlog

from hardware.clock import Clock
from hardware.packet import PACKET_BYTES_MAX
from hardware.slip import Deframer
from relay.radio import Radio

RETRY_S = 1.0
_WAIT_S = 0.2
_READ_BYTES = 4096


class SerialLine:
    """One device, its thread, and what went wrong on it."""

    def __init__(self, device: str, baud: int, radio: Radio, clock: Clock) -> None:
        """Prepare; what is heard goes to `radio`."""
        self._device, self._baud, self._radio, self._clock = device, baud, radio, clock
        self._deframer = Deframer(PACKET_BYTES_MAX)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="serial", daemon=True)
        self.error = "not opened yet"
        """Why the line is not open; empty while it is."""
        self.unplugged = 0

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def counts(self) -> dict[str, Any]:
        """How the line is, as the status shows it."""
        return {
            "device": self._device,
            "error": self.error,
            "unplugged": self.unplugged,
            "oversize": self._deframer.oversize,
            "malformed": self._deframer.malformed,
        }

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with serial.Serial(
                    self._device, self._baud, timeout=_WAIT_S, exclusive=True
                ) as line:
                    self._listen(line)
            except (OSError, ValueError) as error:  # SerialException is an OSError
                self._lose(str(error))
            self._stopping.wait(RETRY_S)

    def _listen(self, line: serial.Serial) -> None:
        self.error = ""
        structlog.get_logger().info("serial line open", device=self._device)
        while not self._stopping.is_set():
            data = line.read(max(1, min(line.in_waiting, _READ_BYTES)))
            if data:
                at_us = self._clock.now_us()
                self._radio.hear([(packet, at_us) for packet in self._deframer.feed(data)])

    def _lose(self, why: str) -> None:
        if not self.error:
            self.unplugged += 1
            structlog.get_logger().warning("serial line lost", device=self._device, error=why)
        self.error = why
        self._deframer.reset()
