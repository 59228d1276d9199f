"""Erasing a rider: his keys go from every copy made by us, and a signed event says so.

First the event, in every remote, then the keys: so a key that is missing always has one who
answers for it, and a run that was killed is simply run again. The batches stay as they are: the
chain holds, and what was his is noise.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cloud_sync.audit import SUMMARY
from cloud_sync.eraser import Eraser
from cloud_sync.erasure import (
    ERASURE_BYTES_MAX,
    Erasure,
    erasure_key,
    erasure_prefix,
    open_erasure,
    sign_erasure,
)
from cloud_sync.grant import grant_prefix
from cloud_sync.keyring import KeyHolder
from cloud_sync.opening import Opener
from cloud_sync.pull_folder import PullFolder
from cloud_sync.put import put_proven
from cloud_sync.remote import Remote
from cloud_sync.rider_keys import rider_key_key, rider_key_prefix
from cloud_sync.sealed_parquet import write_plain
from hardware import keys
from hardware.errors import Damaged, Misconfigured, Refused
from hardware.signing import SigningKey


def find_rider_keys(
    remote: Remote, stream: str, bib: int, stage: str | None, holder: KeyHolder
) -> list[str]:
    """The ids of a rider's keys in a stream of biometrics, of one stage or of all.

    Raises:
        NotForThisKey: when `holder` cannot open the riders' keys.
        Damaged: when one of them is not whole.
    """
    opener, prefix = Opener(remote, stream, holder), rider_key_prefix(stream)
    ids = [key.removeprefix(prefix).removesuffix(".json") for key in remote.keys(prefix)]
    found = []
    for key_id in ids:
        key = opener.rider_key(key_id)
        if key is not None and key.bib == bib and stage in (None, key.stage):
            found.append(key_id)
    return found


def destroy_keys(erasers: Sequence[Eraser], erasure: Erasure, signer: SigningKey) -> int:
    """Tell every remote of an erasure, then destroy its keys and their grants; how many objects.

    Raises:
        Misconfigured: when a store holds one back; the event stands, and verify says what is left.
        Unavailable: when a store does not answer; run it again.
    """
    envelope = sign_erasure(erasure, signer)
    for eraser in erasers:
        if not set(erasure.rider_keys) <= _erased(eraser.remote, erasure.stream, signer.public):
            put_proven(eraser.remote, erasure_key(erasure.stream, envelope), envelope)
    removed = 0
    for eraser in erasers:
        grants = eraser.remote.keys(grant_prefix(erasure.stream))
        for key_id in erasure.rider_keys:
            removed += eraser.erase(rider_key_key(erasure.stream, key_id))
            mark = f"{grant_prefix(erasure.stream)}rider-{key_id}-"
            for key in grants:
                if key.startswith(mark):
                    removed += eraser.erase(key)
    return removed


def _erased(remote: Remote, stream: str, signer: bytes) -> set[str]:
    """Which keys an erasure of this signer names already."""
    found: set[str] = set()
    for key in remote.keys(erasure_prefix(stream)):
        try:
            found.update(open_erasure(remote.get(key, ERASURE_BYTES_MAX), [signer]).rider_keys)
        except Refused:
            continue  # another signer's; verify judges it
    return found


def forget_pulled(folder: Path, stream: str, bib: int, stage: str | None) -> int:
    """Rewrite what was pulled of a stream without a rider's rows; how many these were.

    Raises:
        Misconfigured: when a file cannot be read or written.
        Damaged: when one is no whole Parquet file.
    """
    folder_of, gone = PullFolder(folder, stream), 0
    folder_of.forget_staged()
    home = folder_of.home
    for path in sorted(home.rglob("*.parquet")):
        try:
            table = pq.ParquetFile(path).read()
            if "bib" not in table.column_names:
                continue
            if stage is not None and f"stage={stage}" not in path.relative_to(home).parts:
                continue
            his = pc.equal(table["bib"], bib)
            count = int(pc.sum(his).as_py() or 0)
            if count:
                _replace(table.filter(pc.invert(his)), path)
                gone += count
        except pa.ArrowInvalid as error:
            raise Damaged(f"{path} is no whole Parquet file; pull it again") from error
        except OSError as error:
            raise Misconfigured(
                f"cannot rewrite {path}: {error.strerror or error}", "Check who owns it."
            ) from error
    if gone:
        _correct_summary(home)
    return gone


def _replace(table: pa.Table, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    write_plain(table, temporary)
    keys.sync(temporary)
    temporary.replace(path)
    keys.sync(path.parent)


def _correct_summary(home: Path) -> None:
    """Put the new sizes into the last pull's account; the next one takes them as they are."""
    path = home / SUMMARY
    if not path.exists():
        return
    summary = json.loads(keys.read_file(path, "the last pull's summary"))
    for entry in summary.get("files", []):
        file = home / entry["file"]
        if file.exists():
            entry["size"] = file.stat().st_size
            entry["rows"] = pq.read_metadata(file).num_rows
    keys.write_file(path, json.dumps(summary, indent=1).encode(), 0o644)
