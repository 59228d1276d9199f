"""`make bench`: every figure beside its baseline, measured in this one run.

Prints a table and writes build/bench.json, schema truck.bench/1. TRUCK_BENCH_SECONDS bounds the
live part (30 s).
"""

import json
import os
import tempfile
from pathlib import Path

import cards
import catching_up
import latency
import link
import listeners
import sealing
import ticks
import verifying
from race import BenchRace
from rich.console import Console
from rich.table import Table

PACKET_SECONDS = 30


def main() -> None:
    """Measure, print, write."""
    console, progress = Console(width=150), Console(stderr=True)
    rows: list[tuple[str, float, str, str, float]] = []
    with tempfile.TemporaryDirectory(prefix="truck-bench-") as folder:
        with progress.status("packets and ticks"):
            race = BenchRace(Path(folder, "race"), PACKET_SECONDS)
            rows += verifying.measure(race)
            rows += ticks.measure(race)
        with progress.status("sealing"):
            rows += sealing.measure()
        with progress.status("a slow link"):
            rows += link.measure()
        with progress.status("catching up"):
            rows += catching_up.measure()
        with progress.status("a crew's evening"):
            rows += cards.measure()
        with progress.status("a thousand listeners"):
            rows += listeners.measure()
        with progress.status("a live race of 198 riders"):
            seconds = float(os.environ.get("TRUCK_BENCH_SECONDS", "30"))
            rows += latency.measure(Path(folder, "demo"), seconds)
        with progress.status("the same before a thousand listeners"):
            rows += latency.measure(Path(folder, "heard"), seconds, 1000)
    table = Table("figure", "value", "unit", "baseline", "ratio")
    for name, value, unit, baseline, ratio in rows:
        shown = f"{value:,.0f}" if value >= 1000 else f"{value:.3f}"
        table.add_row(name, shown, unit, baseline, f"{ratio:.3f}")
    console.print(table)
    out = Path("build", "bench.json")
    out.parent.mkdir(exist_ok=True)
    keys = ("name", "value", "unit", "baseline", "ratio")
    document = {
        "schema": "truck.bench/1",
        "rows": [dict(zip(keys, row, strict=True)) for row in rows],
    }
    out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
