"""The operator's key on the page: one swap for the operator, and nothing for anybody else."""

import asyncio
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from hardware.errors import Misconfigured, Unavailable
from truck.serve.http import Serving, application, serve
from truck.serve.hub import Hub
from truck.serve.operator import HEADER, Operator
from truck.serve.site import routes

TOKEN = "0f" * 32
WISH = {"kind": "swap", "bib": 12, "device": 3, "by": "anna"}
COURSE = {
    "name": "Loop", "kind": "road", "length_m": 1000.0, "neutral_m": 0.0,
    "profile": {"distance_m": [0, 1000], "altitude_m": [10, 10]},
    "checkpoints": {"distance_m": [], "kind": [], "name": []},
}  # fmt: skip


class Desk:
    """Says yes, and remembers to what; bib 99 it does not know."""

    def __init__(self) -> None:
        self.wishes: list[dict[str, Any]] = []

    def ask(self, wish: dict[str, Any]) -> dict[str, Any]:
        if wish.get("bib") == 99:
            raise Misconfigured("nobody rides with bib 99", "See the start list.")
        if wish.get("bib") == 98:
            raise Unavailable("the journal cannot be written")
        self.wishes.append(wish)
        return wish | {"number": len(self.wishes), "said": "bib 12 rides device 3"}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def page(desk: Desk) -> Iterator[Serving]:
    hub, course = Hub(), json.dumps(COURSE).encode()
    serving = serve(hub, "127.0.0.1", 0, routes(hub, course, dict, Operator(TOKEN, desk.ask)))
    yield serving
    serving.stop()


def post(page: Serving, body: bytes = json.dumps(WISH).encode(), **changes: str) -> tuple[int, Any]:
    """A POST as the operator's own page sends it, but for the changes; an empty one is left out."""
    host = f"127.0.0.1:{page.port}"
    headers = {"Host": host, "Origin": f"http://{host}", HEADER: TOKEN}
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    connection = HTTPConnection("127.0.0.1", page.port, timeout=10)
    connection.putrequest("POST", "/rulings", skip_host=True)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        if value:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer.status, said


def test_the_operators_own_page_has_its_ruling(page: Serving, desk: Desk) -> None:
    assert post(page) == (200, WISH | {"number": 1, "said": "bib 12 rides device 3"})
    host = f"localhost:{page.port}"
    assert post(page, Host=host, Origin=f"http://{host}")[0] == 200
    assert desk.wishes == [WISH, WISH]


@pytest.mark.parametrize(
    "changes",
    [
        {"X_Truck_Operator": ""},
        {"X_Truck_Operator": "0f" * 31 + "00"},
        {"X_Truck_Operator": TOKEN + "0f"},
        {"Origin": ""},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "https://127.0.0.1"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Host": "127.0.0.1.evil.example:80", "Origin": "http://127.0.0.1.evil.example:80"},
        {"X_Forwarded_For": "127.0.0.1"},
        {"X_Forwarded_For": "10.0.0.7"},
        {"Forwarded": "for=127.0.0.1"},
    ],
)
def test_whoever_lacks_one_proof_changes_nothing(
    page: Serving, desk: Desk, changes: dict[str, str]
) -> None:
    status, said = post(page, **changes)
    assert status == 403
    assert said["error"]
    assert TOKEN not in json.dumps(said)
    assert desk.wishes == []


def test_another_machine_changes_nothing_whatever_it_knows(desk: Desk) -> None:
    taken = {}
    for client in ("10.0.0.7", "2001:db8::7", "127.0.0.1", "::1"):
        headers = {"Host": "127.0.0.1:1", "Origin": "http://127.0.0.1:1", HEADER: TOKEN}
        scope = {
            "type": "http", "method": "POST", "path": "/rulings", "query_string": b"",
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
            "client": (client, 4000),
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(WISH).encode(), "more_body": False}

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        asyncio.run(
            application(routes(Hub(), b"{}", dict, Operator(TOKEN, desk.ask)))(scope, receive, send)
        )
        taken[client] = sent[0]["status"]
    assert taken == {"10.0.0.7": 403, "2001:db8::7": 403, "127.0.0.1": 200, "::1": 200}
    assert desk.wishes == [WISH, WISH]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"[" * 3000, b" " * 5000, b"\xff"])
def test_what_is_no_small_object_is_refused(page: Serving, desk: Desk, body: bytes) -> None:
    assert post(page, body)[0] == 400
    assert desk.wishes == []


def test_the_desks_sentence_comes_back(page: Serving) -> None:
    status, said = post(page, json.dumps(WISH | {"bib": 99}).encode())
    assert (status, said) == (422, {"error": "nobody rides with bib 99. See the start list."})
    assert post(page, json.dumps(WISH | {"bib": 98}).encode())[0] == 503


def test_a_page_without_an_operator_takes_no_rulings() -> None:
    hub = Hub()
    serving = serve(hub, "127.0.0.1", 0, routes(hub, b"{}", dict))
    connection = HTTPConnection("127.0.0.1", serving.port, timeout=10)
    connection.request("POST", "/rulings", body=b"{}", headers={HEADER: TOKEN})
    assert connection.getresponse().status == 404
    connection.close()
    serving.stop()


def test_s_swaps_a_bike_in_the_browser_and_only_with_the_token(
    page: Serving, desk: Desk, chromium: Path
) -> None:
    address = f"http://127.0.0.1:{page.port}/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium), args=["--no-sandbox", "--disable-gpu"]
        )
        viewer = browser.new_page()
        viewer.goto(address)
        viewer.locator("#stage", has_text="Loop").wait_for()
        viewer.keyboard.press("s")
        assert not viewer.locator("#swap").is_visible()
        assert not viewer.locator("#swap-open").is_visible()
        tab = browser.new_page()
        tab.goto(address + "#operator=" + TOKEN)
        tab.locator("#stage", has_text="Loop").wait_for()
        assert TOKEN not in tab.url
        tab.focus("#search")
        tab.keyboard.press("s")
        assert not tab.locator("#swap").is_visible(), "a letter in the search is a letter"
        tab.keyboard.press("Escape")
        for bib in ("99", "12"):
            tab.keyboard.press("s")
            tab.wait_for_selector("#swap:visible")
            for name, word in (("bib", bib), ("device", "3"), ("by", "anna")):
                tab.fill(f"#swap [name={name}]", word)
            tab.keyboard.press("Enter")
            if bib == "99":
                error = tab.locator("#swap [role=alert]", has_text="nobody rides with bib 99")
                error.wait_for()
                tab.keyboard.press("Escape")
                tab.wait_for_selector("#swap", state="hidden")
        tab.wait_for_selector("#ruled:visible")
        assert "bib 12 rides device 3" in tab.inner_text("#ruled")
        browser.close()
    assert desk.wishes == [WISH]
