"""A request to enrol, as hostile bytes: opened and proven to be of the key it names, or refused.

Every refusal has a name, which is counted, and a sentence with the cure.
"""

from enum import StrEnum, auto
from typing import Any

from hardware.errors import Exit, Reason, Refused, TruckError
from hardware.roster import check_sign_public
from hardware.signing import open_exact_document, unproven_payload

REQUEST_BYTES_MAX = 8192
_CHARACTERS_MAX = 64


class Why(StrEnum):
    """Why an enrolment was refused; the names users see and count by."""

    MALFORMED = auto()
    OVERSIZE = auto()
    SLOW = auto()
    RATE = auto()
    NO_SUCH_PAGE = auto()
    OTHER_EVENT = auto()
    WEAK_KEY = auto()
    NO_POSSESSION = auto()
    CSR = auto()
    TOKEN_UNKNOWN = auto()
    TOKEN_FORGED = auto()
    TOKEN_OF_ANOTHER = auto()
    TOKEN_USED = auto()
    TOKEN_REVOKED = auto()
    TOKEN_EXPIRED = auto()
    KEY_TAKEN = auto()
    KEY_REVOKED = auto()
    GENERATION = auto()


_SENTENCES = {
    Why.MALFORMED: "this is no enrolment request; send the file that the node wrote, whole",
    Why.OVERSIZE: "a request of this size is none",
    Why.SLOW: "the request did not arrive in time; the node asks again by itself",
    Why.RATE: "too many requests at once; the node asks again by itself",
    Why.NO_SUCH_PAGE: "this desk takes enrolment requests and nothing else",
    Why.OTHER_EVENT: "the request is for another event; flash the card for this one",
    Why.WEAK_KEY: "the public key is a small-order point or none; the node must make another",
    Why.NO_POSSESSION: "the request is not signed with the key that it names",
    Why.CSR: "the certificate request does not hold; wipe the node's home and boot it again",
    Why.TOKEN_UNKNOWN: "this event has made no such token; flash the card again",
    Why.TOKEN_FORGED: "whoever sent this does not hold the token that he names",
    Why.TOKEN_OF_ANOTHER: "the token was made for another name; the cards may be swapped",
    Why.TOKEN_USED: (
        "the token was used already, with other keys: a copied card, or a wiped node. Revoke the "
        "relay if it is not in your hand, and flash the card again"
    ),
    Why.TOKEN_REVOKED: "the token was revoked, or the card flashed again since; take the new card",
    Why.TOKEN_EXPIRED: "the token has expired; flash the card again",
    Why.KEY_TAKEN: "that key is in the roster already, for another; each node makes its own",
    Why.KEY_REVOKED: "that key was revoked; flash again, so that the node makes another",
    Why.GENERATION: "this key generation is not above the last one; use the next",
}  # fmt: skip


class EnrolmentRefused(TruckError):
    """A request that is not granted; counted by `why`."""

    exit_code = Exit.DAMAGED

    def __init__(self, why: Why, detail: str = "") -> None:
        super().__init__(f"refused ({why}): {_SENTENCES[why]}{f' ({detail})' if detail else ''}")
        self.why = why


def open_request(envelope: bytes, payload_type: str, schema: str) -> dict[str, Any]:
    """The payload of a request that is signed with the very key it names.

    Raises:
        EnrolmentRefused: OVERSIZE, MALFORMED, WEAK_KEY or NO_POSSESSION.
    """
    if len(envelope) > REQUEST_BYTES_MAX:
        raise EnrolmentRefused(Why.OVERSIZE, f"{len(envelope)} bytes")
    try:
        claimed = unproven_payload(envelope)
        if claimed.get("schema") != schema:
            raise ValueError(f"schema {str(claimed.get('schema'))[:64]!r}")
        public = bytes_field(claimed, "sign_public", 32)
        check_sign_public(public)
        return open_exact_document(envelope, payload_type, public)[0]
    except Refused as refusal:
        why = {Reason.VALUE: Why.WEAK_KEY, Reason.SIGNATURE: Why.NO_POSSESSION}
        raise EnrolmentRefused(why.get(refusal.reason, Why.MALFORMED), str(refusal)) from refusal
    except (KeyError, TypeError, ValueError) as error:
        raise EnrolmentRefused(Why.MALFORMED, str(error)) from error


def text_field(payload: dict[str, Any], field: str, longest: int = _CHARACTERS_MAX) -> str:
    """A field that is one printable line, or with another `longest` any text.

    Raises:
        KeyError: it is missing.
        ValueError: it is something else.
    """
    value = payload[field]
    if not isinstance(value, str) or not value or len(value) > longest:
        raise ValueError(f"field {field}")
    if longest == _CHARACTERS_MAX and not value.isprintable():
        raise ValueError(f"field {field}")
    return value


def bytes_field(payload: dict[str, Any], field: str, size: int) -> bytes:
    """A field of `size` bytes in hex.

    Raises:
        KeyError: it is missing.
        ValueError: it is something else.
    """
    value = payload[field]
    if not isinstance(value, str) or len(value) != 2 * size:
        raise ValueError(f"field {field}")
    return bytes.fromhex(value)


def count_field(payload: dict[str, Any], field: str, highest: int) -> int:
    """A field that is a whole number from 0 to `highest`.

    Raises:
        KeyError: it is missing.
        ValueError: it is something else.
    """
    value = payload[field]
    if type(value) is not int or not 0 <= value <= highest:
        raise ValueError(f"field {field}")
    return value
