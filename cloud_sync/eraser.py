"""Erasing: the one place that deletes from a remote, and only riders' keys.

`Remote` has no delete on purpose. An eraser removes every copy of a key that its store can show:
in a versioned bucket all versions and delete markers. What a store holds back under a lock, or
keeps where no client sees it (soft delete, snapshots, backups), is named and not passed over.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from cloud_sync.remote import Remote, check_key, open_remote
from hardware.errors import Misconfigured, Unavailable

_UNSEEN = "soft-deleted and older versions are not seen: switch both off, or purge them"


class Eraser(Protocol):
    """What can destroy objects of one remote."""

    @property
    def remote(self) -> Remote:
        """The remote itself."""
        ...

    @property
    def note(self) -> str:
        """What of it nobody can see from here."""
        ...

    def erase(self, key: str) -> int:
        """Destroy every copy of a key that the store shows; how many there were.

        Raises:
            Misconfigured: when the store holds it back.
            Unavailable: when it does not answer; run it again.
        """
        ...


def open_eraser(url: str) -> Eraser:
    """The eraser of a remote, see `open_remote`.

    Raises:
        Misconfigured: for another scheme, missing credentials or a missing library.
    """
    if url.startswith("s3://"):
        return S3Eraser(url, open_remote(url))
    if url.startswith(("az://", "gs://")):
        from cloud_sync.bucket import open_bucket

        bucket = open_bucket(url)
        return PlainEraser(bucket, bucket, _UNSEEN)
    from cloud_sync.folder import Folder

    remote = open_remote(url)
    if not isinstance(remote, Folder):
        raise Misconfigured(f"{url} cannot be erased from", "Use a folder, s3://, az:// or gs://.")
    return PlainEraser(remote, remote, "snapshots and backups of this folder are not seen")


class Removing(Protocol):
    """A remote that can also remove."""

    def remove(self, key: str) -> int:
        """Remove a key; whether it was there."""
        ...


class PlainEraser:
    """Removes what is served under a key; `note` says what that may leave."""

    def __init__(self, remote: Remote, removing: Removing, note: str) -> None:
        self.remote, self.note, self._removing = remote, note, removing

    def erase(self, key: str) -> int:
        """See Eraser."""
        return self._removing.remove(key)


class S3Eraser:
    """Removes every version of an object and every delete marker, through boto3."""

    note = "replicas and backups of this bucket are not seen"

    def __init__(self, url: str, remote: Remote) -> None:
        self.remote = remote
        try:
            import boto3
        except ImportError as error:
            raise Misconfigured(
                "erasing in S3 needs boto3", "Install big-data-truck[kms] on this machine."
            ) from error
        self._bucket, _, self._prefix = url.removeprefix("s3://").rstrip("/").partition("/")
        self._client: Any = boto3.session.Session().client("s3")

    def erase(self, key: str) -> int:
        """See Eraser."""
        name = str(Path(self._prefix) / check_key(key)) if self._prefix else check_key(key)
        with self._named_errors(name):
            versions = self._versions(name)
            for version in versions:
                self._client.delete_object(Bucket=self._bucket, Key=name, VersionId=version)
            if self._versions(name):
                raise Misconfigured(
                    f"s3://{self._bucket}/{name} is still there after its versions were deleted",
                    "Look for object lock or a writer that puts it back.",
                )
        return len(versions)

    def _versions(self, name: str) -> list[str]:
        """Ids of all versions and delete markers of one key."""
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=name
        )
        return [
            entry["VersionId"]
            for page in pages
            for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if entry["Key"] == name
        ]

    @contextmanager
    def _named_errors(self, name: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout"}:
                raise Unavailable(f"s3://{self._bucket} does not answer now: {code}") from error
            raise Misconfigured(
                f"s3://{self._bucket}/{name} cannot be erased: {error}",
                "An object lock must end first; else allow s3:DeleteObjectVersion and"
                " s3:ListBucketVersions on this prefix.",
            ) from error
        except BotoCoreError as error:
            raise Unavailable(f"s3://{self._bucket} cannot be asked: {error}") from error
