"""A place that serves a feed's documents over HTTP: a truck, or the public copy of one.

Below its address the same paths lead to the same documents, wherever it is.
"""

import zlib
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from hardware.errors import Misconfigured, Unavailable

_BYTES_MAX = 8 << 20
_GZIP = 31  # zlib's word for a gzip stream


class Document(NamedTuple):
    """What was served, and the tag by which to ask whether it still is."""

    body: bytes
    etag: str


class Site:
    """Asks one site; one thread at a time."""

    def __init__(self, base: str, timeout_s: float = 2.0) -> None:
        """`base` is such as http://truck:8080/api or https://cdn.example/live.

        Raises:
            Misconfigured: it is no such address.
        """
        parts = urlsplit(base)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise Misconfigured(
                f"{base} is no address of a feed", "Write http://HOST:PORT/api, or the copy's."
            )
        self.base = base.rstrip("/")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, port, timeout=timeout_s)
        self._prefix = parts.path.rstrip("/")

    def get(self, path: str, etag: str = "") -> Document | None:
        """The document at a path below the base; None where it still has that tag.

        Raises:
            Unavailable: no answer in time, or another than the document.
        """
        headers = {"Accept-Encoding": "gzip"} | ({"If-None-Match": etag} if etag else {})
        try:
            self._connection.request("GET", f"{self._prefix}/{path}", headers=headers)
            answer = self._connection.getresponse()
            data = answer.read(_BYTES_MAX)
            whole = not answer.read(1)
        except (OSError, HTTPException) as error:
            self.close()
            said = str(error) or type(error).__name__
            raise Unavailable(f"{self.base} does not answer: {said}") from error
        if answer.status == 304:
            return None
        if answer.status != 200 or not whole:
            self.close()
            raise Unavailable(f"{self.base}/{path} answers with {answer.status}")
        if answer.headers.get("Content-Encoding") == "gzip":
            data = self._unpacked(data, path)
        return Document(data, answer.headers.get("ETag", ""))

    def close(self) -> None:
        """Hang up; the next question calls again."""
        self._connection.close()

    def _unpacked(self, data: bytes, path: str) -> bytes:
        try:
            return zlib.decompressobj(_GZIP).decompress(data, _BYTES_MAX)
        except zlib.error as error:
            raise Unavailable(f"{self.base}/{path} is no gzip: {error}") from error
