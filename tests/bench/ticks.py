"""Ticks through the truck's heart: judge, journal with fsync, place, commit; and rows a second.

The baseline of the store is the same rows into a plain, unencrypted DuckDB file, in turns.
"""

import time
from pathlib import Path

import cbor2
import duckdb
import numpy as np
import pyarrow as pa
from race import NOW_S, RIDERS, BenchRace

from hardware.signing import SigningKey
from hardware.stage import stage_files
from truck.journal import Journal, Record
from truck.pipeline import Pipeline
from truck.segment import Kind
from truck.store import append
from truck.store.append import Store
from truck.view import Tables, View

ROWS_A_COMMIT = 5_000
Row = tuple[str, float, str, str, float]


def measure(race: BenchRace) -> list[Row]:
    """Rows (name, value, unit, baseline, ratio)."""
    secret, folder = race.truck.secret("event"), race.folder
    pipeline, view = Pipeline(race.roster, secret), View(secret, race.truck.authority())
    journal = Journal(folder / "journal", bytes(32), "bench-1", SigningKey(bytes(32)).sign)
    store = Store(folder / "view.duckdb", bytes(32))
    journal.append(Kind.ROSTER, race.truck.roster_bytes())
    journal.append(Kind.STAGE, cbor2.dumps(dict(stage_files(folder / "stage"))))
    journal.sync()
    for record in journal.read():
        store.commit([view.apply(record)])
    steps: dict[str, list[float]] = {"judge": [], "journal": [], "place": [], "commit": []}
    tables: list[Tables] = []
    for second, packets in enumerate(race.packets):
        messages = race.messages(packets, 10 * second)
        marks = [time.perf_counter()]
        tick = pipeline.accept(messages, round((NOW_S + second + 1) * 1e6))
        marks.append(time.perf_counter())
        payload = tick.encode()
        number = journal.append(Kind.TICK, payload)
        journal.sync()
        pipeline.commit(tick)
        marks.append(time.perf_counter())
        tables.append(view.apply(Record(number, Kind.TICK, payload), tick))
        marks.append(time.perf_counter())
        store.commit([tables[-1]])
        marks.append(time.perf_counter())
        for name, taken in zip(steps, np.diff(marks).tolist(), strict=True):
            steps[name].append(taken)
    whole_ms = np.sum([steps[name] for name in steps], axis=0)[5:] * 1000
    p50_ms, p99_ms = np.quantile(whole_ms, (0.5, 0.99))
    parts = ", ".join(f"{k} {np.median(v[5:]) * 1000:.1f}" for k, v in steps.items())
    rows: list[Row] = [
        (f"tick of {RIDERS} readings, p50", p50_ms, "ms", f"of which {parts}", p50_ms / 1000),
        (f"tick of {RIDERS} readings, p99", p99_ms, "ms", "one second", p99_ms / 1000),
    ]
    rows.append(_rows_a_second(store, folder, tables))
    store.close()
    return rows


def _rows_a_second(store: Store, folder: Path, tables: list[Tables]) -> Row:
    """Rows committed a second in transactions of some thousand, against a plain DuckDB."""
    readings = pa.concat_tables([t["readings"] for t in tables if "readings" in t])
    repeats = -(-ROWS_A_COMMIT // readings.num_rows)
    batch = pa.concat_tables([readings] * repeats).slice(0, ROWS_A_COMMIT).combine_chunks()
    with duckdb.connect(str(folder / "plain.duckdb"), config={"threads": 2}) as plain:
        plain.execute((Path(append.__file__).parent / "schema.sql").read_text())
        ours_s, plain_s = [], []
        for _ in range(20):
            begun_s = time.perf_counter()
            store.commit([{"readings": batch}])
            ours_s.append(time.perf_counter() - begun_s)
            begun_s = time.perf_counter()
            plain.begin()
            plain.register("incoming", batch)
            plain.execute("INSERT INTO readings BY NAME SELECT * FROM incoming")
            plain.unregister("incoming")
            plain.commit()
            plain_s.append(time.perf_counter() - begun_s)
    rate = ROWS_A_COMMIT / float(np.median(ours_s))
    base = ROWS_A_COMMIT / float(np.median(plain_s))
    return (
        f"rows committed, {ROWS_A_COMMIT} a transaction", rate, "rows/s",
        f"unencrypted DuckDB, {base:,.0f}/s", rate / base,
    )  # fmt: skip
