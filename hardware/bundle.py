"""What relay and truck say to each other: bundles up, commit acknowledgements down.

Both are COSE_Sign1 over CBOR with integer keys, the event id and the message kind bound in as
external_aad. A bundle holds up to 128 packets as heard; the acknowledgement names the bundles
that the truck's journal has made durable, each with its digest, and is the only thing on which a
relay may forget: a bundle of those very bytes, not whatever somebody sent under its number.
"""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import cbor2

from hardware.errors import Reason, Refused
from hardware.message import aad, count, digest, fields, instant, integer, text
from hardware.packet import PACKET_BYTES_MAX
from hardware.signing import SigningKey, cose_open, cose_sign

PACKETS_MAX = 128
BUNDLE_BYTES_MAX = PACKETS_MAX * (PACKET_BYTES_MAX + 16) + 1024
ACKED_MAX = 4096
_BUNDLE_VERSION = 1
_ACK_VERSION = 2  # 1 named no digests


@dataclass(frozen=True)
class Bundle:
    """Packets as one relay heard them, in its order.

    heard_at_us: microseconds since 1970 by the relay's clock; rssi_dbm: -128 where unknown.
    """

    relay: str
    boot: int
    number: int
    packets: tuple[bytes, ...]
    heard_at_us: tuple[int, ...]
    rssi_dbm: tuple[int, ...]


class Acked(NamedTuple):
    """A bundle the journal holds; `digest` is `digest_of` the whole signed message."""

    boot: int
    number: int
    digest: int


@dataclass(frozen=True)
class Ack:
    """Bundles of one relay that are safe, and the journal record of them."""

    relay: str
    bundles: tuple[Acked, ...]
    record: int


def digest_of(data: bytes) -> int:
    """BLAKE2b-64 of a packet or a message, little-endian; never 0, which means unseen."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") or 1


def encode_bundle(bundle: Bundle, key: SigningKey, event: bytes) -> bytes:
    """The bundle as signed bytes."""
    first = min(bundle.heard_at_us, default=0)
    payload = {
        1: _BUNDLE_VERSION,
        2: bundle.relay,
        3: bundle.boot,
        4: bundle.number,
        5: list(bundle.packets),
        6: first,
        7: [at - first for at in bundle.heard_at_us],
        8: list(bundle.rssi_dbm),
    }
    return cose_sign(cbor2.dumps(payload), key, aad("bundle", _BUNDLE_VERSION, event))


def decode_bundle(message: bytes, relay: str, public: bytes, event: bytes) -> Bundle:
    """The bundle in a relay's message.

    Raises:
        Refused: OVERSIZE, MALFORMED, VERSION, SIGNATURE or WRONG_SENDER.
    """
    if len(message) > BUNDLE_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, f"bundle of {len(message)} bytes")
    bound = aad("bundle", _BUNDLE_VERSION, event)
    body = fields(cose_open(message, public, bound), _BUNDLE_VERSION)
    packets, offsets, rssi = body.get(5), body.get(7), body.get(8)
    first = integer(body.get(6))
    if not (
        isinstance(packets, list)
        and isinstance(offsets, list)
        and isinstance(rssi, list)
        and 0 < len(packets) == len(offsets) == len(rssi)
        and all(isinstance(p, bytes) for p in packets)
    ):
        raise Refused(Reason.MALFORMED, "bundle columns")
    if len(packets) > PACKETS_MAX:
        raise Refused(Reason.OVERSIZE, f"bundle of {len(packets)} packets")
    if body.get(2) != relay:
        raise Refused(Reason.WRONG_SENDER, f"{str(body.get(2))[:64]!r} in the name of {relay!r}")
    return Bundle(
        relay=relay,
        boot=count(body.get(3)),
        number=count(body.get(4)),
        packets=tuple(packets),
        heard_at_us=tuple(instant(first + integer(offset)) for offset in offsets),
        rssi_dbm=tuple(max(-128, min(127, integer(value))) for value in rssi),
    )


def encode_ack(ack: Ack, key: SigningKey, event: bytes) -> bytes:
    """The acknowledgement as signed bytes."""
    bundles = [list(acked) for acked in ack.bundles]
    payload = {1: _ACK_VERSION, 2: ack.relay, 3: bundles, 4: ack.record}
    return cose_sign(cbor2.dumps(payload), key, aad("ack", _ACK_VERSION, event))


def decode_ack(message: bytes, relay: str | None, public: bytes, event: bytes) -> Ack:
    """The acknowledgement in the truck's message, for `relay`, or for any where that is None.

    Raises:
        Refused: MALFORMED, VERSION, SIGNATURE (one of an older version too) or WRONG_SENDER
            (meant for another relay).
    """
    body = fields(cose_open(message, public, aad("ack", _ACK_VERSION, event)), _ACK_VERSION)
    bundles = body.get(3)
    if not isinstance(bundles, list) or len(bundles) > ACKED_MAX:
        raise Refused(Reason.MALFORMED, "ack list")
    named = text(body.get(2), 32)
    if relay not in (None, named):
        raise Refused(Reason.WRONG_SENDER, "an acknowledgement for another relay")
    if not all(isinstance(acked, list) and len(acked) == len(Acked._fields) for acked in bundles):
        raise Refused(Reason.MALFORMED, "ack entry")
    return Ack(
        relay=named,
        bundles=tuple(
            Acked(count(boot), count(number), digest(named)) for boot, number, named in bundles
        ),
        record=count(body.get(4)),
    )
