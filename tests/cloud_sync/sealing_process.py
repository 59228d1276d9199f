"""A sealing process to be killed: argv is SPOOL, KEYS, rows in all, rows a batch, pause in s."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from odd_rows import OddRows

from cloud_sync.keyring import read_recipient
from cloud_sync.replicate import Sealer
from hardware.signing import SigningKey


def main() -> None:
    spool, keys, end = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    rows_a_batch, pause_s = int(sys.argv[4]), float(sys.argv[5])
    pair = [read_recipient(keys / f"{name}.pub") for name in ("operations", "recovery")]
    sealer = Sealer(spool, "truck-1", SigningKey(bytes(range(32))), pair)
    rows = OddRows(sealer.status()["rows"])
    while rows.end < end:
        rows.end = min(end, rows.end + rows_a_batch)
        sealer.seal_due(rows, 1_800_000_000.0, flush=True)
        time.sleep(pause_s)


main()
