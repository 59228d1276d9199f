"""What relays hand each other in valleys: a bundle on its way up, the acknowledgement back down.

A frame is a COSE_Sign1 over CBOR by the relay that sends it, see `hardware.message`. Inside is the
bundle as its own relay signed it, or the truck's acknowledgement: who hands on can drop, never
forge. Custody stays with the bundle's relay until that acknowledgement has come back to it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cbor2

from hardware import topics
from hardware.errors import Reason, Refused
from hardware.message import aad, count, fields, octets_max, text
from hardware.node import HOPS_MAX
from hardware.signing import SigningKey, cose_open, cose_sign

FORWARD_BYTES_MAX = 60_000  # one UDP datagram
_VERSION = 1


@dataclass(frozen=True)
class Forward:
    """One frame.

    Attributes:
        sender: the relay that signed and sent it; boot and number count its frames.
        origin: the relay whose bundle or acknowledgement it is.
        hops: how many relays have sent it, this one included; 1 from the origin itself, or, on
            the way down, from the relay that heard the truck.
        is_ack: on its way down.
        message: as the origin or the truck signed it.
    """

    sender: str
    boot: int
    number: int
    origin: str
    hops: int
    is_ack: bool
    message: bytes


def encode_forward(frame: Forward, key: SigningKey, event: bytes) -> bytes:
    """The frame as signed bytes.

    Raises:
        Refused: OVERSIZE, when it fits no datagram.
    """
    payload = {
        1: _VERSION, 2: frame.sender, 3: frame.boot, 4: frame.number, 5: frame.origin,
        6: frame.hops, 7: int(frame.is_ack), 8: frame.message,
    }  # fmt: skip
    encoded = cose_sign(cbor2.dumps(payload), key, aad("forward", _VERSION, event))
    if len(encoded) > FORWARD_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, f"a frame of {len(encoded)} bytes")
    return encoded


def decode_forward(data: bytes, sender: str, public: bytes, event: bytes) -> Forward:
    """The frame in a relay's datagram, or in its message to the truck.

    Raises:
        Refused: OVERSIZE, MALFORMED, VERSION, SIGNATURE, WRONG_SENDER or HOPS.
    """
    if len(data) > FORWARD_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, f"a frame of {len(data)} bytes")
    body = fields(cose_open(data, public, aad("forward", _VERSION, event)), _VERSION)
    if body.get(2) != sender:
        raise Refused(Reason.WRONG_SENDER, f"{str(body.get(2))[:64]!r} in the name of {sender!r}")
    origin, hops = text(body.get(5), 32), count(body.get(6))
    if not topics.is_name(origin):
        raise Refused(Reason.MALFORMED, f"origin {origin!r}")
    if not 1 <= hops <= HOPS_MAX:
        raise Refused(Reason.HOPS, f"{hops} hops")
    return Forward(
        sender, count(body.get(3)), count(body.get(4)), origin, hops,
        count(body.get(7)) > 0, octets_max(body.get(8), FORWARD_BYTES_MAX),
    )  # fmt: skip


def encode_datagram(frame: Forward, key: SigningKey, event: bytes) -> bytes:
    """The frame as a neighbour hears it: its sender's name in clear before it.

    Raises:
        Refused: OVERSIZE.
    """
    name = frame.sender.encode()
    return bytes((_VERSION, len(name))) + name + encode_forward(frame, key, event)


def decode_datagram(data: bytes, public_of: Callable[[str], bytes], event: bytes) -> Forward:
    """The frame in a neighbour's datagram.

    Args:
        data: the datagram.
        public_of: a relay's public key; raises Refused for who is none.
        event: the event's id.

    Raises:
        Refused: what `public_of` and `decode_forward` raise, MALFORMED or VERSION.
    """
    if len(data) < 2 or len(data) < 2 + data[1]:
        raise Refused(Reason.MALFORMED, "a datagram cut short")
    if data[0] != _VERSION:
        raise Refused(Reason.VERSION, f"datagram version {data[0]}")
    try:
        sender = data[2 : 2 + data[1]].decode("ascii")
    except UnicodeDecodeError as error:
        raise Refused(Reason.MALFORMED, "sender's name") from error
    return decode_forward(data[2 + data[1] :], sender, public_of(sender), event)
