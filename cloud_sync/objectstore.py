"""An object store in some cloud as remote, through obstore.

What its traps ask of us: a create is one PUT, never multipart, and never sent again by the library
itself, because a create whose answer was lost would then be reported as AlreadyExists and sent
whole once more; that error says nothing until the bytes are read back; the time-out covers the
whole request and so grows with the size; a skewed clock comes as permission denied.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from cloud_sync.pace import Pace
from cloud_sync.remote import AlreadyThere, NotThere, check_key, names_a_stream
from hardware import clock
from hardware.errors import Misconfigured, TruckError, Unavailable

_GET_RETRIES = 2
_PUBLIC_S_MAX = 5
_NO_BUCKET = (
    "NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted", "bucket does not exist",
    "InvalidBucketName",
)  # fmt: skip
_SKEW = ("RequestTimeTooSkewed", "date header", "RequestExpired", "SignatureDoesNotMatch: Date")
_REFUSED = ("401 Unauthorized", "403 Forbidden")

Store = S3Store | AzureStore | GCSStore


@dataclass(frozen=True)
class Bucket:
    """Where an object store is: its address, how to open it, and what its operator may correct.

    `open_store` takes a time-out in seconds and a number of retries.
    """

    name: str
    variables: str
    open_store: Callable[[int, int], Store]


class ObjectStore:
    """A remote in a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self.name = bucket.name
        self._variables = bucket.variables
        self._store = lru_cache(maxsize=32)(bucket.open_store)
        self._pace = Pace()

    def put_new(self, key: str, data: bytes) -> None:
        """See Remote."""
        with self._named_errors(check_key(key)):
            store = self._store(self._pace.timeout_s(len(data)), 0)
            began_s = clock.monotonic_s()
            obstore.put(store, key, data, mode="create", use_multipart=False)
            self._pace.saw(len(data), clock.monotonic_s() - began_s)

    def put_over(self, key: str, data: bytes, attributes: Mapping[str, str]) -> None:
        """Store `data` under a key whatever it held, with what a reader's browser is told of it.

        For the public copy of the feed alone; one that takes longer than 5 s is given up, because
        the next frame says more.
        """
        with self._named_errors(check_key(key)):
            store = self._store(_PUBLIC_S_MAX, 0)
            obstore.put(store, key, data, attributes=dict(attributes), use_multipart=False)

    def get(self, key: str, limit: int) -> bytes:
        """See Remote."""
        with self._named_errors(check_key(key)):
            data = bytearray()
            store = self._store(self._pace.timeout_s(limit), _GET_RETRIES)
            for chunk in obstore.get(store, key):
                data += chunk
                if len(data) > limit:
                    break
            return bytes(data[: limit + 1])

    def keys(self, prefix: str) -> list[str]:
        """See Remote."""
        with self._named_errors(prefix):
            pages = obstore.list(self._small(), prefix)
            return sorted(item["path"] for page in pages for item in page)

    def streams(self) -> list[str]:
        """See Remote."""
        with self._named_errors(""):
            listed = obstore.list_with_delimiter(self._small())
            names = (prefix.rstrip("/") for prefix in listed["common_prefixes"])
            return sorted(name for name in names if names_a_stream(name))

    def stored_at_s(self, key: str) -> float:
        """See Remote."""
        with self._named_errors(check_key(key)):
            return obstore.head(self._small(), key)["last_modified"].timestamp()

    def remove(self, key: str) -> int:
        """Delete the object served under a key; whether there was one. See Eraser."""
        with self._named_errors(check_key(key)):
            try:
                obstore.head(self._small(), key)
            except FileNotFoundError:
                return 0
            obstore.delete(self._small(), key)
        return 1

    def _small(self) -> Store:
        """The store, for requests that carry little."""
        return self._store(self._pace.timeout_s(0), _GET_RETRIES)

    @contextmanager
    def _named_errors(self, key: str) -> Iterator[None]:
        place = f"{self.name}/{key}"
        try:
            yield
        except (AlreadyExistsError, PreconditionError) as error:
            raise AlreadyThere(f"{place} exists") from error
        except (BaseError, OSError) as error:
            raise self._named(error, place) from error

    def _named(self, error: Exception, place: str) -> TruckError:
        text = str(error)  # a list reports the same answers as errors without a kind
        if any(word in text for word in _NO_BUCKET):
            return Misconfigured(
                f"{self.name}: there is no such bucket", "Create it, or correct its name."
            )
        if any(word in text for word in _SKEW):
            return Misconfigured(
                f"{self.name} finds our clock wrong",
                "Set this machine's clock: `timedatectl` says whether it is kept by NTP or GNSS.",
            )
        refused = isinstance(error, (PermissionDeniedError, UnauthenticatedError))
        if refused or any(word in text for word in _REFUSED):
            return Misconfigured(
                f"{self.name} refuses our credentials",
                f"Check {self._variables} and the bucket's policy (create, read and list; no"
                " delete), and that this machine's clock is right: a skewed one is refused the"
                " same way.",
            )
        if isinstance(error, FileNotFoundError):
            return NotThere(f"{place} does not exist")
        if "timed out" in text or "timeout" in text.lower():
            self._pace.gave_up()
        return Unavailable(f"{self.name} does not answer: {gist(error)}")


def gist(error: BaseException) -> str:
    """What an error of obstore says, without its account of retries and its debug dump."""
    first, _, _ = (str(error).strip() or type(error).__name__).partition("\n")
    return first.rpartition(" - ")[2][:160]
