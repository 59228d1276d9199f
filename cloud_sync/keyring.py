"""Recipients' keys: X-Wing (ML-KEM-768 with X25519), one a file, in text that says what it is.

    NAME.key   cloud-sync-private-key-1 NAME ID SEED   SEED: 32 bytes, hex; for its owner only
    NAME.pub   cloud-sync-public-key-1 NAME ID KEY     KEY: 1,216 bytes, base64
    NAME.pub   cloud-sync-kms-public-key-1 NAME ID KEY   KEY: RSA in a key service, DER, base64

A seed expands to both keys with SHAKE-256 as draft-connolly-cfrg-xwing-kem has it; ID is the first
64 bits of the SHA-256 of the public key, so a file that was cut or edited is noticed.

What is sealed is bound to `info`, 32 bytes that say what it is for. HPKE takes them by itself;
RSA-OAEP cannot, so there they are sealed beside the secret and compared.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hardware import keys
from hardware.errors import Misconfigured

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_RSA_BITS_MIN = 2048
_PRIVATE = "cloud-sync-private-key-1"
_PUBLIC = "cloud-sync-public-key-1"
_KMS_PUBLIC = "cloud-sync-kms-public-key-1"
_MLKEM_PUBLIC_BYTES = 1184
_PUBLIC_BYTES = _MLKEM_PUBLIC_BYTES + 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")


class Algorithm(StrEnum):
    """How a secret is sealed to a recipient; the name that envelopes and key sets carry."""

    XWING = "hpke-xwing-hkdf-sha256-aes-256-gcm"
    RSA_OAEP = "rsa-oaep-sha256"


@dataclass(frozen=True)
class Recipient:
    """One who may open batches: the public half, raw for X-Wing, DER for RSA."""

    name: str
    public_bytes: bytes
    algorithm: Algorithm = Algorithm.XWING

    @cached_property
    def key_id(self) -> str:
        """16 hex digits that name this key in manifests."""
        return hashlib.sha256(self.public_bytes).hexdigest()[:16]

    def public_key(self) -> MLKEM768X25519PublicKey | RSAPublicKey:
        """The key secrets are sealed to.

        Raises:
            ValueError: when the bytes are no such key.
        """
        if self.algorithm is Algorithm.RSA_OAEP:
            key = load_der_public_key(self.public_bytes)
            if not isinstance(key, RSAPublicKey) or key.key_size < _RSA_BITS_MIN:
                raise ValueError(f"no RSA key of {_RSA_BITS_MIN} bits or more")
            return key
        if len(self.public_bytes) != _PUBLIC_BYTES:
            raise ValueError("no X-Wing key")
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self.public_bytes[:_MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(self.public_bytes[_MLKEM_PUBLIC_BYTES:]),
        )

    @cached_property
    def _key(self) -> MLKEM768X25519PublicKey | RSAPublicKey:
        return self.public_key()

    def seal(self, secret: bytes, info: bytes) -> bytes:
        """A secret of 32 bytes, for this recipient alone, bound to `info` (32 bytes)."""
        key = self._key
        if isinstance(key, RSAPublicKey):
            return key.encrypt(secret + info, OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None))
        return bytes(_SUITE.encrypt(secret, key, info))


class KeyHolder(Protocol):
    """One who may open batches: the private half, wherever it is kept."""

    @property
    def name(self) -> str:
        """As its owner calls it."""
        ...

    def recipient(self) -> Recipient:
        """The public half."""
        ...

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """What was sealed for this key and `info`.

        Raises:
            ValueError: when it was not.
            Unavailable, Misconfigured: when the key is kept elsewhere and cannot be used now.
        """
        ...


@dataclass(frozen=True)
class RecipientKey:
    """One who may open batches: the private half, held as its 32-byte seed."""

    name: str
    seed: bytes

    def __repr__(self) -> str:
        """Without the secret."""
        return f"RecipientKey({self.name!r}, {self.recipient().key_id})"

    @cached_property
    def _halves(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        wide = hashlib.shake_256(self.seed).digest(96)
        return (
            MLKEM768PrivateKey.from_seed_bytes(wide[:64]),
            X25519PrivateKey.from_private_bytes(wide[64:]),
        )

    def private_key(self) -> MLKEM768X25519PrivateKey:
        """The key HPKE opens with."""
        return MLKEM768X25519PrivateKey(*self._halves)

    def recipient(self) -> Recipient:
        """The public half."""
        return self._recipient

    @cached_property
    def _recipient(self) -> Recipient:
        mlkem, x25519 = self._halves
        public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        return Recipient(self.name, public)

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """See KeyHolder."""
        try:
            return bytes(_SUITE.decrypt(sealed, self.private_key(), info))
        except InvalidTag as error:
            raise ValueError("not sealed for this key and purpose") from error


def create_key(path: Path) -> tuple[Path, Path]:
    """Make a recipient's key pair: PATH.key (0600) and PATH.pub.

    Raises:
        Misconfigured: when either file exists, or cannot be written, or the name is no name.
    """
    name = _check_name(path.name)
    private, public = path.with_name(f"{name}.key"), path.with_name(f"{name}.pub")
    _refuse_existing(private, public)
    key = RecipientKey(name, keys.new_secret())
    recipient = key.recipient()
    keys.write_file(private, f"{_PRIVATE} {name} {recipient.key_id} {key.seed.hex()}\n".encode())
    write_recipient(public, recipient)
    return private, public


def write_kms_recipient(path: Path, arn: str) -> Path:
    """Write PATH.pub for a key that AWS KMS holds.

    Raises:
        Misconfigured: when the file exists, or the service refuses, or its key is of another kind.
        Unavailable: when the service does not answer.
    """
    try:
        from cloud_sync.kms import KmsKey
    except ImportError as error:
        raise _no_boto3(f"kms:{arn}") from error
    public = path.with_name(f"{_check_name(path.name)}.pub")
    _refuse_existing(public)
    write_recipient(public, KmsKey(arn).recipient(path.name))
    return public


def _no_boto3(name: str) -> Misconfigured:
    return Misconfigured(f"{name} needs boto3", "Install big-data-truck[kms] on this machine.")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Misconfigured(
            f"{name!r} cannot name a key", "Use letters, digits, '.', '_' or '-', at most 64."
        )
    return name


def _refuse_existing(*files: Path) -> None:
    for file in files:
        if file.exists():
            raise Misconfigured(
                f"{file} exists already", "A key is never overwritten; choose another name."
            )


def write_recipient(path: Path, recipient: Recipient) -> None:
    """Write a .pub file.

    Raises:
        Misconfigured: when it cannot be written.
    """
    kind = _PUBLIC if recipient.algorithm is Algorithm.XWING else _KMS_PUBLIC
    body = base64.b64encode(recipient.public_bytes).decode()
    keys.write_file(path, f"{kind} {recipient.name} {recipient.key_id} {body}\n".encode(), 0o644)


def read_recipient(path: Path) -> Recipient:
    """The public key in a .pub file.

    Raises:
        Misconfigured: missing, not readable, or no public key.
    """
    kind, name, key_id, body = _fields(path, (_PUBLIC, _KMS_PUBLIC), "public key")
    algorithm = Algorithm.RSA_OAEP if kind == _KMS_PUBLIC else Algorithm.XWING
    try:
        recipient = Recipient(name, base64.b64decode(body, validate=True), algorithm)
        if recipient.key_id != key_id:
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
    _, name, key_id, body = _fields(path, (_PRIVATE,), "private key")
    try:
        key = RecipientKey(name, bytes.fromhex(body))
        if len(key.seed) != keys.KEY_BYTES or key.recipient().key_id != key_id:
            raise ValueError
    except ValueError as error:
        raise Misconfigured(f"{path} was cut or edited", "Fetch the .key file again.") from error
    return key


def open_holder(name: str) -> KeyHolder:
    """The private key in a .key file, or at a key service as kms:ARN.

    Raises:
        Misconfigured: missing, not readable, no private key, or one that cannot decrypt.
        Unavailable: when the key service does not answer.
    """
    service, _, arn = name.partition(":")
    if service == "kms":
        try:
            from cloud_sync.kms import KmsKey
        except ImportError as error:
            raise _no_boto3(name) from error
        return KmsKey(arn)
    return read_recipient_key(Path(name))


def _fields(path: Path, kinds: tuple[str, ...], what: str) -> tuple[str, str, str, str]:
    text = keys.read_file(path, f"the {what}").decode("ascii", errors="replace")
    parts = text.split()
    if len(parts) == 4 and parts[0] in kinds:
        return parts[0], parts[1], parts[2], parts[3]
    swapped = {_PUBLIC: " It holds a public key.", _PRIVATE: " It holds a private key."}
    raise Misconfigured(
        f"{path} holds no recipient's {what}",
        f"Use the file `cloud-sync keygen` wrote.{swapped.get(parts[0] if parts else '', '')}",
    )


def read_truck_public(text: str, what: str = "truck public key") -> bytes:
    """An Ed25519 public key, the truck's or `what`: 64 hex digits, or a file that holds them.

    Raises:
        Misconfigured: when it is neither.
    """
    if _HEX_KEY.fullmatch(text):
        return bytes.fromhex(text)
    return keys.read_key(Path(text), what)
