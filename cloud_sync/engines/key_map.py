"""Key maps: the data keys of proven batches, sealed again for a cluster's own key.

Spark's Java knows no ML-KEM, so the cloud team's side opens each data key with its X-Wing key and
seals it to the RSA key of the cluster's key service; the data stays as it is. The map also names
every object that was proven and the rows it holds, so the cluster reads these files and no others:

    {"schema": "cloud-sync.key-map/1", "cluster_key": ID, "batches": [
      {"batch": "truck-1/000000000000", "object": KEY, "sha256": HEX, "size": BYTES,
       "rows": [LO, HI], "envelope": as in the file, one entry, for ID}, ...]}
"""

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from cloud_sync.audit import Audit, Progress, named_failure, open_object, prove_chain
from cloud_sync.envelope import wrap_data_key
from cloud_sync.fetching import fetch_object
from cloud_sync.keyring import Algorithm, KeyHolder, Recipient, read_recipient
from cloud_sync.manifest import Manifest
from cloud_sync.opening import Opener
from cloud_sync.remote import Remote
from hardware import keys
from hardware.errors import Misconfigured

SCHEMA = "cloud-sync.key-map/1"


def read_cluster_key(path: Path) -> Recipient:
    """A cluster's public RSA key: PEM as openssl and key services give it, or our .pub of one.

    Raises:
        Misconfigured: missing, or no RSA public key of 2,048 bits or more.
    """
    text = keys.read_file(path, "the cluster's public key")
    try:
        if text.startswith(b"-----BEGIN"):
            half = load_pem_public_key(text)
            der = half.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            recipient = Recipient(path.stem, der, Algorithm.RSA_OAEP)
        else:
            recipient = read_recipient(path)
        if recipient.algorithm is not Algorithm.RSA_OAEP:
            raise ValueError("another kind of key")
        recipient.public_key()
    except ValueError as error:
        raise Misconfigured(
            f"{path} holds no public RSA key of 2,048 bits or more",
            "Write it with `openssl pkey -in cluster.pem -pubout`, or fetch it from the service.",
        ) from error
    return recipient


def map_stream(
    remote: Remote,
    stream: str,
    truck: bytes,
    key: KeyHolder,
    cluster: Recipient,
    progress: Progress,
) -> tuple[Audit, list[dict[str, Any]]]:
    """Prove a stream, open every batch, and seal its data key to the cluster.

    Returns:
        What was proven, and an entry of the key map for each batch; whole when nothing failed.

    Raises:
        Misconfigured: the key opens none or not all of it.
    """
    audit, entries = Audit(stream), list[dict[str, Any]]()
    if not prove_chain(audit, remote, truck, ()):
        return audit, entries
    opener = audit.opener(remote, key)
    opener.check(audit.chain)
    for place, manifest in enumerate(audit.chain):
        with named_failure(audit):
            entries.append(_entry(fetch_object(remote, manifest), manifest, opener, cluster))
            audit.fetched += 1
        progress(place + 1, len(audit.chain))
    return audit, entries


def _entry(data: bytes, manifest: Manifest, opener: Opener, cluster: Recipient) -> dict[str, Any]:
    open_object(opener, data, manifest)  # its rows are proven before a key to them is handed on
    data_key = opener.data_key(data, manifest)
    return {
        "batch": str(manifest.batch),
        "object": manifest.key,
        "sha256": manifest.sha256,
        "size": manifest.size,
        "rows": [manifest.lo, manifest.hi],
        "envelope": wrap_data_key(data_key, manifest.batch, [cluster]),
    }
