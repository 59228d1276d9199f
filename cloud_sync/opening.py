"""Opening: what one private key makes of a stream's objects.

Whoever pulls, verifies, converts or grants asks here, so that the ways to a data key stand in one
place: the envelope inside the object first, which names its recipients.
"""

from collections.abc import Sequence

import pyarrow as pa

from cloud_sync.envelope import unwrap_data_key, wrong_key
from cloud_sync.keyring import KeyHolder
from cloud_sync.manifest import Manifest
from cloud_sync.remote import Remote
from cloud_sync.sealed_parquet import holds_rows, read_sealed
from hardware.errors import Damaged, Misconfigured


class Opener:
    """Opens the objects of one stream with one private key; may be called from several threads."""

    def __init__(self, remote: Remote, stream: str, key: KeyHolder) -> None:
        self._remote, self._stream, self._key = remote, stream, key

    def check(self, chain: Sequence[Manifest]) -> None:
        """Say, before any object is fetched, when the key opens none or not all of a chain.

        Raises:
            NotForThisKey: when it opens none of them.
            Misconfigured: naming the first it does not open.
        """
        key_id = self._key.recipient().key_id
        closed = [manifest for manifest in chain if key_id not in manifest.recipients]
        if not closed:
            return
        error = wrong_key(f"batch {closed[0].batch}", self._key, closed[0].recipients)
        if len(closed) == len(chain):
            raise error
        raise Misconfigured(str(error))

    def data_key(self, envelope: str, manifest: Manifest) -> bytes:
        """The data key of a batch, from the envelope in its object.

        Raises:
            NotForThisKey: when it was sealed to others.
            Damaged: when it does not open.
        """
        return unwrap_data_key(envelope, manifest.batch, self._key)

    def open(self, data: bytes, manifest: Manifest) -> pa.Table:
        """The rows of an object, proven to be the ones its manifest names.

        Raises:
            Damaged: when they are not, or it does not open.
        """
        batch = manifest.batch
        table = read_sealed(data, batch, lambda envelope: self.data_key(envelope, manifest))
        if table.num_rows != manifest.hi - manifest.lo:
            raise Damaged(
                f"the object of batch {batch} holds {table.num_rows} rows, its manifest names"
                f" {manifest.hi - manifest.lo}"
            )
        if not holds_rows(table, manifest.lo, manifest.hi):
            raise Damaged(
                f"the object of batch {batch} holds other rows than {manifest.lo} to {manifest.hi}"
            )
        return table
