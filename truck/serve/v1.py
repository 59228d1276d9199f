"""Version 1 of the feed, asked for one by one: each channel, the course, GeoJSON and the schemas.

Below /api the paths are those of the public copy below its own address, so that whoever reads
`BASE/v1/riders.json` goes from the one to the other by changing BASE.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from truck.serve.answer import Body, answered, problem
from truck.serve.channels import CHANNELS
from truck.serve.feed import encoded
from truck.serve.geo import encode_geo
from truck.serve.hub import Hub, Shown
from truck.serve.schemas import NAMES, schema_text

FRESH = "max-age=1"  # a frame a second
_LASTING = "max-age=60"
GEO_TYPE = "application/geo+json"
SCHEMA_TYPE = "application/schema+json"

_Endpoint = Callable[[Request], Awaitable[Response]]


class _Map:
    """The newest frame as GeoJSON, made once a frame and only when somebody asks."""

    def __init__(self, course: Body) -> None:
        self._course: dict[str, Any] = json.loads(course.plain)
        self._made: tuple[int, Body] = 0, Body(b"")

    def of(self, shown: Shown) -> Body:
        number, body = self._made
        if number != shown.number:
            riders, groups = (json.loads(shown.channels[name]) for name in ("riders", "groups"))
            body = Body(encode_geo(self._course, riders, groups), GEO_TYPE)
            self._made = shown.number, body
        return body


def routes(hub: Hub, course: Body) -> list[Route]:
    """GET /api/v1/<channel>, course, geo and index, with or without .json; schemas/<name>.json.

    Args:
        hub: where frames are published.
        course: the document truck.course/1.
    """
    geo = _Map(course)

    async def of_geo(request: Request) -> Response:
        shown = hub.latest
        if shown is None or "riders" not in shown.channels:
            return _no_frame()
        return answered(request, await run_in_threadpool(geo.of, shown), FRESH)

    served: dict[str, _Endpoint] = {
        "geo": of_geo,
        "course": _lasting(course),
        "index": _lasting(Body(_index())),
        **{name: _channel(hub, name) for name in CHANNELS},
    }
    return [
        *(Route(f"/api/v1/{name}{end}", e) for name, e in served.items() for end in ("", ".json")),
        *(
            Route(f"/api/v1/schemas/{name}.json", _lasting(Body(schema_text(name), SCHEMA_TYPE)))
            for name in NAMES
        ),
    ]


def _index() -> bytes:
    documents = [*CHANNELS, "course", "geo", *(f"schemas/{name}" for name in NAMES)]
    paths = [f"{name}.json" for name in documents]
    return encoded({"schema": "truck.feed.index/1", "documents": paths})


def _channel(hub: Hub, name: str) -> _Endpoint:
    async def answer(request: Request) -> Response:
        shown = hub.latest
        if shown is None or name not in shown.bodies:
            return _no_frame()
        return answered(request, shown.bodies[name], FRESH)

    return answer


def _lasting(body: Body) -> _Endpoint:
    async def answer(request: Request) -> Response:
        return answered(request, body, _LASTING)

    return answer


def _no_frame() -> Response:
    return problem(
        503, "No frame yet", "the truck has begun; ask again in a second", {"Retry-After": "1"}
    )
