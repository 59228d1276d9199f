"""The feed is what its OpenAPI and AsyncAPI say: schemathesis tries to prove otherwise."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest
from feed_race import FeedRace
from served import Events, get

from truck.serve import page
from truck.serve.channels import CHANNELS
from truck.serve.contract import asyncapi, openapi
from truck.serve.http import Serving, serve
from truck.serve.hub import Hub
from truck.serve.site import routes

STREAMS = ("/api/stream", "/api/v1/stream")


@pytest.fixture(scope="module")
def race() -> FeedRace:
    return FeedRace(seconds=100)


@pytest.fixture(scope="module")
def served(race: FeedRace) -> Iterator[Serving]:
    """A race that goes on while it is asked about."""
    hub, end = Hub(), threading.Event()
    serving = serve(hub, "127.0.0.1", 0, routes(hub, race.course))

    def ride() -> None:
        for second in race.seconds:
            hub.publish(second * 1_000_000, race.at(second))
            if end.wait(0.5):
                return
        shown = hub.latest
        while shown is not None and not end.wait(0.5):
            hub.publish(hub.number_at(0), shown.channels)

    riding = threading.Thread(target=ride)
    riding.start()
    yield serving
    end.set()
    riding.join()
    serving.stop()


def test_schemathesis_finds_nothing(served: Serving, tmp_path: Path) -> None:
    described = tmp_path / "openapi.json"  # as a file, so that its own path is tried as well
    described.write_bytes(get(served.port, "/openapi.json")[1])
    found = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run", str(described),
            "--url", f"http://127.0.0.1:{served.port}", "--checks", "all",
            "--max-examples", "3", "--seed", "1", "--no-color", "--request-timeout", "10",
            *(word for path in STREAMS for word in ("--exclude-path", path)),
        ],
        cwd=tmp_path, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True,
        timeout=150, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-2000:]
    assert f"Tested: {len(openapi()['paths']) - len(STREAMS)}" in found.stdout, found.stdout


def test_the_description_names_every_path_that_everybody_may_ask_for(race: FeedRace) -> None:
    files = {route.path for route in page.routes()}
    paths = {route.path for route in routes(Hub(), race.course)}
    assert paths - files == set(openapi()["paths"])


def test_every_event_is_what_asyncapi_says(served: Serving) -> None:
    document = json.loads(get(served.port, "/asyncapi.json")[1])
    assert document == asyncapi()
    assert document["channels"]["stream"]["address"] == STREAMS[1]
    shapes = document["components"]["schemas"]
    events = Events(served.port, STREAMS[1])
    for event, _, said in events.take(3 * len(CHANNELS)):
        message = document["components"]["messages"][event]
        shape = shapes[message["payload"]["schema"]["$ref"].rpartition("/")[2]]
        jsonschema_rs.Draft202012Validator(shape).validate(said)
    events.close()


@pytest.mark.parametrize("path", [f"/api/v1/{name}.json" for name in (*CHANNELS, "course", "geo")])
def test_a_document_has_a_tag_a_compressed_form_and_a_head(served: Serving, path: str) -> None:
    answer, body = get(served.port, path)
    assert answer.status == 200
    head, nothing = get(served.port, path, "HEAD")
    assert (head.status, nothing) == (200, b"")
    if path.endswith("course.json"):
        packed, _ = get(served.port, path, Accept_Encoding="gzip")
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.headers["ETag"] != answer.headers["ETag"]
        for tag in (answer.headers["ETag"], packed.headers["ETag"], "*", '"a", W/"b", '
                    + answer.headers["ETag"]):  # fmt: skip
            assert get(served.port, path, If_None_Match=tag)[0].status == 304
        assert get(served.port, path, If_None_Match='"another"')[0].status == 200
    else:
        assert answer.headers["Cache-Control"] == "max-age=1"
    assert json.loads(body)


def test_what_is_not_served_is_a_problem_in_json(served: Serving) -> None:
    for path, method, status in (("/api/v1/none", "GET", 404), ("/api/v1/riders", "POST", 405),
                                 ("/nothing", "GET", 404)):  # fmt: skip
        answer, body = get(served.port, path, method)
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert json.loads(body)["status"] == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
