"""Pictures of the race centre for docs/img: a simulated mountain stage, shown by the real server.

    python tests/truck/serve/pictures.py [folder]

About two minutes: the stage is ridden for 78 minutes, folded into the race and shown as it went.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from race_site import FARES, launch  # noqa: E402

from hardware.stage import load_stage  # noqa: E402
from hardware.virtual.faults import Faults  # noqa: E402
from hardware.virtual.scenario import write_scenario  # noqa: E402
from hardware.virtual.simulate import simulate_stage  # noqa: E402
from truck.race.race import Race  # noqa: E402
from truck.readings import read_readings  # noqa: E402
from truck.serve.channels import Channels  # noqa: E402
from truck.serve.feed import encode_course  # noqa: E402
from truck.serve.http import serve  # noqa: E402
from truck.serve.hub import Hub  # noqa: E402
from truck.serve.moments import Moments  # noqa: E402
from truck.serve.site import routes  # noqa: E402

SEED, LENGTH_KM, RIDERS, SECONDS = 14, 70.0, 168, 4650
# of race before the pictures, how far apart its frames are, and what is left to show in them
SHOWN_S, EVERY_S, LEFT_S = 1700, 10, 10
DESK, PHONE = {"width": 1440, "height": 1180}, {"width": 390, "height": 844}
CHROMIUM = Path("/usr/bin/chromium")


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        stage_folder, day = Path(name) / "stage", Path(name) / "day"
        write_scenario(stage_folder, SEED, "mountain", LENGTH_KM, RIDERS)
        simulate_stage(stage_folder, day, SEED, None, SECONDS, Faults(), lambda _: None)
        stage = load_stage(day / "stage")
        race, hub = Race(stage), Hub()
        page = serve(hub, "127.0.0.1", 0, routes(hub, encode_course(stage, race.course)))
        browser = launch(playwright, CHROMIUM)
        try:
            tabs = open_tabs(browser, f"http://127.0.0.1:{page.port}/")
            picture(tabs, hub, ride(race, hub, day, tabs[0]), folder)
        finally:
            browser.close()
            page.stop()


def open_tabs(browser: Browser, url: str) -> list[Page]:
    tabs = []
    for size, scheme in ((DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")):
        tab = browser.new_page(viewport=size, color_scheme=scheme, device_scale_factor=1)  # type: ignore[arg-type]
        tab.goto(url)
        tab.locator("#profile .skyline").wait_for(state="attached")
        tabs.append(tab)
    return tabs


def ride(race: Race, hub: Hub, day: Path, tab: Page) -> list[tuple[int, dict[str, bytes]]]:
    """The race up to its pictures; the last seconds are handed back, to be shown one by one."""
    rows = read_readings([day / "readings.parquet"])
    at_us = rows.measured_at_us
    last_s = int(at_us[-1]) // 1_000_000
    channels = Channels(race.stage, race.course, Moments(race.stage.checkpoints))
    begun, left = 0, []
    for second in range(last_s - SHOWN_S, last_s):
        end = int(np.searchsorted(at_us, second * 1_000_000, side="right"))
        race.advance(rows.take(slice(begun, end)))
        begun = end
        if (last_s - second) % EVERY_S and last_s - second > LEFT_S:
            continue
        frame = race.frame(second * 1_000_000)
        documents = channels.of(second, frame, (), FARES | {"latency": LATENCY})
        if last_s - second <= LEFT_S:
            left.append((second, documents))
        else:
            hub.publish(second, documents)
            tab.wait_for_timeout(60)
    return left


LATENCY = {
    "p50_s": 0.68, "p99_s": 1.23, "p99_9_s": 1.31, "budget_s": 3.0,
    "by_hop": {
        "radio": {"p50_s": 0.01, "p99_s": 0.03}, "uplink": {"p50_s": 0.04, "p99_s": 0.13},
        "journal": {"p50_s": 0.11, "p99_s": 0.21}, "frame": {"p50_s": 0.53, "p99_s": 1.0},
        "commit": {"p50_s": 0.03, "p99_s": 0.07},
    },
}  # fmt: skip  # about what `make bench` printed on 28 November


def picture(
    tabs: list[Page], hub: Hub, left: list[tuple[int, dict[str, bytes]]], folder: Path
) -> None:
    names = ("race-centre", "race-centre-dark", "race-centre-phone", "race-centre-phone-dark")
    dark, phone = tabs[1], tabs[3]
    dark.keyboard.press("ArrowDown")
    dark.evaluate("document.querySelector('.trend-panel').scrollIntoView()")
    phone.click(".tabs [data-view=riders]")
    for tab, name in zip(tabs, names, strict=True):
        for _ in range(2):
            hub.publish(*left.pop(0))
            tab.wait_for_timeout(700)
        path = folder / f"{name}.png"
        tab.screenshot(path=path)
        Image.open(path).convert("RGB").save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "img")
