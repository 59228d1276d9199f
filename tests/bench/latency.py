"""Bike to frame by hop, over the real processes of a demo with 198 riders."""

from pathlib import Path

from hardware import home
from truck import demo
from truck.config import TruckConfig

BUDGET_S = 3.0
Row = tuple[str, float, str, str, float]


def measure(folder: Path, seconds: float) -> list[Row]:
    """Rows (name, value, unit, baseline, ratio); the baseline is the budget of 3 s."""
    script = demo.Script(seconds=seconds, riders=198)
    cast = demo.set_the_stage(folder, script)
    try:
        demo.start(cast, script)
        demo.start_bikes(cast, script)
        cast.wait_for("the end of the ride", lambda: not cast.is_running("bikes"), seconds + 60)
        demo.settle(cast, lambda _: None)
        config = home.load_settings(TruckConfig, cast.truck_home / "truck.toml", {})
        outcome = demo.account(cast, config, lambda _: None)
    finally:
        cast.end_all()
    if outcome["packets"]["lost"] or not outcome["cloud"]["verified"]:
        raise AssertionError(f"the demo of the bench lost something: {outcome}")
    latency = outcome["latency_s"]
    rows = [
        (f"bike to frame, {name}", latency[key], "s", "budget 3 s", latency[key] / BUDGET_S)
        for name, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p99_9"))
    ]
    for hop, found in latency["by_hop"].items():
        rows += [
            (f"hop {hop}, {name}", found[key], "s", "budget 3 s", found[key] / BUDGET_S)
            for name, key in (("p50", "p50_s"), ("p99", "p99_s"), ("p99.9", "p99_9_s"))
        ]
    return rows
