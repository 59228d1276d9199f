"""The race centre in a real browser: 198 riders move, and everything obeys finger, key and ear."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from race_site import RIDERS, Site, launch, watched
from rides_race import race_of
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from truck.content.gallery import Gallery
from truck.content.item import Item
from truck.serve.http import serve
from truck.serve.hub import Hub

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
FRAME_MS = 16.0
WORDS = "The peloton lets them go"
AXE: list[tuple[Any, Any, str]] = [
    (DESK, "light", "race"), (DESK, "dark", "race"),
    (PHONE, "dark", "race"), (PHONE, "light", "riders"),
    (PHONE, "light", "standings"), (PHONE, "dark", "route"),
]  # fmt: skip


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = launch(playwright, chromium)
        yield started
        started.close()


@pytest.fixture(scope="module")
def site(stage: Path) -> Iterator[Site]:
    shown = Site(race_of(stage))
    words = Item(0, "comment", shown.begun_us / 1e6, 6.0, WORDS, "", "anna", "", "", "anna", "")
    Gallery(shown.home.content).add(words, None, at_once=True)
    for _ in range(4):
        shown.step()
    shown.start()
    yield shown
    shown.stop()


@pytest.fixture
def desk(site: Site, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport=DESK, color_scheme="light")
    troubles = watched(page, site.url)
    page.goto(site.url)
    page.locator("#profile .rider").nth(RIDERS - 1).wait_for(state="attached")
    page.locator("#groups .token").nth(10).wait_for()
    yield page
    page.close()
    assert troubles == []


def numbers(page: Page, selector: str, name: str) -> list[float]:
    script = "(nodes, name) => nodes.map(node => Number(node.getAttribute(name)))"
    found: list[float] = page.eval_on_selector_all(selector, script, name)
    return found


def shown_riders(page: Page) -> int:
    return page.locator("#riders .row:not([hidden])").count()


def seconds_of(page: Page) -> int:
    h, m, s = page.inner_text("#race-time").split(":")
    return int(h) * 3600 + int(m) * 60 + int(s)


def test_198_riders_glide_and_a_frame_is_drawn_in_time(desk: Page) -> None:
    before = numbers(desk, "#profile .rider", "cx")
    desk.evaluate("performance.clearMeasures()")
    roads: set[str | None] = set()
    for _ in range(4):  # between two frames the road glides on
        desk.wait_for_timeout(150)
        roads.add(desk.get_attribute("#strip .land", "transform"))
    assert len(roads) > 1
    desk.wait_for_timeout(6000)
    after = numbers(desk, "#profile .rider", "cx")
    assert len(before) == RIDERS == desk.locator("#riders .row").count()
    assert all(now > then for then, now in zip(before, after, strict=True))
    drawn = desk.evaluate("performance.getEntriesByName('frame').map(one => one.duration)")
    median_ms = sorted(drawn)[len(drawn) // 2]
    print(f"a frame is drawn in {median_ms:.1f} ms at the median of {len(drawn)}")  # noqa: T201
    # where others keep the cores busy a millisecond of work takes longer than one
    allowed_ms = FRAME_MS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert len(drawn) >= 4
    assert median_ms < allowed_ms


def test_words_that_were_let_through_stand_among_the_moments(desk: Page) -> None:
    desk.locator("#moments li", has_text=WORDS).wait_for()
    assert "anna · km 6.0" in desk.inner_text("#moments")


def test_groups_within_5_km_stand_apart_and_keep_their_colour(desk: Page) -> None:
    boxes = [token.bounding_box() for token in desk.locator("#groups .token").all()]
    spans = sorted((box["x"], box["x"] + box["width"]) for box in boxes if box)
    assert len(spans) == 11
    assert all(right <= left for (_, right), (left, _) in itertools.pairwise(spans))
    assert spans[0][0] >= 0
    assert spans[-1][1] <= DESK["width"]
    colours = "tokens => tokens.map(token => token.className.match(/g[0-9]+/)[0])"
    first = desk.eval_on_selector_all("#groups .token", colours)
    desk.wait_for_timeout(2500)
    assert desk.eval_on_selector_all("#groups .token", colours) == first
    assert len(set(first)) == 11


def test_the_keyboard_searches_follows_stars_picks_and_helps(desk: Page) -> None:
    keys = desk.keyboard
    keys.press("/")
    keys.type("117")
    assert shown_riders(desk) == 1
    keys.press("Escape")
    assert shown_riders(desk) == RIDERS
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    assert desk.inner_text("#card-bib") == desk.text_content("#riders .row:nth-child(2) .bib")
    keys.press("f")
    keys.press("v")
    assert shown_riders(desk) == 1
    desk.reload()
    desk.locator("#riders .row").nth(RIDERS - 1).wait_for(state="attached")
    keys.press("v")
    assert shown_riders(desk) == 1, "a favourite outlives the page"
    keys.press("Escape")
    desk.locator("#groups .token").nth(10).wait_for()
    keys.press("]")
    assert shown_riders(desk) == 18
    keys.press("Escape")
    keys.press("?")
    assert desk.locator("#help").is_visible()
    keys.press("Escape")
    assert not desk.locator("#help").is_visible()
    scheme = "getComputedStyle(document.documentElement).colorScheme"
    assert desk.evaluate(scheme) == "light"
    keys.press("t")
    assert desk.evaluate(scheme) == "dark"


def test_it_scrubs_back_over_what_it_kept_and_delays_for_television(desk: Page) -> None:
    desk.wait_for_timeout(4000)
    live = seconds_of(desk)
    desk.keyboard.press("ArrowLeft")
    assert desk.locator("#replaying").is_visible()
    then = seconds_of(desk)
    assert then < live
    desk.keyboard.press(" ")
    desk.wait_for_timeout(600)
    stopped = seconds_of(desk)
    desk.wait_for_timeout(1500)
    assert seconds_of(desk) == stopped
    desk.keyboard.press("l")
    assert seconds_of(desk) > live
    desk.fill("#delay", "3")
    desk.keyboard.press("Tab")
    desk.wait_for_timeout(1200)
    behind = desk.eval_on_selector("#range", "range => range.max - range.value")
    assert 2 <= behind <= 4
    assert "3 s TV delay" in desk.inner_text("#shown-at")


def test_a_phone_has_one_part_at_a_time_and_never_scrolls_sideways(
    site: Site, browser: Browser
) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(site.url)
    page.locator("#groups .token").nth(10).wait_for()
    for view, inside in (
        ("race", "#groups"),
        ("riders", "#riders"),
        ("standings", "#fresh"),
        ("route", "#map"),
    ):
        page.click(f".tabs [data-view={view}]")
        assert page.locator(inside).is_visible()
        assert page.locator("main > .panel:visible").count() < 4
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.close()


def test_axe_finds_nothing_in_light_or_dark_on_desk_or_phone(
    site: Site, browser: Browser, axe: str
) -> None:
    page = browser.new_page(viewport=DESK)
    page.goto(site.url)
    page.locator("#groups .token").nth(10).wait_for()
    page.evaluate(axe)
    for size, scheme, view in AXE:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        page.evaluate("view => document.querySelector(`.tabs [data-view=${view}]`).click()", view)
        page.wait_for_timeout(300)
        found = page.evaluate("axe.run().then(said => said.violations)")
        told = [(one["id"], [node["html"][:120] for node in one["nodes"]][:4]) for one in found]
        assert told == [], (size, scheme, view)
    page.close()


def test_a_lost_link_is_said_with_its_age_and_the_restart_needs_no_reload(
    stage: Path, browser: Browser
) -> None:
    site = Site(race_of(stage))
    for _ in range(4):
        site.step()
    page = browser.new_page(viewport=DESK)
    page.goto(site.url)
    page.locator("#riders .row").first.wait_for()
    page.evaluate("window.sameDocument = true")
    site.page.stop()
    page.wait_for_selector("#lost:visible", timeout=15_000)
    assert "last known state" in page.inner_text("#lost")
    ages = page.text_content("#riders .row:first-child .age")
    page.wait_for_timeout(1500)
    assert page.text_content("#riders .row:first-child .age") != ages
    site.page = site.serve(site.page.port)
    site.step()
    page.wait_for_selector("#lost", state="hidden", timeout=15_000)
    assert page.evaluate("window.sameDocument")
    page.close()
    site.stop()


def test_where_the_truck_is_cut_off_the_page_goes_on_from_the_public_copy_and_back(
    stage: Path, browser: Browser
) -> None:
    sites: list[Site] = []

    async def document(request: Request) -> Response:
        name, site = request.path_params["name"], sites[0]
        latest = site.hub.latest
        assert latest is not None
        body = site.course if name == "course" else latest.bodies[name].plain
        return Response(body, headers={"Access-Control-Allow-Origin": "*"})

    bucket = serve(Hub(), "127.0.0.1", 0, [Route("/feed/v1/{name}.json", document)])
    site = Site(race_of(stage), f"http://127.0.0.1:{bucket.port}/feed/")
    sites.append(site)
    for _ in range(4):
        site.step()
    page = browser.new_page(viewport=DESK)
    page.goto(site.url)
    page.locator("#riders .row").first.wait_for()
    site.page.stop()
    site.start()
    page.locator("#link", has_text="from the public copy").wait_for(timeout=20_000)
    shown = [seconds_of(page)]
    for _ in range(5):
        page.wait_for_timeout(500)
        shown.append(seconds_of(page))
    site.page = site.serve(site.page.port)
    page.locator("#link", has_text="behind the road").wait_for(timeout=20_000)
    shown.append(seconds_of(page))
    assert shown == sorted(shown)
    assert shown[-1] > shown[0]
    page.close()
    bucket.stop()
    site.stop()
