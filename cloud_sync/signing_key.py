"""Signing keys as files: of the key sets' root, the cloud team and the remote team; Ed25519."""

from pathlib import Path

from hardware import keys
from hardware.errors import Misconfigured
from hardware.signing import SigningKey


def create_signing_key(name: Path) -> tuple[SigningKey, Path, Path]:
    """Make a key and its files: NAME.key (0600) and NAME.pub.

    Raises:
        Misconfigured: when either file exists, or cannot be written.
    """
    private, public = (name.with_name(f"{name.name}.{kind}") for kind in ("key", "pub"))
    for file in (private, public):
        if file.exists():
            raise Misconfigured(
                f"{file} exists already", "A key is never overwritten; choose another name."
            )
    key = SigningKey(keys.new_secret())
    keys.write_key(private, key.seed)
    keys.write_file(public, key.public.hex().encode() + b"\n", 0o644)
    return key, private, public
