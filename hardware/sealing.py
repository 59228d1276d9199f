"""Packet encryption: AES-128-CCM with an 8-byte tag, between one device and the event.

key = HKDF-SHA256(X25519(device, event), salt = event id, info = "packet v1" + kid); nonce = boot,
kid, seq as they stand in the header (10 bytes, never twice under one key); AAD = the header.
"""

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hardware.errors import Misconfigured, Reason, Refused
from hardware.packet import (
    HEADER_BYTES,
    SIGNATURE_BYTES,
    SUITE_CCM8,
    TAG_BYTES,
    Header,
    encode_header,
)
from hardware.signing import SigningKey, sign_packet

_NO_TAG = bytes(TAG_BYTES)


def packet_cipher(private: bytes, peer_public: bytes, event: bytes, kid: int) -> AESCCM:
    """The cipher of one device key; either side's private key with the other's public one.

    Raises:
        Misconfigured: when the peer's key is one that X25519 must not use.
    """
    try:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(peer_public)
        )
    except ValueError as error:
        raise Misconfigured(
            f"the X25519 key of kid {kid:#x} is unusable", "Enrol the device again."
        ) from error
    key = HKDF(hashes.SHA256(), 16, salt=event, info=b"packet v1" + struct.pack("<I", kid)).derive(
        shared
    )
    return AESCCM(key, tag_length=TAG_BYTES)


def build_packet(
    header: Header, body: bytes, key: SigningKey, event: bytes, cipher: AESCCM | None
) -> bytes:
    """A whole packet: sealed where the suite says so, then signed."""
    clear = encode_header(header)
    if header.suite == SUITE_CCM8:
        if cipher is None:
            raise ValueError("suite 0x12 needs a cipher")
        return sign_packet(clear + cipher.encrypt(clear[2:12], body, clear), key, event)
    return sign_packet(clear + body + _NO_TAG, key, event)


def open_body(raw: bytes, cipher: AESCCM | None) -> bytes:
    """Header and body in clear, as `packet.decode_fixes` takes them; the signature is not checked.

    Raises:
        Refused: CIPHERTEXT, when the tag does not hold or the clear suite carries one.
    """
    header = raw[:HEADER_BYTES]
    if raw[0] != SUITE_CCM8:
        end = len(raw) - SIGNATURE_BYTES - TAG_BYTES
        if raw[end : end + TAG_BYTES] != _NO_TAG:
            raise Refused(Reason.CIPHERTEXT, "the clear suite carries a tag")
        return raw[:end]
    if cipher is None:
        raise Refused(Reason.CIPHERTEXT, "no key to open it with")
    try:
        return header + cipher.decrypt(raw[2:12], raw[HEADER_BYTES:-SIGNATURE_BYTES], header)
    except InvalidTag as error:
        raise Refused(Reason.CIPHERTEXT) from error
