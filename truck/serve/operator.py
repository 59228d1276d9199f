"""The one thing the page can change: an operator's ruling, from this machine and with its secret.

Others may be on the same network, and other sites open in the same browser, so a request counts
only if it comes over loopback, names a loopback host (no other name was made to point here), was
sent by this very page (Origin), and carries the token in a header no foreign page can send.
"""

import hmac
import ipaddress
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hardware import keys
from hardware.errors import Misconfigured, TruckError, Unavailable

HEADER = "X-Truck-Operator"
_BODY_BYTES_MAX = 4096
_HOSTS = {"localhost", "127.0.0.1", "[::1]"}
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "via")


class Operator(NamedTuple):
    """What proves an operator's page, and what carries his ruling out (`truck.desk.Desk.ask`)."""

    token: str
    rule: Callable[[dict[str, Any]], dict[str, Any]]


def token_at(path: Path) -> str:
    """The operator's secret, the same after a restart, so that an open page goes on."""
    try:
        return keys.read_key(path, "operator's token").hex()
    except Misconfigured:
        keys.write_key(path, keys.new_secret())
        return keys.read_key(path, "operator's token").hex()


def rulings(operator: Operator) -> Route:
    """POST /rulings: a JSON object as `rule` takes it; the ruling, or {"error": sentence}, back."""

    async def post(request: Request) -> Response:
        doubt = _doubt(request, operator.token)
        if doubt:
            return _error(403, doubt)
        wish = await _body(request)
        if wish is None:
            return _error(400, "a ruling is a small JSON object")
        try:
            ruling = await run_in_threadpool(operator.rule, wish)
        except TruckError as error:
            return _error(503 if isinstance(error, Unavailable) else 422, str(error))
        return JSONResponse(ruling, headers={"Cache-Control": "no-store"})

    return Route("/rulings", post, methods=["POST"])


def _doubt(request: Request, token: str) -> str:
    """Why this may not be the operator's own page; empty where it is."""
    headers, host = request.headers, request.headers.get("host", "")
    if not _is_loopback(request) or any(name in headers for name in _FORWARDED):
        return "rulings are taken from the truck's own machine only"
    if host.rsplit(":", 1)[0] not in _HOSTS or headers.get("origin") != f"http://{host}":
        return "rulings are taken from the truck's own page only"
    if not hmac.compare_digest(headers.get(HEADER, "").encode(), token.encode()):
        return "open the page with the operator's address that `truck run` printed"
    return ""


def _is_loopback(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


async def _body(request: Request) -> dict[str, Any] | None:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _BODY_BYTES_MAX:
            return None
    try:
        wish = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return wish if isinstance(wish, dict) else None


def _error(status_code: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status_code, {"Cache-Control": "no-store"})
