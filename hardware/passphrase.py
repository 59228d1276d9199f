"""The authority's private keys under a passphrase: scrypt makes a key of it, AES-256-GCM seals.

A sealed key file is JSON, schema `truck.sealed-key/1`: `salt`, `nonce`, `sealed` in hex. The scrypt
figures (RFC 7914: n 2^17, r 8, p 1; 128 MiB and half a second a guess) belong to the schema. The
passphrase comes from the file that HARDWARE_PASSPHRASE_FILE names, or is asked on the terminal.
"""

import getpass
import json
import os
import sys
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hardware import keys
from hardware.errors import Misconfigured

VARIABLE = "HARDWARE_PASSPHRASE_FILE"
SCHEMA = "truck.sealed-key/1"
_CHARACTERS_MIN = 12
_MARK = b"{"


def seal(data: bytes, passphrase: str) -> bytes:
    """The bytes of a key file under a passphrase."""
    fresh = keys.new_secret()
    salt, nonce = fresh[:16], fresh[16:28]
    sealed = AESGCM(_stretch(passphrase, salt)).encrypt(nonce, data, SCHEMA.encode())
    document = {"schema": SCHEMA, "salt": salt.hex(), "nonce": nonce.hex(), "sealed": sealed.hex()}
    return json.dumps(document).encode() + b"\n"


def is_sealed(data: bytes) -> bool:
    """Whether the bytes of a key file are under a passphrase."""
    return data.startswith(_MARK)


def unseal(data: bytes, passphrase: str) -> bytes:
    """What was sealed.

    Raises:
        Misconfigured: another passphrase, or the file is damaged.
    """
    try:
        document = json.loads(data)
        if document["schema"] != SCHEMA:
            raise ValueError("another schema")
        salt, nonce, sealed = (bytes.fromhex(document[n]) for n in ("salt", "nonce", "sealed"))
        return AESGCM(_stretch(passphrase, salt)).decrypt(nonce, sealed, SCHEMA.encode())
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Misconfigured("the sealed key is damaged", "Take it from the copy.") from error
    except InvalidTag as error:
        raise Misconfigured(
            "that is not the passphrase of this event's keys", "Try again; nothing was changed."
        ) from error


def known(*, new: bool = False) -> str:
    """The passphrase, from the file that the environment names or from the terminal.

    Args:
        new: it is being chosen: asked twice, and refused where it is shorter than 12 characters.

    Raises:
        Misconfigured: there is nobody to ask, the two differ, or it is too short.
    """
    file = os.environ.get(VARIABLE)
    if file:
        phrase = keys.read_file(Path(file), "passphrase").decode(errors="replace").rstrip("\r\n")
    elif sys.stdin.isatty():
        phrase = getpass.getpass("passphrase of the event's keys: ")
        if new and getpass.getpass("once more: ") != phrase:
            raise Misconfigured("the two passphrases differ", "Begin again; nothing was made.")
    else:
        raise Misconfigured(
            "the event's keys are under a passphrase and there is no terminal to ask on",
            f"Name a file that holds it in {VARIABLE}.",
        )
    if new and len(phrase) < _CHARACTERS_MIN:
        raise Misconfigured(
            f"the passphrase is shorter than {_CHARACTERS_MIN} characters",
            "Take four or five words.",
        )
    return phrase


def _stretch(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=1 << 17, r=8, p=1).derive(passphrase.encode())
