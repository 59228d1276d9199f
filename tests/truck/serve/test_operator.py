"""The operators' door of a real truck: signed in, asked twice where it matters, written down."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from operators_truck import OperatorsTruck
from playwright.sync_api import Page, sync_playwright

from truck.audit import read_audit

SEEN = {"width": 1500, "height": 1250}


@pytest.fixture(scope="module")
def truck(tmp_path_factory: pytest.TempPathFactory, mosquitto: Path) -> Iterator[OperatorsTruck]:
    made = OperatorsTruck(tmp_path_factory.mktemp("truck"))
    yield made
    made.stop()


@pytest.fixture
def page(chromium: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser.new_page(viewport=SEEN, color_scheme="dark")
        browser.close()


def lines(truck: OperatorsTruck) -> list[tuple[str, str, str]]:
    log = read_audit(truck.home, truck.small.keys.signing.public)
    assert log.problems == ()
    return [(e.by, e.action, e.outcome) for e in log.entries]


def public_frame(truck: OperatorsTruck) -> dict[str, Any]:
    with urllib.request.urlopen(truck.page + "api/frame", timeout=10) as answer:
        return dict(json.load(answer))


def test_only_an_operator_sees_and_acts_and_each_refusal_is_counted_and_written(
    truck: OperatorsTruck,
) -> None:
    act = {"act": "swap", "wish": {"bib": 11, "device": 1}}
    for role in ("viewer", "press", "tv", "editor"):
        for method, path in (("GET", "picture"), ("GET", "evidence"), ("POST", "acts")):
            status, said, _ = truck.ask(method, f"/api/{path}", truck.token(role), act)
            assert (status, said["reason"]) == (403, "role")
    assert truck.ask("POST", "/api/acts", body=act)[1]["reason"] == "no_token"
    other = truck.token("operator", event="giro")
    assert truck.ask("POST", "/api/acts", other, act)[1]["reason"] == "other_event"
    status, picture, _ = truck.ask("GET", "/api/picture", truck.token("operator"))
    assert status == 200
    counted = picture["turned_away"]["operator"]
    assert (counted["role"], counted["no_token"] >= 1, counted["other_event"]) == (12, True, 1)
    truck.service._doors.turn()
    assert lines(truck).count(("Anna", "POST /api/acts", "refused")) == 4


def test_what_others_see_at_once_is_asked_twice(truck: OperatorsTruck) -> None:
    token = truck.token("operator")
    hide: dict[str, Any] = {"act": "hide", "wish": {"bib": 13}}
    status, said, _ = truck.ask("POST", "/api/acts", token, hide)
    assert status == 428
    assert said["detail"].startswith("Bib 13 ")
    assert "every public page, feed and board" in said["detail"]
    assert ("Anna", "hide", "asked") not in lines(truck), "nothing was asked of the truck yet"
    status, said, _ = truck.ask("POST", "/api/acts", token, hide | {"sure": True})
    assert (status, said["said"]) == (200, "bib 13 is hidden from the public")
    assert lines(truck)[-2:] == [("Anna", "hide", "asked"), ("Anna", "hide", "done")]
    _, picture, _ = truck.ask("GET", "/api/picture", token)
    truck_sees = [rider["bib"] for rider in picture["race"]["hidden"]]
    assert truck_sees == [13]
    shown = [public_frame(truck) for _ in range(1)]
    until = 50
    while 13 in shown[-1]["riders"]["bib"] and until:
        shown.append(public_frame(truck))
        until -= 1
        truck.service._stop.wait(0.1)
    frame = shown[-1]
    assert frame["riders"]["bib"] == [11, 12]
    assert 13 not in frame["groups"]["first_bib"]
    assert "13" not in json.dumps(frame["incidents"].get("bibs"))
    assert truck.ask("POST", "/api/acts", token, {"act": "show", "wish": {"bib": 13}})[0] == 200
    assert truck.ask("POST", "/api/acts", token, {"act": "show", "wish": {"bib": 13}})[0] == 422


def test_tv_is_frozen_from_here_once_he_is_sure(truck: OperatorsTruck) -> None:
    token = truck.token("operator")
    status, said, _ = truck.ask("POST", "/api/acts", token, {"act": "freeze"})
    assert (status, said["detail"].startswith("Every TV board keeps")) == (428, True)
    status, said, _ = truck.ask("POST", "/api/acts", token, {"act": "freeze", "sure": True})
    assert (status, said["said"]) == (200, "every TV board is frozen")
    assert ("Anna", "freeze", "done") in lines(truck)
    assert truck.ask("POST", "/api/acts", token, {"act": "release"})[0] == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"[]", 400), (b"7", 400), (b"\xff", 400), (b"[" * 4000, 400),
        (b'{"act":7}', 400), (b'{"act":"swap","wish":[]}', 400), (b'{"act":"fly"}', 404),
        (b'{"act":"swap","wish":{"bib":NaN}}', 400), (b'{"act":"swap","wish":{}}', 422),
        (b'{"act":"swap","wish":{"bib":99,"device":1}}', 422), (b" " * 4097, 413),
        (b'{"act":"activate","wish":{"version":"x"},"sure":true}', 422),
        (b'{"act":"activate","wish":{"version":3},"sure":true}', 422),
    ],
)  # fmt: skip
def test_a_hostile_body_is_one_refusal(truck: OperatorsTruck, body: bytes, status: int) -> None:
    found, said, headers = truck.ask("POST", "/api/acts", truck.token("operator"), body)
    assert (found, said["status"]) == (status, status)
    assert headers["Content-Type"] == "application/problem+json"


def test_a_cookie_is_for_this_page_alone(truck: OperatorsTruck) -> None:
    own = {"Origin": truck.url.rstrip("/"), "Content_Type": "application/json"}
    token = truck.token("operator")
    status, said, headers = truck.ask("POST", "/api/session", body={"token": token}, **own)
    assert (status, said["name"]) == (200, "Anna")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    carried = {"Cookie": cookie.partition(";")[0]}
    assert truck.ask("GET", "/api/picture", **carried)[0] == 200
    act = {"act": "reinstate", "wish": {"bib": 11}}
    assert truck.ask("POST", "/api/acts", body=act, **carried, **own)[0] == 422
    elsewhere = own | {"Origin": "http://evil.example"}
    status, said, _ = truck.ask("POST", "/api/acts", body=act, **carried, **elsewhere)
    assert (status, said["reason"]) == (403, "cross_site")
    for wrong in ({"token": truck.token("tv")}, {"token": "x"}, {}, {"token": 7}):
        assert truck.ask("POST", "/api/session", body=wrong, **own)[0] in (401, 403)
    ended = truck.ask("DELETE", "/api/session", **carried, **own)[2]["Set-Cookie"]
    assert "Max-Age=0" in ended


def test_the_public_never_meets_the_operators(truck: OperatorsTruck) -> None:
    token = {"Authorization": f"Bearer {truck.token('operator')}"}
    for path in ("api/picture", "api/acts", "api/session", "rulings", "acts.js", "operator.css"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(
                urllib.request.Request(truck.page + path, headers=token), timeout=10
            )
        refused.value.close()
        assert refused.value.code == 404, path


def test_an_operator_signs_in_judges_an_incident_and_finds_his_line(
    truck: OperatorsTruck, page: Page, axe: str
) -> None:
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request",
        lambda sent: None if sent.url.startswith(truck.url) else troubles.append(sent.url),
    )
    page.goto(truck.url)
    page.wait_for_selector("#gate:visible")
    assert not page.locator("#office").is_visible()
    page.fill("#token", "no token at all")
    page.keyboard.press("Enter")
    page.locator("#gate-error", has_text="no token of this truck").wait_for()
    page.fill("#token", truck.token("operator"))
    page.keyboard.press("Enter")
    page.wait_for_selector("#office:visible")
    assert page.inner_text("#me") == "Anna"
    assert page.evaluate("document.cookie") == "", "no script of the page sees the token"
    page.locator("#relays tr", has_text="moto-1").wait_for()
    assert page.locator("#relays tr").count() == 2
    page.locator("#refused tr", has_text="malformed").wait_for()
    page.locator("#complete", has_text="packets of loop").wait_for()
    incident = page.locator("#incidents li", has_text="Crash")
    incident.wait_for()
    assert "12" in incident.inner_text()
    page.evaluate(axe)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("axe.run().then(said => said.violations)")
        assert [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found] == []
    page.get_by_role("button", name="Dismiss incident 1").click()
    page.locator("#act-effect", has_text="it did not happen").wait_for()
    page.get_by_role("button", name="No", exact=True).click()
    page.get_by_role("button", name="Confirm incident 1").click()
    page.locator("#said", has_text="incident 1 is confirmed").wait_for()
    page.locator("#audit tr", has_text="incident 1 is confirmed").first.wait_for()
    assert ("Anna", "dismiss", "asked") not in lines(truck)
    page.keyboard.press("s")
    page.fill("#act [name=bib]", "99")
    page.fill("#act [name=device]", "3")
    page.keyboard.press("Enter")
    page.locator("#act-error", has_text="nobody rides with bib 99").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("h")
    page.fill("#act [name=bib]", "11")
    page.keyboard.press("Enter")
    page.locator("#act-effect", has_text="Bib 11 ").wait_for()
    page.keyboard.press("y")
    page.locator("#hidden li", has_text="11").wait_for()
    page.get_by_role("button", name="Show: 11").click()
    page.locator("#hidden", has_text="nobody").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= SEEN["width"]
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size(SEEN)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_selector("#gate:visible")
    page.goto(truck.url + "#token=" + truck.token("operator"))
    page.reload()
    page.wait_for_selector("#office:visible")
    assert "token" not in page.url
    assert [trouble for trouble in troubles if "favicon" not in trouble] == []
