"""The newest frame and the course, asked for one by one, and whether frames are fresh."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from truck.serve.answer import Body, answered, problem, said
from truck.serve.hub import Hub

_STALE_S = 5.0


def routes(hub: Hub, course: Body) -> list[Route]:
    """GET /api/frame, /api/course, /healthz.

    Args:
        hub: where frames are published.
        course: what /api/course answers.
    """

    async def frame(request: Request) -> Response:
        shown = hub.latest
        if shown is None or "frame" not in shown.bodies:
            return problem(503, "No frame yet", "the truck has begun; ask again in a second")
        return answered(request, shown.bodies["frame"])

    async def of_course(request: Request) -> Response:
        return answered(request, course)

    async def alive(_: Request) -> Response:
        age_s = hub.age_s
        well = age_s is not None and age_s < _STALE_S
        body = {"alive": well, "frame_age_s": None if age_s is None else round(age_s, 1)}
        return said(body, 200 if well else 503)

    return [
        Route("/api/frame", frame),
        Route("/api/course", of_course),
        Route("/healthz", alive),
    ]
