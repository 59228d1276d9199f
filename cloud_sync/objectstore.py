"""An S3 store as remote, through obstore.

What its traps ask of us: a create is one PUT, never multipart; a create whose answer was lost is
reported as AlreadyExists by the next try, so that error says nothing until the bytes are read
back; the time-out covers the whole request and so grows with the size; a skewed clock comes as
permission denied.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from cloud_sync.remote import AlreadyThere, NotThere, check_key
from hardware.errors import Misconfigured, Unavailable

_TIMEOUT_MIN_S = 20
_SLOWEST_BYTES_PER_S = 16384
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)  # fmt: skip


class ObjectStore:
    """A remote in a bucket; `make_store` gives an obstore store for a time-out in seconds."""

    def __init__(self, name: str, make_store: Callable[[int], S3Store]) -> None:
        self.name = name
        self._store = lru_cache(maxsize=16)(make_store)

    def put_new(self, key: str, data: bytes) -> None:
        """See Remote."""
        with self._named_errors(check_key(key)):
            obstore.put(
                self._store(_timeout_s(len(data))), key, data, mode="create", use_multipart=False
            )

    def get(self, key: str, limit: int) -> bytes:
        """See Remote."""
        with self._named_errors(check_key(key)):
            data = bytearray()
            for chunk in obstore.get(self._store(_timeout_s(limit)), key):
                data += chunk
                if len(data) > limit:
                    break
            return bytes(data[: limit + 1])

    def keys(self, prefix: str) -> list[str]:
        """See Remote."""
        with self._named_errors(prefix):
            pages = obstore.list(self._store(_TIMEOUT_MIN_S), prefix)
            return sorted(item["path"] for page in pages for item in page)

    def streams(self) -> list[str]:
        """See Remote."""
        with self._named_errors(""):
            listed = obstore.list_with_delimiter(self._store(_TIMEOUT_MIN_S))
            return sorted(prefix.rstrip("/") for prefix in listed["common_prefixes"])

    @contextmanager
    def _named_errors(self, key: str) -> Iterator[None]:
        place = f"{self.name}/{key}"
        try:
            yield
        except (AlreadyExistsError, PreconditionError) as error:
            raise AlreadyThere(f"{place} exists") from error
        except (BaseError, OSError) as error:
            refused = isinstance(error, (PermissionDeniedError, UnauthenticatedError))
            text = str(error)  # a list reports the same answers as errors without a kind
            if "NoSuchBucket" in text:
                raise Misconfigured(
                    f"{self.name}: there is no such bucket", "Create it, or correct its name."
                ) from error
            if refused or "401 Unauthorized" in text or "403 Forbidden" in text:
                raise Misconfigured(
                    f"{self.name} refuses our credentials",
                    "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy, and"
                    " that this machine's clock is right: a skewed one is refused the same way.",
                ) from error
            if isinstance(error, FileNotFoundError):
                raise NotThere(f"{place} does not exist") from error
            raise Unavailable(f"{self.name} does not answer: {_gist(error)}") from error


def open_s3(url: str) -> ObjectStore:
    """The bucket and prefix of s3://bucket/prefix, with what the AWS_* variables say.

    Raises:
        Misconfigured: when credentials or the bucket's name are missing.
    """
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not bucket:
        raise Misconfigured(f"{url} names no bucket", "Write s3://bucket/prefix.")
    # without any, the library would look for a cloud machine's own credentials, and hang
    if not any(os.environ.get(name) for name in _CREDENTIALS):
        raise Misconfigured(
            "no S3 credentials are set", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")

    def make_store(timeout_s: int) -> S3Store:
        return S3Store(
            bucket,
            prefix=prefix.strip("/") or None,
            client_options={
                "timeout": timedelta(seconds=timeout_s),
                "connect_timeout": timedelta(seconds=5),
                "allow_http": endpoint.startswith("http://"),
            },
            retry_config={
                "max_retries": 2,
                "retry_timeout": timedelta(seconds=timeout_s),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
        )

    try:
        make_store(_TIMEOUT_MIN_S)
    except (BaseError, ValueError) as error:
        raise Misconfigured(f"{url} cannot be opened: {_gist(error)}") from error
    return ObjectStore(url.rstrip("/"), make_store)


def _timeout_s(size: int) -> int:
    """A time-out for `size` bytes on the slowest link, in steps of two so that few stores do."""
    return _TIMEOUT_MIN_S << (size // (_SLOWEST_BYTES_PER_S * _TIMEOUT_MIN_S)).bit_length()


def _gist(error: BaseException) -> str:
    """What an error of obstore says, without its account of retries and its debug dump."""
    first, _, _ = (str(error).strip() or type(error).__name__).partition("\n")
    return first.rpartition(" - ")[2][:160]
