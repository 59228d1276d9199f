"""What is served over a real socket, as a client of it sees it."""

import json
import socket
import zlib
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any


def get(port: int, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    """One answer; an underscore in a header's name is a hyphen."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=named)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


class Events:
    """A listener of server-sent events."""

    def __init__(self, port: int, path: str, **headers: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request("GET", path, headers=named)
        self.answer = self._connection.getresponse()
        self._packed = self.answer.headers.get("Content-Encoding") == "gzip"
        self._lines = self._read()

    def next(self) -> tuple[str, str, Any]:
        """Event, id and document of the next event."""
        event, number = "", ""
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "id":
                number = value
            elif name == "data":
                assert next(self._lines) == ""
                return event, number, json.loads(value)
        raise AssertionError("the stream ended")

    def take(self, count: int) -> list[tuple[str, str, Any]]:
        return [self.next() for _ in range(count)]

    def close(self) -> None:
        if self.answer.fp is not None:
            sock = socket.socket(fileno=socket.dup(self.answer.fp.fileno()))
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self.answer.close()
        self._connection.close()

    def _read(self) -> Iterator[str]:
        unpack = zlib.decompressobj(31)
        held = b""
        while part := self.answer.read1(65536):
            held += unpack.decompress(part) if self._packed else part
            *lines, held = held.split(b"\n")
            yield from (line.decode() for line in lines)
