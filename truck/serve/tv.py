"""Boards over HTTP, as TV graphics machines ask for them, and the graphics themselves.

Whoever may see the race may read boards. Freezing them, texts by hand and delays need the right
`boards`, see `truck.serve.access`.
"""

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hardware.errors import Misconfigured, TruckError, Unavailable
from truck.serve.access import caller_of, needs
from truck.serve.answer import HEADERS, Body, answered, problem, said
from truck.serve.boards import Boards
from truck.serve.sheet import FORMATS

TEMPLATES = ("leaderboard", "rider", "groups")
BOARDS_SCHEMA = "truck.boards/1"
_INLINE = re.compile(rb"<script id=[^>]*>(.*?)</script>", re.DOTALL)
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
_BIB_MAX = 9999
_ALL = "all"


def routes(boards: Boards, refused: Callable[[], dict[str, str]] = dict) -> list[Route]:
    """GET /tv/, its boards and templates; POST /tv/BOARD/freeze, override and delay.

    Args:
        boards: of the running race.
        refused: boards of the pack that give nothing, and why.
    """

    async def listed(_: Request) -> Response:
        whys = refused()
        rows = [
            row | {"refused": whys.get(row["board"])} | _stamp(boards, row["board"])
            for row in boards.listed()
        ]
        return said({"schema": BOARDS_SCHEMA, "boards": rows, "refused": whys})

    async def index(_: Request) -> Response:
        body = _index(boards, refused()).encode()
        return Response(body, 200, HEADERS | {"Cache-Control": "no-store"}, "text/html")

    async def board(request: Request) -> Response:
        bib = request.query_params.get("bib", "")
        if bib and not (bib.isascii() and bib.isdigit() and int(bib[:5]) <= _BIB_MAX):
            return problem(400, "No bib", f"bib is a number from 1 to {_BIB_MAX}")
        name, kind = request.path_params["board"], request.path_params["kind"]
        if kind not in FORMATS:
            return problem(404, "Not found", f"a board comes as {', '.join(FORMATS)}")
        try:
            sheet = await run_in_threadpool(boards.sheet, name, int(bib) if bib else None)
        except Misconfigured as error:
            return problem(404, "Not found", str(error))
        encode, media_type = FORMATS[kind]
        headers = HEADERS | {
            "Cache-Control": "no-store",
            # what is on air is no secret, and a graphics machine serves its templates itself
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "X-Board-At": sheet.at,
            "X-Board-Age-S": f"{sheet.age_s:.1f}" if math.isfinite(sheet.age_s) else "",
            "X-Board-Quality": sheet.quality,
        }
        return Response(encode(sheet), 200, headers, media_type)

    return [
        Route("/tv/", index),
        Route("/tv/boards.json", listed),
        *_templates(),
        Route("/tv/{board}/freeze", _change(_freezing(boards)), methods=["POST"]),
        Route("/tv/{board}/override", _change(_overriding(boards)), methods=["POST"]),
        Route("/tv/{board}/delay", _change(_delaying(boards)), methods=["POST"]),
        Route("/tv/{board}.{kind}", board),
    ]


Change = Callable[[str, dict[str, Any], str], None]


def _freezing(boards: Boards) -> Change:
    """{"on": true}; the board `all` is every board."""

    def change(name: str, wish: dict[str, Any], by: str) -> None:
        on = wish.get("on")
        if not isinstance(on, bool):
            raise Misconfigured("on is true or false", 'Send {"on": true}.')
        boards.freeze(None if name == _ALL else name, on, by)

    return change


def _overriding(boards: Boards) -> Change:
    """{"row": 3, "column": "gap", "value": "+1:30"}; null gives the cell back."""

    def change(name: str, wish: dict[str, Any], by: str) -> None:
        row, column, value = wish.get("row"), wish.get("column"), wish.get("value")
        if type(row) is not int or not isinstance(column, str):
            raise Misconfigured("no cell is named", "Send row, a number, and column, a name.")
        if value is not None and not isinstance(value, str):
            raise Misconfigured("value is a text or null", "Send it in quotes.")
        boards.override(name, row, column, value, by)

    return change


def _delaying(boards: Boards) -> Change:
    """{"delay_s": 20}."""

    def change(name: str, wish: dict[str, Any], by: str) -> None:
        delay_s = wish.get("delay_s")
        if isinstance(delay_s, bool) or not isinstance(delay_s, int | float):
            raise Misconfigured("delay_s is a number of seconds", "0 is live.")
        boards.delay(name, float(delay_s), by)

    return change


def _change(change: Change) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        caller = caller_of(request)
        try:
            wish = json.loads(await request.body())
        except (ValueError, RecursionError):
            wish = None
        if not isinstance(wish, dict) or caller is None:
            return problem(400, "No change", "send a small JSON object")
        try:
            await run_in_threadpool(change, request.path_params["board"], wish, caller.name)
        except TruckError as error:
            busy = isinstance(error, Unavailable)
            return problem(503 if busy else 422, "Not changed", str(error))
        return said({"schema": BOARDS_SCHEMA, "changed": request.path_params["board"]})

    return needs("boards")(endpoint)


def _templates() -> list[Route]:
    """Each file of the graphics; a page's own script is named to the browser by its hash."""
    names = [f"{name}.{kind}" for name in TEMPLATES for kind in ("html", "js")]
    return [Route(f"/tv/templates/{name}", _file(name)) for name in (*names, "tv.js", "tv.css")]


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    data = (resources.files("truck.serve") / "web" / "tv" / name).read_bytes()
    body = Body(data, _TYPES[name.rsplit(".", 1)[1]])
    hashes = "".join(
        f" 'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE.findall(data)
    )
    policy = (
        f"default-src 'none'; script-src 'self'{hashes}; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    async def answer(request: Request) -> Response:
        response = answered(request, body)
        response.headers["Content-Security-Policy"] = policy
        return response

    return answer


def _stamp(boards: Boards, name: str) -> dict[str, Any]:
    sheet = boards.sheet(name)
    age_s = round(sheet.age_s, 1) if math.isfinite(sheet.age_s) else None
    return {"at": sheet.at or None, "age_s": age_s, "quality": sheet.quality}


def _index(boards: Boards, refused: dict[str, str]) -> str:
    """Every board with its links, for whoever sets up a graphics machine."""
    rows = []
    for row in boards.listed():
        name, query = row["board"], "?bib=1" if row["board"] == "rider-card" else ""
        links = " ".join(f'<a href="{name}.{kind}{query}">{kind}</a>' for kind in FORMATS)
        rows.append(
            f"<tr><td>{html.escape(row['title'])}</td><td>{name}</td><td>{row['rows']}</td>"
            f"<td>{links}</td></tr>"
        )
    wrong = "".join(
        f"<p>The pack's board {html.escape(name)} gives nothing: {html.escape(why)}</p>"
        for name, why in refused.items()
    )
    pages = " ".join(f'<a href="templates/{name}.html?play=1">{name}</a>' for name in TEMPLATES)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>TV boards</title>'
        '<link rel="stylesheet" href="/style.css"></head><body><main><h1>TV boards</h1>'
        "<table><thead><tr><th>board</th><th>name</th><th>rows</th><th>as</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>{wrong}"
        f"<p>Graphics for CasparCG, SPX, vMix and OBS, transparent, 1920 x 1080: {pages}</p>"
        '<p><a href="boards.json">all of it as JSON</a></p></main></body></html>'
    )
