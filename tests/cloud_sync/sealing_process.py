"""A sealing process to be killed: argv is SPOOL, KEYS, rows in all, rows a batch, most bytes held.

When the spool holds so much it waits for the pusher, as the truck does.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from odd_rows import OddRows

from cloud_sync.keyring import read_recipient
from cloud_sync.replicate import Sealer
from hardware.errors import Unavailable
from hardware.signing import SigningKey


def main() -> None:
    spool, keys, end = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    rows_a_batch, bytes_max = int(sys.argv[4]), int(sys.argv[5])
    pair = [read_recipient(keys / f"{name}.pub") for name in ("operations", "recovery")]
    sealer = Sealer(spool, "truck-1", SigningKey(bytes(range(32))), pair, spool_bytes_max=bytes_max)
    rows = OddRows(sealer.status()["rows"])
    while rows.end < end:
        rows.end = min(end, rows.end + rows_a_batch)
        while sealer.status()["rows"] < rows.end:
            try:
                sealer.seal_due(rows, 1_800_000_000.0, flush=True)
            except Unavailable:
                time.sleep(0.02)


main()
