"""What relay and truck say to each other: bundles up, commit acknowledgements down.

Both are COSE_Sign1 over CBOR with integer keys, the event id and the message kind bound in as
external_aad. A bundle holds up to 128 packets as heard; the acknowledgement names the bundles
that the truck's journal has made durable, each with its digest, and is the only thing on which a
relay may forget: a bundle of those very bytes, not whatever somebody sent under its number.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import cbor2

from hardware.errors import Reason, Refused
from hardware.packet import PACKET_BYTES_MAX
from hardware.signing import SigningKey, cose_open, cose_sign, decode_cbor

PACKETS_MAX = 128
BUNDLE_BYTES_MAX = PACKETS_MAX * (PACKET_BYTES_MAX + 16) + 1024
ACKED_MAX = 4096
_BUNDLE_VERSION = 1
_ACK_VERSION = 2  # 1 named no digests
_I64, _U64 = 1 << 63, 1 << 64
_YEAR_10000_US = 253_402_300_800_000_000


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


def _aad(kind: str, version: int, event: bytes) -> bytes:
    return f"truck {kind} {version} ".encode() + event


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
    return cose_sign(cbor2.dumps(payload), key, _aad("bundle", _BUNDLE_VERSION, event))


def decode_bundle(message: bytes, relay: str, public: bytes, event: bytes) -> Bundle:
    """The bundle in a relay's message.

    Raises:
        Refused: OVERSIZE, MALFORMED, VERSION, SIGNATURE or WRONG_SENDER.
    """
    if len(message) > BUNDLE_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, f"bundle of {len(message)} bytes")
    aad = _aad("bundle", _BUNDLE_VERSION, event)
    body = _fields(cose_open(message, public, aad), _BUNDLE_VERSION)
    packets, offsets, rssi = body.get(5), body.get(7), body.get(8)
    first = _integer(body.get(6))
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
        boot=_count(body.get(3)),
        number=_count(body.get(4)),
        packets=tuple(packets),
        heard_at_us=tuple(_instant(first + _integer(offset)) for offset in offsets),
        rssi_dbm=tuple(max(-128, min(127, _integer(value))) for value in rssi),
    )


def encode_ack(ack: Ack, key: SigningKey, event: bytes) -> bytes:
    """The acknowledgement as signed bytes."""
    bundles = [list(acked) for acked in ack.bundles]
    payload = {1: _ACK_VERSION, 2: ack.relay, 3: bundles, 4: ack.record}
    return cose_sign(cbor2.dumps(payload), key, _aad("ack", _ACK_VERSION, event))


def decode_ack(message: bytes, relay: str, public: bytes, event: bytes) -> Ack:
    """The acknowledgement in the truck's message.

    Raises:
        Refused: MALFORMED, VERSION, SIGNATURE (one of an older version too) or WRONG_SENDER
            (meant for another relay).
    """
    body = _fields(cose_open(message, public, _aad("ack", _ACK_VERSION, event)), _ACK_VERSION)
    bundles = body.get(3)
    if not isinstance(bundles, list) or len(bundles) > ACKED_MAX:
        raise Refused(Reason.MALFORMED, "ack list")
    if body.get(2) != relay:
        raise Refused(Reason.WRONG_SENDER, "an acknowledgement for another relay")
    if not all(isinstance(acked, list) and len(acked) == len(Acked._fields) for acked in bundles):
        raise Refused(Reason.MALFORMED, "ack entry")
    return Ack(
        relay=relay,
        bundles=tuple(
            Acked(_count(boot), _count(number), _digest(digest)) for boot, number, digest in bundles
        ),
        record=_count(body.get(4)),
    )


def _fields(payload: bytes, version: int) -> dict[Any, Any]:
    body = decode_cbor(payload)
    if not isinstance(body, dict):
        raise Refused(Reason.MALFORMED, "no map")
    if _integer(body.get(1)) != version:
        raise Refused(Reason.VERSION, f"message version {str(body.get(1))[:16]}")
    return body


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -_I64 <= value < _I64:
        raise Refused(Reason.MALFORMED, "integer expected")
    return value


def _instant(value: int) -> int:
    if not 0 <= value < _YEAR_10000_US:  # others no calendar can show
        raise Refused(Reason.MALFORMED, "an instant outside 1970 to 9999")
    return value


def _count(value: Any) -> int:
    if _integer(value) < 0:
        raise Refused(Reason.MALFORMED, "count below zero")
    return int(value)


def _digest(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _U64:
        raise Refused(Reason.MALFORMED, "digest expected")
    return value
