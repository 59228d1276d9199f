"""A sealing process to be killed: argv is SPOOL, rows in all; it commits rows a few at a time."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from odd_rows import OddRows

from cloud_sync.keyring import read_recipient
from cloud_sync.replicate import Sealer
from hardware.signing import SigningKey


def main() -> None:
    spool, keys, end = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    pair = [read_recipient(keys / f"{name}.pub") for name in ("operations", "recovery")]
    sealer = Sealer(spool, "truck-1", SigningKey(bytes(range(32))), pair)
    rows = OddRows(sealer.status()["rows"])
    while rows.end < end:
        rows.end = min(end, rows.end + 37)
        sealer.seal_due(rows, 1_800_000_000.0, flush=True)


main()
