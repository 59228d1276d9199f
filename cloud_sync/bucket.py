"""Buckets: what s3://, az:// and gs:// mean, and which variables give access to them.

Credentials never stand in an address; each cloud's usual variables carry them, and so do its
variables for another endpoint (a store of one's own, an emulator).
"""

import os
from collections.abc import Callable
from datetime import timedelta

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from cloud_sync.objectstore import Bucket, ObjectStore, Store, gist
from hardware.errors import Misconfigured

_S3 = (
    "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)  # fmt: skip
_AZURE = (
    "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_MASTER_KEY",
    "AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_STORAGE_TOKEN",
    "AZURE_IDENTITY_ENDPOINT", "AZURE_USE_AZURE_CLI", "AZURE_STORAGE_USE_EMULATOR",
)  # fmt: skip
_GOOGLE = (
    "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_BEARER_TOKEN",
)  # fmt: skip


def open_bucket(url: str) -> ObjectStore:
    """The bucket and prefix of s3://bucket/prefix, az://container/prefix or gs://bucket/prefix.

    Raises:
        Misconfigured: when credentials or the bucket's name are missing.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if not bucket:
        raise Misconfigured(f"{url} names no bucket", f"Write {scheme}://bucket/prefix.")
    opened, variables = {"s3": _s3, "az": _azure, "gs": _google}[scheme](bucket)

    def open_store(timeout_s: int, retries: int) -> Store:
        return opened(
            prefix=prefix.strip("/") or None,
            client_options={
                "timeout": timedelta(seconds=timeout_s),
                "connect_timeout": timedelta(seconds=5),
                "allow_http": _is_plain(),
            },
            retry_config={
                "max_retries": retries,
                "retry_timeout": timedelta(seconds=timeout_s),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
        )

    try:
        open_store(20, 0)
    except (BaseError, ValueError) as error:
        raise Misconfigured(f"{url} cannot be opened: {gist(error)}", variables) from error
    return ObjectStore(Bucket(url.rstrip("/"), variables, open_store))


Opening = tuple[Callable[..., Store], str]


def _s3(bucket: str) -> Opening:
    # without any, the library would look for a cloud machine's own credentials, and hang
    _require(_S3, "S3", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
    return lambda **options: S3Store(bucket, **options), (
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION"
    )


def _azure(container: str) -> Opening:
    cure = "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or a SAS token."
    _require(_AZURE, "Azure", cure)
    return lambda **options: AzureStore(container, **options), (
        "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN"
    )


def _google(bucket: str) -> Opening:
    _require(_GOOGLE, "Google", "Set GOOGLE_SERVICE_ACCOUNT to the account's JSON file.")
    return lambda **options: GCSStore(bucket, **options), (
        "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS"
    )


def _require(names: tuple[str, ...], cloud: str, cure: str) -> None:
    if not any(os.environ.get(name) for name in names):
        raise Misconfigured(f"no {cloud} credentials are set", cure)


def _is_plain() -> bool:
    """Whether the endpoint that is set, if any, is plain HTTP: a loopback, a private network."""
    endpoints = (
        "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT",
        "GOOGLE_BASE_URL",
    )  # fmt: skip
    return any(os.environ.get(name, "").startswith("http://") for name in endpoints)
