"""Sealed and opened bytes a second, against plain Parquet of the same rows in the same encodings.

Sealing counts all of it: encryption, HPKE for two recipients, reading the file back, opening it,
comparing every row, SHA-256, fsync of file and folder, the signed manifest and the outbox commit.
Opening counts the private key's work, decryption, decoding and the proof of the rows; once more
with the SHA-256 of the object, which a puller takes while the next one is on its way. A puller
opens as many objects at once as it has cores, one thread each, and so both are read here: plain
files one by one, with all cores in each, were no faster (7 to 12 ms a file against 7 to 9). Plain
Parquet takes turns with ours, so that a busy machine slows both; a ratio is the median of theirs.
The size of biometrics in a stream of their own stands beside readings that still had them.
"""

import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cloud_sync.batch import BatchName
from cloud_sync.biometrics import PLAIN
from cloud_sync.folder import Folder
from cloud_sync.keyring import Recipient, RecipientKey
from cloud_sync.manifest import Manifest, open_manifest
from cloud_sync.opening import Opener
from cloud_sync.outbox import Outbox
from cloud_sync.recipients import InForce
from cloud_sync.replicate import Sealer
from cloud_sync.rider_keys import RiderKeys
from cloud_sync.sealed_parquet import holds_rows, write_plain, write_sealed
from hardware.signing import SigningKey

ROWS_A_BATCH = 26_000  # about what makes 1 MiB
BATCHES = 10
ROUNDS = 8
_MEASURES = ("power_w", "heart_rate_bpm", "cadence_rpm")
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
    """Rows (name, value, unit, baseline, ratio): large batches, those of a live second, sizes."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            *_measure(Path(folder, "large"), "full batches", ROWS_A_BATCH, BATCHES),
            *_measure(Path(folder, "small"), "5 s batches", 198 * 5, 4 * BATCHES)[:1],
            _weigh(Path(folder, "sizes")),
        ]


def _measure(folder: Path, name: str, rows: int, batches: int) -> list[Row]:
    folder.mkdir()
    source = Telemetry(rows * (batches + 1))
    holder = RecipientKey("a", b"a" * 32)
    pair = [holder.recipient(), RecipientKey("b", b"b" * 32).recipient()]
    sealer = Sealer(folder / "spool", "bench", SigningKey(b"s" * 32), pair)
    plain = folder / "plain.parquet"
    times: dict[str, list[float]] = {}

    def take(what: str, work: Callable[[], object]) -> None:
        start = time.perf_counter()
        work()
        times.setdefault(what, []).append(_seconds(start))

    for batch in range(batches + 1):
        lo, source.end = source.end, source.end + rows
        table = source.rows(lo, source.end)
        take("plain written", lambda table=table: write_plain(table, plain))
        take("sealed", lambda at=float(batch): sealer.seal_due(source, at, flush=True))
    sealer.close()
    remote = Folder(folder / "spool")
    opener = Opener(remote, "bench", holder)
    with Outbox(folder / "spool") as outbox:
        entries = outbox.waiting()
    manifests = [open_manifest(e.manifest, SigningKey(b"s" * 32).public) for e in entries]
    sealed = [(remote.get(m.key, m.size), m) for m in manifests]
    plains = [(_plain(source.rows(m.lo, m.hi), plain), m) for m in manifests]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in range(ROUNDS):
            take("plain read", lambda: list(pool.map(_read_plain, *zip(*plains, strict=True))))
            take("opened", lambda: list(pool.map(opener.open, *zip(*sealed, strict=True))))
            take("hashed", lambda: list(pool.map(lambda o: hashlib.sha256(o[0]), sealed)))
    mb = source.rows(0, rows).nbytes / 1e6
    whole = [a + b for a, b in zip(times["opened"], times["hashed"], strict=True)]
    return [
        _row(f"sealing, {name}", mb, times["sealed"], times["plain written"]),
        _row(f"opening, {name}", mb * len(sealed), times["opened"], times["plain read"]),
        _row(f"opening and SHA-256, {name}", mb * len(sealed), whole, times["plain read"]),
    ]


def _row(name: str, mb: float, ours_s: list[float], plain_s: list[float]) -> Row:
    # the first of each pays for imports and thread pools
    ratio = statistics.median(p / o for p, o in zip(plain_s[1:], ours_s[1:], strict=True))
    speed = mb / statistics.median(ours_s[1:])
    baseline = f"plain Parquet {mb / statistics.median(plain_s[1:]):.1f} MB/s"
    return name, speed, "MB/s in memory", baseline, ratio


def _plain(table: pa.Table, path: Path) -> bytes:
    write_plain(table, path)
    return path.read_bytes()


def _read_plain(data: bytes, manifest: Manifest) -> bool:
    file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
    return holds_rows(file.read(use_threads=False), manifest.lo, manifest.hi)


def _weigh(folder: Path) -> Row:
    """KiB a batch of 5 s, of two streams and of one, both for two recipients."""
    rows = 198 * 5 * 6  # six batches of readings to one of biometrics
    source = Telemetry(rows)
    table = source.rows(0, rows)
    bodies = table.select(["row_id", "bib", *_MEASURES]).cast(
        pa.schema([f for f in PLAIN if f.name != "stage"])
    )
    bodies = bodies.add_column(1, "stage", pa.array(["bench"] * rows))
    pair = [RecipientKey(n, n.encode() * 32).recipient() for n in "ab"]
    parts = [table.slice(k * 990, 990) for k in range(6)]
    folder.mkdir()
    riders = RiderKeys(folder, "b.bio", b"secret")
    blobs, _ = riders.seal(bodies, BatchName("b.bio", 0), InForce(tuple(pair)))
    one, without = (
        sum(_size(part.drop_columns(gone), folder, pair) for part in parts)
        for gone in ([], list(_MEASURES))
    )
    two = without + _size(blobs, folder, pair)
    kib = [total / 6 / 1024 for total in (two, one)]
    baseline = f"one stream {kib[1]:.1f} KiB"
    return "biometrics apart, 5 s of 198 riders", kib[0], "KiB", baseline, kib[0] / kib[1]


def _size(table: pa.Table, folder: Path, pair: list[Recipient]) -> int:
    write_sealed(table, folder / "sized.parquet", BatchName("b", 0), pair)
    return (folder / "sized.parquet").stat().st_size


def main() -> None:
    """Print the figures."""
    for name, value, unit, baseline, ratio in measure():
        sys.stdout.write(f"{name}: {value:.1f} {unit}, {baseline}, ratio {ratio:.2f}\n")


if __name__ == "__main__":
    main()
