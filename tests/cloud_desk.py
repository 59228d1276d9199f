"""A cloud engineer's desk: a small copy with two streams, the keys to it, and nothing else."""

import datetime as dt
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from cloud_sync.folder import Folder
from cloud_sync.keyring import create_key, read_recipient
from cloud_sync.outbox import Outbox
from cloud_sync.push import put_proven
from cloud_sync.replicate import Sealer
from hardware.signing import SigningKey

BATCH_ROWS = 50
STAGES = ("pau-hautacam", "luchon-superbagneres")


class Stages:
    """A store of two short stages on two days, in the columns a cloud engineer asks for."""

    def __init__(self, rows: int = 6 * BATCH_ROWS) -> None:
        ids = np.arange(rows, dtype=np.int64)
        second = ids // 5
        later = ids >= rows // 2
        start = int(dt.datetime(2027, 7, 16, 10, 35, tzinfo=dt.UTC).timestamp())
        at_us = (start + second + later * 86_400) * 1_000_000
        self.end = 0
        self.table = pa.table(
            {
                "row_id": ids,
                "measured_at": pa.array(at_us, pa.timestamp("us", "UTC")),
                "bib": (ids % 5 + 1).astype(np.int32),
                "speed_mps": np.round(10 + np.sin(ids / 7), 2),
                "distance_m": second * 11.0,
                "stage": np.where(later, STAGES[1], STAGES[0]),
            }
        )

    def row_end(self) -> int:
        """As of now."""
        return self.end

    def rows(self, lo: int, hi: int) -> pa.Table:
        """Rows lo to hi - 1."""
        return self.table.slice(lo, hi - lo)


@dataclass(frozen=True)
class Desk:
    """What lies there: copy/, spool/, truck.pub, operations.key and .pub, recovery.pub."""

    folder: Path
    truck: SigningKey
    table: pa.Table

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command as the engineer types it."""
        commands = Path(sys.executable).parent
        return subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "NO_COLOR": "1", "PATH": f"{commands}:{os.environ['PATH']}"},
            check=False,
        )


def lay_desk(folder: Path, streams: tuple[str, ...] = ("truck-1",)) -> Desk:
    """Make the keys, seal six batches of each stream, push them, lay the public parts out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("operations", "recovery"):
        create_key(folder / name)
    (folder / "recovery.key").rename(folder / "in-the-safe")
    pair = [read_recipient(folder / f"{name}.pub") for name in ("operations", "recovery")]
    truck = SigningKey(bytes(range(32)))
    (folder / "truck.pub").write_text(truck.public.hex() + "\n")
    store = Stages()
    for stream in streams:
        sealer = Sealer(folder / "spool", stream, truck, pair)
        for end in range(BATCH_ROWS, store.table.num_rows + 1, BATCH_ROWS):
            store.end = end
            sealer.seal_due(store, 1_815_000_000.0 + end, flush=True)
        sealer.close()
    with Outbox(folder / "spool") as outbox:
        for entry in outbox.waiting():
            remote = Folder(folder / "copy")
            put_proven(remote, entry.key, (folder / "spool" / entry.key).read_bytes())
            put_proven(remote, entry.batch.manifest_key(), entry.manifest)
    return Desk(folder, truck, store.table)
