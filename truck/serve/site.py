"""Everything that is served, a room a line: each room gives its routes."""

from starlette.routing import Route

from truck.config import TruckHome
from truck.content.gallery import Gallery
from truck.press.shelf import Shelf
from truck.race.course import Course
from truck.serve import content, contract, frames, page, press, stream, v1
from truck.serve.answer import Body
from truck.serve.hub import Hub


def routes(
    hub: Hub,
    course_json: bytes,
    at_home: TruckHome | None = None,
    road: Course | None = None,
    public_copy: str = "",
) -> list[Route]:
    """All routes of the truck's page and feed.

    Args:
        hub: where frames are published.
        course_json: the course as JSON.
        at_home: where papers for the press and content lie; None has none.
        road: the course, which puts photos on the kilometre axis.
        public_copy: address of the feed's copy for the page; empty where there is none.
    """
    course = Body(course_json)
    return [
        *([] if at_home is None else content.routes(Gallery(at_home.content), road)),
        *page.routes(public_copy),
        *frames.routes(hub, course),
        *v1.routes(hub, course),
        *contract.routes(),
        *stream.routes(hub),
        *([] if at_home is None else press.routes(hub, Shelf(at_home.press))),
    ]
