"""Packets on a serial line, a real pty: through garbage, torn frames, and the plug pulled out."""

import os
import time
from pathlib import Path

import pytest

from hardware.clock import Clock
from hardware.packet import PACKET_BYTES_MAX
from hardware.slip import encode_frame
from relay import serial_line
from relay.radio import Gate, Radio
from relay.serial_line import SerialLine
from tests.relay.network import wait_until


class Plug:
    """A pty under a name that stays, as a device under udev's: pulled out and plugged in again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plug()

    def plug(self) -> None:
        self._near, self._far = os.openpty()
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._far))

    def pull(self) -> None:
        self.path.unlink()
        os.close(self._far)
        os.close(self._near)

    def say(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._near, data[:512]) :]


@pytest.fixture
def plug(tmp_path):
    made = Plug(tmp_path / "ttyRADIO")
    yield made
    made.pull()


@pytest.fixture
def radio(event):
    made = Radio("127.0.0.1", 0, Gate(event.roster), Clock())
    yield made
    made.stop()


@pytest.fixture
def line(plug, radio, monkeypatch):
    monkeypatch.setattr(serial_line, "RETRY_S", 0.1)
    made = SerialLine(str(plug.path), 115200, radio, Clock())
    made.start()
    wait_until(lambda: not made.error, "the line is open")
    yield made
    made.stop()


def heard(radio, count):
    wait_until(lambda: radio.packets + radio.doubled >= count, f"{count} packets are heard")
    return [packet.raw for packet in radio.take()]


def test_frames_pass_the_same_gate_as_datagrams(event, plug, radio, line):
    packets = [event.packet(1, seq) for seq in range(40)]
    plug.say(b"".join(map(encode_frame, packets)))
    assert heard(radio, 40) == packets
    forged = bytearray(event.packet(2, 1))
    forged[-1] ^= 1
    plug.say(encode_frame(packets[0]) + encode_frame(bytes(forged)) + encode_frame(b"noise"))
    wait_until(lambda: radio.refused["signature"] == 1, "the forged one is refused")
    wait_until(lambda: radio.counts()["doubled"] == 1, "the repeat is known")
    assert sum(radio.refused.values()) == 2


def test_it_is_in_step_again_after_garbage_and_torn_frames(event, plug, radio, line):
    first, second = event.packet(1, 1), event.packet(1, 2)
    plug.say(os.urandom(300) + encode_frame(first)[:50])  # torn: the sender lost power
    plug.say(encode_frame(second))
    assert second in heard(radio, 1)
    plug.say(b"z" * (3 * PACKET_BYTES_MAX))
    wait_until(lambda: line.counts()["oversize"] == 1, "an endless frame is counted")
    plug.say(encode_frame(first))
    assert first in heard(radio, 2)


def test_pulled_out_and_plugged_in_again_it_goes_on(event, plug, radio, line):
    plug.say(encode_frame(event.packet(1, 1)))
    heard(radio, 1)
    plug.say(encode_frame(event.packet(1, 2))[:40])  # in the middle of a frame
    time.sleep(0.3)
    plug.pull()
    wait_until(lambda: line.error, "it says that the line is gone")
    plug.plug()
    wait_until(lambda: not line.error, "it is back")
    plug.say(encode_frame(event.packet(1, 3)))
    wait_until(lambda: radio.packets == 2, "and heard again")
    assert line.counts()["unplugged"] == 1


def test_a_relay_hears_by_serial_line_and_says_so(event, plug, truck, relay):
    relay.settings |= {"RELAY_RADIO_SERIAL": str(plug.path), "RELAY_RADIO_BAUD": "57600"}
    relay.start()
    relay.wait_for(lambda s: s["serial"]["error"] == "", "the line is open")
    packets = {event.packet(1, seq) for seq in range(5)}
    plug.say(b"".join(map(encode_frame, packets)))
    truck.wait_for(packets)
