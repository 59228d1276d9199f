"""The press room over HTTP: live standings now, results and report once they are released."""

import json

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hardware.errors import Damaged, Misconfigured
from truck.press.results import live_csv
from truck.press.shelf import PAPERS, Shelf
from truck.serve.access import needs
from truck.serve.answer import Body, answered, problem, said
from truck.serve.hub import Hub

SCHEMA = "truck.press/1"
_TYPES = {"csv": "text/csv; charset=utf-8", "pdf": "application/pdf"}


def routes(hub: Hub, shelf: Shelf) -> list[Route]:
    """GET /press/, /press/live.csv and, for the press, /press/{stage}/{paper}.

    Args:
        hub: whose newest frame the live standings are of.
        shelf: where papers lie.
    """

    def paper_of(label: str, name: str) -> Response | Body:
        try:
            data = shelf.released(label, name)
        except Misconfigured as error:
            return problem(404, "No such paper", str(error))
        except Damaged as error:
            return problem(503, "Not to be had now", str(error))
        if data is None:
            return problem(
                403, "Embargo", "an operator has not released it yet; ask the race's press officer"
            )
        return Body(data, _TYPES[name.rpartition(".")[2]])

    def listed() -> Response:
        stages = []
        for label in shelf.stages():
            free = [name for name in PAPERS if isinstance(paper_of(label, name), Body)]
            stages.append({"stage": label, "papers": [f"/press/{label}/{name}" for name in free],
                           "embargo": len(free) < len(PAPERS)})  # fmt: skip
        return said({"schema": SCHEMA, "official": False, "live": "/press/live.csv",
                     "stages": stages})  # fmt: skip

    async def index(_: Request) -> Response:
        return await run_in_threadpool(listed)

    async def live(request: Request) -> Response:
        shown = hub.latest
        if shown is None or "frame" not in shown.bodies:
            return problem(503, "No frame yet", "the truck has begun; ask again in a second")
        data = live_csv(json.loads(shown.channels["frame"]))
        return answered(request, Body(data, _TYPES["csv"]))

    @needs("press")
    async def paper(request: Request) -> Response:
        found = await run_in_threadpool(
            paper_of, request.path_params["stage"], request.path_params["paper"]
        )
        return found if isinstance(found, Response) else answered(request, found)

    return [
        Route("/press/", index),
        Route("/press/live.csv", live),
        Route("/press/{stage}/{paper}", paper),
    ]
