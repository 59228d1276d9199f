"""Bike to frame by hop, over the real processes of a demo with 198 riders."""

import subprocess
import sys
from pathlib import Path

from hardware import home
from truck import demo
from truck.config import TruckConfig

BUDGET_S = 3.0
Row = tuple[str, float, str, str, float]


def measure(folder: Path, seconds: float, listeners: int = 0) -> list[Row]:
    """Rows (name, value, unit, baseline, ratio); the baseline is the budget of 3 s.

    With `listeners` so many hold the truck's stream meanwhile, one in twenty stalled.
    """
    crowd = None
    script = demo.Script(seconds=seconds, riders=198)
    cast = demo.set_the_stage(folder, script)
    try:
        demo.start(cast, script)
        if listeners:
            room = Path(__file__).with_name("listeners.py")
            crowd = subprocess.Popen(
                [sys.executable, room, str(cast.page_port), str(listeners), str(listeners // 20)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert crowd.stdout is not None
            assert crowd.stdout.readline() == "listening\n"
        demo.start_bikes(cast, script)
        cast.wait_for("the end of the ride", lambda: not cast.is_running("bikes"), seconds + 60)
        demo.settle(cast, lambda _: None)
        config = home.load_settings(TruckConfig, cast.truck_home / "truck.toml", {})
        outcome = demo.account(cast, config, lambda _: None)
    finally:
        if crowd is not None:
            crowd.kill()
            crowd.communicate()
        cast.end_all()
    if outcome["packets"]["lost"] or not outcome["cloud"]["verified"]:
        raise AssertionError(f"the demo of the bench lost something: {outcome}")
    latency = outcome["latency_s"]
    beside = f"{listeners} listeners, " if listeners else ""
    rows = [
        (f"{beside}bike to frame, {name}", latency[key], "s", "budget 3 s", latency[key] / BUDGET_S)
        for name, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p99_9"))
    ]
    for hop, found in latency["by_hop"].items():
        rows += [
            (f"{beside}hop {hop}, {name}", found[key], "s", "budget 3 s", found[key] / BUDGET_S)
            for name, key in (("p50", "p50_s"), ("p99", "p99_s"), ("p99.9", "p99_9_s"))
        ]
    return rows
