"""The door before an application: what may not come in is refused by name, and counted.

A door is one listener's rules: how often one address or one token asks, under which name the
listener was called, whether another site's page sent the request, whose token it carries. It also
sets what every answer tells a browser.
"""

import functools
import ipaddress
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hardware.errors import Damaged, Refused
from truck.serve.access import STANDING, Caller, Refusal, Standing, Turned, problem
from truck.serve.limits import Buckets, neighbourhood
from truck.serve.tokens import Token, Tokens

_READS = ("GET", "HEAD", "OPTIONS")
_STRIKES = ("malformed", "signature", "oversize")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

OnRefused = Callable[[Refusal], None]


@dataclass
class Door:
    """One listener's rules, and the count of what it refused.

    Attributes:
        tokens: proves what is shown.
        now_s: the wall's time, seconds since 1970; `monotonic_s` for rates.
        cookie: the name of the cookie that may carry a token; empty takes none, so that no
            browser acts here by itself.
        names: host names it is called by, beside addresses and localhost; None takes any.
        is_public: other sites' pages may read `/api/`, which is the same for everybody.
        by_address, by_token, strikes: how often one may ask; how often show what is no token.
        lines_max: how many connections one address may hold at once.
        on_refused: told of each refusal of a request that would have changed something.
    """

    tokens: Tokens
    now_s: Callable[[], float]
    monotonic_s: Callable[[], float]
    cookie: str = ""
    names: frozenset[str] | None = None
    is_public: bool = False
    by_address: Buckets = field(default_factory=lambda: Buckets(200.0, 2000.0))
    by_token: Buckets = field(default_factory=lambda: Buckets(50.0, 500.0))
    strikes: Buckets = field(default_factory=lambda: Buckets(0.2, 20.0))
    lines_max: int = 2000
    on_refused: OnRefused = lambda refusal: None
    refused: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)

    def note(self, address: str, caller: Caller | None, scope: Scope, reason: str) -> None:
        """Count a refusal; `on_refused` hears of those that would have changed something."""
        self.refused[reason] += 1
        if scope["method"] not in _READS:
            self.on_refused(Refusal(reason, scope["method"], scope["path"], address, caller))


class Access:
    """The layer before an application: checks, names the caller, sets what every answer carries."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self.door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of the ASGI server."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # none is served here
                await send({"type": "websocket.close", "code": 1008})
            return
        door = self.door
        address = scope["client"][0] if scope["client"] else ""
        scope[STANDING] = Standing(None, "no_token", functools.partial(door.note, address, None))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._dress(MutableHeaders(scope=message), scope)
            await send(message)

        try:
            self._admit(scope, address)
        except Turned as turned:
            await problem(scope, turned)(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _admit(self, scope: Scope, address: str) -> None:
        """Judge all that comes before the route.

        Raises:
            Turned: rate, host, cross_site or content_type.
        """
        door, headers = self.door, Headers(scope=scope)
        place = neighbourhood(address)
        _spend(door.by_address, place, door.monotonic_s())
        host = headers.get("host", "")
        if door.names is not None and not _is_called(host, door.names):
            raise Turned("host")
        text, in_cookie = _token_in(headers, door.cookie)
        caller, reason = None, "no_token"
        if text:
            try:
                token = self._prove(text, place)
            except Refused as refused:
                reason = str(refused.reason)
            except Damaged:
                reason = "unknown_key"
            else:
                caller = Caller(token.name, token.role, token.id, address)
                _spend(door.by_token, token.id, door.monotonic_s())
        scope[STANDING] = Standing(caller, reason, functools.partial(door.note, address, caller))
        if scope["method"] not in _READS:
            _check_origin(scope, headers, host, in_cookie=in_cookie, exact=bool(door.cookie))

    def _prove(self, text: str, place: str) -> Token:
        try:
            return self.door.tokens.prove(text, self.door.now_s())
        except Refused as refused:
            if refused.reason in _STRIKES:
                _spend(self.door.strikes, place, self.door.monotonic_s())
            raise

    def _dress(self, headers: MutableHeaders, scope: Scope) -> None:
        if self.door.is_public and scope["method"] == "GET" and scope["path"].startswith("/api/"):
            # anybody may read it without proof, so a page elsewhere learns nothing by its visitor
            headers.setdefault("Access-Control-Allow-Origin", "*")
            headers.setdefault("Cross-Origin-Resource-Policy", "cross-origin")
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)


def _spend(buckets: Buckets, name: str, now_s: float) -> None:
    wait_s = buckets.take(name, now_s)
    if wait_s:
        raise Turned("rate", wait_s)


def _is_called(host: str, names: frozenset[str]) -> bool:
    """By an address, which no name server can point elsewhere, or by a name of ours."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name.lower() == "localhost" or name.lower() in names
    return True


def _token_in(headers: Headers, cookie: str) -> tuple[str, bool]:
    """The token a request carries, and whether in a cookie; a header goes before it."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme:
        return (text.strip() or "?", False) if scheme.lower() == "bearer" else ("?", False)
    kept = cookie_parser(headers.get("cookie", "")).get(cookie, "") if cookie else ""
    return kept, bool(kept)


def _check_origin(
    scope: Scope, headers: Headers, host: str, *, in_cookie: bool, exact: bool
) -> None:
    """A browser says which page sends; who is no browser carries no cookie of ours.

    Raises:
        Turned: cross_site, or content_type: with a cookie JSON only, which no form can send.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if site not in (None, "same-origin") or (origin is None and in_cookie):
        raise Turned("cross_site")
    own = f"{scope['scheme']}://{host}"
    if origin is not None and origin != own and (exact or origin.partition("://")[2] != host):
        raise Turned("cross_site")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if in_cookie and kind != "application/json":
        raise Turned("content_type")
