"""The operator's page and what it asks for, behind a door of its own.

Signing in changes a token for a cookie that only this page's own requests carry. Every act is
written in the audit log before it is begun, and the ones with an effect that others see are asked
twice: 428 with the effect in words, then once more with `"sure": true`.
"""

import json
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hardware.errors import Refused, TruckError, Unavailable
from truck.acts import Act
from truck.audit import Actor, Audit
from truck.serve.access import MAY, Caller, Turned, as_json, bounded, caller_of, needs, problem
from truck.serve.answer import Body, answered
from truck.serve.answer import problem as told_problem
from truck.serve.door import Door
from truck.serve.tokens import TOKEN_CHARS_MAX

_BODY_BYTES_MAX = 4096
_PAGE = ("index.html", "operator.css", "operator.js", "acts.js", "panels.js", "dom.js")
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

Ask = Callable[[], Any]


class Office(NamedTuple):
    """What the operator's page shows and does.

    Attributes:
        picture: everything that changes, asked once a second.
        evidence: the newest refused packets; by reason and key.
        complete: the ledger of the stage in the cloud.
        acts: what may be done.
    """

    picture: Ask
    evidence: Ask
    complete: Ask
    acts: Mapping[str, Act]


def routes(office: Office, audit: Audit, door: Door, *, tls: bool) -> list[Route]:
    """GET / and its files; /api/session, /api/picture, /api/evidence, /api/complete, /api/acts."""

    async def sign_in(request: Request) -> Response:
        try:
            wish = await _wish(bounded(request, _BODY_BYTES_MAX))
            text = wish.get("token", "")
            if not isinstance(text, str) or not text or len(text) > TOKEN_CHARS_MAX:
                raise Turned("malformed")
            address = request.client.host if request.client else ""
            try:
                token = door.tokens.prove(text, door.now_s())
            except Refused as refused:
                raise Turned(str(refused.reason)) from None
            if token.role not in MAY["operate"]:
                raise Turned("role")
        except Turned as turned:
            return problem(request.scope, turned)
        caller = Caller(token.name, token.role, token.id, address)
        await run_in_threadpool(
            audit.do, _actor(caller), "sign_in", {},
            lambda: {"said": f"{token.name} signed in"},
        )  # fmt: skip
        answer = as_json({"name": token.name, "role": token.role, "until_s": token.until_s})
        answer.set_cookie(
            door.cookie, text, max_age=max(1, int(token.until_s - door.now_s())), path="/",
            secure=tls, httponly=True, samesite="strict",
        )  # fmt: skip
        return answer

    async def sign_out(_: Request) -> Response:
        answer = as_json({})
        answer.delete_cookie(
            door.cookie, path="/", secure=tls, httponly=True, samesite="strict"
        )  # fmt: skip
        return answer

    async def session(request: Request) -> Response:
        caller = caller_of(request)
        return as_json({"name": caller.name if caller else None})

    async def act(request: Request) -> Response:
        caller = caller_of(request)
        wish = await _wish(request)
        name, asked = wish.get("act"), wish.get("wish", {})
        if caller is None or not isinstance(name, str) or not isinstance(asked, dict):
            return told_problem(400, "No act", 'send {"act": name, "wish": {...}}')
        found = office.acts.get(name)
        if found is None:
            return told_problem(404, "No such act", f"one of {', '.join(sorted(office.acts))}")
        if found.effect is not None and wish.get("sure") is not True:
            return told_problem(428, "Are you sure?", found.effect(asked))
        try:
            done = await run_in_threadpool(
                audit.do, _actor(caller), name, asked, lambda: found.run(asked, caller.name)
            )
        except TruckError as error:
            status = 503 if isinstance(error, Unavailable) else 422
            return told_problem(status, "Not done", str(error))
        return as_json(done)

    def shown(ask: Ask) -> Callable[[Request], Any]:
        async def show(_: Request) -> Response:
            try:
                return as_json(await run_in_threadpool(ask))
            except TruckError as error:
                return told_problem(503, "Not to be had now", str(error))

        return needs("operate")(show)

    return [
        *_files(),
        Route("/api/session", session, methods=["GET"]),
        Route("/api/session", sign_in, methods=["POST"]),
        Route("/api/session", sign_out, methods=["DELETE"]),
        Route("/api/picture", shown(office.picture)),
        Route("/api/evidence", shown(office.evidence)),
        Route("/api/complete", shown(office.complete)),
        Route("/api/acts", needs("operate", body_bytes_max=_BODY_BYTES_MAX)(act), methods=["POST"]),
    ]


async def _wish(request: Request) -> dict[str, Any]:
    try:
        wish = json.loads(await request.body(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return {}
    return wish if isinstance(wish, dict) else {}


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _actor(caller: Caller) -> Actor:
    return Actor(caller.name, caller.role, caller.token_id, caller.address)


def _files() -> list[Route]:
    office, web = (resources.files("truck.serve") / name for name in ("office", "web"))
    bodies = {f"/{name}": _body(office / name, name) for name in _PAGE}
    bodies |= {f"/{name}": _body(web / name, name) for name in ("style.css", "icon.svg")}
    bodies["/"] = bodies.pop("/index.html")
    return [Route(path, _file(body)) for path, body in bodies.items()]


def _body(path: Any, name: str) -> Body:
    return Body(path.read_bytes(), _TYPES[name.rpartition(".")[2]])


def _file(body: Body) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        return answered(request, body)

    return answer
