"""The public copy of the feed: the truck's newest documents, put over and over into a store.

Millions read them there, behind a CDN, and never reach the truck. Only the newest is sent: what
could not be sent in time is not sent later. A document's number never goes down.
"""

import gzip
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, Self

from cloud_sync.site import Document, Site
from hardware.errors import TruckError, Unavailable

INDEX = "v1/index.json"
_INDEX_SCHEMA = "truck.feed.index/1"
_SIDE_BY_SIDE = 6
_DOCUMENTS_MAX = 256
_TYPES = {"geo.json": "application/geo+json", "index.json": "application/json"}
_FRESH, _LASTING, _LASTING_S = "max-age=1", "max-age=60", 60.0


class Sink(Protocol):
    """A public store; see `cloud_sync.objectstore`."""

    name: str

    def put_over(self, key: str, data: bytes, attributes: dict[str, str]) -> None:
        """Store `data` under a key, whatever it held.

        Raises:
            Unavailable, Misconfigured: it was not stored.
        """
        ...


class _Sent(NamedTuple):
    etag: str
    number: int
    at_s: float


class Publisher:
    """Copies what is new at one site into one store, once a `turn`.

    Attributes:
        number: of the newest frame that is in the store.
        objects, sent_bytes: put so far.
        failures: what was not fetched or not put so far; `error` is the last of it, or empty.
    """

    def __init__(self, site: Site, sink: Sink) -> None:
        self._site, self._sink = site, sink
        self._sent: dict[str, _Sent] = {}
        self._index = Document(b"", "")
        self._pool = ThreadPoolExecutor(_SIDE_BY_SIDE, "publish")
        self.number = self.objects = self.sent_bytes = self.failures = 0
        self.error = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def turn(self, now_s: float) -> bool:
        """Copy what is new; whether all of it is in the store. `now_s` is monotonic."""
        self.error = ""
        try:
            if self._is_due(INDEX, now_s):
                self._index = self._site.get(INDEX, self._index.etag) or self._index
            names = [path for path in _documents(self._index) if self._is_due(path, now_s)]
            new = [(path, found) for path in names if (found := self._newer(path)) is not None]
        except Unavailable as failed:
            self._fail(failed)
            return False
        # an object has one writer at a time, for a round ends before the next begins
        for (path, found), put in zip(new, self._pool.map(self._put, new), strict=True):
            if isinstance(put, TruckError):
                self._fail(put)
                continue
            number = _number(found)
            self._sent[path] = _Sent(found.etag, number, now_s)
            self.number = max(self.number, number)
            self.objects += 1
            self.sent_bytes += put
        return not self.error

    def _is_due(self, path: str, now_s: float) -> bool:
        """Frames always are; what lasts only now and then."""
        sent = self._sent.get(path)
        return sent is None or sent.number > 0 or now_s - sent.at_s >= _LASTING_S

    def _newer(self, path: str) -> Document | None:
        """A document that is not in the store yet, and not older than what is."""
        sent = self._sent.get(path, _Sent("", 0, 0.0))
        found = self._index if path == INDEX else self._site.get(path, sent.etag)
        if found is None or found.etag == sent.etag or _number(found) < sent.number:
            return None
        return found

    def _put(self, new: tuple[str, Document]) -> TruckError | int:
        """Bytes sent, or why not."""
        path, found = new
        data = gzip.compress(found.body, mtime=0)
        try:
            self._sink.put_over(path, data, _attributes(path, _number(found)))
        except TruckError as failed:
            return failed
        return len(data)

    def _fail(self, failed: TruckError) -> None:
        self.failures += 1
        self.error = str(failed)


def _documents(index: Document) -> list[str]:
    """The paths that a site's index names, itself last.

    Raises:
        Unavailable: it is no index.
    """
    try:
        said = json.loads(index.body)
        names = said["documents"] if said["schema"] == _INDEX_SCHEMA else None
    except (ValueError, KeyError, TypeError):
        names = None
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise Unavailable(f"{INDEX} is no index of a feed")
    return [*(f"v1/{name}" for name in names[:_DOCUMENTS_MAX]), INDEX]


def _number(found: Document) -> int:
    """A frame's number; 0 of a document that is of no frame."""
    try:
        said: Any = json.loads(found.body)
        number = said.get("number", 0)
    except (ValueError, AttributeError):
        return 0
    return number if isinstance(number, int) else 0


def _attributes(path: str, number: int) -> dict[str, str]:
    name = path.rpartition("/")[2]
    is_schema = path.startswith("v1/schemas/")
    return {
        "Cache-Control": _FRESH if number else _LASTING,
        "Content-Encoding": "gzip",
        "Content-Type": "application/schema+json"
        if is_schema
        else _TYPES.get(name, "application/json"),
    }
