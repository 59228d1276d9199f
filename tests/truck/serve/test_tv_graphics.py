"""The graphics in a real browser, called as CasparCG and SPX call them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_race import OnAir
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
CASPAR = (
    '<templateData><componentData id="f0"><data id="text" value="standings"/></componentData>'
    '<componentData id="f1"><data id="text" value="Général &amp; co"/></componentData>'
    "</templateData>"
)


@pytest.fixture
def air(tmp_path: Path) -> Iterator[OnAir]:
    shown = OnAir(tmp_path, 130)
    yield shown
    shown.stop()


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        yield opened
        opened.close()


class Playout:
    """One graphic on a layer of a playout machine."""

    def __init__(self, browser: Browser, air: OnAir, name: str) -> None:
        self.page: Page = browser.new_page(viewport={"width": 1920, "height": 1080})
        self.troubles: list[str] = []
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.troubles.append(said.text) if "Content Security" in said.text else 0,
        )
        self.page.on(
            "request",
            lambda sent: 0 if sent.url.startswith(air.url) else self.troubles.append(sent.url),
        )
        self.page.goto(f"{air.url}/tv/templates/{name}.html")

    def call(self, name: str, *given: Any) -> None:
        self.page.evaluate("([name, given]) => window[name](...given)", [name, list(given)])

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.page.eval_on_selector_all(
            selector, "all => all.filter(e => e.offsetParent !== null).map(e => e.textContent)"
        )
        return found

    def wait(self, expression: str) -> None:
        # asked from outside: the page's policy lets nothing be evaluated inside it
        until_s = time.monotonic() + 20
        while not self.page.evaluate(expression):
            assert time.monotonic() < until_s, expression
            time.sleep(0.05)


def first(selector: str, text: str) -> str:
    return (
        f"document.querySelector({json.dumps(selector)}).textContent.includes({json.dumps(text)})"
    )


def test_the_leaderboard_plays_updates_steps_and_stops(browser: Browser, air: OnAir) -> None:
    on = Playout(browser, air, "leaderboard")
    assert on.page.evaluate("getComputedStyle(document.querySelector('.graphic')).visibility") == (
        "hidden"
    )
    assert on.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
    on.call("update", json.dumps({"f0": "leaders", "f1": ""}))  # as SPX does
    on.call("play")
    on.wait(first(".name", "SUM(A1:A9)"))
    assert on.texts(".title") == ["Stage"]
    assert on.texts(".row .name")[1] == "Tadej Pogačar"
    assert on.texts(".row .value")[:3] == ["0:00", "0:00", "+0:40"]
    assert on.page.evaluate("getComputedStyle(document.querySelector('.graphic')).visibility") == (
        "visible"
    )
    before = on.texts(".note")[0]
    air.run(30)
    on.wait(f"document.querySelector('.note').textContent !== {before!r}")
    on.call("next")
    assert on.texts(".row .value")[0] == "43 km/h"
    on.call("update", CASPAR)
    on.wait(first(".title", "Général & co"))
    on.call("next")
    on.wait(first(".row:nth-child(4) .value", "+0:46"))
    on.call("stop")
    on.wait("getComputedStyle(document.querySelector('.graphic')).visibility === 'hidden'")
    assert on.troubles == []
    on.page.close()


def test_a_lower_third_is_of_the_bib_it_was_given(browser: Browser, air: OnAir) -> None:
    on = Playout(browser, air, "rider")
    on.call("update", json.dumps({"f0": "3"}))
    on.call("play")
    on.wait(first(".name", "O'Brien & <Sons>"))
    assert (on.texts(".bib"), on.texts(".rank"), on.texts(".place .group")) == (
        ["3"], ["#3"], ["Chasers"],
    )  # fmt: skip
    assert on.texts(".figure")[:2] == ["+0:40", "43km/h"]
    on.call("next")
    assert on.texts(".label")[0] == "Virtual GC"
    assert on.texts(".figure")[3] == "43.2km/h"
    on.call("update", {"f0": "2", "f1": "The champion"})
    on.wait(first(".name", "The champion"))
    assert on.texts(".bib") == ["2"]
    on.call("stop")
    assert on.troubles == []
    on.page.close()


def test_groups_show_their_gaps_and_next_lights_one_after_the_other(
    browser: Browser, air: OnAir
) -> None:
    on = Playout(browser, air, "groups")
    on.call("play")
    on.wait(first(".group .name", "Leaders"))
    assert on.texts(".group .name") == ["Leaders", "Chasers", "Peloton"]
    assert on.texts(".gap span")[0] == "+0:40"
    assert on.texts(".group .size")[0] == "2 riders"
    for lit in (1, 2, 3, 0):
        on.call("next")
        classes = on.page.eval_on_selector_all(
            ".group", "all => all.map(e => e.classList.contains('lit'))"
        )
        assert classes == [k + 1 == lit for k in range(4)]
    assert on.troubles == []
    on.page.close()


def test_no_value_older_than_its_bound_is_drawn_and_a_lost_truck_empties_the_graphic(
    browser: Browser, air: OnAir
) -> None:
    on = Playout(browser, air, "leaderboard")
    on.call("update", json.dumps({"f0": "leaders"}))
    on.call("play")
    on.wait(first(".row:nth-child(4) .value", "+0:40"))
    air.wait(20.0)  # no new frame for 20 s
    on.wait(first(".row:nth-child(4) .value", "\u2013"))
    assert on.texts(".row .name")[1] == "Tadej Pogačar"
    assert on.page.evaluate("document.body.className").split() == ["on"]
    air.wait(100.0)
    on.wait("document.body.classList.contains('empty')")
    air.run(1)
    on.wait(first(".row:nth-child(4) .value", "+0:40"))
    # the truck is gone: what was drawn last grows old in the browser's own time
    on.page.clock.install()
    on.page.reload()
    on.call("update", json.dumps({"f0": "leaders"}))
    on.call("play")
    on.page.clock.run_for(1500)
    on.wait(first(".row:nth-child(4) .value", "+0:40"))
    air.stop()
    on.page.clock.run_for(15_000)
    on.wait(first(".row:nth-child(4) .value", "\u2013"))
    on.page.clock.run_for(100_000)
    on.wait("document.body.classList.contains('empty')")
    on.page.close()


def test_a_browser_that_nobody_calls_plays_by_its_address(browser: Browser, air: OnAir) -> None:
    on = Playout(browser, air, "rider")
    on.page.goto(f"{air.url}/tv/templates/rider.html?play=1&bib=2")
    on.wait(first(".name", "Tadej Pogačar"))
    on.page.close()
