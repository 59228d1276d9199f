"""The stream of frames: server-sent events, the same bytes to all who listen to the same channels.

Who comes back says by Last-Event-ID which frame he saw last and gets those after it, as far as
they are kept. Who reads slowly skips ahead to the newest, and lives never further in the past than
his socket's buffer is deep. Whatever is left out is said by an event `gap`.
"""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from truck.serve.answer import HEADERS, problem, takes_gzip
from truck.serve.channels import CHANNELS
from truck.serve.deflate import BEGIN, deflated
from truck.serve.hub import Hub, Listeners, Shown

_KEEP_ALIVE_S = 10.0
_RETRY = b"retry: 1000\n\n"
_WAITING = b": waiting\n\n"
_DIGITS_MAX = 18  # of a frame's number


class _Stream(StreamingResponse):
    """A stream that counts as a listener from its first byte to its last."""

    listeners: Listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.listeners.count += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.listeners.count -= 1


def routes(hub: Hub) -> list[Route]:
    """GET /api/stream, the page's frames, and /api/v1/stream?channels=riders,groups."""

    async def frames(request: Request) -> Response:
        return _listening(request, hub, ("frame",), 0)

    async def channels(request: Request) -> Response:
        wanted = request.query_params.get("channels", ",".join(CHANNELS)).split(",")
        unknown = sorted(set(wanted) - set(CHANNELS))
        if unknown:
            return problem(
                400, "No such channel",
                f"{unknown[0][:32]!r} is none of {', '.join(CHANNELS)}; part them by commas",
            )  # fmt: skip
        names = tuple(name for name in CHANNELS if name in wanted)
        return _listening(request, hub, names, _last_seen(request))

    return [Route("/api/stream", frames), Route("/api/v1/stream", channels)]


def _listening(request: Request, hub: Hub, names: tuple[str, ...], number: int) -> Response:
    """A stream of these channels after a frame, or 503 where too many listen already."""
    packed, listeners = takes_gzip(request.headers), hub.listeners
    headers = HEADERS | {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    headers |= {"Vary": "Accept-Encoding"} | ({"Content-Encoding": "gzip"} if packed else {})
    if request.method == "HEAD":
        return Response(None, 200, headers, "text/event-stream")
    if listeners.count >= listeners.most:
        listeners.turned_away += 1
        return problem(
            503, "Too many listeners",
            f"{listeners.most} listen already; read the frames one by one, or the public copy",
            {"Retry-After": "5"},
        )  # fmt: skip
    events = _packed(hub, names, number) if packed else _plain(hub, names, number)
    stream = _Stream(events, 200, headers, "text/event-stream")
    stream.listeners = listeners
    return stream


async def _plain(hub: Hub, names: tuple[str, ...], number: int) -> AsyncIterator[bytes]:
    yield _RETRY
    async for part in _parts(hub, number):
        yield part if isinstance(part, bytes) else part.events(names)


async def _packed(hub: Hub, names: tuple[str, ...], number: int) -> AsyncIterator[bytes]:
    yield BEGIN + deflated(_RETRY)
    async for part in _parts(hub, number):
        yield deflated(part) if isinstance(part, bytes) else part.packed_events(names)


async def _parts(hub: Hub, number: int) -> AsyncIterator[Shown | bytes]:
    """The frames after a number as they come, and between them what is said of gaps and waits.

    Number 0 is a newcomer's: he begins with the newest.
    """
    latest = hub.latest
    if latest is not None and number > latest.number:
        number = 0  # a frame that never was
    missed, lost = hub.since(number) if number else ([], False)
    if lost:
        yield _gap(number, missed[0].number)
    for shown in missed:
        number = shown.number
        yield shown
    while True:
        try:
            async with asyncio.timeout(_KEEP_ALIVE_S):
                newest = await hub.newer_than(number)
        except TimeoutError:
            yield _WAITING
            continue
        if newest is None:
            return
        if number and newest.before > number:
            yield _gap(number, newest.number)
        number = newest.number
        yield newest


def _last_seen(request: Request) -> int:
    """The frame that Last-Event-ID names, 0 where it names none."""
    said = request.headers.get("last-event-id", "")
    is_number = said.isascii() and said.isdigit() and len(said) <= _DIGITS_MAX
    return int(said) if is_number else 0


def _gap(after: int, before: int) -> bytes:
    document = b'{"schema":"truck.feed.gap/1","after":%d,"before":%d}' % (after, before)
    return b"event: gap\ndata: %s\n\n" % document
