"""Everything that is served, a room a line: each room gives its routes."""

from collections.abc import Callable
from typing import Any

from starlette.routing import Route

from truck.press.shelf import Shelf
from truck.serve import contract, frames, page, press, stream, v1
from truck.serve.answer import Body
from truck.serve.hub import Hub


def routes(
    hub: Hub,
    course_json: bytes,
    health: Callable[[], dict[str, Any]],
    shelf: Shelf | None = None,
) -> list[Route]:
    """All routes of the truck's page and feed.

    Args:
        hub: where frames are published.
        course_json: the course as JSON.
        health: the truck's status; called in a worker thread.
        shelf: where papers for the press lie; None has none.
    """
    course = Body(course_json)
    return [
        *page.routes(),
        *frames.routes(hub, course, health),
        *v1.routes(hub, course),
        *contract.routes(),
        *stream.routes(hub, stream.Listeners()),
        *([] if shelf is None else press.routes(hub, shelf)),
    ]
