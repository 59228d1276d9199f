"""The completeness ledger of a whole stage: what asking for it costs, and how large an edition is.

198 bikes at 1 Hz, one packet in a hundred never heard, so that nearly every hole stands alone; a
few bundles missing. TRUCK_SCALE_SECONDS is the length of the race (600; a stage is 18000). Prints
JSON, schema truck.ledger_scale/1.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from cloud_sync.batch import BatchName
from cloud_sync.keyring import create_key, read_recipient
from cloud_sync.sealed_parquet import write_sealed
from hardware.completeness import document
from truck.editions import edition
from truck.ledger import make_ledger
from truck.store.append import Store
from truck.store.stored import Reached, read_stored

RIDERS = 198
_READINGS = """
INSERT INTO readings BY NAME
SELECT row_number() OVER () - 1 AS row_id, second * 5 + device % 5 AS record, device::INT AS device,
       1 AS generation, 1 AS boot, second AS seq, 0 AS fix_index, hash(device, second) AS digest,
       device AS bib, true AS live, to_timestamp(1800000000 + second) AS measured_at,
       measured_at AS heard_at, measured_at AS received_at, 'moto-1' AS relay, -70 AS rssi_dbm,
       3 AS fix, false AS sos, false AS impact, second * 10.0 AS distance_m, 0 AS quality,
       'loop' AS stage
FROM range($seconds) s(second), range(1, $riders + 1) d(device)
WHERE hash(device, second, 7) % 100 > 0 ORDER BY second, device
"""
_BUNDLES = """
INSERT INTO bundles SELECT number // 2, 'moto-1', 1, number, hash(number)
FROM range($seconds * 10) b(number) WHERE number % 5000 <> 777
"""


def measure(folder: Path, seconds: int) -> dict[str, object]:
    """Fill a view, ask for the ledger, seal an edition of it."""
    store = Store(folder / "view.duckdb", bytes(32))
    try:
        cursor = store.cursor()
        cursor.execute(_READINGS, {"seconds": seconds, "riders": RIDERS})
        cursor.execute(_BUNDLES, {"seconds": seconds})
        (rows,) = cursor.execute("SELECT count(*) FROM readings").fetchone() or (0,)
        cursor.execute("INSERT INTO ticks VALUES ($record, now(), 1, $rows)",
                       {"record": seconds * 5, "rows": rows})  # fmt: skip
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        ledger = make_ledger(read_stored(store, "loop", Reached(rows, rows - 1000, rows - 2000)))
        found = document(ledger)
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    finally:
        store.close()
    for name in ("one", "two"):
        create_key(folder / name)
    both = [read_recipient(folder / f"{name}.pub") for name in ("one", "two")]
    write_sealed(edition(ledger, 0), folder / "edition.parquet", BatchName("t.ledger", 0), both)
    return {
        "schema": "truck.ledger_scale/1",
        "packets": found["totals"]["stored"],
        "holes": len(ledger.holes.at.lo),
        "ask_wall_s": round(wall_s, 2),
        "ask_cpu_s": round(cpu_s, 2),
        "edition_bytes": (folder / "edition.parquet").stat().st_size,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        seconds = int(os.environ.get("TRUCK_SCALE_SECONDS", "600"))
        sys.stdout.write(json.dumps(measure(Path(scratch), seconds)) + "\n")
