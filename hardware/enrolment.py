"""Enrolment of relays: how a node that was started from a card comes into the roster. Pure.

At flash time the card gets a one-time token, the seed of an Ed25519 key. The event folder keeps
only its public half: neither who reads that folder nor who reads a request can enrol with it.

    relay      makes its keys, and a request: name, serial, public key, CSR, nonce; signed with its
               key (proof of possession), and with the token over the same words (proof of the card)
    authority  judges it, puts the relay into the next roster and answers, `enrolment_answer`
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from cryptography.hazmat.primitives.asymmetric import ec

from hardware import topics
from hardware.ca import make_csr, public_der, read_csr
from hardware.enrolment_request import (
    REQUEST_BYTES_MAX,
    EnrolmentRefused,
    Why,
    bytes_field,
    open_request,
    text_field,
)
from hardware.roster import RelayKey, Roster
from hardware.signing import SigningKey, is_signed, sign_document, signed_bytes

RELAY_TYPE = "application/vnd.truck.enrol-relay+json"
RELAY_SCHEMA = "truck.enrol-relay/1"
NONCE_BYTES = 16
DESK_HOST = "enrol.desk"
"""The name in the desk's certificate, whatever its address is; no relay has a dot in its own."""
PATH = "/enrol/1"


@dataclass(frozen=True)
class Token:
    """What the event folder knows of a card's one-time token; times are seconds since 1970."""

    name: str
    public: bytes
    expires_s: float
    revoked: bool = False


@dataclass(frozen=True)
class RelayRequest:
    """What a relay asks for; `csr` is PEM, `token` the token's public half."""

    event: str
    name: str
    serial: str
    sign_public: bytes
    csr: str
    token: bytes
    nonce: bytes

    @property
    def tls_public(self) -> ec.EllipticCurvePublicKey:
        """The key the certificate is for."""
        return read_csr(self.csr)[1]

    @property
    def keys_digest(self) -> str:
        """SHA-256 of both public keys, hex: the same node asks with the same."""
        return hashlib.sha256(self.sign_public + public_der(self.tls_public)).hexdigest()

    def statement(self) -> bytes:
        """What the token signs: that this node, with these keys, was started from its card."""
        words = ("truck enrol 1", self.name, self.serial, self.sign_public.hex(), self.csr)
        return json.dumps([*words, self.nonce.hex()]).encode()


def token_public(token: bytes) -> bytes:
    """What the event folder keeps of a token of 32 random bytes."""
    return SigningKey(token).public


def make_relay_request(
    *,
    event: str,
    name: str,
    serial: str,
    key: SigningKey,
    tls_key: ec.EllipticCurvePrivateKey,
    token: bytes,
    nonce: bytes,
) -> bytes:
    """The signed request of a relay that holds these keys and this token."""
    card = SigningKey(token)
    csr = make_csr(name, tls_key)
    request = RelayRequest(event, name, serial, key.public, csr, card.public, nonce)
    proof = card.sign(signed_bytes(request.statement(), event.encode()))
    fields = {k: v.hex() if isinstance(v, bytes) else v for k, v in asdict(request).items()}
    fields |= {"schema": RELAY_SCHEMA, "token_signature": proof.hex()}
    return sign_document(fields, RELAY_TYPE, key)


def open_relay_request(envelope: bytes) -> RelayRequest:
    """A relay's request, its key, its CSR and both proofs examined; the token is not judged.

    Raises:
        EnrolmentRefused: MALFORMED, OVERSIZE, WEAK_KEY, NO_POSSESSION, CSR or TOKEN_FORGED.
    """
    payload = open_request(envelope, RELAY_TYPE, RELAY_SCHEMA)
    try:
        request = RelayRequest(
            event=text_field(payload, "event"),
            name=text_field(payload, "name"),
            serial=text_field(payload, "serial"),
            sign_public=bytes_field(payload, "sign_public", 32),
            csr=text_field(payload, "csr", REQUEST_BYTES_MAX),
            token=bytes_field(payload, "token", 32),
            nonce=bytes_field(payload, "nonce", NONCE_BYTES),
        )
        proof = bytes_field(payload, "token_signature", 64)
    except (KeyError, TypeError, ValueError) as error:
        raise EnrolmentRefused(Why.MALFORMED, str(error)) from error
    if not topics.is_name(request.name):
        raise EnrolmentRefused(Why.MALFORMED, f"name {request.name!r}")
    try:
        common_name, _ = read_csr(request.csr)
    except ValueError as error:
        raise EnrolmentRefused(Why.CSR, str(error)) from error
    if common_name != request.name:
        raise EnrolmentRefused(Why.CSR, f"it asks for {common_name[:64]!r}, not {request.name!r}")
    if not is_signed(request.statement(), proof, request.token, request.event.encode()):
        raise EnrolmentRefused(Why.TOKEN_FORGED, request.name)
    return request


def judge(
    request: RelayRequest, token: Token | None, used_by: str | None, roster: Roster, now_s: float
) -> None:
    """Whether a request that opened is granted; a node whose answer was lost is granted it again.

    Args:
        request: as it opened.
        token: what the event knows of the token it names, None for nothing.
        used_by: the `keys_digest` of who used that token first, None while nobody did.
        roster: the newest.
        now_s: seconds since 1970, by the authority's clock.

    Raises:
        EnrolmentRefused: OTHER_EVENT, KEY_REVOKED, KEY_TAKEN or TOKEN_*.
    """
    if request.event != roster.event:
        raise EnrolmentRefused(Why.OTHER_EVENT, f"{request.event!r}, not {roster.event!r}")
    if token is None:
        raise EnrolmentRefused(Why.TOKEN_UNKNOWN, request.name)
    if token.name != request.name:
        raise EnrolmentRefused(Why.TOKEN_OF_ANOTHER, f"{token.name}, not {request.name}")
    for relay in roster.relays:
        if relay.sign_public == request.sign_public and relay.name != request.name:
            raise EnrolmentRefused(Why.KEY_TAKEN, relay.name)
        if relay.sign_public == request.sign_public and relay.revoked:
            raise EnrolmentRefused(Why.KEY_REVOKED, relay.name)
    if used_by not in (None, request.keys_digest):
        raise EnrolmentRefused(Why.TOKEN_USED, request.name)
    if token.revoked:
        raise EnrolmentRefused(Why.TOKEN_REVOKED, request.name)
    if used_by is None and now_s > token.expires_s:
        raise EnrolmentRefused(Why.TOKEN_EXPIRED, request.name)


def add_relay(roster: Roster, name: str, sign_public: bytes) -> Roster:
    """The roster with a relay in it; one of that name that was there has this key from now on."""
    fresh = RelayKey(name, sign_public)
    if fresh in roster.relays:
        return roster
    others = tuple(relay for relay in roster.relays if relay.name != name)
    return replace(roster, relays=tuple(sorted((*others, fresh), key=lambda r: r.name)))
