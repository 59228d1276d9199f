"""The page in a real browser: riders move, nothing goes outside, a lost link is said."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import ConsoleMessage, Page, sync_playwright
from rides_race import joined, race_of, straight_readings

from truck.race.race import Race
from truck.serve.feed import encode_course, encode_frame
from truck.serve.http import serve
from truck.serve.hub import Hub
from truck.serve.site import routes

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
EXTRAS = {
    "latency": {
        "p50_s": 0.8, "p99_s": 1.4, "p99_9_s": 2.2, "budget_s": 3.0,
        "by_hop": {"radio": {"p50_s": 0.1, "p99_s": 0.2}},
    },
    "packets": {"stored": 1234, "doubled": 5, "refused": {"signature": 3, "unknown_key": 1}},
    "relays": [{"name": "relay-1", "last_heard_age_s": 0.4, "bundles": 10, "backfill": 0}],
    "cloud": {"sealed": {"rows": 990, "batches": 4}, "lag_s": 2.0},
    "alarms": [{"what": "The disk is nearly full.", "cure": "Free some space."}],
}  # fmt: skip


class Site:
    """A race of 198 riders shown over real HTTP, a frame a second while it runs."""

    def __init__(self, race: Race) -> None:
        self.race, self.hub, self.second = race, Hub(), 0
        course = encode_course(race.stage, race.course)
        self.page = serve(self.hub, "127.0.0.1", 0, routes(self.hub, course, dict))
        self.url = f"http://127.0.0.1:{self.page.port}/"
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(1.0 if self.second else 0.0):
            self.step()

    def step(self) -> None:
        at_us = int(self.race.stage.start_at_s or 0) * 1_000_000 + self.second * 1_000_000
        riders = [
            straight_readings(
                self.race,
                bib,
                np.array([at_us]),
                np.array([40 + self.second * 12.0 - bib / 5]),
                12.0,
            )
            for bib in range(1, 199)
        ]
        self.race.advance(joined(*riders))
        data = encode_frame(self.race.frame(at_us), EXTRAS)
        self.hub.publish(self.hub.number_at(at_us), {"frame": data})
        self.second += 1

    def pause(self) -> None:
        self._end.set()
        self._thread.join()

    def stop(self) -> None:
        self.pause()
        self.page.stop()


@pytest.fixture
def site(stage: Path) -> Iterator[Site]:
    shown = Site(race_of(stage))
    yield shown
    shown.stop()


@pytest.fixture
def browser_page(chromium: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        yield browser.new_page(viewport={"width": 1300, "height": 900})
        browser.close()


def places(page: Page) -> list[float]:
    return page.eval_on_selector_all(
        "#profile .rider", "dots => dots.map(dot => Number(dot.getAttribute('cx')))"
    )


def test_the_page_shows_198_riders_moving_without_errors_or_outside_requests(
    site: Site, browser_page: Page
) -> None:
    troubles: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            troubles.append(message.text)

    browser_page.on("console", heard)
    browser_page.on("pageerror", lambda error: troubles.append(str(error)))
    browser_page.on(
        "request",
        lambda sent: None if sent.url.startswith(site.url) else troubles.append(sent.url),
    )
    browser_page.goto(site.url)
    browser_page.locator("#profile .rider").nth(197).wait_for(state="attached")
    browser_page.wait_for_timeout(1500)
    before = places(browser_page)
    browser_page.wait_for_timeout(700)  # between two frames they glide on
    between = places(browser_page)
    browser_page.wait_for_timeout(2000)
    after = places(browser_page)
    assert sum(b > a for a, b in zip(before, between, strict=True)) > 150
    assert all(b > a for a, b in zip(before, after, strict=True))
    assert browser_page.locator("#riders tr").count() == 198
    for selector, text in (
        ("#link", "0.8 s behind the road"), ("#refused", "signature"), ("#relays", "relay-1"),
        ("#cloud", "990"), ("#alarms", "Free some space."), ("#latency-hops", "Radio"),
    ):  # fmt: skip
        assert text in browser_page.inner_text(selector)
    browser_page.keyboard.press("/")
    browser_page.keyboard.type("117")
    assert browser_page.locator("#riders tr:visible").count() == 1
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= 1300
    browser_page.set_viewport_size({"width": 390, "height": 844})
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= 390
    assert troubles == []


def test_a_lost_link_is_said_with_its_age_and_mends_itself(site: Site, browser_page: Page) -> None:
    browser_page.goto(site.url)
    browser_page.wait_for_selector("#riders tr")
    site.pause()
    browser_page.wait_for_selector("#lost:visible", timeout=10_000)
    assert "last known state" in browser_page.inner_text("#lost")
    ages = browser_page.inner_text("#riders tr td:last-child")
    site.page.stop()
    browser_page.wait_for_timeout(1500)
    assert browser_page.inner_text("#riders tr td:last-child") != ages
    again = serve(site.hub, "127.0.0.1", site.page.port, routes(site.hub, b"{}", dict))
    site.step()
    browser_page.wait_for_selector("#lost", state="hidden", timeout=15_000)
    again.stop()
