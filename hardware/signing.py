"""Signatures: COSE for what travels by radio and MQTT, DSSE for documents.

A packet's signed bytes are the RFC 9052 `Sig_structure` ["Signature1", protected, external_aad,
payload] with protected {1: -8} (EdDSA) and the event id as external_aad, so a packet of another
event fails. The prefix before the payload is constant for a packet's length, so nothing is
encoded per packet, and a stored packet re-wraps as a standard COSE_Sign1 for any other verifier.
Checks use PyNaCl (22 k/s a core against 13 k/s elsewhere, and it releases the GIL).
"""

import functools
import json
from typing import Any

import cbor2
import nacl.bindings
import nacl.exceptions
import nacl.signing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from hardware.errors import Reason, Refused
from hardware.packet import SIGNATURE_BYTES

_PROTECTED = cbor2.dumps({1: -8})
_COSE_SIGN1_TAG = 18
# What cbor2 would turn into dates, patterns or references; no message of ours holds any
_FOREIGN_TAGS = (
    0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100,
    256, 258, 260, 261, 1004, 43000, 55799,
)  # fmt: skip
_DEPTH_MAX = 16


class SigningKey:
    """An Ed25519 private key, held as its 32-byte seed."""

    def __init__(self, seed: bytes) -> None:
        self._key = nacl.signing.SigningKey(seed)
        self.seed = bytes(seed)
        self.public = bytes(self._key.verify_key)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of `message`."""
        return bytes(self._key.sign(message).signature)


@functools.lru_cache(maxsize=4096)
def _prefix(external_aad: bytes, payload_bytes: int) -> bytes:
    """The Sig_structure up to its payload of `payload_bytes` bytes."""
    whole = cbor2.dumps(["Signature1", _PROTECTED, external_aad, bytes(payload_bytes)])
    return whole[: len(whole) - payload_bytes]


def signed_bytes(payload: bytes, external_aad: bytes) -> bytes:
    """The RFC 9052 Sig_structure of a payload."""
    return _prefix(external_aad, len(payload)) + payload


def is_signed(payload: bytes, signature: bytes, public: bytes, external_aad: bytes) -> bool:
    """Whether `signature` over the COSE structure of `payload` is that of `public`."""
    try:
        nacl.bindings.crypto_sign_open(
            signature + _prefix(external_aad, len(payload)) + payload, public
        )
    except (nacl.exceptions.BadSignatureError, ValueError):
        return False
    return True


def sign_packet(unsigned: bytes, key: SigningKey, event: bytes) -> bytes:
    """A packet from its header, body and tag: the signature appended."""
    return unsigned + key.sign(signed_bytes(unsigned, event))


def packet_to_cose(raw: bytes, event: bytes) -> tuple[bytes, bytes]:
    """A stored packet as a tagged COSE_Sign1, and the external_aad its verifier needs."""
    payload, signature = raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]
    kid = payload[4:8]
    message = cbor2.CBORTag(_COSE_SIGN1_TAG, [_PROTECTED, {4: kid}, payload, signature])
    return cbor2.dumps(message), event


def cose_sign(payload: bytes, key: SigningKey, external_aad: bytes) -> bytes:
    """A tagged COSE_Sign1 of `payload`."""
    return _cose_sign1(payload, key.sign(signed_bytes(payload, external_aad)))


def _cose_sign1(payload: bytes, signature: bytes) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(_COSE_SIGN1_TAG, [_PROTECTED, {}, payload, signature]))


def cose_open(message: bytes, public: bytes, external_aad: bytes) -> bytes:
    """The payload of a COSE_Sign1 of ours.

    Raises:
        Refused: MALFORMED or SIGNATURE.
    """
    tagged = decode_cbor(message)
    if not isinstance(tagged, cbor2.CBORTag) or tagged.tag != _COSE_SIGN1_TAG:
        raise Refused(Reason.MALFORMED, "not a COSE_Sign1")
    parts = tagged.value
    if (
        not isinstance(parts, (list, tuple))
        or len(parts) != 4
        or parts[0] != _PROTECTED
        or not isinstance(parts[2], bytes)
        or not isinstance(parts[3], bytes)
        or len(parts[3]) != SIGNATURE_BYTES
    ):
        raise Refused(Reason.MALFORMED, "COSE_Sign1 of another shape")
    payload, signature = parts[2], parts[3]
    if _cose_sign1(payload, signature) != message:  # what no signature covers has one spelling
        raise Refused(Reason.MALFORMED, "COSE_Sign1 in another encoding")
    if not is_signed(payload, signature, public, external_aad):
        raise Refused(Reason.SIGNATURE, "COSE_Sign1")
    return payload


def decode_cbor(data: bytes) -> Any:
    """One CBOR value from untrusted bytes: plain data, nested 16 deep at most.

    Raises:
        Refused: MALFORMED, whatever is wrong with them.
    """
    try:
        return cbor2.loads(
            data,
            semantic_decoders=dict.fromkeys(_FOREIGN_TAGS, _refuse_tag),
            max_depth=_DEPTH_MAX,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
    except (cbor2.CBORDecodeError, MemoryError) as error:
        raise Refused(Reason.MALFORMED, f"CBOR: {type(error).__name__}") from error


def _refuse_tag(decoder: cbor2.CBORDecoder, *_: Any) -> Any:
    raise ValueError("a tag no message of ours holds")


def _dsse_key(public: bytes) -> SSlibKey:
    return SSlibKey(public.hex()[:16], "ed25519", "ed25519", {"public": public.hex()})


def sign_document(payload: dict[str, Any], payload_type: str, key: SigningKey) -> bytes:
    """A document as a DSSE envelope (JSON bytes), canonical JSON inside."""
    body = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    envelope = Envelope(body, payload_type, {})
    private = Ed25519PrivateKey.from_private_bytes(key.seed)
    envelope.sign(CryptoSigner(private, _dsse_key(key.public)))
    return json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":")).encode()


def open_document(
    envelope: bytes, payload_type: str, public: bytes
) -> tuple[dict[str, Any], bytes]:
    """The payload of a DSSE document, and the exact bytes that were signed.

    Raises:
        Refused: MALFORMED or SIGNATURE.
    """
    try:
        parsed = Envelope.from_dict(json.loads(envelope))
    except (ValueError, KeyError, TypeError, AttributeError, FormatError, RecursionError) as error:
        raise Refused(Reason.MALFORMED, f"DSSE: {type(error).__name__}") from error
    if parsed.payload_type != payload_type:
        raise Refused(Reason.MALFORMED, f"document type {parsed.payload_type!r}")
    try:
        parsed.verify([_dsse_key(public)], 1)
    except (VerificationError, ValueError, TypeError) as error:
        raise Refused(Reason.SIGNATURE, payload_type) from error
    try:
        payload = json.loads(parsed.payload)
    except (ValueError, RecursionError) as error:
        raise Refused(Reason.MALFORMED, "document payload") from error
    if not isinstance(payload, dict):
        raise Refused(Reason.MALFORMED, "document payload is no object")
    return payload, parsed.payload


def unproven_payload(envelope: bytes) -> dict[str, Any]:
    """What a DSSE document says, unproven: only to find the key it must be proven under.

    Raises:
        Refused: MALFORMED.
    """
    try:
        payload = json.loads(Envelope.from_dict(json.loads(envelope)).payload)
    except (ValueError, KeyError, TypeError, AttributeError, FormatError, RecursionError) as error:
        raise Refused(Reason.MALFORMED, f"DSSE: {type(error).__name__}") from error
    if not isinstance(payload, dict):
        raise Refused(Reason.MALFORMED, "document payload is no object")
    return payload


def open_exact_document(
    envelope: bytes, payload_type: str, public: bytes
) -> tuple[dict[str, Any], bytes]:
    """As `open_document`, and only in the very bytes that `sign_document` writes.

    base64 and JSON have several spellings of one value, and no signature covers the spelling;
    where a document is stored once and compared by its bytes, only ours is taken.

    Raises:
        Refused: MALFORMED or SIGNATURE; any changed byte is one of them.
    """
    payload, signed = open_document(envelope, payload_type, public)
    spelling = Envelope.from_dict(json.loads(envelope)).to_dict()
    if json.dumps(spelling, sort_keys=True, separators=(",", ":")).encode() != envelope:
        raise Refused(Reason.MALFORMED, "not the bytes its signer wrote")
    return payload, signed
