"""The radio edge: one UDP datagram is one packet, checked before it costs anybody anything.

`Gate` is pure: shape, key, byte-exact repeat, signature, rate, in the order of their cost. `Radio`
is its socket and thread. A relay can drop, never forge: it holds public keys only.
"""

import collections
import contextlib
import select
import socket
import statistics
import struct
import threading
from dataclasses import dataclass
from typing import Any

import structlog

from hardware.clock import Clock
from hardware.errors import Misconfigured, Reason, Refused
from hardware.packet import PACKET_BYTES_MAX, SIGNATURE_BYTES, TICK_S, Header, read_header
from hardware.roster import Roster
from hardware.signing import is_signed

RATE_HZ = 20.0
BURST_PACKETS = 60.0
RSSI_UNKNOWN_DBM = -128
_REMEMBERED_PACKETS = 8192
_DRAINED_DATAGRAMS = 256
_QUEUE_PACKETS = 16384
_COMPARED_PACKETS = 255
_RECEIVE_BUFFER_BYTES = 4 << 20
_WAIT_S = 0.2
_SO_RCVBUFFORCE = 33  # Linux; lifts the cap on SO_RCVBUF where we may
_SO_RXQ_OVFL = 40  # Linux; the kernel then tells with a datagram how many it dropped so far


@dataclass(frozen=True)
class Heard:
    """A packet that passed the gate, and when: microseconds since 1970 by the relay's clock."""

    raw: bytes
    header: Header
    heard_at_us: int
    rssi_dbm: int = RSSI_UNKNOWN_DBM


class Gate:
    """What a relay lets pass, judged by the roster it carries."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self._buckets: dict[tuple[int, bool], tuple[float, float]] = {}
        self._newest: dict[int, tuple[int, int]] = {}
        self._recent: set[bytes] = set()
        self._before: set[bytes] = set()

    def check(self, raw: bytes, now_s: float) -> Header | None:
        """The header of a packet to carry, or None for a byte-exact repeat.

        Only a packet that is signed takes a token of its device's rate, and only one that passed
        is remembered: a stranger cannot silence a bike by shouting under its number.

        Args:
            raw: the datagram.
            now_s: race time, seconds since 1970.

        Raises:
            Refused: MALFORMED, VERSION, LENGTH, UNKNOWN_KEY, GENERATION, REVOKED, NOT_YET_VALID,
                EXPIRED, SIGNATURE or RATE.
        """
        header = read_header(raw)
        key = self.roster.device_key(header.kid)
        if raw in self._recent or raw in self._before:
            return None
        measured_at_s = self.roster.epoch_s + header.t0 * TICK_S
        if measured_at_s < key.valid_from_s:
            raise Refused(Reason.NOT_YET_VALID, f"kid {header.kid:#x}")
        if measured_at_s > key.valid_to_s:
            raise Refused(Reason.EXPIRED, f"kid {header.kid:#x}")
        payload, signature = raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]
        if not is_signed(payload, signature, key.sign_public, self.roster.event_id):
            raise Refused(Reason.SIGNATURE, f"kid {header.kid:#x}")
        self._take_token(header, now_s)
        self._remember(raw)
        return header

    def _take_token(self, header: Header, now_s: float) -> None:
        # older packets have a bucket of their own: who took them from the air elsewhere and replays
        # them here does not use up the rate of what the bike says now
        number = (header.boot, header.seq)
        is_newest = number >= self._newest.get(header.kid, number)
        if is_newest:
            self._newest[header.kid] = number
        bucket = (header.kid, is_newest)
        tokens, then_s = self._buckets.get(bucket, (BURST_PACKETS, now_s))
        tokens = min(BURST_PACKETS, tokens + max(0.0, now_s - then_s) * RATE_HZ)
        self._buckets[bucket] = (tokens - 1.0 if tokens >= 1.0 else tokens, now_s)
        if tokens < 1.0:
            raise Refused(Reason.RATE, f"kid {header.kid:#x}")

    def _remember(self, raw: bytes) -> None:
        """Two generations of packets; the older one is forgotten when the newer is full."""
        if len(self._recent) >= _REMEMBERED_PACKETS:
            self._recent, self._before = set(), self._recent
        self._recent.add(raw)


class Radio:
    """The socket, its thread and what they counted.

    When the main loop falls behind, the queue fills, the socket is left alone and the kernel
    drops; it tells how many, and `overflowed` shows it.
    """

    def __init__(self, host: str, port: int, gate: Gate, clock: Clock) -> None:
        """Bind the port.

        Raises:
            Misconfigured: when it is in use, or not ours to bind.
        """
        self.gate = gate
        self.packets = 0
        self.doubled = 0
        self.overflowed = 0
        self.overflowed_serial = 0
        self.heard_at_us = 0
        """When the last packet passed; 0 before the first."""
        self.refused: collections.Counter[str] = collections.Counter()
        self._clock = clock
        self._queue: collections.deque[Heard] = collections.deque()
        self._ahead_s: collections.deque[float] = collections.deque(maxlen=_COMPARED_PACKETS)
        self._judging = threading.Lock()
        self._stopping = threading.Event()
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, name="radio", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; what was taken from the socket stays in the queue."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def take(self) -> list[Heard]:
        """Everything heard since the last call, in order."""
        return [self._queue.popleft() for _ in range(len(self._queue))]

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                if len(self._queue) < _QUEUE_PACKETS:
                    self.hear(self._drain())
                else:
                    self._stopping.wait(_WAIT_S)
            except OSError as error:
                structlog.get_logger().warning("radio socket", error=str(error))
                self._stopping.wait(_WAIT_S)

    def _drain(self) -> list[tuple[bytes, int]]:
        """Datagrams and when they came: wait for the first, then take those that wait already."""
        datagrams: list[tuple[bytes, int]] = []
        select.select([self._socket], [], [], _WAIT_S)
        while len(datagrams) < _DRAINED_DATAGRAMS:
            try:
                raw, notes, _, _ = self._socket.recvmsg(PACKET_BYTES_MAX + 1, 64)
            except BlockingIOError:
                break
            datagrams.append((raw, self._clock.now_us()))
            self._count_dropped(notes)
        return datagrams

    def _count_dropped(self, notes: list[tuple[int, int, bytes]]) -> None:
        for _, kind, data in notes:
            if kind == _SO_RXQ_OVFL:
                (self.overflowed,) = struct.unpack("=I", data[:4])

    def hear(self, datagrams: list[tuple[bytes, int]]) -> None:
        """Judge packets and when they came (us), from this socket or a serial line."""
        with self._judging:
            for raw, at_us in datagrams:
                self._hear(raw, at_us)

    def _hear(self, raw: bytes, at_us: int) -> None:
        if len(self._queue) >= _QUEUE_PACKETS + _DRAINED_DATAGRAMS:  # a serial line cannot wait
            self.overflowed_serial += 1
            return
        try:
            header = self.gate.check(raw, at_us / 1e6)
        except Refused as error:
            self.refused[error.reason.value] += 1
            return
        if header is None:
            self.doubled += 1
            return
        self.packets += 1
        self.heard_at_us = at_us
        measured_s = self.gate.roster.epoch_s + header.t0 * TICK_S
        self._ahead_s.append(at_us / 1e6 - measured_s)
        self._queue.append(Heard(raw, header, at_us))

    def clock_ahead_s(self) -> float | None:
        """How far our clock is ahead of the GNSS time in the last packets, flight included.

        The median, for one bike's clock may be wrong; None before the first packet.
        """
        ahead_s = list(self._ahead_s)
        return statistics.median(ahead_s) if ahead_s else None

    def counts(self) -> dict[str, Any]:
        """What passed, came twice, was refused by reason, and overflowed in the kernel."""
        return {
            "packets": self.packets,
            "doubled": self.doubled,
            "overflowed": self.overflowed + self.overflowed_serial,
            "refused": dict(self.refused),
        }


def _bind(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    with contextlib.suppress(OSError):  # needs a privilege; without it the system's cap holds
        listener.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
    with contextlib.suppress(OSError):  # not on every kernel; `overflowed` then stays 0
        listener.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Misconfigured(
            f"cannot listen for the radio on UDP {host}:{port}: {error.strerror}",
            "Choose another `radio_port`, or stop the program that holds it.",
        ) from error
    listener.setblocking(False)
    return listener
