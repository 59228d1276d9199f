"""The remote: where sealed objects go; keys are written once and never changed."""

import re
from pathlib import Path
from typing import Protocol

from hardware.errors import Damaged, Misconfigured

DOCTOR = "doctor"  # below it stand the tiny objects by which a store was tried
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class AlreadyThere(Damaged):
    """The key holds something already; only its bytes tell whether it is ours."""


class NotThere(Damaged):
    """The key holds nothing."""


class Remote(Protocol):
    """An object store, reduced to what cannot lose or change a byte.

    Every method may raise Unavailable (try again) and Misconfigured (the operator's turn).
    """

    name: str

    def put_new(self, key: str, data: bytes) -> None:
        """Store `data` whole under a new key, durable on return.

        Raises:
            AlreadyThere: when the key is taken.
        """
        ...

    def get(self, key: str, limit: int) -> bytes:
        """The bytes of a key; of a longer one the first `limit` + 1, so that it shows.

        Raises:
            NotThere: when there are none.
        """
        ...

    def keys(self, prefix: str) -> list[str]:
        """All keys below `prefix` (which ends with '/'), sorted."""
        ...

    def streams(self) -> list[str]:
        """The first parts of all keys that can be streams, sorted."""
        ...

    def stored_at_s(self, key: str) -> float:
        """When a key was stored by the remote's own clock, seconds since 1970.

        Raises:
            NotThere: when it was not.
        """
        ...


def names_a_stream(name: str) -> bool:
    """Whether a first part of keys may be a stream's: what the doctor leaves is none."""
    return name != DOCTOR and not name.startswith(".")


def check_key(key: str) -> str:
    """A key that cannot leave its place.

    Raises:
        Damaged: when it could.
    """
    if not all(_PART.fullmatch(part) for part in key.split("/")):
        raise Damaged(f"{key!r} is no key of ours")
    return key


def open_remote(url: str) -> Remote:
    """The remote at a folder, file:///folder, s3://, az:// or gs://bucket/prefix.

    Object stores take credentials and endpoint from their own variables, see cloud_sync/bucket.

    Raises:
        Misconfigured: for another scheme, or when credentials are missing.
    """
    # each kind brings its own libraries, and is loaded only where it is used
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "file":
        from cloud_sync.folder import Folder

        return Folder(Path(rest if separator else url))
    if scheme in ("s3", "az", "gs"):
        from cloud_sync.bucket import open_bucket

        return open_bucket(url)
    raise Misconfigured(
        f"{url} is no remote this program knows",
        "Use a folder, file:///folder, s3://bucket, az://container or gs://bucket.",
    )
