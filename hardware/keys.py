"""Key files: one secret or public key a file, readable by its owner only, written whole.

A credentials folder is what one machine holds of an event: its own private keys, its TLS
certificate, the event's CA, the authority's public key and the roster. It lives off the data
disk where the operator can arrange that (a USB stick, a systemd credential).
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hardware.errors import Misconfigured
from hardware.roster import Roster, open_roster
from hardware.signing import SigningKey

KEY_BYTES = 32


def new_secret() -> bytes:
    """32 random bytes: an Ed25519 seed, an X25519 scalar or a symmetric key."""
    return secrets.token_bytes(KEY_BYTES)


def box_public(private: bytes) -> bytes:
    """The X25519 public key of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable.

    Raises:
        OSError: when the disk fails.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file whole or not at all: temporary name, fsync, rename, fsync of the folder.

    Raises:
        Misconfigured: when the folder is full, read-only or missing.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            rest = memoryview(data)
            while rest:  # a nearly full disk takes a part and says so only on the next write
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Misconfigured(
            f"cannot write {path}: {error.strerror}", "Free some space or choose another folder."
        ) from error


def read_file(path: Path, what: str) -> bytes:
    """The bytes of a credential.

    Raises:
        Misconfigured: when it is missing or not readable.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"cannot read {what} at {path}: {error.strerror}",
            "Mount the key stick, or point `credentials` at the folder that holds it.",
        ) from error


def read_key(path: Path, what: str) -> bytes:
    """A 32-byte key, kept as 64 hex digits.

    Raises:
        Misconfigured: missing, not readable, or no key.
    """
    text = read_file(path, what)
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise Misconfigured(f"{path} holds no {what}", "It must be 64 hex digits on one line.")
    return key


def write_key(path: Path, key: bytes) -> None:
    """Keep a 32-byte key as 64 hex digits."""
    write_file(path, key.hex().encode() + b"\n")


@dataclass(frozen=True)
class Credentials:
    """What one machine holds of an event, by file name."""

    folder: Path

    @property
    def tls(self) -> tuple[Path, Path, Path]:
        """Paths of the CA certificate, our certificate and our TLS key."""
        return self.folder / "ca.crt", self.folder / "tls.crt", self.folder / "tls.key"

    def check_tls(self) -> None:
        """Refuse early and in one sentence what TLS would refuse later and darkly.

        Raises:
            Misconfigured: when a file is missing or not readable.
        """
        for path, what in zip(
            self.tls, ("CA certificate", "TLS certificate", "TLS key"), strict=True
        ):
            read_file(path, what)

    def certificate_to_s(self) -> int:
        """When our certificate ends, seconds since 1970.

        Raises:
            Misconfigured: missing, not readable, or no certificate.
        """
        pem = read_file(self.tls[1], "TLS certificate")
        try:
            certificate = x509.load_pem_x509_certificate(pem)
        except ValueError as error:
            raise Misconfigured(
                f"{self.tls[1]} is no certificate", "Fetch the node's credentials again."
            ) from error
        return int(certificate.not_valid_after_utc.timestamp())

    def signing_key(self, name: str) -> SigningKey:
        """The private signing key `name`.key."""
        return SigningKey(read_key(self.folder / f"{name}.key", f"{name} signing key"))

    def secret(self, name: str) -> bytes:
        """The secret `name`.key."""
        return read_key(self.folder / f"{name}.key", f"{name} key")

    def authority(self) -> bytes:
        """The authority's public key."""
        return read_key(self.folder / "authority.pub", "authority public key")

    def roster_bytes(self) -> bytes:
        """The roster as signed."""
        return read_file(self.folder / "roster.json", "roster")

    def roster(self) -> Roster:
        """The roster, its signature proven."""
        return open_roster(self.roster_bytes(), self.authority())
