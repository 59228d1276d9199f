"""What a relay says of itself every few seconds, and what the truck says back.

Both are COSE_Sign1 over CBOR, see `hardware.message`. A configuration on trial counts only once
its relay holds a `Seen` for a heartbeat of this very start that named this very configuration.
"""

from dataclasses import dataclass
from typing import Literal

import cbor2

from hardware.errors import Reason, Refused
from hardware.message import aad, count, fields, instant, octets, text
from hardware.signing import SigningKey, cose_open, cose_sign

HEARTBEAT_BYTES_MAX = 1024
_HEARTBEAT_VERSION = _SEEN_VERSION = 1
_DIGEST_BYTES = 32
_SLOTS: tuple[Literal["", "a", "b"], ...] = ("", "a", "b")


@dataclass(frozen=True)
class Heartbeat:
    """A relay's word about itself.

    Attributes:
        number: counts the heartbeats of this boot.
        at_us: by the relay's clock.
        digest: of its configuration, see `hardware.node.config_digest`; empty where it runs by
            its settings file alone.
        slot: where that lies, `a` or `b`, or empty.
        on_trial: whether it still waits to be confirmed.
        certificate_to_s: when its certificate ends, seconds since 1970; 0 unknown.
        heard_at_us: when it last heard a packet; 0 never.
    """

    relay: str
    boot: int
    number: int
    at_us: int
    digest: str
    version: int
    slot: Literal["", "a", "b"]
    on_trial: bool
    roster_version: int
    certificate_to_s: int
    heard_at_us: int
    spool_bytes: int
    spool_bytes_max: int


@dataclass(frozen=True)
class Seen:
    """The truck saw heartbeat `number` of this boot, which named the configuration `digest`."""

    relay: str
    boot: int
    number: int
    digest: str


def encode_heartbeat(beat: Heartbeat, key: SigningKey, event: bytes) -> bytes:
    """The heartbeat as signed bytes."""
    payload = {
        1: _HEARTBEAT_VERSION,
        2: beat.relay,
        3: beat.boot,
        4: beat.number,
        5: beat.at_us,
        6: bytes.fromhex(beat.digest),
        7: beat.version,
        8: beat.slot,
        9: int(beat.on_trial),
        10: beat.roster_version,
        11: beat.certificate_to_s,
        12: beat.heard_at_us,
        13: beat.spool_bytes,
        14: beat.spool_bytes_max,
    }
    return cose_sign(cbor2.dumps(payload), key, aad("heartbeat", _HEARTBEAT_VERSION, event))


def decode_heartbeat(message: bytes, relay: str, public: bytes, event: bytes) -> Heartbeat:
    """The heartbeat in a relay's message.

    Raises:
        Refused: OVERSIZE, MALFORMED, VERSION, SIGNATURE or WRONG_SENDER.
    """
    if len(message) > HEARTBEAT_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, f"heartbeat of {len(message)} bytes")
    bound = aad("heartbeat", _HEARTBEAT_VERSION, event)
    body = fields(cose_open(message, public, bound), _HEARTBEAT_VERSION)
    if body.get(2) != relay:
        raise Refused(Reason.WRONG_SENDER, f"{str(body.get(2))[:64]!r} in the name of {relay!r}")
    slot = text(body.get(8), 1)
    if slot not in _SLOTS:
        raise Refused(Reason.MALFORMED, f"slot {slot!r}")
    return Heartbeat(
        relay=relay,
        boot=count(body.get(3)),
        number=count(body.get(4)),
        at_us=instant(count(body.get(5))),
        digest=octets(body.get(6), (0, _DIGEST_BYTES)).hex(),
        version=count(body.get(7)),
        slot=slot,
        on_trial=count(body.get(9)) > 0,
        roster_version=count(body.get(10)),
        certificate_to_s=count(body.get(11)),
        heard_at_us=instant(count(body.get(12))),
        spool_bytes=count(body.get(13)),
        spool_bytes_max=count(body.get(14)),
    )


def encode_seen(seen: Seen, key: SigningKey, event: bytes) -> bytes:
    """The truck's answer as signed bytes."""
    payload = {
        1: _SEEN_VERSION, 2: seen.relay, 3: seen.boot, 4: seen.number,
        5: bytes.fromhex(seen.digest),
    }  # fmt: skip
    return cose_sign(cbor2.dumps(payload), key, aad("seen", _SEEN_VERSION, event))


def decode_seen(message: bytes, relay: str, public: bytes, event: bytes) -> Seen:
    """The truck's answer to a heartbeat.

    Raises:
        Refused: MALFORMED, VERSION, SIGNATURE or WRONG_SENDER (meant for another relay).
    """
    bound = aad("seen", _SEEN_VERSION, event)
    body = fields(cose_open(message, public, bound), _SEEN_VERSION)
    if body.get(2) != relay:
        raise Refused(Reason.WRONG_SENDER, "an answer for another relay")
    return Seen(
        relay, count(body.get(3)), count(body.get(4)),
        octets(body.get(5), (0, _DIGEST_BYTES)).hex(),
    )  # fmt: skip
