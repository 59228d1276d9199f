"""Manifests: the signed, chained record of what was sealed; pure, no input or output.

A manifest is a DSSE document signed by the truck. It says which rows of which stream an object
holds, who may open it and by which key set, and its `prev` is the hash of the payload before it, so
that the head speaks for all before. Nothing about riders, times or places stands in it.

Version 2 adds `keyset`, the version of the key set in force (null where recipients were named one
by one), and `rider_keys`, the ids of the rider keys that this batch is the first to use. Version 1
is still read.
"""

import base64
import datetime as dt
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloud_sync.batch import BatchName
from cloud_sync.tampering import Tampered, Tampering, refused_as
from hardware.errors import Reason, Refused
from hardware.signing import SigningKey, open_exact_document, sign_document

PAYLOAD_TYPE = "application/vnd.truck.manifest+json"
ENVELOPE_BYTES_MAX = 1 << 19  # a first batch of biometrics names some 50 bytes a rider
NO_PREVIOUS = "0" * 64
_VERSION = 2
_FIELDS_1 = {
    "version", "stream", "seq", "prev", "rows", "object", "recipients", "sealed_at",
}  # fmt: skip
_FIELDS = {1: _FIELDS_1, 2: _FIELDS_1 | {"keyset", "rider_keys"}}
_RIDER_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Manifest:
    """One link of a stream's chain; rows are [lo, hi), `digest` is the payload's SHA-256."""

    batch: BatchName
    prev: str
    lo: int
    hi: int
    key: str
    sha256: str
    size: int
    recipients: tuple[str, ...]
    sealed_at: str
    digest: str
    keyset: int | None = None
    rider_keys: tuple[str, ...] = ()


def sign_manifest(
    batch: BatchName,
    *,
    prev: str,
    rows: tuple[int, int],
    sha256: str,
    size: int,
    recipients: Sequence[str],
    now_s: float,
    key: SigningKey,
    keyset: int | None = None,
    rider_keys: Sequence[str] = (),
) -> tuple[bytes, str]:
    """The signed manifest of a batch and its digest; `prev` is the one before, or NO_PREVIOUS."""
    payload = {
        "version": _VERSION,
        "stream": batch.stream,
        "seq": batch.seq,
        "prev": prev,
        "rows": list(rows),
        "object": {"key": batch.object_key(sha256), "sha256": sha256, "size": size},
        "recipients": list(recipients),
        "keyset": keyset,
        "rider_keys": list(rider_keys),
        "sealed_at": dt.datetime.fromtimestamp(now_s, dt.UTC).isoformat(),
    }
    envelope = sign_document(payload, PAYLOAD_TYPE, key)
    signed = base64.b64decode(json.loads(envelope)["payload"])
    return envelope, hashlib.sha256(signed).hexdigest()


def open_manifest(envelope: bytes, truck: bytes) -> Manifest:
    """The manifest in a DSSE envelope signed by `truck`.

    Raises:
        Refused: MALFORMED, VERSION or SIGNATURE; any changed byte is one of them.
    """
    payload, signed = open_exact_document(envelope, PAYLOAD_TYPE, truck)
    version = payload.get("version")
    if type(version) is not int or version not in _FIELDS:
        raise Refused(Reason.VERSION, f"manifest version {payload.get('version')!r}")
    if not _is_well_formed(payload):
        raise Refused(Reason.MALFORMED, "manifest fields")
    return Manifest(
        batch=BatchName(payload["stream"], payload["seq"]),
        prev=payload["prev"],
        lo=payload["rows"][0],
        hi=payload["rows"][1],
        key=payload["object"]["key"],
        sha256=payload["object"]["sha256"],
        size=payload["object"]["size"],
        recipients=tuple(payload["recipients"]),
        sealed_at=payload["sealed_at"],
        digest=hashlib.sha256(signed).hexdigest(),
        keyset=payload.get("keyset"),
        rider_keys=tuple(payload.get("rider_keys", ())),
    )


def check_chain(stream: str, envelopes: Sequence[bytes], truck: bytes) -> list[Manifest]:
    """The manifests 0, 1, 2, ... of a stream, each proven to be the one that belongs there.

    Raises:
        Tampered: naming the first that does not, and why.
    """
    chain: list[Manifest] = []
    for seq, envelope in enumerate(envelopes):
        place = BatchName(stream, seq)
        manifest = open_at(place, envelope, truck)
        check_link(place, chain[-1] if chain else None, manifest)
        chain.append(manifest)
    return chain


def open_at(place: BatchName, envelope: bytes, truck: bytes) -> Manifest:
    """The manifest served at a place.

    Raises:
        Tampered: when the truck did not write it.
    """
    try:
        return open_manifest(envelope, truck)
    except Refused as error:
        name = refused_as("manifest", envelope, PAYLOAD_TYPE, truck, error)
        sentence = f"manifest {place} is not one the truck signed: {error}"
        raise Tampered(Tampering(name), sentence) from error


def check_link(place: BatchName, before: Manifest | None, manifest: Manifest) -> None:
    """Raise Tampered unless `manifest` stands at `place` and follows `before`."""
    batch = manifest.batch
    if batch.stream != place.stream:
        raise Tampered(
            Tampering.MANIFEST_OTHER_STREAM,
            f"manifest {place} is of another stream, {batch.stream}",
        )
    if batch.seq < place.seq:
        raise Tampered(
            Tampering.MANIFEST_REPLAYED, f"manifest {place} is a replay of manifest {batch}"
        )
    if batch.seq > place.seq:
        raise Tampered(
            Tampering.MANIFEST_REORDERED,
            f"manifest {place} is manifest {batch}, served before its turn",
        )
    if manifest.prev != (before.digest if before else NO_PREVIOUS):
        raise Tampered(
            Tampering.CHAIN_FORKED,
            f"manifest {place} does not follow the one served before it: the chain forks",
        )
    lo = before.hi if before else 0
    if manifest.lo != lo or manifest.hi <= lo:
        kind = Tampering.ROWS_MISSING if manifest.lo > lo else Tampering.ROWS_REPEATED
        raise Tampered(
            Tampering.ROWS_NONE if manifest.lo == lo else kind,
            f"manifest {place} holds rows {manifest.lo} to {manifest.hi}, row {lo} is next",
        )
    if manifest.key != batch.object_key(manifest.sha256):
        raise Tampered(
            Tampering.OBJECT_NAME,
            f"manifest {place} names an object outside its place: {manifest.key!r}",
        )


def _is_well_formed(payload: dict[str, Any]) -> bool:
    rows, thing, recipients = payload.get("rows"), payload.get("object"), payload.get("recipients")
    return (
        payload.keys() == _FIELDS[payload["version"]]
        and all(isinstance(payload[name], str) for name in ("stream", "prev", "sealed_at"))
        and type(payload["seq"]) is int
        and payload["seq"] >= 0
        and isinstance(rows, list)
        and len(rows) == 2
        and all(type(row) is int for row in rows)
        and isinstance(thing, dict)
        and thing.keys() == {"key", "sha256", "size"}
        and isinstance(thing["key"], str)
        and isinstance(thing["sha256"], str)
        and type(thing["size"]) is int
        and isinstance(recipients, list)
        and all(isinstance(key_id, str) for key_id in recipients)
        and _is_keyset(payload.get("keyset"))
        and _are_rider_keys(payload.get("rider_keys", []))
    )


def _is_keyset(version: Any) -> bool:
    return version is None or (type(version) is int and version >= 1)


def _are_rider_keys(ids: Any) -> bool:
    return isinstance(ids, list) and all(
        isinstance(one, str) and _RIDER_KEY.fullmatch(one) for one in ids
    )
