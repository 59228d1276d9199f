"""Key envelopes: a batch's data key, sealed to each recipient with HPKE (RFC 9180).

Suite: X-Wing KEM, HKDF-SHA256, AES-256-GCM; `info` = SHA-256 of format, stream, seq and key id, so
an envelope moved to another batch or another recipient does not open. The text form is JSON, one
entry a recipient, each naming its algorithm, so that another kind of holder (a KMS) can stand
beside it.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from cloud_sync.batch import BatchName
from cloud_sync.keyring import Recipient, RecipientKey
from hardware.errors import Damaged, Misconfigured

DATA_KEY_BYTES = 32
_ALGORITHM = "hpke-xwing-hkdf-sha256-aes-256-gcm"
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def wrap_data_key(data_key: bytes, batch: BatchName, recipients: Sequence[Recipient]) -> str:
    """The envelope of a batch's data key, for all its recipients."""
    entries = [
        {
            "key": recipient.key_id,
            "algorithm": _ALGORITHM,
            "sealed": base64.b64encode(
                _SUITE.encrypt(data_key, recipient.public_key(), _info(batch, recipient.key_id))
            ).decode(),
        }
        for recipient in recipients
    ]
    return json.dumps({"version": 1, "keys": entries}, separators=(",", ":"))


def unwrap_data_key(envelope: str, batch: BatchName, key: RecipientKey) -> bytes:
    """The data key, opened by one recipient.

    Raises:
        Misconfigured: when the envelope was not made for this key.
        Damaged: when it was, and does not open.
    """
    key_id = key.recipient().key_id
    try:
        entries = {e["key"]: e for e in json.loads(envelope)["keys"]}
        if key_id not in entries:
            raise wrong_key(batch, key, list(entries))
        entry = entries[key_id]
        if entry["algorithm"] != _ALGORITHM:
            raise Damaged(f"batch {batch} uses the unknown key algorithm {entry['algorithm']!r}")
        sealed = base64.b64decode(entry["sealed"], validate=True)
        data_key = _SUITE.decrypt(sealed, key.private_key(), _info(batch, key_id))
    except (InvalidTag, ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise Damaged(f"the data key of batch {batch} does not open with key {key_id}") from error
    if len(data_key) != DATA_KEY_BYTES:
        raise Damaged(f"the data key of batch {batch} has {len(data_key)} bytes")
    return data_key


def wrong_key(batch: BatchName, key: RecipientKey, key_ids: Sequence[str]) -> Misconfigured:
    """What to say when a batch was not sealed to `key`."""
    return Misconfigured(
        f"key {key.name} ({key.recipient().key_id}) cannot open batch {batch}",
        f"It was sealed to {', '.join(map(str, key_ids)) or 'nobody'}; use one of those keys.",
    )


def _info(batch: BatchName, key_id: str) -> bytes:
    text = f"truck.batch/1\0{batch.stream}\0{batch.seq}\0{key_id}"
    return hashlib.sha256(text.encode()).digest()
