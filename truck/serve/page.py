"""The race-centre page: every file of `web/`, read once and served from memory."""

import html
from collections.abc import Awaitable, Callable
from importlib import resources
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from truck.serve.answer import HEADERS, Body, answered

_FIRST = "index.html"
_COPY = 'name="public-copy" content=""'
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


def routes(public_copy: str = "") -> list[Route]:
    """GET / and what it loads: a file that is put into `web/` is served under its name.

    Args:
        public_copy: address of the feed's copy that the page may ask while the truck is silent.
    """
    folder = resources.files("truck.serve") / "web"
    names = sorted(one.name for one in folder.iterdir() if one.is_file())
    files = [Route(f"/{name}", _file(name)) for name in names if name != _FIRST]
    return [Route("/", _page(public_copy)), *files]


def _page(public_copy: str) -> Callable[[Request], Awaitable[Response]]:
    """The page itself, told of the copy, and by its policy allowed to ask it and nobody else."""
    text = (resources.files("truck.serve") / "web" / _FIRST).read_text()
    named = _COPY.replace('""', f'"{html.escape(public_copy)}"')
    body = Body(text.replace(_COPY, named).encode(), "text/html")
    parts = urlsplit(public_copy)
    origin = f" {parts.scheme}://{parts.netloc}" if public_copy else ""
    policy = HEADERS["Content-Security-Policy"].replace(
        "connect-src 'self'", f"connect-src 'self'{origin}"
    )

    async def answer(request: Request) -> Response:
        response = answered(request, body)
        response.headers["Content-Security-Policy"] = policy
        return response

    return answer


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    media_type = _MEDIA_TYPES["." + name.rpartition(".")[2]]
    body = Body((resources.files("truck.serve") / "web" / name).read_bytes(), media_type)

    async def answer(request: Request) -> Response:
        return answered(request, body)

    return answer
