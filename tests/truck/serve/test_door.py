"""Doors with real servers and raw sockets: each role reaches what it may, and nothing else."""

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from doors import Porter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hardware.errors import Misconfigured
from hardware.signing import SigningKey
from truck.serve import access, connection
from truck.serve.access import MAY, as_json, caller_of, needs, role_of
from truck.serve.door import Door
from truck.serve.http import Serving, serve
from truck.serve.limits import Buckets
from truck.serve.tls import Certificate, names_in
from truck.serve.tokens import ROLES

REACHES = {
    "viewer": {"view"},
    "press": {"view", "press"},
    "tv": {"view", "boards"},
    "editor": {"view", "press", "content"},
    "operator": {"view", "press", "boards", "content", "operate"},
}


async def told(request: Request) -> Response:
    caller = caller_of(request)
    assert caller is not None
    body = await request.body()
    return as_json({"name": caller.name, "role": role_of(request), "bytes": len(body)})


async def anybody(_: Request) -> Response:
    return as_json({"open": True})


ROUTES = [
    *(Route(f"/may/{right}", needs(right)(told), methods=["GET", "POST"]) for right in MAY),
    Route("/api/open", anybody),
]


class Site:
    """A server behind a door."""

    def __init__(self, door: Door, own: Certificate | None = None) -> None:
        self.door = door
        self.serving: Serving = serve(None, "127.0.0.1", 0, ROUTES, door, own)
        self.host = f"127.0.0.1:{self.serving.port}"

    def ask(
        self, path: str, token: str = "", method: str = "GET", body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, Any], Any]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        line = HTTPConnection("127.0.0.1", self.serving.port, timeout=10)
        line.request(method, path, body, sent)
        answer = line.getresponse()
        said = json.loads(answer.read())
        line.close()
        return answer.status, said, answer.headers

    def raw(self, data: bytes, wait_s: float = 5.0) -> bytes:
        """What comes back for bytes as they are, until the other side ends."""
        with socket.create_connection(("127.0.0.1", self.serving.port), wait_s) as line:
            line.sendall(data)
            back = b""
            with contextlib.suppress(TimeoutError, ConnectionResetError):
                while part := line.recv(65536):
                    back += part
            return back


@pytest.fixture
def porter(tmp_path: Path) -> Porter:
    return Porter(tmp_path)


@pytest.fixture
def open_site() -> Iterator[Any]:
    opened: list[Site] = []

    def start(door: Door, own: Certificate | None = None) -> Site:
        opened.append(Site(door, own))
        return opened[-1]

    yield start
    for site in opened:
        site.serving.stop()


def test_each_role_reaches_what_it_may_and_nothing_else(porter: Porter, open_site: Any) -> None:
    site = open_site(porter.door())
    for role in ROLES:
        token = porter.token(role)
        for right in MAY:
            for method in ("GET", "POST"):
                status, said, _ = site.ask(f"/may/{right}", token, method)
                if right in REACHES[role]:
                    assert (status, said["role"], said["name"]) == (200, role, "Anna")
                else:
                    assert (status, said["reason"]) == (403, "role")
    turned = sum(2 * (len(MAY) - len(rights)) for rights in REACHES.values())
    assert site.door.refused == {"role": turned}


def test_no_token_an_expired_a_revoked_and_a_foreign_one_are_refused_by_name_and_counted(
    porter: Porter, open_site: Any
) -> None:
    noted: list[Any] = []
    site = open_site(porter.door(on_refused=noted.append))
    good = porter.token("operator")
    revoked = porter.token("operator")
    newest = porter.tokens.prove(revoked, porter.now_s())
    porter.tokens.revoke(newest.id, "ben", porter.now_s())
    shown = {
        "no_token": "",
        "revoked": revoked,
        "other_event": porter.token("operator", event="giro"),
        "signature": porter.token("operator", key=SigningKey(b"\6" * 32)),
        "malformed": good[:-4] + "AAAA",
    }
    for reason, token in shown.items():
        status, said, headers = site.ask("/may/operate", token, "POST")
        assert (status, said["reason"], said["status"]) == (401, reason, 401)
        assert headers["Content-Type"] == "application/problem+json"
        assert headers["WWW-Authenticate"].startswith('Bearer realm="truck"')
    assert site.ask("/may/operate", good)[0] == 200
    porter.ahead_s = 3601.0
    assert site.ask("/may/operate", good)[1]["reason"] == "expired"
    assert site.door.refused == {**dict.fromkeys(shown, 1), "expired": 1}
    assert [refusal.reason for refusal in noted] == list(shown), "those that would change something"
    assert site.ask("/may/operate", Authorization="Basic YTpi")[0] == 401
    assert site.ask("/api/open", "rubbish")[0] == 200, "what needs no token asks for none"


def test_a_room_without_a_door_is_shut(porter: Porter) -> None:
    shut = serve(None, "127.0.0.1", 0, ROUTES)
    line = HTTPConnection("127.0.0.1", shut.port, timeout=10)
    line.request("GET", "/may/view", headers={"Authorization": "Bearer " + porter.token("viewer")})
    assert line.getresponse().status == 401
    line.close()
    shut.stop()


def test_a_cookie_acts_only_for_the_page_of_this_door(porter: Porter, open_site: Any) -> None:
    site = open_site(porter.door(cookie="truck", names=frozenset({"truck.example"})))
    cookie = {"Cookie": f"truck={porter.token('operator')}"}
    own = {"Origin": f"http://{site.host}", "Content_Type": "application/json"}
    assert site.ask("/may/operate", method="POST", body=b"{}", **cookie, **own)[0] == 200
    for reason, changes in (
        ("cross_site", {"Origin": "http://evil.example"}),
        ("cross_site", {"Origin": "null"}),
        ("cross_site", {"Origin": f"https://{site.host}"}),
        ("cross_site", {"Origin": "http://127.0.0.1:1"}),
        ("cross_site", {"Sec_Fetch_Site": "cross-site"}),
        ("cross_site", {"Sec_Fetch_Site": "same-site"}),
        ("content_type", {"Content_Type": "text/plain"}),
        ("content_type", {"Content_Type": "application/x-www-form-urlencoded"}),
        ("host", {"Host": "evil.example"}),
        ("host", {"Host": f"127.0.0.1.evil.example:{site.serving.port}"}),
        ("host", {"Host": ""}),
    ):
        sent = cookie | own | changes
        status, said, _ = site.ask("/may/operate", method="POST", body=b"{}", **sent)
        assert (said["reason"], status // 100) == (reason, 4), changes
    without = {k: v for k, v in own.items() if k != "Origin"}
    assert site.ask("/may/operate", method="POST", **cookie, **without)[1]["reason"] == "cross_site"
    for host in ("truck.example:443", "localhost", "[::1]:80"):
        origin = {"Host": host, "Origin": f"http://{host}"}
        assert site.ask("/may/operate", method="POST", **cookie, **own | origin)[0] == 200
    public = open_site(porter.door(is_public=True))
    assert public.ask("/may/operate", **cookie)[1]["reason"] == "no_token", "no cookie counts there"


def test_other_sites_read_the_public_feed_and_nothing_else(porter: Porter, open_site: Any) -> None:
    public, operator = open_site(porter.door(is_public=True)), open_site(porter.door(cookie="t"))
    assert public.ask("/api/open")[2]["Access-Control-Allow-Origin"] == "*"
    assert operator.ask("/api/open")[2]["Access-Control-Allow-Origin"] is None
    assert public.ask("/may/view", porter.token("viewer"))[2]["Access-Control-Allow-Origin"] is None
    asked = {"Origin": "http://evil.example", "Access_Control_Request_Method": "POST"}
    status, _, headers = public.ask("/may/content", method="OPTIONS", **asked)
    assert status == 405
    assert headers["Access-Control-Allow-Origin"] is None
    for headers in (public.ask("/api/open")[2], operator.ask("/may/view")[2]):
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_one_address_and_one_token_ask_only_so_often(porter: Porter, open_site: Any) -> None:
    site = open_site(porter.door(by_address=Buckets(0.01, 5.0)))
    assert [site.ask("/api/open")[0] for _ in range(7)] == [200] * 5 + [429] * 2
    assert int(site.ask("/api/open")[2]["Retry-After"]) > 1
    other = open_site(porter.door(by_token=Buckets(0.01, 2.0)))
    token = porter.token("tv")
    assert [other.ask("/may/boards", token)[0] for _ in range(3)] == [200, 200, 429]
    assert other.ask("/may/boards", porter.token("tv"))[0] == 200
    guessed = open_site(porter.door(strikes=Buckets(0.01, 3.0)))
    tried = [guessed.ask("/may/view", f"guess{n}")[1]["reason"] for n in range(5)]
    assert tried == ["malformed"] * 3 + ["rate"] * 2
    assert guessed.ask("/may/view", porter.token("viewer"))[0] == 200, "a good one is no guess"


def test_a_body_is_bounded_however_it_is_sent(porter: Porter, open_site: Any) -> None:
    site, token = open_site(porter.door()), porter.token("editor")
    assert site.ask("/may/content", token, "POST", b"x" * access.BODY_BYTES_MAX)[0] == 200
    status, said, _ = site.ask("/may/content", token, "POST", b"x" * (access.BODY_BYTES_MAX + 1))
    assert (status, said["reason"]) == (413, "body")
    head = f"POST /may/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n".encode()
    chunks = b"Transfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"y" * 4096 + b"\r\n"
    assert b" 413 " in site.raw(head + chunks + (b"1000\r\n" + b"y" * 4096 + b"\r\n") * 5)
    assert b" 413 " in site.raw(head + b"Content-Length: 99999999999999999999\r\n\r\n")
    assert b" 400 " in site.raw(b"GET /api/open HTTP/1.1\r\nHost: x\r\nX: " + b"z" * 70_000)
    assert site.ask("/api/open")[0] == 200


def test_a_head_and_a_body_that_trickle_are_ended(
    porter: Porter, open_site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_S_MAX", 0.5)
    monkeypatch.setattr(access, "_BODY_S_MAX", 0.5)
    site, token = open_site(porter.door()), porter.token("editor")
    for begun in (b"", b"GET /api/open HTTP/1.1\r\n"):
        with socket.create_connection(("127.0.0.1", site.serving.port), 10) as line:
            line.sendall(begun)
            began_s = time.monotonic()
            with contextlib.suppress(OSError):
                while time.monotonic() < began_s + 5:  # a byte now and then keeps nothing alive
                    line.sendall(b"X" if begun else b"")
                    line.settimeout(0.1)
                    with contextlib.suppress(TimeoutError):
                        assert line.recv(10) == b""
                        break
            assert time.monotonic() < began_s + 3
    head = f"POST /may/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n".encode()
    assert b" 408 " in site.raw(head + b"Content-Length: 10\r\n\r\nhalf")
    assert site.door.refused["slow"] == 3
    with socket.create_connection(("127.0.0.1", site.serving.port), 10) as line:
        line.sendall(b"GET /api/open HTTP/1.1\r\nHost: x\r\n\r\n")
        told = b""
        while not told.endswith(b"true}"):
            told += line.recv(4096)
        line.sendall(b"GET /api")  # the next head on the same line has its time too
        assert line.recv(10) == b""


def test_one_address_holds_only_so_many_lines(porter: Porter, open_site: Any) -> None:
    site = open_site(porter.door(lines_max=3))
    address = ("127.0.0.1", site.serving.port)
    held = [socket.create_connection(address, 5) for _ in range(3)]
    time.sleep(0.2)
    further = socket.create_connection(address, 5)
    with further, contextlib.suppress(ConnectionResetError):
        assert further.recv(10) == b""
    assert site.door.refused["lines"] == 1
    for line in held:
        line.close()
    until_s = time.monotonic() + 5
    while site.door.lines and time.monotonic() < until_s:
        time.sleep(0.05)
    assert site.ask("/api/open")[0] == 200


def test_what_a_proxy_says_of_an_address_is_not_believed(porter: Porter, open_site: Any) -> None:
    noted: list[Any] = []
    site = open_site(porter.door(on_refused=noted.append))
    site.ask("/may/operate", method="POST", X_Forwarded_For="10.9.9.9", Forwarded="for=10.9.9.9")
    assert noted[0].address == "127.0.0.1"


def test_tls_is_1_3_and_nothing_older(porter: Porter, open_site: Any, tls_pair: Any) -> None:
    ca, own = tls_pair
    site = open_site(porter.door(), own)
    context = ssl.create_default_context(cafile=str(ca))
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", site.serving.port), 5), server_hostname="truck.test"
    ) as line:
        assert line.version() == "TLSv1.3"
        line.sendall(b"GET /api/open HTTP/1.1\r\nHost: truck.test\r\nConnection: close\r\n\r\n")
        assert b" 200 " in line.recv(4096)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        pytest.raises(ssl.SSLError),
        socket.create_connection(("127.0.0.1", site.serving.port), 5) as old,
    ):
        context.wrap_socket(old, server_hostname="truck.test")
    assert names_in(own.certificate) == {"truck.test"}
    with pytest.raises(Misconfigured, match="no TLS certificate and its key"):
        serve(None, "127.0.0.1", 0, [], porter.door(), Certificate(own.certificate, ca))


@pytest.fixture
def tls_pair(tmp_path: Path) -> tuple[Path, Certificate]:
    from hardware.ca import Ca, key_pem, new_tls_key

    authority, key = Ca.new(time.time()), new_tls_key()
    made = {
        "ca.crt": authority.certificate_pem(),
        "tls.crt": authority.issue("truck", ["truck.test"], time.time(), key.public_key()),
        "tls.key": key_pem(key),
    }
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path / "ca.crt", Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
