"""An HTTP proxy before a real store: what passes may be counted, changed, lost or refused."""

import contextlib
import http.client
import random
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """One request, whole."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Answer:
    """One answer, whole; `cut` is how many bytes of the body pass before a reset, -1 for all."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    cut: int = -1


class Hangup(Exception):
    """The connection is reset, without an answer."""


Policy = Callable[[Request, Callable[[Request], Answer]], Answer]


class Proxy:
    """Listens on loopback; every request goes through `policy`, which may pass it on.

    `uploaded` counts the bytes of all PUT and POST bodies that came in, whatever became of them.
    """

    def __init__(self, target: int, policy: Policy) -> None:
        self.uploaded, self._target, self._policy = 0, target, policy
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with contextlib.suppress(OSError, Hangup):
                    super().handle_one_request()
                    return
                self.close_connection = True
                with contextlib.suppress(OSError):  # a reset, not a polite end
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.shutdown(socket.SHUT_RDWR)

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):
                    return lambda: proxy._serve(self)
                raise AttributeError(name)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", "0"))
        body = handler.rfile.read(length)
        if handler.command in ("PUT", "POST"):
            with self._lock:
                self.uploaded += len(body)
        request = Request(handler.command, handler.path, list(handler.headers.items()), body)
        answer = self._policy(request, self._pass_on)
        handler.send_response_only(answer.status)
        bare = handler.command == "HEAD" or answer.status in (204, 304)
        for name, value in answer.headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                handler.send_header(name, value)
        if bare:
            lengths = [value for name, value in answer.headers if name.lower() == "content-length"]
            handler.send_header("Content-Length", (lengths or ["0"])[0])
        else:
            handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        if not bare:
            handler.wfile.write(answer.body if answer.cut < 0 else answer.body[: answer.cut])
        handler.wfile.flush()
        if answer.cut >= 0:
            raise Hangup

    def _pass_on(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._target, timeout=30)
        try:
            connection.putrequest(
                request.method, request.target, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers:
                connection.putheader(name, value)
            connection.endheaders(request.body or None)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()


def drop_header(name: str) -> Policy:
    """A store that knows nothing of a header."""

    def policy(request: Request, pass_on: Callable[[Request], Answer]) -> Answer:
        kept = [(key, value) for key, value in request.headers if key.lower() != name]
        return pass_on(Request(request.method, request.target, kept, request.body))

    return policy


class Faults:
    """Of all requests, seeded shares lose their answer, are reset mid-body, or meet a 503."""

    def __init__(self, seed: int, share: float) -> None:
        self._chance, self._share = random.Random(seed), share
        self._lock = threading.Lock()
        self.met = {"lost": 0, "reset": 0, "503": 0}

    def __call__(self, request: Request, pass_on: Callable[[Request], Answer]) -> Answer:
        with self._lock:
            drawn = self._chance.random() / self._share
            kind = ("lost", "reset", "503")[int(drawn)] if drawn < 3 else ""
            if kind:
                self.met[kind] += 1
        if kind == "503":
            return Answer(503, [("Retry-After", "0")], b"slow down")
        if kind == "reset" and request.method in ("PUT", "POST"):
            raise Hangup  # the store never saw it whole
        answer = pass_on(request)
        if kind == "lost":
            raise Hangup
        if kind == "reset":
            answer.cut = len(answer.body) // 2
        return answer


class Lost:
    """Of PUTs, the first `drop` lose their answer."""

    def __init__(self) -> None:
        self.drop, self.dropped = 0, 0

    def __call__(self, request: Request, pass_on: Callable[[Request], Answer]) -> Answer:
        answer = pass_on(request)
        if request.method == "PUT" and self.drop > 0:
            assert answer.status in (200, 201, 412), answer
            self.drop -= 1
            self.dropped += 1
            raise Hangup
        return answer
