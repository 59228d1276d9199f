"""The crew laptop's enrolment service: HTTPS, one request a connection, everything bounded.

    POST /enrol/1    a relay's request in the body; 200 with the answer, or an error with
                     {"schema": "truck.enrol-refusal/1", "why": ..., "sentence": ...}

Its certificate is the event CA's, for the name `DESK_HOST` whatever the address is, so that a relay
knows the desk by what its card carries. Whoever connects costs at most one thread for `DEADLINE_S`;
those who come too fast are hung up on before any TLS. Each hostile request is one refusal, counted.
"""

import contextlib
import json
import socket
import ssl
import tempfile
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hardware import keys
from hardware.authority import Authority
from hardware.ca import key_pem, new_tls_key
from hardware.clock import Clock, monotonic_s
from hardware.enrolment import DESK_HOST, PATH, RelayRequest
from hardware.enrolment_desk import Desk
from hardware.enrolment_request import REQUEST_BYTES_MAX, EnrolmentRefused, Why
from hardware.errors import Misconfigured, TruckError

REFUSAL_SCHEMA = "truck.enrol-refusal/1"
DEADLINE_S = 10.0
RATE_HZ = 10.0
BURST = 80.0
_CONNECTIONS_MAX = 32
_ADDRESSES_MAX = 1024
_STATUS = {
    Why.NO_SUCH_PAGE: HTTPStatus.NOT_FOUND,
    Why.OVERSIZE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Why.MALFORMED: HTTPStatus.BAD_REQUEST,
}
Say = Callable[[str], None]


class Rate:
    """A bucket of tokens for each address; the ones not heard of for longest are forgotten."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, now_s: float) -> bool:
        """Whether one more may come from `address` at `now_s`, any monotonic time."""
        tokens, then_s = self._buckets.pop(address, (BURST, now_s))
        tokens = min(BURST, tokens + (now_s - then_s) * RATE_HZ)
        allowed = tokens >= 1.0
        self._buckets[address] = (tokens - 1.0 if allowed else tokens, now_s)
        if len(self._buckets) > _ADDRESSES_MAX:
            self._buckets.popitem(last=False)
        return allowed


class EnrolmentService:
    """Listens from the moment it is made; `serve` handles, `stop` ends it from any thread."""

    def __init__(
        self, folder: Path, authority: Authority, host: str, port: int, clock: Clock, say: Say
    ) -> None:
        """Bind the port.

        Raises:
            Misconfigured: it is in use, or not ours to bind.
        """
        self.refused: Counter[str] = Counter()
        self.enrolled: dict[str, RelayRequest] = {}
        self._desk, self._clock, self.say = Desk(folder, authority), clock, say
        self._lock = threading.Lock()
        self._said: set[tuple[str, str]] = set()
        context = _tls_context(authority, clock.now_s())
        try:
            self._server = _Server((host, port), context, self)
        except OSError as error:
            raise Misconfigured(
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                "Give an address of this machine and a port that is free.",
            ) from error
        self.port: int = self._server.server_address[1]

    def serve(self, until: Callable[[], bool]) -> None:
        """Answer until `until`, which is asked several times a second."""
        self._server.timeout = 0.2
        try:
            while not until():
                self._server.handle_request()
        finally:
            self._server.server_close()

    def answer(self, body: bytes, address: str) -> bytes:
        """The answer to a request's bytes.

        Raises:
            EnrolmentRefused: after counting it.
        """
        with self._lock:
            try:
                request, answer = self._desk.enrol(body, self._clock.now_s())
            except EnrolmentRefused as refusal:
                self._count(refusal, address)
                raise
            if request.name not in self.enrolled:
                self.say(f"{request.name} is enrolled, serial {request.serial}, from {address}")
            self.enrolled[request.name] = request
            return answer

    def refuse(self, why: Why, address: str, detail: str = "") -> EnrolmentRefused:
        """Count a refusal that the desk never saw."""
        refusal = EnrolmentRefused(why, detail)
        with self._lock:
            self._count(refusal, address)
        return refusal

    def _count(self, refusal: EnrolmentRefused, address: str) -> None:
        self.refused[refusal.why.value] += 1
        matter = (refusal.why.value, address)
        if matter not in self._said and len(self._said) < _ADDRESSES_MAX:
            self._said.add(matter)  # once each: a flood must not bury the rest
            self.say(f"{address}: {refusal}")


class _Server(ThreadingHTTPServer):
    """Takes connections while there is room, speaks TLS in the connection's own thread."""

    daemon_threads = True
    request_queue_size = 64
    block_on_close = False

    def __init__(
        self, address: tuple[str, int], context: ssl.SSLContext, service: EnrolmentService
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.service, self._context, self._rate = service, context, Rate()
        self._room = threading.BoundedSemaphore(_CONNECTIONS_MAX)
        super().__init__(address, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if not self._rate.take(client_address[0], monotonic_s()):
            self.service.refuse(Why.RATE, client_address[0])
            return False
        if not self._room.acquire(blocking=False):
            self.service.refuse(Why.RATE, client_address[0], "all places are taken")
            return False
        return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(DEADLINE_S)
        held = [request]
        late = threading.Timer(DEADLINE_S, _hang_up, [held])
        late.daemon = True
        late.start()
        try:
            with self._context.wrap_socket(
                request, server_side=True, do_handshake_on_connect=False
            ) as tls:
                held[0] = tls
                tls.do_handshake()
                _Handler(tls, client_address, self)
        except TimeoutError:
            self.service.refuse(Why.SLOW, client_address[0])
        except OSError as error:  # TLS among them
            why = Why.MALFORMED if late.is_alive() else Why.SLOW
            self.service.refuse(why, client_address[0], type(error).__name__)
        finally:
            late.cancel()

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.service.refuse(Why.MALFORMED, client_address[0], "it broke off")


class _Handler(BaseHTTPRequestHandler):
    """One request: a method, a path, a length, a body."""

    server: _Server
    protocol_version = "HTTP/1.0"
    server_version = "enrol/1"
    sys_version = ""

    def do_POST(self) -> None:
        """Enrol."""
        if self.path != PATH:
            self._send_refusal(self._refuse(Why.NO_SUCH_PAGE))
            return
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdecimal():
            self._send_refusal(self._refuse(Why.MALFORMED, "no Content-Length"))
            return
        if len(length) > 9 or int(length) > REQUEST_BYTES_MAX:
            self._send_refusal(self._refuse(Why.OVERSIZE, f"{length[:12]} bytes"))
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self._refuse(Why.MALFORMED, "it was cut off")
            return
        try:
            answer = self.server.service.answer(body, self.client_address[0])
        except EnrolmentRefused as refusal:
            self._send_refusal(refusal)
        except TruckError as error:  # of our own folder: the relay asks again
            self._send(
                HTTPStatus.SERVICE_UNAVAILABLE, json.dumps({"sentence": str(error)}).encode()
            )
            self.server.service.say(str(error))
        else:
            self._send(HTTPStatus.OK, answer)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself refuses: another method, a line that is none."""
        why = Why.NO_SUCH_PAGE if code == HTTPStatus.NOT_IMPLEMENTED else Why.MALFORMED
        self.close_connection = True
        self._send_refusal(self._refuse(why, (message or "")[:64]))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        if args and isinstance(args[0], TimeoutError):
            self._refuse(Why.SLOW)

    def _refuse(self, why: Why, detail: str = "") -> EnrolmentRefused:
        return self.server.service.refuse(why, self.client_address[0], detail)

    def _send_refusal(self, refusal: EnrolmentRefused) -> None:
        text = {"schema": REFUSAL_SCHEMA, "why": refusal.why.value, "sentence": str(refusal)}
        self._send(_STATUS.get(refusal.why, HTTPStatus.FORBIDDEN), json.dumps(text).encode())

    def _send(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _hang_up(held: list[socket.socket]) -> None:
    with contextlib.suppress(OSError):
        held[0].shutdown(socket.SHUT_RDWR)


def _tls_context(authority: Authority, now_s: float) -> ssl.SSLContext:
    """TLS 1.3 with a certificate made for this run; its key is on the disk for a moment only."""
    key = new_tls_key()
    certificate = authority.ca.issue(DESK_HOST, (DESK_HOST,), now_s, key.public_key())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with tempfile.TemporaryDirectory(prefix="enrol-") as folder:
        path = Path(folder) / "tls.pem"
        keys.write_file(path, key_pem(key) + certificate)
        context.load_cert_chain(path)
    return context
