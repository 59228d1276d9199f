"""Auditing a remote: nobody is trusted, and whatever does not hold is named.

First the manifests: all of them, from 0, without a gap, signed by the truck, each following the
one before, and the head seen last time among them. Then each object: size, SHA-256, and, with a
private key, opened in its own context, its rows the ones its manifest names.
"""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud_sync.batch import BatchName, check_stream, data_prefix, manifest_prefix
from cloud_sync.key_audit import KeyAudit, Trust, audit_keys
from cloud_sync.keyring import KeyHolder
from cloud_sync.manifest import ENVELOPE_BYTES_MAX, Manifest, check_chain
from cloud_sync.opening import Opener
from cloud_sync.packs import FIRST_PART
from cloud_sync.remote import NotThere, Remote
from hardware.errors import Damaged, Misconfigured

SUMMARY = "pull.json"
_THREADS = 8
_MANIFEST = re.compile(r"\d{12}\.json", re.ASCII)

NOBODY_ELSE = Trust()

Progress = Callable[[int, int], None]


@dataclass
class Audit:
    """What a stream of the remote proved to hold."""

    stream: str
    chain: list[Manifest] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    fetched: int = 0
    keys: KeyAudit | None = None

    def opener(self, remote: Remote, key: KeyHolder) -> Opener:
        """What opens the objects of this stream with `key`."""
        return Opener(remote, self.stream, key, self.keys.erased if self.keys else {})

    def summary(self) -> dict[str, Any]:
        """As it is shown and, after a pull, kept."""
        head = self.chain[-1] if self.chain else None
        return {
            "stream": self.stream,
            "verified": not self.failures,
            "batches": len(self.chain),
            "rows": head.hi if head else 0,
            "bytes": sum(manifest.size for manifest in self.chain),
            "head": {"seq": head.batch.seq, "sha256": head.digest} if head else None,
            "sealed_at": head.sealed_at if head else None,
            "fetched": self.fetched,
            **(self.keys.summary() if self.keys else {}),
            "unlisted": self.unlisted,
            "failures": self.failures,
        }


def find_streams(remote: Remote, stream: str | None, known: Path | None = None) -> list[str]:
    """The stream asked for, or all that the remote holds or `known` was pulled from.

    Raises:
        Misconfigured: when there is none.
    """
    if stream is not None:
        return [check_stream(stream)]
    pulled = {path.parent.name for path in known.glob(f"*/{SUMMARY}")} if known else set()
    found = sorted(pulled.union(remote.streams()) - {FIRST_PART})
    if not found:
        raise Misconfigured(
            f"{remote.name} holds no stream", "Check the address, or push to it first."
        )
    return [check_stream(name) for name in found]


def verify_stream(
    remote: Remote,
    stream: str,
    truck: bytes,
    key: KeyHolder | None,
    progress: Progress,
    trust: Trust = NOBODY_ELSE,
) -> Audit:
    """Prove chain and objects, without publishing; with a key also that each object opens."""
    audit = Audit(stream)
    if not prove_chain(audit, remote, truck, None, trust):
        return audit
    opener = None if key is None else audit.opener(remote, key)
    if opener is not None:
        opener.check(audit.chain)
    for place, manifest in enumerate(audit.chain):
        with named_failure(audit):
            data = fetch_object(remote, manifest)
            audit.fetched += 1
            if opener is not None:
                opener.open(data, manifest)
        progress(place + 1, len(audit.chain))
    return audit


def fetch_object(remote: Remote, manifest: Manifest) -> bytes:
    """The object of a manifest, its size and SHA-256 proven.

    Raises:
        Damaged: naming the batch and what is wrong.
    """
    try:
        data = remote.get(manifest.key, manifest.size)
    except NotThere as error:
        raise Damaged(f"the object of batch {manifest.batch} is missing: {manifest.key}") from error
    if len(data) != manifest.size:
        than = "longer" if len(data) > manifest.size else "shorter"
        raise Damaged(
            f"the object of batch {manifest.batch} is {than} than the {manifest.size} bytes its"
            f" manifest names: {manifest.key}"
        )
    if hashlib.sha256(data).hexdigest() != manifest.sha256:
        raise Damaged(
            f"the object of batch {manifest.batch} is not the one its manifest names (SHA-256):"
            f" {manifest.key}"
        )
    return data


def prove_chain(
    audit: Audit,
    remote: Remote,
    truck: bytes,
    head: dict[str, Any] | None,
    trust: Trust = NOBODY_ELSE,
) -> bool:
    """Fill in the chain, its keys, objects it does not name, and if it ends where it was seen."""
    with named_failure(audit):
        envelopes = _fetch_manifests(remote, audit.stream)
        audit.chain = check_chain(audit.stream, envelopes, truck)
        if not audit.chain and not head:
            raise Damaged(f"stream {audit.stream} has no manifest in {remote.name}")
        if head:
            _check_seen(audit, head)
        listed = {manifest.key for manifest in audit.chain}
        served = remote.keys(data_prefix(audit.stream))
        audit.unlisted = [name for name in served if name not in listed]
        audit.keys = audit_keys(remote, audit.stream, audit.chain, trust)
        audit.failures += audit.keys.failures
    return not audit.failures


def _fetch_manifests(remote: Remote, stream: str) -> list[bytes]:
    prefix = manifest_prefix(stream)
    names = [key for key in remote.keys(prefix) if _MANIFEST.fullmatch(key.removeprefix(prefix))]
    for seq, name in enumerate(names):
        if name != BatchName(stream, seq).manifest_key():
            raise Damaged(f"manifest {BatchName(stream, seq)} is missing, yet {name} is there")
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda name: remote.get(name, ENVELOPE_BYTES_MAX), names))


def _check_seen(audit: Audit, head: dict[str, Any]) -> None:
    """Raise Damaged unless the head of the last pull is still part of the chain."""
    place = BatchName(audit.stream, head["seq"])
    if len(audit.chain) <= place.seq:
        raise Damaged(f"manifest {place} was there at the last pull and is withheld now")
    if audit.chain[place.seq].digest != head["sha256"]:
        raise Damaged(f"manifest {place} is another than at the last pull: the chain forks")


@contextlib.contextmanager
def named_failure(audit: Audit) -> Iterator[None]:
    """A unit that fails inside is named in the audit, and the others still looked at."""
    try:
        yield
    except Damaged as error:
        audit.failures.append(str(error))
