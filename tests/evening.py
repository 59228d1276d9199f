"""A crew's evening by its own commands: a sheet planned, flashed to images, every image proven."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from crew_event import make_event, sheet

from hardware.clock import Clock


@dataclass
class Evening:
    """What an evening made, and how long each command took on the wall."""

    images: list[Path]
    chips: list[Path]
    event: Path
    plan_s: float
    flash_s: float
    verify_s: float

    @property
    def seconds(self) -> float:
        """Plan, flash and verify together."""
        return self.plan_s + self.flash_s + self.verify_s


def spend(folder: Path, relays: int, transponders: int) -> Evening:
    """One sheet of so many devices, from its plan to the proof of every image."""
    event = make_event(folder / "event", Clock().now_s())
    crew, out = folder / "crew.csv", folder / "out"
    crew.write_text(sheet(relays, transponders))
    took_s, said = [], []
    for words in (
        ["plan", str(crew), "--json"],
        ["flash", str(crew), "--image", str(out), "--json"],
        ["verify", "--json"],
    ):
        if words[0] == "verify":
            words += [str(path) for path in sorted(out.iterdir())]
        began_s = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "hardware", *words], capture_output=True, check=True,
            env=os.environ | {"HARDWARE_EVENT": str(event), "HARDWARE_BY": "ana"},
        )  # fmt: skip
        took_s.append(time.perf_counter() - began_s)
        said.append(json.loads(done.stdout))
    assert len(said[0]["devices"]) == relays + transponders
    assert [row["state"] for row in said[1]["devices"]] == ["proven"] * (relays + transponders)
    assert [card["verdict"] for card in said[2]["cards"]] == ["proven"] * (relays + transponders)
    images, chips = sorted(out.glob("*.img")), sorted(out.glob("*.bin"))
    assert (len(images), len(chips)) == (relays, transponders)
    return Evening(images, chips, event, *took_s)
