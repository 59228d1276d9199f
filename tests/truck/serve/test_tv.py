"""Boards over real HTTP: three formats of one thing, changes by right, graphics with own CSP."""

import base64
import csv
import hashlib
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from board_race import OnAir

from truck.serve.race_boards import OWN
from truck.serve.tv import TEMPLATES


@pytest.fixture(scope="module")
def air(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnAir]:
    shown = OnAir(tmp_path_factory.mktemp("air"), 130)
    yield shown
    shown.stop()


def ask(
    air: OnAir, path: str, body: Any = None, role: str = "", **headers: str
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", air.serving.port, timeout=10)
    if role:
        headers["Authorization"] = f"Bearer {air.porter.token(role)}"
    if body is None:
        connection.request("GET", path, headers=headers)
    else:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, raw, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer, data


@pytest.mark.parametrize("name", [*OWN])
def test_every_board_is_served_with_the_same_cells_in_three_formats(air: OnAir, name: str) -> None:
    air.boards.freeze(name, True, "test")  # so that no second passes between the three
    try:
        found = {kind: ask(air, f"/tv/{name}.{kind}?bib=3") for kind in ("json", "xml", "csv")}
    finally:
        air.boards.freeze(name, False, "test")
    assert [answer.status for answer, _ in found.values()] == [200] * 3
    assert [answer.headers["Content-Type"].split(";")[0] for answer, _ in found.values()] == [
        "application/json", "application/xml", "text/csv",
    ]  # fmt: skip
    rows = [list(row.values()) for row in json.loads(found["json"][1])]
    board = ET.fromstring(found["xml"][1])
    assert [[cell.text or "" for cell in row] for row in board] == rows
    lines = list(csv.reader(io.StringIO(found["csv"][1].decode(), newline=""), strict=True))
    assert lines[1:] == rows
    assert len(rows) == OWN[name].rows
    answer = found["json"][0]
    assert answer.headers["X-Board-Quality"] == "frozen"
    assert answer.headers["X-Board-At"] == "2026-07-16T10:37:09Z"
    assert answer.headers["Cache-Control"] == "no-store"


def test_what_is_no_board_is_said(air: OnAir) -> None:
    for path, status in (
        ("/tv/nothing.json", 404), ("/tv/leaders.xlsx", 404), ("/tv/rider-card.json?bib=x", 400),
        ("/tv/rider-card.json?bib=99999", 400), ("/tv/rider-card.json?bib=%D9%A3", 400),
        ("/tv/templates/none.html", 404), ("/tv/templates/../tv.py", 404),
    ):  # fmt: skip
        answer, body = ask(air, path)
        assert answer.status == status, path
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert json.loads(body)["detail"]


def test_all_boards_are_listed_for_machines_and_for_people(air: OnAir) -> None:
    listed = json.loads(ask(air, "/tv/boards.json")[1])
    assert listed["schema"] == "truck.boards/1"
    assert [row["board"] for row in listed["boards"]] == [*OWN]
    assert {row["quality"] for row in listed["boards"]} == {"live"}
    page = ask(air, "/tv/")[1].decode()
    for link in re.findall(r'href="([^"/][^"]*)"', page):
        assert ask(air, f"/tv/{link}")[0].status == 200, link


@pytest.mark.parametrize("role", ["", "viewer", "press", "editor", "tv", "operator"])
def test_only_tv_and_operators_change_a_board_and_each_change_is_audited(
    air: OnAir, role: str
) -> None:
    may, said = role in ("tv", "operator"), len(air.audited)
    changes: list[tuple[str, Any]] = [
        ("leaders/freeze", {"on": True}), ("leaders/freeze", {"on": False}),
        ("all/freeze", {"on": True}), ("all/freeze", {"on": False}),
        ("leaders/override", {"row": 3, "column": "gap", "value": "+9:99"}),
        ("leaders/override", {"row": 3, "column": "gap", "value": None}),
        ("groups/delay", {"delay_s": 5}), ("groups/delay", {"delay_s": 0}),
    ]  # fmt: skip
    for path, wish in changes:
        answer, _ = ask(air, f"/tv/{path}", wish, role)
        assert answer.status == (200 if may else 403 if role else 401), path
        if path.startswith("leaders/override"):
            shown = json.loads(ask(air, "/tv/leaders.json")[1])[2]["gap"] == "+9:99"
            assert shown == (may and wish["value"] is not None)
    assert len(air.audited) - said == (8 if may else 0)
    assert all(by == "Anna" for by, _ in air.audited[said:])


@pytest.mark.parametrize(
    ("path", "wish", "why"),
    [
        ("nothing/freeze", {"on": True}, "no board nothing"),
        ("leaders/freeze", {"on": "yes"}, "true or false"),
        ("leaders/override", {"row": True, "column": "gap", "value": "x"}, "no cell is named"),
        ("leaders/override", {"row": 1, "column": "gap", "value": 7}, "text or null"),
        ("leaders/override", {"row": 11, "column": "gap", "value": "x"}, "no cell gap in row 11"),
        ("leaders/delay", {"delay_s": "5"}, "number of seconds"),
        ("leaders/delay", {"delay_s": 1e9}, "0 to 60 s"),
        ("leaders/delay", b'{"delay_s": NaN}', "0 to 60 s"),
    ],
)
def test_a_wish_that_cannot_be_met_is_one_sentence(
    air: OnAir, path: str, wish: Any, why: str
) -> None:
    said = len(air.audited)
    answer, body = ask(air, f"/tv/{path}", wish, "tv")
    assert (answer.status, why in json.loads(body)["detail"]) == (422, True), body
    assert len(air.audited) == said


def test_what_is_no_wish_at_all_is_refused(air: OnAir) -> None:
    for body in (b"", b"[1]", b"\xff", b"[" * 5000):
        assert ask(air, "/tv/leaders/freeze", body, "tv")[0].status == 400
    assert ask(air, "/tv/leaders/freeze", b" " * 20_000, "tv")[0].status == 413


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_graphic_may_run_its_own_script_and_no_other(air: OnAir, name: str) -> None:
    answer, body = ask(air, f"/tv/templates/{name}.html")
    policy = answer.headers["Content-Security-Policy"]
    (script,) = re.findall(rb"<script id=[^>]*>(.*?)</script>", body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert b"style=" not in body
    assert b" on" not in re.sub(rb"<script.*?</script>", b"", body, flags=re.DOTALL)
    # SPX reads the definition as text
    definition = json.loads(script.split(b"=", 1)[1].strip().rstrip(b";"))
    assert {field["field"] for field in definition["DataFields"]} <= {"f0", "f1", "f2"}
    for part in ("tv.js", "tv.css", f"{name}.js"):
        assert b"://" not in ask(air, f"/tv/templates/{part}")[1].replace(b"http://www.w3.org", b"")


def test_graphics_are_in_the_wheel() -> None:
    import tomllib

    data = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert "web/tv/*" in data["truck.serve"]
