"""Neighbours: bundles handed from relay to relay until one has a link, and acknowledgements back.

One UDP socket, read by the main loop. A frame is taken from a configured neighbour alone, once, and
within the hop limit. What passes through is in nobody's custody here: it is sent once and
forgotten, and its own relay sends it again until the truck's acknowledgement has come back to it.
The way down is the one that a relay's bundles came up by last.
"""

import collections
import contextlib
import socket
from typing import Any

from hardware.bundle import decode_ack, decode_bundle, digest_of
from hardware.errors import Misconfigured, Reason, Refused
from hardware.forward import (
    FORWARD_BYTES_MAX,
    Forward,
    decode_datagram,
    encode_datagram,
    encode_forward,
)
from hardware.node import Neighbour
from hardware.roster import Roster
from hardware.signing import SigningKey
from relay.config import RelayConfig

ECHO_S = 1.5
"""A message that comes again so soon came by another way; a relay sends again later than that."""
_REMEMBERED_MESSAGES = 8192
_WINDOW_FRAMES = 4096
_DRAINED_DATAGRAMS = 64
_WAYS_MAX = 64


class FrameGate:
    """Which frames pass; pure."""

    def __init__(self, names: set[str]) -> None:
        """Take frames of these relays alone."""
        self._names = names
        self._frames: dict[str, tuple[int, int, set[int]]] = {}
        self._messages: collections.OrderedDict[tuple[int, int], None] = collections.OrderedDict()

    def check(self, datagram: bytes, roster: Roster) -> Forward:
        """The frame in a datagram.

        Raises:
            Refused: UNKNOWN_KEY (no neighbour, or not in the roster), REVOKED, REPLAY (taken
                before, or too old to tell), or what `decode_datagram` raises.
        """
        frame = decode_datagram(datagram, lambda name: self._public(name, roster), roster.event_id)
        boot, newest, seen = self._frames.get(frame.sender, (frame.boot, 0, set()))
        if frame.boot > boot:
            boot, newest, seen = frame.boot, 0, set()
        too_old = frame.number <= newest - _WINDOW_FRAMES
        if frame.boot < boot or too_old or frame.number in seen:
            raise Refused(Reason.REPLAY, f"frame {frame.number} of {frame.sender}")
        newest = max(newest, frame.number)
        seen.add(frame.number)
        if len(seen) > 2 * _WINDOW_FRAMES:
            seen = {number for number in seen if number > newest - _WINDOW_FRAMES}
        self._frames[frame.sender] = (boot, newest, seen)
        return frame

    def is_echo(self, frame: Forward, now_s: float) -> bool:
        """Whether its message came by another way a moment ago; `now_s` is monotonic."""
        moment, digest = int(now_s / ECHO_S), digest_of(frame.message)
        if (moment, digest) in self._messages or (moment - 1, digest) in self._messages:
            return True
        self._messages[moment, digest] = None
        while len(self._messages) > _REMEMBERED_MESSAGES:
            self._messages.popitem(last=False)
        return False

    def _public(self, name: str, roster: Roster) -> bytes:
        if name not in self._names:
            raise Refused(Reason.UNKNOWN_KEY, f"{name!r} is no neighbour")
        return roster.relay_key(name).sign_public


class Neighbours:
    """The socket, the ways, and what was counted. Use it from one thread."""

    def __init__(self, config: RelayConfig, boot: int, key: SigningKey, event: bytes) -> None:
        """Bind the port.

        Raises:
            Misconfigured: when it is in use, or not ours to bind.
        """
        self._name, self._boot, self._key, self._event = config.name, boot, key, event
        self._hops_max = config.hops_max
        self._by_name = {neighbour.name: neighbour for neighbour in config.neighbours}
        self._gate = FrameGate(set(self._by_name))
        self._ways: collections.OrderedDict[str, str] = collections.OrderedDict()
        self._number = 0
        self._counts: collections.Counter[str] = collections.Counter()
        self._refused: collections.Counter[str] = collections.Counter()
        self._socket = _bind(config.forward_host, config.forward_port)

    def close(self) -> None:
        """Let go of the port."""
        self._socket.close()

    def take(self, roster: Roster, now_s: float) -> list[Forward]:
        """The frames that came since the last call and pass; `now_s` is monotonic."""
        frames = []
        for _ in range(_DRAINED_DATAGRAMS):
            try:
                datagram = self._socket.recv(FORWARD_BYTES_MAX + 256)
            except OSError:  # nothing waits, or an earlier one of ours found no port
                break
            try:
                frame = self._gate.check(datagram, roster)
                _prove(frame, roster)
            except Refused as error:
                self._refused[error.reason.value] += 1
                continue
            own = frame.origin == self._name and not frame.is_ack
            if own or self._gate.is_echo(frame, now_s):
                self._counts["echoes"] += 1
                continue
            if not frame.is_ack:
                self._remember(frame.origin, frame.sender)
            self._counts["taken"] += 1
            frames.append(frame)
        return frames

    def offer(self, message: bytes) -> None:
        """Hand a bundle of our own to every neighbour; it stays in our custody."""
        self._send(message, self._name, 1, list(self._by_name.values()), is_ack=False)

    def pass_on(self, frame: Forward) -> None:
        """Hand another relay's bundle to every neighbour but the one it came from."""
        others = [n for name, n in self._by_name.items() if name != frame.sender]
        self._send(frame.message, frame.origin, frame.hops + 1, others, is_ack=False)

    def send_down(self, origin: str, message: bytes, hops: int) -> bool:
        """Hand an acknowledgement towards its relay; whether a way is known."""
        neighbour = self._by_name.get(self._ways.get(origin, ""))
        if neighbour is None:
            return False
        self._send(message, origin, hops, [neighbour], is_ack=True)
        return True

    def for_the_truck(self, frame: Forward) -> bytes | None:
        """Another relay's bundle as this one publishes it; None beyond the hop limit."""
        if frame.hops + 1 > self._hops_max:
            self._refused[Reason.HOPS.value] += 1
            return None
        self._counts["to_truck"] += 1
        return encode_forward(
            self._frame(frame.message, frame.origin, frame.hops + 1, is_ack=False),
            self._key, self._event,
        )  # fmt: skip

    def lost(self) -> None:
        """One that could not be handed on; its own relay sends it again."""
        self._counts["lost"] += 1

    def counts(self) -> dict[str, Any]:
        """What passed and what was refused, by reason, as the status shows it."""
        names = ("sent", "taken", "to_truck", "echoes", "lost")
        return {name: self._counts[name] for name in names} | {"refused": dict(self._refused)}

    def _send(
        self, message: bytes, origin: str, hops: int, to: list[Neighbour], *, is_ack: bool
    ) -> None:
        if hops > self._hops_max:
            self._refused[Reason.HOPS.value] += 1
            return
        for neighbour in to:
            frame = self._frame(message, origin, hops, is_ack=is_ack)
            try:
                datagram = encode_datagram(frame, self._key, self._event)
                self._socket.sendto(datagram, (neighbour.host, neighbour.port))
                self._counts["sent"] += 1
            except Refused as error:
                self._refused[error.reason.value] += 1
            except OSError:  # no such address now, or the buffer is full
                self._counts["lost"] += 1

    def _frame(self, message: bytes, origin: str, hops: int, *, is_ack: bool) -> Forward:
        self._number += 1
        return Forward(self._name, self._boot, self._number, origin, hops, is_ack, message)

    def _remember(self, origin: str, way: str) -> None:
        self._ways[origin] = way
        self._ways.move_to_end(origin)
        while len(self._ways) > _WAYS_MAX:
            self._ways.popitem(last=False)


def _prove(frame: Forward, roster: Roster) -> None:
    """Whether what is inside was signed by its relay, or by the truck: junk goes no further.

    Raises:
        Refused: what `decode_bundle` and `decode_ack` raise, UNKNOWN_KEY or REVOKED.
    """
    origin = roster.relay_key(frame.origin)
    if frame.is_ack:
        decode_ack(frame.message, origin.name, roster.truck_sign_public, roster.event_id)
    else:
        decode_bundle(frame.message, origin.name, origin.sign_public, roster.event_id)


def _bind(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    with contextlib.suppress(OSError):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise Misconfigured(
            f"cannot listen for neighbours on UDP {host}:{port}: {error.strerror}",
            "Choose another `forward_port`, or stop the program that holds it.",
        ) from error
    made.setblocking(False)
    return made
