"""Pulling: a stream that was proven becomes plain Parquet, or its sealed files as they are.

Objects are fetched and opened a few at a time, and wait aside in groups until all of the stream
held; only then they are published by rename. What was proven once is not fetched again, neither
after a kill nor by the next pull.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from cloud_sync.anchor import Witness
from cloud_sync.audit import (
    NO_WITNESS,
    NOBODY_ELSE,
    Audit,
    Progress,
    count,
    open_object,
    prove_chain,
)
from cloud_sync.fetching import each_in_order, fetch_object
from cloud_sync.key_audit import Trust
from cloud_sync.keyring import KeyHolder
from cloud_sync.manifest import Manifest
from cloud_sync.partition import Place, part
from cloud_sync.pull_folder import PullFolder
from cloud_sync.pulled import Group, Part, Pulled, joined
from cloud_sync.remote import Remote
from cloud_sync.tampering import Finding
from hardware.errors import Misconfigured

_GROUP_BATCHES = 256
_GROUP_BYTES = 64 << 20  # in memory; what is staged survives a kill, so groups are not too large
_SEALED = Place("", "")

Parts = list[tuple[Place, pa.Table]]


@dataclass(frozen=True)
class Selection:
    """What of a stream is wanted: batches from a number or sealed from a time on, one stage."""

    since_seq: int = 0
    since_s: float | None = None
    stage: str | None = None

    def wants(self, manifest: Manifest) -> bool:
        """Whether a batch may hold wanted rows."""
        if manifest.batch.seq < self.since_seq:
            return False
        sealed = dt.datetime.fromisoformat(manifest.sealed_at)
        return self.since_s is None or sealed.timestamp() >= self.since_s

    def wants_place(self, place: Place) -> bool:
        """Whether rows of a place are wanted."""
        return self.stage is None or place.stage == self.stage


EVERYTHING = Selection()


def read_since(text: str) -> Selection:
    """A batch's number, or a time with its zone.

    Raises:
        Misconfigured: when it is neither.
    """
    if text.isascii() and text.isdigit():
        return Selection(since_seq=int(text))
    try:
        when = dt.datetime.fromisoformat(text)
        if when.tzinfo is None:
            raise ValueError
    except ValueError as error:
        raise Misconfigured(
            f"--since {text!r} is neither a batch nor a time",
            "Write a number as `ls` shows it, or 2027-07-16T12:00:00Z.",
        ) from error
    return Selection(since_s=when.timestamp())


def pull_stream(
    remote: Remote,
    stream: str,
    dest: Path,
    truck: bytes,
    key: KeyHolder | None,
    progress: Progress,
    trust: Trust = NOBODY_ELSE,
    selection: Selection = EVERYTHING,
    witness: Witness = NO_WITNESS,
) -> Audit:
    """Prove a stream and publish it in DEST/stream=<stream>/, by stage and day.

    Without a key the sealed files are published as they are. When anything fails nothing new is
    published; what was proven is kept for the next pull.

    Raises:
        Misconfigured: when the key cannot open the batches, or DEST cannot be written.
    """
    audit, folder = Audit(stream), PullFolder(dest, stream)
    pulled = folder.read()
    if pulled.sealed not in (None, key is None):
        kind = "sealed files" if pulled.sealed else "opened rows"
        raise Misconfigured(f"{folder.home} holds {kind}", "Pull the other kind into another --to.")
    if not prove_chain(audit, remote, truck, pulled.chain, trust, witness, pulled.beat_s):
        return audit
    chosen = [manifest for manifest in audit.chain if selection.wants(manifest)]
    opener = None if key is None else audit.opener(remote, key)
    if opener is not None:
        opener.check(chosen)
    sealed = key is None
    erased = sorted(audit.keys.erased) if audit.keys else []
    with folder.named():
        if set(erased) - set(pulled.erased):  # what was opened before must not outlive the key
            pulled = replace(pulled, files=[], places={})
            folder.forget_staged()
        pulled = replace(pulled, erased=erased)
        groups = folder.staged(audit.chain)
        held = joined(pulled, groups, sealed=sealed)
        needed = [manifest for manifest in chosen if _is_needed(manifest, held, selection)]

        def fetch(manifest: Manifest) -> Parts | bytes:
            data = fetch_object(remote, manifest)
            return data if opener is None else list(part(open_object(opener, data, manifest)))

        results = count(progress, each_in_order(fetch, needed), needed)
        for manifests, found in _grouped(_proven(audit, results)):
            groups.append(_stage(folder, held, selection, manifests, found))
        if not audit.failures:
            folder.publish(audit, joined(pulled, groups, sealed=sealed), groups)
    return audit


def _is_needed(manifest: Manifest, held: Pulled, selection: Selection) -> bool:
    """Whether a batch has wanted rows that no file holds, or was never looked into."""
    seq = manifest.batch.seq
    places = held.places.get(seq)
    return places is None or any(
        selection.wants_place(place) and not held.covers(seq, place) for place in places
    )


def _proven(
    audit: Audit, results: Iterator[tuple[Manifest, Any]]
) -> Iterator[tuple[Manifest, Parts | bytes]]:
    """What held; what did not is noted."""
    for manifest, result in results:
        if isinstance(result, Finding):
            audit.failures.append(result)
            continue
        audit.fetched += 1
        audit.bytes_fetched += manifest.size
        yield manifest, result


def _grouped(
    proven: Iterator[tuple[Manifest, Parts | bytes]],
) -> Iterator[tuple[list[Manifest], list[Parts | bytes]]]:
    """Consecutive batches of one schema, so that they can share files; bounded in bytes."""
    manifests: list[Manifest] = []
    found: list[Parts | bytes] = []
    size, schema, shape = 0, None, None
    for manifest, parts in proven:
        if isinstance(parts, bytes):
            shape = None
        elif parts:  # there is none where all of a batch's riders are erased
            shape = parts[0][1].schema.remove_metadata()
        full = size >= _GROUP_BYTES or len(manifests) >= _GROUP_BATCHES
        if manifests and (full or shape != schema):
            yield manifests, found
            manifests, found, size = [], [], 0
        manifests.append(manifest)
        found.append(parts)
        schema = shape
        size += len(parts) if isinstance(parts, bytes) else sum(t.nbytes for _, t in parts)
    if manifests:
        yield manifests, found


def _stage(
    folder: PullFolder,
    held: Pulled,
    selection: Selection,
    manifests: Sequence[Manifest],
    found: Sequence[Parts | bytes],
) -> Group:
    """Write one group aside: of each place the rows that are wanted and not yet there."""
    first, last = manifests[0].batch.seq, manifests[-1].batch.seq
    places: dict[int, list[Place]] = {}
    pieces: dict[Place, dict[int, pa.Table]] = {}
    parts: list[Part] = []
    for manifest, content in zip(manifests, found, strict=True):
        seq = manifest.batch.seq
        if isinstance(content, bytes):
            places[seq] = [_SEALED]
            name, rows = Path(manifest.key).name, manifest.hi - manifest.lo
            parts.append(Part(name, _SEALED, (seq,), rows, content))
            continue
        places[seq] = [place for place, _ in content]
        for place, table in content:
            if selection.wants_place(place) and not held.covers(seq, place):
                pieces.setdefault(place, {})[seq] = table
    for place, tables in sorted(pieces.items()):
        name = f"{place.folder()}/part-{first:012d}-{last:012d}.parquet"
        whole = _joined(list(tables.values()))
        parts.append(Part(name, place, tuple(tables), whole.num_rows, whole))
    return folder.stage(manifests, places, parts)


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of some batches of one schema, with what the footers of all say."""
    about = dict(tables[0].schema.metadata or {})
    about.pop(b"truck.batch", None)
    rows = pa.concat_tables([table.replace_schema_metadata(None) for table in tables])
    return rows.replace_schema_metadata(about)
