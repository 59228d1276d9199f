"""Recipients' keys: X-Wing (ML-KEM-768 with X25519), one a file, in text that says what it is.

    NAME.key   cloud-sync-private-key-1 NAME ID SEED   SEED: 32 bytes, hex; for its owner only
    NAME.pub   cloud-sync-public-key-1 NAME ID KEY     KEY: 1,216 bytes, base64

A seed expands to both keys with SHAKE-256 as draft-connolly-cfrg-xwing-kem has it; ID is the first
64 bits of the SHA-256 of the public key, so a file that was cut or edited is noticed.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
)

from hardware import keys
from hardware.errors import Misconfigured

_PRIVATE = "cloud-sync-private-key-1"
_PUBLIC = "cloud-sync-public-key-1"
_MLKEM_PUBLIC_BYTES = 1184
_PUBLIC_BYTES = _MLKEM_PUBLIC_BYTES + 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Recipient:
    """One who may open batches: the public half."""

    name: str
    public_bytes: bytes

    @property
    def key_id(self) -> str:
        """16 hex digits that name this key in manifests."""
        return hashlib.sha256(self.public_bytes).hexdigest()[:16]

    def public_key(self) -> MLKEM768X25519PublicKey:
        """The key HPKE seals to.

        Raises:
            ValueError: when the bytes are no such key.
        """
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self.public_bytes[:_MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(self.public_bytes[_MLKEM_PUBLIC_BYTES:]),
        )


@dataclass(frozen=True)
class RecipientKey:
    """One who may open batches: the private half, held as its 32-byte seed."""

    name: str
    seed: bytes

    def __repr__(self) -> str:
        """Without the secret."""
        return f"RecipientKey({self.name!r}, {self.recipient().key_id})"

    def _halves(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        wide = hashlib.shake_256(self.seed).digest(96)
        return (
            MLKEM768PrivateKey.from_seed_bytes(wide[:64]),
            X25519PrivateKey.from_private_bytes(wide[64:]),
        )

    def private_key(self) -> MLKEM768X25519PrivateKey:
        """The key HPKE opens with."""
        return MLKEM768X25519PrivateKey(*self._halves())

    def recipient(self) -> Recipient:
        """The public half."""
        mlkem, x25519 = self._halves()
        public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        return Recipient(self.name, public)


def create_key(path: Path) -> tuple[Path, Path]:
    """Make a recipient's key pair: PATH.key (0600) and PATH.pub.

    Raises:
        Misconfigured: when either file exists, or cannot be written, or the name is no name.
    """
    name = path.name
    if not _NAME.fullmatch(name):
        raise Misconfigured(
            f"{name!r} cannot name a key", "Use letters, digits, '.', '_' or '-', at most 64."
        )
    private, public = path.with_name(f"{name}.key"), path.with_name(f"{name}.pub")
    for file in (private, public):
        if file.exists():
            raise Misconfigured(
                f"{file} exists already", "A key is never overwritten; choose another name."
            )
    key = RecipientKey(name, keys.new_secret())
    recipient = key.recipient()
    body = base64.b64encode(recipient.public_bytes).decode()
    keys.write_file(private, f"{_PRIVATE} {name} {recipient.key_id} {key.seed.hex()}\n".encode())
    keys.write_file(public, f"{_PUBLIC} {name} {recipient.key_id} {body}\n".encode(), 0o644)
    return private, public


def read_recipient(path: Path) -> Recipient:
    """The public key in a .pub file.

    Raises:
        Misconfigured: missing, not readable, or no public key.
    """
    name, key_id, body = _fields(path, _PUBLIC, "public key")
    try:
        recipient = Recipient(name, base64.b64decode(body, validate=True))
        if len(recipient.public_bytes) != _PUBLIC_BYTES or recipient.key_id != key_id:
            raise ValueError
        recipient.public_key()
    except (ValueError, binascii.Error) as error:
        raise Misconfigured(f"{path} was cut or edited", "Fetch the .pub file again.") from error
    return recipient


def read_recipient_key(path: Path) -> RecipientKey:
    """The private key in a .key file.

    Raises:
        Misconfigured: missing, not readable, or no private key.
    """
    name, key_id, body = _fields(path, _PRIVATE, "private key")
    try:
        key = RecipientKey(name, bytes.fromhex(body))
        if len(key.seed) != keys.KEY_BYTES or key.recipient().key_id != key_id:
            raise ValueError
    except ValueError as error:
        raise Misconfigured(f"{path} was cut or edited", "Fetch the .key file again.") from error
    return key


def _fields(path: Path, kind: str, what: str) -> tuple[str, str, str]:
    text = keys.read_file(path, f"the {what}").decode("ascii", errors="replace")
    parts = text.split()
    if len(parts) == 4 and parts[0] == kind:
        return parts[1], parts[2], parts[3]
    swapped = {_PUBLIC: " It holds a public key.", _PRIVATE: " It holds a private key."}
    raise Misconfigured(
        f"{path} holds no recipient's {what}",
        f"Use the file `cloud-sync keygen` wrote.{swapped.get(parts[0] if parts else '', '')}",
    )


def read_truck_public(text: str) -> bytes:
    """The truck's Ed25519 public key: 64 hex digits, or a file that holds them.

    Raises:
        Misconfigured: when it is neither.
    """
    if _HEX_KEY.fullmatch(text):
        return bytes.fromhex(text)
    return keys.read_key(Path(text), "truck public key")
