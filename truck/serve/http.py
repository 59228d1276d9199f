"""Serving over HTTP, from a thread and an event loop of its own.

What is served is the business of the rooms that give routes, see `site`.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from hardware.errors import Misconfigured
from truck.serve.answer import problem
from truck.serve.connection import Connection
from truck.serve.door import Access, Door
from truck.serve.hub import Hub
from truck.serve.tls import Certificate, tls_context

_SEND_BUFFER_BYTES = 16 * 1024  # DESIGN 9: a stalled reader skips ahead instead of lagging
_STOP_S = 5.0
_WRONG = {
    404: ("Not found", "nothing is served at this path; see /openapi.json"),
    405: ("Method not allowed", "the header Allow says which methods this path takes"),
}


class Serving:
    """What is being served; `port` is the one in use."""

    def __init__(self, hub: Hub | None, server: uvicorn.Server, listener: socket.socket) -> None:
        self._hub, self._server, self._listener = hub, server, listener
        self.port: int = listener.getsockname()[1]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; open streams end."""
        if self._hub is not None and self._loop is not None:
            self._hub.detach(self._loop)
        self._server.should_exit = True
        self._thread.join(_STOP_S)
        self._listener.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._hub is not None:
            self._hub.attach(self._loop)
        await self._server.serve(sockets=[self._listener])


def serve(
    hub: Hub | None,
    host: str,
    port: int,
    routes: Sequence[BaseRoute],
    door: Door | None = None,
    own: Certificate | None = None,
) -> Serving:
    """Serve these routes.

    Args:
        hub: whose waiters run on this server's loop, if any.
        host: address to listen on.
        port: 0 takes any free one.
        routes: of all rooms.
        door: who may come in, and how often; without one nobody has a right.
        own: serve by TLS, with this certificate.

    Raises:
        Misconfigured: the address, port or certificate cannot be used.
    """
    context = None if own is None else tls_context(own)
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
    app: ASGIApp = application(routes)
    config = uvicorn.Config(
        app if door is None else Access(app, door),
        http=H11Protocol if door is None else Connection,
        ws="none",
        proxy_headers=False,  # an address is the one that called, whatever it says of itself
        limit_concurrency=None if door is None else 2 * door.lines_max,
        ssl_context_factory=None if context is None else lambda *_: context,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return Serving(hub, uvicorn.Server(config), listener)


def application(routes: Sequence[BaseRoute]) -> Starlette:
    """The routes, and problems as JSON for all else."""
    return Starlette(routes=list(routes), exception_handlers={HTTPException: _refuse})


async def _refuse(_: Request, error: Exception) -> Response:
    status_code = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    title, detail = _WRONG.get(status_code, (f"Error {status_code}", str(error)))
    return problem(status_code, title, detail, headers)
