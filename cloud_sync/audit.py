"""Auditing a remote: nobody is trusted, and whatever does not hold is named.

First the manifests: all of them, from 0, without a gap, signed by the truck, each following the
one before, the head seen last time and the heads known from elsewhere among them. Then each object:
size, SHA-256, and, with a private key, opened in its own context, its rows the ones its manifest
names.
"""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from cloud_sync.anchor import Witness
from cloud_sync.batch import check_stream, data_prefix
from cloud_sync.beat import Beat
from cloud_sync.chain import check_anchor, check_beat, fetch_beat, fetch_chain
from cloud_sync.envelope import NotForThisKey
from cloud_sync.fetching import each_in_order, fetch_object
from cloud_sync.key_audit import KeyAudit, Trust, audit_keys
from cloud_sync.keyring import KeyHolder
from cloud_sync.manifest import Manifest
from cloud_sync.opening import Opener
from cloud_sync.packs import FIRST_PART as PACKS
from cloud_sync.remote import Remote
from cloud_sync.tampering import Finding, Tampered, Tampering
from hardware.errors import Damaged, Misconfigured

SUMMARY = "_pull.json"
"""What a pull says of a stream, in the stream's folder; engines pass over such a name."""

NO_WITNESS = Witness()
NOBODY_ELSE = Trust()

Progress = Callable[[int, int], None]
"""Takes bytes done and bytes in all."""


@dataclass
class Audit:
    """What a stream of the remote proved to hold."""

    stream: str
    chain: list[Manifest] = field(default_factory=list)
    beat: Beat | None = None
    unlisted: list[str] = field(default_factory=list)
    failures: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    fetched: int = 0
    bytes_fetched: int = 0
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
            "head": {"seq": head.batch.seq, "digest": head.digest} if head else None,
            "sealed_at": head.sealed_at if head else None,
            "beat": {"seq": self.beat.seq, "at": utc(self.beat.at_s)} if self.beat else None,
            "fetched": self.fetched,
            "bytes_fetched": self.bytes_fetched,
            **(self.keys.summary() if self.keys else {}),
            "unlisted": self.unlisted,
            "remarks": self.remarks,
            "failures": [{"reason": found.reason, "what": found.what} for found in self.failures],
        }


def find_streams(
    remote: Remote, stream: str | None, known: Path | None = None, witness: Witness = NO_WITNESS
) -> list[str]:
    """The stream asked for, or all: of the remote, of a witness, and those pulled into `known`.

    Raises:
        Misconfigured: when there is none.
    """
    if stream is not None:
        return [check_stream(stream)]
    pulled = {path.parent.name for path in known.glob(f"stream=*/{SUMMARY}")} if known else set()
    found = {name.removeprefix("stream=") for name in pulled} | set(remote.streams())
    found = (found - {PACKS}) | witness.streams
    if not found:
        raise Misconfigured(
            f"{remote.name} holds no stream", "Check the address, or push to it first."
        )
    return sorted(check_stream(name) for name in found)


def verify_stream(
    remote: Remote,
    stream: str,
    truck: bytes,
    key: KeyHolder | None,
    progress: Progress,
    trust: Trust = NOBODY_ELSE,
    witness: Witness = NO_WITNESS,
) -> Audit:
    """Prove chain and objects, without publishing; with a key also that each object opens."""
    audit = Audit(stream)
    if not prove_chain(audit, remote, truck, (), trust, witness):
        return audit
    opener = None if key is None else audit.opener(remote, key)
    if opener is not None:
        opener.check(audit.chain)

    def prove(manifest: Manifest) -> None:
        data = fetch_object(remote, manifest)
        if opener is not None:
            open_object(opener, data, manifest)

    for manifest, result in count(progress, each_in_order(prove, audit.chain), audit.chain):
        if isinstance(result, Finding):
            audit.failures.append(result)
        else:
            audit.fetched += 1
            audit.bytes_fetched += manifest.size
    return audit


def open_object(opener: Opener, data: bytes, manifest: Manifest) -> pa.Table:
    """The rows of an object, proven to be the ones its manifest names.

    Raises:
        Tampered: when they are not, it does not open, or is sealed to others than it says.
    """
    try:
        return opener.open(data, manifest)
    except NotForThisKey as error:
        raise Tampered(
            Tampering.ENVELOPE_RECIPIENTS,
            f"the object of batch {manifest.batch} is sealed to others than its manifest names:"
            f" {error}",
        ) from error


def prove_chain(
    audit: Audit,
    remote: Remote,
    truck: bytes,
    seen: Sequence[Manifest],
    trust: Trust = NOBODY_ELSE,
    witness: Witness = NO_WITNESS,
    seen_beat_s: float = 0.0,
) -> bool:
    """Fill in the chain, its keys, objects it does not name, and whether it ends where it must.

    Args:
        audit: what is filled in.
        remote: whom nobody trusts.
        truck: the truck's public key.
        seen: the chain of the last pull, or nothing.
        trust: public keys besides the truck's.
        witness: what is known from elsewhere.
        seen_beat_s: when the beat seen at the last pull was given.
    """
    with named_failure(audit):
        audit.beat = fetch_beat(remote, audit.stream, truck)
    with named_failure(audit):
        audit.chain = fetch_chain(remote, audit.stream, truck, seen)
    anchors = witness.of(audit.stream)
    if audit.failures and audit.failures[-1].reason is Tampering.STREAM_MISSING and anchors:
        audit.failures.pop()  # what is withheld can be named
    elif audit.failures:
        return False
    for anchor in anchors:
        with named_failure(audit):
            check_anchor(audit.chain, audit.stream, anchor)
    with named_failure(audit):
        remark = check_beat(audit.chain, audit.stream, audit.beat, seen_beat_s, witness)
        audit.remarks += [remark] if remark else []
    listed = {manifest.key for manifest in audit.chain}
    served = remote.keys(data_prefix(audit.stream))
    audit.unlisted = [name for name in served if name not in listed]
    audit.keys = audit_keys(remote, audit.stream, audit.chain, trust)
    audit.failures += audit.keys.failures
    return not audit.failures


@contextlib.contextmanager
def named_failure(audit: Audit) -> Iterator[None]:
    """A unit that fails inside is named in the audit, and the others still looked at."""
    try:
        yield
    except Damaged as error:
        audit.failures.append(Finding.of(error))


def count(
    progress: Progress, results: Iterator[tuple[Manifest, Any]], of: Sequence[Manifest]
) -> Iterator[tuple[Manifest, Any]]:
    """The same results, told to `progress` in bytes."""
    done, total = 0, sum(manifest.size for manifest in of)
    for manifest, result in results:
        done += manifest.size
        progress(done, total)
        yield manifest, result


def utc(time_s: float) -> str:
    """Seconds since 1970 as people read them."""
    return dt.datetime.fromtimestamp(time_s, dt.UTC).isoformat()


def raise_failures(audits: Sequence[Audit]) -> None:
    """Raise what the audits found, all of it in one sentence a finding.

    Raises:
        Tampered: of the first one's name.
    """
    found = [finding for audit in audits for finding in audit.failures]
    if found:
        raise Tampered(found[0].reason, "; ".join(finding.what for finding in found))
