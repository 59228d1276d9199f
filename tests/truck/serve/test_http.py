"""The feed over real sockets: one frame for all, and slow readers skip ahead."""

import json
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse

import pytest

from hardware.errors import Misconfigured
from truck.serve.http import Serving, serve
from truck.serve.hub import Hub
from truck.serve.site import routes

COURSE = b'{"schema":"truck.course/1"}'


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def page(hub: Hub) -> Iterator[Serving]:
    serving = serve(hub, "127.0.0.1", 0, routes(hub, COURSE))
    yield serving
    serving.stop()


def get(page: Serving, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", page.port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


class Listener:
    """A client of the stream that reads only when told."""

    def __init__(self, page: Serving) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", page.port))
        self.socket.sendall(b"GET /api/stream HTTP/1.1\r\nHost: truck\r\n\r\n")
        self.lines, self.gaps = self.socket.makefile("rb"), 0

    def next(self) -> int:
        """The number in the next frame."""
        while True:
            line = self.lines.readline()
            assert line, "the stream ended"
            if line == b"event: gap\n":
                self.gaps += 1
                assert self.lines.readline().startswith(b"data: ")
            elif line.startswith(b"data: "):
                return int(json.loads(line[6:])["n"])

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


def frame(number: int, size: int = 0) -> bytes:
    return json.dumps({"n": number, "padding": "x" * size}).encode()


def show(hub: Hub, number: int, size: int = 0) -> None:
    hub.publish(number + 1, {"frame": frame(number, size)})


def test_the_latest_frame_is_served_with_a_tag_that_saves_sending_it_again(
    hub: Hub, page: Serving
) -> None:
    assert get(page, "/api/frame")[0].status == 503
    show(hub, 1)
    show(hub, 2)
    answer, body = get(page, "/api/frame")
    assert (answer.status, body) == (200, frame(2))
    again, nothing = get(page, "/api/frame", **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status, nothing) == (304, b"")
    assert get(page, "/api/course")[1] == COURSE


def test_every_page_forbids_outside_requests(page: Serving) -> None:
    for path in ("/", "/app.js", "/profile.js", "/riders.js", "/strip.js", "/page.css",
                 "/icon.svg", "/api/course"):  # fmt: skip
        answer, body = get(page, path)
        assert answer.status == 200, path
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert b"http://" not in body.replace(b"http://www.w3.org/", b"")
        assert b"https://" not in body
    assert get(page, "/../http.py")[0].status == 404
    assert get(page, "/api/none")[0].status == 404


def test_health_says_whether_frames_are_fresh(hub: Hub, page: Serving) -> None:
    assert get(page, "/healthz")[0].status == 503
    show(hub, 1)
    answer, body = get(page, "/healthz")
    assert answer.status == 200
    assert json.loads(body)["alive"] is True


def test_a_stalled_listener_holds_up_nobody_and_skips_ahead_when_he_reads_again(
    hub: Hub, page: Serving
) -> None:
    show(hub, 0)
    stalled, brisk = Listener(page), Listener(page)
    assert brisk.next() == 0
    for number in range(1, 101):
        show(hub, number, 40_000)
        began_s = time.monotonic()
        assert brisk.next() == number
        assert time.monotonic() - began_s < 2
    behind = [stalled.next()]
    while behind[-1] < 100:
        behind.append(stalled.next())
    assert behind == sorted(set(behind))
    # what stood in the socket's buffers, then the newest; and he is told that he skipped
    assert len(behind) < 20
    assert stalled.gaps >= 1
    stalled.close()
    brisk.close()


def test_a_new_listener_gets_the_latest_frame_at_once(hub: Hub, page: Serving) -> None:
    show(hub, 7)
    listener = Listener(page)
    assert listener.next() == 7
    listener.close()


def test_a_port_in_use_is_one_sentence(page: Serving) -> None:
    with pytest.raises(
        Misconfigured, match=rf"127\.0\.0\.1:{page.port}.*in use.*another page port"
    ):
        serve(Hub(), "127.0.0.1", page.port, [])


def test_stopping_ends_open_streams_and_frees_the_port(hub: Hub) -> None:
    first = serve(hub, "127.0.0.1", 0, routes(hub, COURSE))
    show(hub, 1)
    listener = Listener(first)
    assert listener.next() == 1
    began_s = time.monotonic()
    first.stop()
    assert time.monotonic() - began_s < 4
    assert listener.lines.read() is not None
    listener.close()
    second = serve(hub, "127.0.0.1", first.port, routes(hub, COURSE))
    assert get(second, "/api/frame")[1] == frame(1)
    second.stop()
