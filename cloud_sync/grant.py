"""Grants: old batches opened to a new recipient, their objects untouched.

A grant is an envelope, as it stands inside a batch, for the new recipient alone: made by one who
can open the batch, stored as an object of its own, and bound to batch and recipient, so that in
another place it opens nothing. Riders' keys are granted the same way.

    <stream>/keys/grants/<seq:012d>-<key id>.json         a batch's data key
    <stream>/keys/grants/rider-<rider key>-<key id>.json  a rider's key
"""

from cloud_sync.batch import BatchName, keys_prefix
from cloud_sync.envelope import seal_to, wrap_data_key
from cloud_sync.keyring import Recipient
from cloud_sync.rider_keys import purpose_of

GRANT_BYTES_MAX = 16384


def grant_prefix(stream: str) -> str:
    """The folder of a stream's grants."""
    return f"{keys_prefix(stream)}grants/"


def grant_key(batch: BatchName, key_id: str) -> str:
    """Where the grant of a batch to a recipient is stored."""
    return f"{grant_prefix(batch.stream)}{batch.seq:012d}-{key_id}.json"


def rider_grant_key(stream: str, rider_key: str, key_id: str) -> str:
    """Where the grant of a rider's key to a recipient is stored."""
    return f"{grant_prefix(stream)}rider-{rider_key}-{key_id}.json"


def grant_batch(batch: BatchName, data_key: bytes, to: Recipient) -> tuple[str, bytes]:
    """The grant of a batch: key and bytes of its object."""
    return grant_key(batch, to.key_id), wrap_data_key(data_key, batch, [to]).encode()


def grant_rider(stream: str, rider_key: str, secret: bytes, to: Recipient) -> tuple[str, bytes]:
    """The grant of a rider's key: key and bytes of its object."""
    envelope = seal_to([to], secret, purpose_of(stream))
    return rider_grant_key(stream, rider_key, to.key_id), envelope.encode()
