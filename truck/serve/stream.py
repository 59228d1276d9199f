"""The stream of frames: server-sent events, the same bytes to all who listen to the same channels.

Who reads slowly skips ahead to the newest frame, and is told so by an event `gap`; he holds up
nobody, and lives never further in the past than his socket's buffer is deep.
"""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from truck.serve.answer import HEADERS, problem
from truck.serve.hub import Hub

LISTENERS_MAX = 4000
_KEEP_ALIVE_S = 10.0
_RETRY = b"retry: 1000\n\n"


class Listeners:
    """How many listen now, and how many were turned away."""

    def __init__(self, most: int = LISTENERS_MAX) -> None:
        self.most, self.count, self.turned_away = most, 0, 0

    @property
    def is_full(self) -> bool:
        """Whether nobody else can listen."""
        return self.count >= self.most


class _Stream(StreamingResponse):
    """A stream that counts as a listener from its first byte to its last."""

    listeners: Listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.listeners.count += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.listeners.count -= 1


def routes(hub: Hub, listeners: Listeners) -> list[Route]:
    """GET /api/stream: a `frame` a second, the newest at once."""

    async def frames(request: Request) -> Response:
        return listening(request, listeners, _events(hub, ("frame",)))

    return [Route("/api/stream", frames)]


def listening(
    request: Request, listeners: Listeners, events: AsyncIterator[bytes], encoding: str = ""
) -> Response:
    """A stream of these events, or 503 where too many listen already."""
    headers = HEADERS | {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    headers |= {"Content-Encoding": encoding} if encoding else {}
    if request.method == "HEAD":
        return Response(None, 200, headers, "text/event-stream")
    if listeners.is_full:
        listeners.turned_away += 1
        return problem(
            503, "Too many listeners",
            f"{listeners.most} listen already; read the frames one by one, or the public copy",
            {"Retry-After": "5"},
        )  # fmt: skip
    stream = _Stream(events, 200, headers, "text/event-stream")
    stream.listeners = listeners
    return stream


async def _events(hub: Hub, names: tuple[str, ...]) -> AsyncIterator[bytes]:
    number = 0
    yield _RETRY
    while True:
        try:
            async with asyncio.timeout(_KEEP_ALIVE_S):
                shown = await hub.newer_than(number)
        except TimeoutError:
            yield b": waiting\n\n"
            continue
        if shown is None:
            return
        number = shown.number
        yield shown.events(names)
