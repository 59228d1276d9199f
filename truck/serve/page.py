"""The race-centre page: files that are read once and served from memory."""

from collections.abc import Awaitable, Callable
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from truck.serve.answer import Body, answered

_FILES = {
    "/": ("index.html", "text/html"),
    **{
        f"/{name}": (name, "text/javascript")
        for name in ("app.js", "profile.js", "riders.js", "panels.js", "operator.js")
    },
    "/style.css": ("style.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def routes() -> list[Route]:
    """GET / and what it loads."""
    return [Route(path, _file(*file)) for path, file in _FILES.items()]


def _file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    body = Body((resources.files("truck.serve") / "web" / name).read_bytes(), media_type)

    async def answer(request: Request) -> Response:
        return answered(request, body)

    return answer
