"""Real stores on loopback: SeaweedFS, Azurite, fake-gcs, moto, each its own process.

fake-gcs speaks Google's JSON interface and of the XML one, which obstore uses, all but the upload.
`speak_xml` translates that one request, precondition included; who wins is fake-gcs's own doing.
"""

import base64
import contextlib
import email.utils
import hashlib
import hmac
import http.client
import json
import random
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from http_proxy import Answer, Policy, Request

AZURE_ACCOUNT = "devstoreaccount1"  # the emulator's own, printed in its manual
AZURE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_BOUNDARY = "a-boundary-no-sealed-file-holds"


@dataclass
class Cloud:
    """A store that runs: the scheme and bucket of its addresses, and how to reach it."""

    bucket: str
    port: int
    variables: Callable[[int], dict[str, str]]

    def url(self, prefix: str) -> str:
        return f"{self.bucket}/{prefix}"

    def environment(self, port: int | None = None) -> dict[str, str]:
        """The variables for a process of ours; `port` is that of a proxy before the store."""
        return self.variables(port or self.port)


def s3_variables(port: int, who: str = "truck") -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": who,
        "AWS_SECRET_ACCESS_KEY": f"{who}-secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }


def azure_variables(port: int) -> dict[str, str]:
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": AZURE_ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY,
        "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{port}/{AZURE_ACCOUNT}",
    }


def google_variables(port: int) -> dict[str, str]:
    return {"GOOGLE_BEARER_TOKEN": "any", "GOOGLE_BASE_URL": f"http://127.0.0.1:{port}"}


def free_ports(count: int) -> list[int]:
    """Loopback ports nobody holds now, below the ephemeral ones."""
    chance, found = random.SystemRandom(), set()
    while len(found) < count:
        port = chance.randrange(10_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.add(port)
    return sorted(found)


def start_weed(binary: Path, home: Path, identities: list[dict]) -> tuple[subprocess.Popen, int]:
    """SeaweedFS with a bucket `cloud`, and the port of its S3 interface."""
    (home / "s3.json").write_text(json.dumps({"identities": identities}))
    names = (
        "s3.port", "s3.port.grpc", "s3.port.iceberg", "s3.port.lance", "master.port",
        "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
        "admin.port", "admin.port.grpc", "metricsPort",
    )  # fmt: skip
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    server = _start(
        [
            str(binary), "mini", f"-dir={home}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            "-master.telemetry=false", f"-s3.config={home / 's3.json'}", "-admin.ui=false",
            "-webdav=false", "-bucket=cloud",
            *(f"-{name}={port}" for name, port in ports.items()),
        ],
        home,
    )  # fmt: skip
    return server, ports["s3.port"]


def start_azurite(binary: Path, home: Path) -> tuple[subprocess.Popen, Cloud]:
    (port,) = free_ports(1)
    server = _start(
        [
            str(binary), "--blobHost", "127.0.0.1", "--blobPort", str(port), "-l", str(home), "-s",
            "--disableTelemetry", "--skipApiVersionCheck",
        ],
        home,
    )  # fmt: skip
    _until(lambda: _azure_container(port, "cloud") in (201, 409), "Azurite")
    return server, Cloud("az://cloud", port, azure_variables)


def start_fake_gcs(binary: Path, home: Path) -> tuple[subprocess.Popen, int]:
    """The server and its own port; the store is reached through `speak_xml`."""
    (port,) = free_ports(1)
    server = _start(
        [
            str(binary), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1",
            "-port", str(port), "-public-host", f"127.0.0.1:{port}", "-log-level", "error",
        ],
        home,
    )  # fmt: skip
    body = json.dumps({"name": "cloud"}).encode()
    _until(lambda: _ask(port, "POST", "/storage/v1/b?project=p", {}, body) == 200, "fake-gcs")
    return server, port


def start_moto(binary: Path, home: Path) -> tuple[subprocess.Popen, Cloud]:
    (port,) = free_ports(1)
    server = _start([str(binary), "-H", "127.0.0.1", "-p", str(port)], home)
    _until(lambda: _ask(port, "PUT", "/cloud", {}) == 200, "moto")
    return server, Cloud("s3://cloud", port, s3_variables)


def speak_xml(port: int) -> Policy:
    """Google's XML upload becomes the JSON interface's multipart upload of the same precondition.

    `port` is fake-gcs's own: it knows the XML interface by the host it is asked for.
    """

    def policy(request: Request, pass_on: Callable[[Request], Answer]) -> Answer:
        host = ("Host", f"127.0.0.1:{port}")
        if request.method != "PUT":
            kept = [(name, value) for name, value in request.headers if name.lower() != "host"]
            return pass_on(Request(request.method, request.target, [host, *kept], request.body))
        target, kind, body = _as_multipart(request)
        asked = [host, ("Content-Type", kind), ("Content-Length", str(len(body)))]
        answer = pass_on(Request("POST", target, asked, body))
        if answer.status == 200:
            stored = json.loads(answer.body)
            answer.headers = [("ETag", stored["etag"]), ("x-goog-generation", stored["generation"])]
            answer.body = b""
        return answer

    return policy


def _as_multipart(request: Request) -> tuple[str, str, bytes]:
    """Target, content type and body of an upload by JSON."""
    headers = {name.lower(): value for name, value in request.headers}
    bucket, _, name = request.target.lstrip("/").partition("/")
    match = headers.get("x-goog-if-generation-match")
    wish = f"&ifGenerationMatch={match}" if match is not None else ""
    mark = f"--{_BOUNDARY}".encode()
    meta = json.dumps({"name": unquote(name)}).encode()
    body = b"\r\n".join(
        [
            mark, b"Content-Type: application/json", b"", meta,
            mark, b"Content-Type: application/octet-stream", b"", request.body, mark + b"--", b"",
        ]
    )  # fmt: skip
    target = f"/upload/storage/v1/b/{bucket}/o?uploadType=multipart&name={quote(unquote(name), '')}"
    return target + wish, f"multipart/related; boundary={_BOUNDARY}", body


def _start(command: list[str], home: Path) -> subprocess.Popen:
    with (home / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=home)


def _until(is_up: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if is_up():
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, f"{what} did not come up within 60 s"
        time.sleep(0.1)


def _ask(port: int, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def _azure_container(port: int, name: str) -> int:
    """Make a container, signed with the shared key as Azure's manual says."""
    headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2023-11-03"}
    signed = "".join(f"{key}:{value}\n" for key, value in sorted(headers.items()))
    place = f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{name}\nrestype:container"
    words = ("PUT" + "\n" * 12 + signed + place).encode()
    digest = hmac.new(base64.b64decode(AZURE_KEY), words, hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    headers |= {"Authorization": f"SharedKey {AZURE_ACCOUNT}:{signature}", "Content-Length": "0"}
    return _ask(port, "PUT", f"/{AZURE_ACCOUNT}/{name}?restype=container", headers)
