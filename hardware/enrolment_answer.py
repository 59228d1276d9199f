"""The answer to a relay's request: its certificate, the event's CA and the roster it is in.

Signed by the authority, so that it may come over the network or on a stick alike. The relay proves
it against what its card carries before it keeps any of it.
"""

from dataclasses import asdict, dataclass

from hardware.ca import check_certificate
from hardware.enrolment import RelayRequest
from hardware.errors import Exit, Refused, TruckError
from hardware.roster import Roster, open_roster
from hardware.signing import SigningKey, open_exact_document, sign_document

ANSWER_TYPE = "application/vnd.truck.enrol-answer+json"
ANSWER_SCHEMA = "truck.enrol-answer/1"


class AnswerRefused(TruckError):
    """An answer that this node does not keep; what it had before stays."""

    exit_code = Exit.DAMAGED

    def __init__(self, what: str) -> None:
        super().__init__(f"the answer to the enrolment is not kept: {what}")


@dataclass(frozen=True)
class Answer:
    """What the authority gives to one node; certificates are PEM, the roster as signed."""

    event: str
    name: str
    keys_digest: str
    certificate: str
    ca: str
    roster: str
    issued_at_s: float


def sign_answer(answer: Answer, authority: SigningKey) -> bytes:
    """The answer as a signed document."""
    return sign_document(asdict(answer) | {"schema": ANSWER_SCHEMA}, ANSWER_TYPE, authority)


def open_answer(
    envelope: bytes, request: RelayRequest, ca_pem: str, authority_public: bytes
) -> tuple[Answer, Roster]:
    """An answer and its roster, proven to be this authority's answer to this very request.

    Args:
        envelope: as it came.
        request: what we asked.
        ca_pem: the event's CA, from our card.
        authority_public: the authority's public key, from our card.

    Raises:
        AnswerRefused: forged, for another event, name or key, a certificate of another CA, or a
            roster that does not hold this relay.
    """
    try:
        payload, _ = open_exact_document(envelope, ANSWER_TYPE, authority_public)
        if payload.pop("schema", None) != ANSWER_SCHEMA:
            raise AnswerRefused("it is of another version than this node's program")
        answer = Answer(**payload)
        roster = open_roster(answer.roster.encode(), authority_public)
    except Refused as refusal:
        raise AnswerRefused(f"it is not of this event's authority, {refusal}") from refusal
    except (TypeError, ValueError, AttributeError) as error:
        raise AnswerRefused(f"its fields are not as they should be, {error}") from error
    if (answer.event, roster.event) != (request.event, request.event):
        raise AnswerRefused(f"it is for the event {str(answer.event)[:64]!r}")
    if (answer.name, answer.keys_digest) != (request.name, request.keys_digest):
        raise AnswerRefused(f"it is for {str(answer.name)[:64]!r}, or for another key")
    try:
        check_certificate(answer.certificate, ca_pem, request.name, request.tls_public)
        held = roster.relay_key(request.name)
    except ValueError as error:
        raise AnswerRefused(f"its certificate does not hold, {error}") from error
    except Refused as refusal:
        raise AnswerRefused(f"its roster does not let this relay speak, {refusal}") from refusal
    if held.sign_public != request.sign_public or answer.ca != ca_pem:
        raise AnswerRefused("its roster or its CA is not for this relay's key")
    return answer, roster
