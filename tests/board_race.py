"""Riders on a straight road that climbs, with the names boards fear, for tests of boards."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from doors import Porter
from rides_race import joined, straight_readings
from roads import drawn, straight

from hardware.stage import stage_from_files
from truck.race.frame import Frame
from truck.race.race import Race
from truck.serve import tv
from truck.serve.boards import Boards
from truck.serve.http import serve
from truck.serve.hub import Hub

START_S = 1_784_198_100
NAMES = ["=SUM(A1:A9)", "Tadej Pogačar", "O'Brien & <Sons>", "@home", "-1+1", 'Ann, "Annie" Lee']
RIDERS = 24
PACE_MPS = 12.0
_BEHIND_S = (0, 40, 100)  # three groups: two riders, four, the peloton


def board_race() -> Race:
    """20 km, flat up to km 1.5, then 4 % upwards with a climb's top at km 2; bibs 1 to `RIDERS`."""
    x_m, y_m = straight(20_000.0)
    rows = "".join(
        f'{bib},"{_name(bib).replace(chr(34), chr(34) * 2)}",Team {bib % 4},{bib * 3}\n'
        for bib in range(1, RIDERS + 1)
    )
    return Race(stage_from_files({
        "stage.toml": b'name = "Uphill"\nkind = "road"\nstart_at = 2026-07-16T10:35:00Z\n',
        "route.gpx": drawn(x_m, y_m, 100.0 + np.maximum(x_m - 1500.0, 0.0) * 0.04),
        "startlist.csv": f"bib,name,team,gc_gap_s\n{rows}".encode(),
        "checkpoints.csv": b"km,kind,name\n2.0,climb,Col du Mur\n",
    }))  # fmt: skip


def frames(race: Race, seconds: int, silent: int = 0, silent_from: int = 10**9) -> Iterator[Frame]:
    """A frame a second; bib `silent` sends nothing from a second on."""
    for second in range(seconds):
        at_us = (START_S + second) * 1_000_000
        due = [
            straight_readings(
                race, bib, np.array([at_us]), np.array([_place_m(bib, second)]), PACE_MPS
            )
            for bib in range(1, RIDERS + 1)
            if not (bib == silent and second >= silent_from)
        ]
        race.advance(joined(*due))
        yield race.frame(at_us)


class OnAir:
    """The race's boards over real HTTP; `run` shows so many further seconds of it at once.

    The boards' clock is the tests': it runs with the wall, and `wait` moves it on.
    """

    def __init__(self, folder: Path, seconds: int) -> None:
        self.race, self.ahead_s, self.audited = board_race(), 0.0, list[tuple[str, Any]]()
        self.boards = Boards(self.race.course, self._now_s, self._audit)
        self.porter = Porter(folder)
        self._frames = frames(self.race, 10**6)
        self.run(seconds)
        hub = Hub()
        self.serving = serve(hub, "127.0.0.1", 0, tv.routes(self.boards), self.porter.door())
        self.url = f"http://127.0.0.1:{self.serving.port}"

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.boards.take(next(self._frames))

    def wait(self, seconds: float) -> None:
        self.ahead_s += seconds

    def stop(self) -> None:
        self.serving.stop()

    def _now_s(self) -> float:
        return time.monotonic() + self.ahead_s

    def _audit(self, by: str, what: Mapping[str, Any]) -> None:
        self.audited.append((by, dict(what)))


def _place_m(bib: int, second: int) -> float:
    behind_s = _BEHIND_S[0 if bib <= 2 else 1 if bib <= 6 else 2]
    return max(1.0, 1300.0 + (second - behind_s) * PACE_MPS - bib * 2.0)


def _name(bib: int) -> str:
    return NAMES[bib - 1] if bib <= len(NAMES) else f"Rider {bib}"
