"""Opening: what one private key makes of a stream's objects.

Whoever pulls, verifies, converts or grants asks here, so that the ways to a data key stand in one
place: the envelope inside the object first, then a grant. Biometrics open with riders' keys too.
"""

import threading
from collections.abc import Mapping, Sequence

import pyarrow as pa

from cloud_sync.batch import BatchName
from cloud_sync.biometrics import RiderKey, is_sealed, open_rows
from cloud_sync.envelope import NotForThisKey, open_sealed, unwrap_data_key, wrong_key
from cloud_sync.erasure import Erasure
from cloud_sync.grant import GRANT_BYTES_MAX, grant_key, grant_prefix, rider_grant_key
from cloud_sync.keyring import KeyHolder
from cloud_sync.manifest import Manifest
from cloud_sync.remote import NotThere, Remote
from cloud_sync.rider_keys import (
    RIDER_KEY_BYTES_MAX,
    check_document,
    open_rider_key,
    purpose_of,
    read_rider_key,
    rider_key_key,
)
from cloud_sync.sealed_parquet import holds_rows, read_data_key, read_sealed
from cloud_sync.tampering import Tampered, Tampering
from hardware.errors import Damaged, Misconfigured

_NOBODY: Mapping[str, Erasure] = {}


class Opener:
    """Opens the objects of one stream with one private key; may be called from several threads.

    Args:
        remote: where grants and riders' keys are.
        stream: whose objects they are.
        key: the private key, wherever it is held.
        erased: riders' keys whose destruction is signed, see `KeyAudit`.
    """

    def __init__(
        self,
        remote: Remote,
        stream: str,
        key: KeyHolder,
        erased: Mapping[str, Erasure] = _NOBODY,
    ) -> None:
        self._remote, self._stream, self._key, self._erased = remote, stream, key, erased
        self._key_id = key.recipient().key_id
        self._lock = threading.Lock()
        self._riders: dict[str, RiderKey | None] = {}

    def check(self, chain: Sequence[Manifest]) -> None:
        """Say, before any object is fetched, when the key opens none or not all of a chain.

        Raises:
            NotForThisKey: when it opens none of them.
            Misconfigured: naming the first it does not open.
        """
        closed = [manifest for manifest in chain if self._key_id not in manifest.recipients]
        if closed:
            granted = set(self._remote.keys(grant_prefix(self._stream)))
            closed = [m for m in closed if grant_key(m.batch, self._key_id) not in granted]
        if not closed:
            return
        error = wrong_key(f"batch {closed[0].batch}", self._key, closed[0].recipients)
        raise error if len(closed) == len(chain) else Misconfigured(str(error))

    def data_key(self, data: bytes, manifest: Manifest) -> bytes:
        """The data key of a batch, from its object or a grant.

        Raises:
            NotForThisKey: when it was sealed to others.
            Damaged: when it does not open.
        """
        batch = manifest.batch
        return read_data_key(data, batch, lambda envelope: self._unwrap(envelope, batch))

    def open(self, data: bytes, manifest: Manifest) -> pa.Table:
        """The rows of an object, proven to be the ones its manifest names.

        Of biometrics an erased rider's rows are left out, and counted all the same.

        Raises:
            Damaged: when they are not, or it does not open.
        """
        batch, lo, hi = manifest.batch, manifest.lo, manifest.hi
        table = read_sealed(
            data, batch, lambda envelope: self._unwrap(envelope, batch), threads=False
        )
        if is_sealed(table):
            return open_rows(table, batch, lo, hi, self.rider_key)
        if table.num_rows != hi - lo:
            raise Tampered(
                Tampering.ROW_COUNT,
                f"the object of batch {batch} holds {table.num_rows} rows, its manifest names"
                f" {hi - lo}",
            )
        if not holds_rows(table, lo, hi):
            raise Tampered(
                Tampering.ROW_IDS,
                f"the object of batch {batch} holds other rows than {lo} to {hi}",
            )
        return table

    def rider_key(self, key_id: str) -> RiderKey | None:
        """A rider's key; None where its destruction is signed.

        Raises:
            NotForThisKey: when it was wrapped for others.
            Damaged: when it is missing, or does not open.
        """
        with self._lock:
            if key_id not in self._riders:
                self._riders[key_id] = self._fetch_rider_key(key_id)
            return self._riders[key_id]

    def _unwrap(self, envelope: str, batch: BatchName) -> bytes:
        try:
            return unwrap_data_key(envelope, batch, self._key)
        except NotForThisKey as error:
            granted = self._grant(grant_key(batch, self._key_id))
            if granted is None:
                raise error from None
            return unwrap_data_key(granted, batch, self._key)

    def _fetch_rider_key(self, key_id: str) -> RiderKey | None:
        stream = self._stream
        if key_id in self._erased:
            return None
        try:
            document = self._remote.get(rider_key_key(stream, key_id), RIDER_KEY_BYTES_MAX)
        except NotThere as error:
            raise Damaged(
                f"rider key {key_id} of {stream} is missing and no erasure speaks of it"
            ) from error
        try:
            return open_rider_key(stream, key_id, document, self._key)
        except NotForThisKey as error:
            granted = self._grant(rider_grant_key(stream, key_id, self._key_id))
            if granted is None:
                raise error from None
            check_document(stream, key_id, document)
            what = f"rider key {key_id} of {stream}"
            secret = open_sealed(granted, purpose_of(stream), what, self._key)
            return read_rider_key(stream, key_id, document, secret)

    def _grant(self, key: str) -> str | None:
        try:
            return self._remote.get(key, GRANT_BYTES_MAX).decode("ascii", "replace")
        except NotThere:
            return None
