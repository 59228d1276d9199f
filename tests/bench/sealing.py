"""Sealed bytes a second, against plain Parquet of the same rows in the same encodings.

Sealing counts all of it: encryption, HPKE for two recipients, reading the file back, opening it,
comparing every row, SHA-256, fsync of file and folder, the signed manifest and the outbox commit.
The two take turns, batch by batch, so that a busy machine slows both.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from cloud_sync.keyring import RecipientKey
from cloud_sync.replicate import Sealer
from cloud_sync.sealed_parquet import write_plain
from hardware.signing import SigningKey

ROWS_A_BATCH = 26_000  # about what makes 1 MiB
BATCHES = 10
Row = tuple[str, float, str, str, float]


class Telemetry:
    """A store of readings shaped like a stage's: 198 riders at 1 Hz, 25 columns, smooth motion."""

    def __init__(self, rows: int) -> None:
        rng = np.random.default_rng(198)
        ids = np.arange(rows, dtype=np.int64)
        bib, second = (ids % 198).astype(np.int32), ids // 198
        measured = 1_800_000_000_000_000 + second * 1_000_000
        distance = second * 11.0 + bib * 3.0 + np.cumsum(rng.normal(0, 0.05, rows))
        delays = {name: rng.integers(50_000, 900_000, rows) for name in ("heard", "received")}
        times = {"measured_at": measured} | {f"{n}_at": measured + d for n, d in delays.items()}
        floats = {
            "latitude_deg": 43.0 + np.round(distance * 9e-6, 7),
            "longitude_deg": np.round(distance * 7e-6, 7),
            "altitude_m": np.round(500 + 300 * np.sin(distance / 4000), 1),
            "speed_mps": np.round(11 + rng.normal(0, 1, rows), 2),
            "course_deg": np.round(rng.normal(90, 10, rows) % 360, 2),
            "distance_m": np.round(distance, 1),
            "to_go_m": np.round(180_000 - distance, 1),
            "lateral_m": np.round(rng.normal(0, 2, rows), 1),
            "gradient_pct": np.round(7 * np.cos(distance / 4000), 1),
            "gap_s": np.round(bib * 0.3, 1),
            "age_s": np.round(rng.uniform(0, 1, rows), 2),
        }
        integers = {
            "power_w": rng.integers(80, 420, rows).astype(np.uint16),
            "heart_rate_bpm": rng.integers(110, 190, rows).astype(np.uint8),
            "cadence_rpm": rng.integers(60, 110, rows).astype(np.uint8),
            "boot": np.ones(rows, np.uint16),
            "seq": second.astype(np.uint32),
            "group_id": (bib // 40).astype(np.int32),
            "status": np.zeros(rows, np.uint8),
            "lap": np.zeros(rows, np.uint8),
        }
        relays = np.array(["helicopter-1", "moto-2", "plane"])[rng.integers(0, 3, rows)]
        self._table = pa.table(
            {"row_id": ids}
            | {name: pa.array(t, pa.timestamp("us", "UTC")) for name, t in times.items()}
            | {"bib": bib, "relay": pa.array(relays)}
            | floats
            | integers
        )
        self.end = 0

    def row_end(self) -> int:
        return self.end

    def rows(self, lo: int, hi: int) -> pa.Table:
        return self._table.slice(lo, hi - lo)


def _seconds(start: float) -> float:
    return time.perf_counter() - start


def measure() -> list[Row]:
    """Rows (name, value, unit, baseline, ratio): large batches, and those of a live second."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            _measure(Path(folder, "large"), "sealing, full batches", ROWS_A_BATCH, BATCHES),
            _measure(Path(folder, "small"), "sealing, 5 s batches", 198 * 5, 4 * BATCHES),
        ]


def _measure(folder: Path, name: str, rows: int, batches: int) -> Row:
    folder.mkdir()
    source = Telemetry(rows * (batches + 1))
    pair = [RecipientKey(n, n.encode() * 32).recipient() for n in "ab"]
    sealer = Sealer(folder / "spool", "bench", SigningKey(b"s" * 32), pair)
    sealed_s: list[float] = []
    plain_s: list[float] = []
    for batch in range(batches + 1):
        source.end += rows
        start = time.perf_counter()
        write_plain(source.rows(source.end - rows, source.end), folder / "plain.parquet")
        plain_s.append(_seconds(start))
        start = time.perf_counter()
        sealer.seal_due(source, float(batch), flush=True)
        sealed_s.append(_seconds(start))
    sealer.close()
    mb = source.rows(0, rows).nbytes / 1e6
    # the first of each pays for imports and thread pools
    sealed, plain = (mb / statistics.median(times[1:]) for times in (sealed_s, plain_s))
    return name, sealed, "MB/s in memory", f"plain Parquet {plain:.1f} MB/s", sealed / plain


def main() -> None:
    """Print the figures."""
    for name, value, unit, baseline, ratio in measure():
        sys.stdout.write(f"{name}: {value:.1f} {unit}, {baseline}, ratio {ratio:.2f}\n")


if __name__ == "__main__":
    main()
