"""A race of 198 riders in eleven groups, served over real HTTP a frame a second; and a browser."""

import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page
from rides_race import joined, straight_readings

from truck.config import TruckHome
from truck.race.race import Race
from truck.serve.channels import Channels
from truck.serve.feed import encode_course
from truck.serve.http import Serving, serve
from truck.serve.hub import Hub
from truck.serve.moments import Moments
from truck.serve.site import routes

RIDERS, GROUPS = 198, 11
SPEED_MPS = 12.0
RIDDEN_S = 500  # when the first frame is made
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
FARES: dict[str, Any] = {
    "latency": {
        "p50_s": 0.8, "p99_s": 1.4, "p99_9_s": 2.2, "budget_s": 3.0,
        "by_hop": {"radio": {"p50_s": 0.1, "p99_s": 0.2}},
    },
    "packets": {}, "relays": [], "cloud": {"state": "off"}, "alarms": [],
}  # fmt: skip


class Site:
    """The groups ride within 4.5 km of each other; `step` is a second of race and one frame."""

    def __init__(self, race: Race, public_copy: str = "") -> None:
        self.race, self.hub, self.second = race, Hub(), 0
        self.channels = Channels(race.stage, race.course, Moments(race.stage.checkpoints))
        self.course = encode_course(race.stage, race.course)
        self.public_copy = public_copy
        self._folder = tempfile.TemporaryDirectory()
        self.home = TruckHome(Path(self._folder.name))
        self.begun_us = int(race.stage.start_at_s or 0) * 1_000_000 + RIDDEN_S * 1_000_000
        self.page = self.serve(0)
        self.url = f"http://127.0.0.1:{self.page.port}/"
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def serve(self, port: int) -> Serving:
        served = routes(self.hub, self.course, self.home, self.race.course, self.public_copy)
        return serve(self.hub, "127.0.0.1", port, served)

    def start(self) -> None:
        """A frame a second from now on."""
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(1.0):
            self.step()

    def step(self) -> None:
        at_us = self.begun_us + self.second * 1_000_000
        riders = [
            straight_readings(self.race, bib, np.array([at_us]), self.place(bib), SPEED_MPS)
            for bib in range(1, RIDERS + 1)
        ]
        self.race.advance(joined(*riders))
        number = self.hub.number_at(at_us)
        documents = self.channels.of(number, self.race.frame(at_us), (), FARES)
        self.hub.publish(number, documents)
        self.second += 1

    def place(self, bib: int) -> np.ndarray:
        """Metres after the flag: group 0 in front, and each group 40 m long."""
        group, within = divmod(bib - 1, RIDERS // GROUPS)
        return np.array([6000 + self.second * SPEED_MPS - group * 440.0 - within * 2.2])

    def pause(self) -> None:
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join()

    def stop(self) -> None:
        self.pause()
        self.page.stop()
        self._folder.cleanup()


def watched(page: Page, url: str) -> list[str]:
    """Everything that a page should not do, as it does it: errors, warnings, outside requests."""
    troubles: list[str] = []
    page.on(
        "console",
        lambda said: troubles.append(said.text) if said.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda sent: None if sent.url.startswith(url) else troubles.append(sent.url))
    return troubles


def launch(playwright: Any, chromium: Path) -> Any:
    return playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
