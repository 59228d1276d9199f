"""The page and its feed over HTTP: one pre-encoded frame for all who listen.

A frame is encoded once and shared. Each listener asks for what is newer than his last one, so one
who reads slowly skips ahead, and none holds up another or the truck.
"""

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hardware import clock
from hardware.errors import Misconfigured
from truck.serve.operator import Operator, rulings

_SEND_BUFFER_BYTES = 16 * 1024  # DESIGN 9: a stalled reader skips ahead instead of lagging
_STALE_S = 5.0
_STOP_S = 5.0
_KEEP_ALIVE_S = 10.0
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_FILES = {
    "/": ("index.html", "text/html"),
    **{
        f"/{name}": (name, "text/javascript")
        for name in ("app.js", "profile.js", "riders.js", "panels.js", "operator.js")
    },
    "/style.css": ("style.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


@dataclass(frozen=True)
class _Shown:
    """A frame as it is sent."""

    number: int
    body: bytes
    event: bytes
    etag: str
    at_s: float


class Hub:
    """Holds the latest frame and wakes those who wait for it; `publish` from any thread."""

    def __init__(self) -> None:
        self._latest: _Shown | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._closed = False

    @property
    def latest(self) -> _Shown | None:
        """The last frame, or None before the first."""
        return self._latest

    def publish(self, frame_json: bytes) -> None:
        """Show a frame, a single line of JSON, to everyone."""
        number = 1 if self._latest is None else self._latest.number + 1
        self._latest = _Shown(
            number,
            frame_json,
            b"id: %d\nevent: frame\ndata: %s\n\n" % (number, frame_json),
            f'"{hashlib.sha256(frame_json).hexdigest()[:16]}"',
            clock.monotonic_s(),
        )
        self._wake()

    async def newer_than(self, number: int) -> _Shown | None:
        """The latest frame once it is newer; None when the hub has closed."""
        while not self._closed:
            news = self._news
            if self._latest is not None and self._latest.number > number:
                return self._latest
            await news.wait()
        return None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve waiters on this loop from now on."""
        self._loop, self._closed = loop, False

    def close(self) -> None:
        """Let every waiter go."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


class Serving:
    """A page being served; `port` is the one in use."""

    def __init__(self, hub: Hub, server: uvicorn.Server, listener: socket.socket) -> None:
        self._hub, self._server, self._listener = hub, server, listener
        self.port: int = listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; open streams end."""
        self._hub.close()
        self._server.should_exit = True
        self._thread.join(_STOP_S)
        self._listener.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._hub.attach(asyncio.get_running_loop())
        await self._server.serve(sockets=[self._listener])


def serve(
    hub: Hub,
    host: str,
    port: int,
    course_json: bytes,
    health: Callable[[], dict[str, Any]],
    operator: Operator | None = None,
) -> Serving:
    """Serve page and feed from a thread of its own.

    Args:
        hub: where frames are published.
        host: address to listen on.
        port: 0 takes any free one.
        course_json: what /api/course answers.
        health: what /api/status answers; called in a worker thread.
        operator: who takes rulings; None takes none.

    Raises:
        Misconfigured: the address or port cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise Misconfigured(
            f"the page cannot be served at {host}:{port}: {error.strerror or error}",
            "Stop what uses that port, or choose another page port.",
        ) from error
    config = uvicorn.Config(
        application(hub, course_json, health, operator),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return Serving(hub, uvicorn.Server(config), listener)


def application(
    hub: Hub,
    course_json: bytes,
    health: Callable[[], dict[str, Any]],
    operator: Operator | None,
) -> Starlette:
    """The routes."""
    course_etag = f'"{hashlib.sha256(course_json).hexdigest()[:16]}"'

    async def frame(request: Request) -> Response:
        shown = hub.latest
        if shown is None:
            return _json(b'{"error":"no frame yet"}', 503)
        return _cached(request, shown.body, shown.etag)

    async def course(request: Request) -> Response:
        return _cached(request, course_json, course_etag)

    async def status(_: Request) -> Response:
        return _json(json.dumps(await run_in_threadpool(health), default=str).encode())

    async def alive(_: Request) -> Response:
        shown = hub.latest
        age_s = None if shown is None else clock.monotonic_s() - shown.at_s
        well = age_s is not None and age_s < _STALE_S
        body = {"alive": well, "frame_age_s": None if age_s is None else round(age_s, 1)}
        return _json(json.dumps(body).encode(), 200 if well else 503)

    async def stream(_: Request) -> Response:
        return StreamingResponse(
            _events(hub),
            media_type="text/event-stream",
            headers=_HEADERS | {"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return Starlette(
        routes=[
            *(Route(path, _file(*file)) for path, file in _FILES.items()),
            Route("/api/frame", frame),
            Route("/api/course", course),
            Route("/api/status", status),
            Route("/api/stream", stream),
            Route("/healthz", alive),
            *([] if operator is None else [rulings(operator)]),
        ]
    )


async def _events(hub: Hub) -> AsyncIterator[bytes]:
    number = 0
    yield b"retry: 1000\n\n"
    while True:
        try:
            shown = await asyncio.wait_for(hub.newer_than(number), _KEEP_ALIVE_S)
        except TimeoutError:
            yield b": waiting\n\n"
            continue
        if shown is None:
            return
        number = shown.number
        yield shown.event


def _file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    body = (resources.files("truck.serve") / "web" / name).read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'

    async def answer(request: Request) -> Response:
        return _cached(request, body, etag, media_type)

    return answer


def _cached(
    request: Request, body: bytes, etag: str, media_type: str = "application/json"
) -> Response:
    headers = _HEADERS | {"ETag": etag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _json(body: bytes, status_code: int = 200) -> Response:
    headers = _HEADERS | {"Cache-Control": "no-store"}
    return Response(body, status_code, headers, "application/json")
