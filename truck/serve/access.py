"""Who may do what: a route says what right it needs, and one table says which roles have it.

    Route("/tv/{board}/freeze", needs("boards")(freeze), methods=["POST"])

The door before the application (`truck.serve.door`) has found out who asks. A request that goes no
further is answered with a JSON problem (RFC 9457) that names the reason, and counted.
"""

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Scope

MAY: Mapping[str, frozenset[str]] = {
    "view": frozenset({"viewer", "press", "tv", "editor", "operator"}),
    "press": frozenset({"press", "editor", "operator"}),  # what is under embargo
    "boards": frozenset({"tv", "operator"}),  # freeze, manual values, delays
    "content": frozenset({"editor", "operator"}),  # photos, posts, commentary, moderation
    "operate": frozenset({"operator"}),  # rulings, and all else that changes the race or the truck
}
BODY_BYTES_MAX = 16_384
_BODY_S_MAX = 10.0
STANDING = "truck.standing"
"""Where in the scope a request's `Standing` is."""
_SAYS = {
    "no_token": (401, "This needs a token: sign in, or send Authorization: Bearer TOKEN."),
    "malformed": (401, "That is no token of this truck."),
    "oversize": (401, "That is no token of this truck."),
    "signature": (401, "This token was not made by this truck."),
    "version": (401, "This token is of another version."),
    "value": (401, "That is no token of this truck."),
    "other_event": (401, "This token is of another event."),
    "not_yet_valid": (401, "This token does not hold yet; look at the clocks."),
    "expired": (401, "This token has expired. Ask for a new one: `truck token new`."),
    "unknown_key": (401, "The truck has no record of this token. Ask for a new one."),
    "revoked": (401, "This token was revoked."),
    "role": (403, "This token's role may not do that."),
    "cross_site": (403, "This was sent by another site's page."),
    "host": (421, "This door is not called by that name."),
    "content_type": (415, "Send application/json."),
    "body": (413, "That is more than this route takes."),
    "slow": (408, "The rest of the request did not come in time."),
    "rate": (429, "Too many requests from there."),
}

Endpoint = Callable[[Request], Awaitable[Response]]


class Caller(NamedTuple):
    """Whose token a request carries, and from where it came."""

    name: str
    role: str
    token_id: str
    address: str


class Refusal(NamedTuple):
    """A request that was not let through."""

    reason: str
    method: str
    path: str
    address: str
    caller: Caller | None


class Turned(Exception):
    """A request goes no further; `reason` is a key of the refusals."""

    def __init__(self, reason: str, retry_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.retry_s = reason, retry_s


class Standing(NamedTuple):
    """What the door made of a request: who asks, or else why his token does not hold.

    `note` is told of a refusal, by its reason.
    """

    caller: Caller | None
    reason: str
    note: Callable[[Scope, str], None]


def needs(right: str, *, body_bytes_max: int = BODY_BYTES_MAX) -> Callable[[Endpoint], Endpoint]:
    """A route for those who have a right of `MAY`; a longer or slower body is refused.

    The endpoint finds who asks with `caller_of`.
    """
    roles = MAY[right]

    def guard(endpoint: Endpoint) -> Endpoint:
        @functools.wraps(endpoint)
        async def guarded(request: Request) -> Response:
            standing: Standing | None = request.scope.get(STANDING)
            try:
                if standing is None:
                    raise Turned("no_token")
                if standing.caller is None:
                    raise Turned(standing.reason)
                if standing.caller.role not in roles:
                    raise Turned("role")
                return await endpoint(bounded(request, body_bytes_max))
            except Turned as turned:
                return problem(request.scope, turned)

        return guarded

    return guard


def caller_of(request: Request) -> Caller | None:
    """Who asks, by his token; None without one that holds."""
    standing: Standing | None = request.scope.get(STANDING)
    return None if standing is None else standing.caller


def role_of(request: Request) -> str | None:
    """The role of who asks; None without a token that holds."""
    caller = caller_of(request)
    return None if caller is None else caller.role


def bounded(request: Request, bytes_max: int) -> Request:
    """The request with a body of at most so many bytes, which comes within 10 s.

    Reading it raises `Turned` where it is longer or slower.
    """
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length) > bytes_max:
        raise Turned("body")
    come, receive = 0, request.receive
    until_s: float | None = None

    async def bounded_receive() -> Message:
        nonlocal come, until_s
        if until_s is None:
            until_s = asyncio.get_running_loop().time() + _BODY_S_MAX
        if come < 0:  # the body is whole: what follows is the wait for the other side's end
            return await receive()
        try:
            async with asyncio.timeout_at(until_s):
                message = await receive()
        except TimeoutError:
            raise Turned("slow") from None
        come += len(message.get("body", b""))
        if come > bytes_max:
            raise Turned("body")
        if not message.get("more_body", False):
            come = -1
        return message

    return Request(request.scope, bounded_receive, request._send)


def problem(scope: Scope, turned: Turned) -> Response:
    """The refusal as a JSON problem, counted at its door."""
    standing: Standing | None = scope.get(STANDING)
    if standing is not None:
        standing.note(scope, turned.reason)
    status, detail = _SAYS[turned.reason]
    body = {"title": "refused", "status": status, "reason": turned.reason, "detail": detail}
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        error = "" if turned.reason == "no_token" else ', error="invalid_token"'
        headers["WWW-Authenticate"] = f'Bearer realm="truck"{error}'
    if turned.retry_s:
        headers["Retry-After"] = str(int(turned.retry_s) + 1)
    if turned.reason in ("body", "slow"):
        headers["Connection"] = "close"
    return Response(json.dumps(body), status, headers, "application/problem+json")


def as_json(document: Any, status: int = 200) -> Response:
    """A JSON answer that nobody keeps."""
    body = json.dumps(document, default=str)
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")
