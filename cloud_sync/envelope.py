"""Key envelopes: a secret of 32 bytes, sealed to each recipient.

A batch's data key, or a rider's key. Suite: HPKE (RFC 9180) with X-Wing, HKDF-SHA256, AES-256-GCM;
or RSA-OAEP for a key that a key service holds. Each is bound to the SHA-256 of what it is for and
of the key id, so an envelope moved to another batch or another recipient does not open. The text
form is JSON, one entry a recipient, each naming its algorithm.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence

from cloud_sync.batch import BatchName
from cloud_sync.keyring import KeyHolder, Recipient
from cloud_sync.tampering import Tampered, Tampering
from hardware.errors import Misconfigured

DATA_KEY_BYTES = 32


class NotForThisKey(Misconfigured):
    """What is to be opened was sealed to others."""


def wrap_data_key(data_key: bytes, batch: BatchName, recipients: Sequence[Recipient]) -> str:
    """The envelope of a batch's data key, for all its recipients."""
    return seal_to(recipients, data_key, _batch_purpose(batch))


def unwrap_data_key(envelope: str, batch: BatchName, key: KeyHolder) -> bytes:
    """The data key, opened by one recipient.

    Raises:
        NotForThisKey: when the envelope was not made for this key.
        Damaged: when it was, and does not open.
    """
    return open_sealed(envelope, _batch_purpose(batch), f"batch {batch}", key)


def seal_to(recipients: Sequence[Recipient], secret: bytes, purpose: str) -> str:
    """The envelope of a secret; `purpose` says what it is for, and must be said again to open."""
    entries = [
        {
            "key": recipient.key_id,
            "algorithm": str(recipient.algorithm),
            "sealed": base64.b64encode(
                recipient.seal(secret, _info(purpose, recipient.key_id))
            ).decode(),
        }
        for recipient in recipients
    ]
    return json.dumps({"version": 1, "keys": entries}, separators=(",", ":"))


def open_sealed(envelope: str, purpose: str, what: str, key: KeyHolder) -> bytes:
    """The secret in an envelope; `what` names it in errors.

    Raises:
        NotForThisKey: when the envelope was not made for this key.
        Damaged: when it was, and does not open.
    """
    recipient = key.recipient()
    key_id = recipient.key_id
    try:
        entries = {e["key"]: e for e in json.loads(envelope)["keys"]}
        if key_id not in entries:
            raise wrong_key(what, key, list(entries))
        entry = entries[key_id]
        if entry["algorithm"] != recipient.algorithm:
            raise Tampered(
                Tampering.ENVELOPE_CLOSED,
                f"{what} uses the unknown key algorithm {entry['algorithm']!r}",
            )
        sealed = base64.b64decode(entry["sealed"], validate=True)
        secret = key.open(sealed, _info(purpose, key_id))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise Tampered(
            Tampering.ENVELOPE_CLOSED, f"the key of {what} does not open with key {key_id}"
        ) from error
    if len(secret) != DATA_KEY_BYTES:
        raise Tampered(Tampering.ENVELOPE_CLOSED, f"the key of {what} has {len(secret)} bytes")
    return secret


def wrong_key(what: str, key: KeyHolder, key_ids: Sequence[str]) -> NotForThisKey:
    """What to say when `what` was not sealed to `key`."""
    return NotForThisKey(
        f"key {key.name} ({key.recipient().key_id}) cannot open {what}",
        f"It was sealed to {', '.join(map(str, key_ids)) or 'nobody'}; use one of those keys.",
    )


def _batch_purpose(batch: BatchName) -> str:
    return f"truck.batch/1\0{batch.stream}\0{batch.seq}"


def _info(purpose: str, key_id: str) -> bytes:
    return hashlib.sha256(f"{purpose}\0{key_id}".encode()).digest()
