"""Pulling: a stream that was proven becomes plain Parquet.

Opened batches wait in a hidden folder and are published by rename only after all of the stream
held; a batch proven once is not fetched again.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from cloud_sync.audit import (
    NOBODY_ELSE,
    SUMMARY,
    Audit,
    Progress,
    fetch_object,
    named_failure,
    prove_chain,
)
from cloud_sync.key_audit import Trust
from cloud_sync.keyring import KeyHolder
from cloud_sync.manifest import Manifest
from cloud_sync.remote import Remote
from cloud_sync.sealed_parquet import write_plain
from hardware import keys
from hardware.errors import Misconfigured

_STAGED = ".staged"


def pull_stream(
    remote: Remote,
    stream: str,
    dest: Path,
    truck: bytes,
    key: KeyHolder,
    progress: Progress,
    trust: Trust = NOBODY_ELSE,
) -> Audit:
    """Prove a stream and publish it as DEST/<stream>/readings-<seq>.parquet with a pull.json.

    When anything fails nothing new is published; what was proven is kept for the next pull.

    Raises:
        Misconfigured: when the key cannot open the batches, or DEST cannot be written.
    """
    audit, home = Audit(stream), dest / stream
    seen = _read_summary(home)
    if not prove_chain(audit, remote, truck, seen.get("head"), trust):
        return audit
    opener = audit.opener(remote, key)
    opener.check(audit.chain)
    proven = {batch["sha256"]: batch for batch in seen.get("files", [])}
    staged, files = home / _STAGED, []
    with _named_folder(staged):
        staged.mkdir(parents=True, exist_ok=True)
        for place, manifest in enumerate(audit.chain):
            with named_failure(audit):
                path = staged / _staged_name(manifest)
                size = proven.get(manifest.sha256, {}).get("size")
                if not path.exists() and _size(home / _file_name(manifest)) != size:
                    table = opener.open(fetch_object(remote, manifest), manifest)
                    _write_whole(table, path)
                    audit.fetched += 1
                files.append((manifest, path))
            progress(place + 1, len(audit.chain))
        if not audit.failures:
            _publish(audit, home, files)
    return audit


def _publish(audit: Audit, home: Path, files: list[tuple[Manifest, Path]]) -> None:
    """Rename what is staged into place, then say so in pull.json."""
    for manifest, path in files:
        if path.exists():
            path.replace(home / _file_name(manifest))
    shutil.rmtree(home / _STAGED)
    kept = [
        {
            "file": _file_name(manifest),
            "rows": [manifest.lo, manifest.hi],
            "sha256": manifest.sha256,
            "size": _size(home / _file_name(manifest)),
        }
        for manifest, _ in files
    ]
    summary = {"schema": "cloud-sync.pull/1", **audit.summary(), "files": kept}
    keys.write_file(home / SUMMARY, json.dumps(summary, indent=1).encode(), 0o644)


def _read_summary(home: Path) -> dict[str, Any]:
    path = home / SUMMARY
    if not path.exists():
        return {}
    try:
        summary = json.loads(keys.read_file(path, "the last pull's summary"))
        if summary["schema"] != "cloud-sync.pull/1":
            raise ValueError
    except (ValueError, KeyError, TypeError) as error:
        raise Misconfigured(
            f"{path} is not what a pull left there", "Pull into an empty folder."
        ) from error
    return dict(summary)


def _write_whole(table: pa.Table, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    write_plain(table, temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


@contextlib.contextmanager
def _named_folder(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Misconfigured(
            f"cannot write {folder}: {error.strerror or error}",
            "Free some space, or choose another --to.",
        ) from error


def _size(path: Path) -> int:
    """A file's size in bytes, or -1."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _file_name(manifest: Manifest) -> str:
    return f"readings-{manifest.batch.seq:012d}.parquet"


def _staged_name(manifest: Manifest) -> str:
    return f"{manifest.batch.seq:012d}-{manifest.sha256[:16]}.parquet"
