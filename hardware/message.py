"""The shape of every message between relays and truck: a CBOR map, its version under key 1.

Kind, version and event are bound in as the external_aad of its COSE_Sign1, so that no message
passes for one of another kind. The readers here refuse whatever is not plainly what they name.
"""

from typing import Any

from hardware.errors import Reason, Refused
from hardware.signing import decode_cbor

_I64, _U64 = 1 << 63, 1 << 64
_YEAR_10000_US = 253_402_300_800_000_000


def aad(kind: str, version: int, event: bytes) -> bytes:
    """What binds a signature to a kind of message and an event."""
    return f"truck {kind} {version} ".encode() + event


def fields(payload: bytes, version: int) -> dict[Any, Any]:
    """The map of a message of this version.

    Raises:
        Refused: MALFORMED or VERSION.
    """
    body = decode_cbor(payload)
    if not isinstance(body, dict):
        raise Refused(Reason.MALFORMED, "no map")
    if integer(body.get(1)) != version:
        raise Refused(Reason.VERSION, f"message version {str(body.get(1))[:16]}")
    return body


def integer(value: Any) -> int:
    """A signed 64-bit number, or refused as MALFORMED."""
    if not isinstance(value, int) or isinstance(value, bool) or not -_I64 <= value < _I64:
        raise Refused(Reason.MALFORMED, "integer expected")
    return value


def instant(value: int) -> int:
    """Microseconds since 1970, or refused as MALFORMED."""
    if not 0 <= value < _YEAR_10000_US:  # others no calendar can show
        raise Refused(Reason.MALFORMED, "an instant outside 1970 to 9999")
    return value


def count(value: Any) -> int:
    """A number from 0 on, or refused as MALFORMED."""
    if integer(value) < 0:
        raise Refused(Reason.MALFORMED, "count below zero")
    return int(value)


def digest(value: Any) -> int:
    """A 64-bit digest, never 0, or refused as MALFORMED."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _U64:
        raise Refused(Reason.MALFORMED, "digest expected")
    return value


def text(value: Any, longest: int) -> str:
    """A text of at most `longest` characters, or refused as MALFORMED."""
    if not isinstance(value, str) or len(value) > longest:
        raise Refused(Reason.MALFORMED, "text expected")
    return value


def octets(value: Any, lengths: tuple[int, ...]) -> bytes:
    """Bytes of one of these lengths, or refused as MALFORMED."""
    if not isinstance(value, bytes) or len(value) not in lengths:
        raise Refused(Reason.MALFORMED, "bytes expected")
    return value


def octets_max(value: Any, longest: int) -> bytes:
    """At most so many bytes, or refused as MALFORMED."""
    if not isinstance(value, bytes) or len(value) > longest:
        raise Refused(Reason.MALFORMED, "bytes expected")
    return value
