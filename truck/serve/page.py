"""The race-centre page: every file of `web/`, read once and served from memory."""

from collections.abc import Awaitable, Callable
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from truck.serve.answer import Body, answered

_FIRST = "index.html"
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


def routes() -> list[Route]:
    """GET / and what it loads: a file that is put into `web/` is served under its name."""
    folder = resources.files("truck.serve") / "web"
    names = sorted(one.name for one in folder.iterdir() if one.is_file())
    return [Route("/" if name == _FIRST else f"/{name}", _file(name)) for name in names]


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    media_type = _MEDIA_TYPES["." + name.rpartition(".")[2]]
    body = Body((resources.files("truck.serve") / "web" / name).read_bytes(), media_type)

    async def answer(request: Request) -> Response:
        return answered(request, body)

    return answer
