"""Answers over HTTP: bytes that are made once and asked for often, and what went wrong as JSON.

A body knows its tag and its compressed form, each made when it is first asked for and then shared
by everybody who asks.
"""

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_LEVEL = 6  # of a frame of 198 riders 4 ms once a second, and a sixth of its bytes to everybody
_WORTH_BYTES = 256


@dataclass(frozen=True)
class Body:
    """What is served as it is; the same bytes have the same tag on every machine."""

    plain: bytes
    media_type: str = "application/json"

    @cached_property
    def etag(self) -> str:
        """The entity tag of the plain form."""
        return f'"{hashlib.sha256(self.plain).hexdigest()[:16]}"'

    @cached_property
    def packed(self) -> bytes:
        """The body as gzip."""
        return gzip.compress(self.plain, _LEVEL, mtime=0)


def answered(request: Request, body: Body, cache: str = "no-cache") -> Response:
    """The body, compressed where that is understood, or 304 where it is known already.

    Args:
        request: GET or HEAD.
        body: of the resource now.
        cache: the Cache-Control of the answer.
    """
    packed = len(body.plain) >= _WORTH_BYTES and takes_gzip(request.headers)
    etag = f'{body.etag[:-1]}-gzip"' if packed else body.etag
    headers = HEADERS | {"ETag": etag, "Cache-Control": cache, "Vary": "Accept-Encoding"}
    if _is_known(request.headers.get("if-none-match", ""), body.etag):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(body.packed if packed else body.plain, 200, headers, body.media_type)


def said(document: Mapping[str, Any], status_code: int = 200) -> Response:
    """A JSON object that is not to be kept by anybody on the way."""
    body = json.dumps(document, default=str, separators=(",", ":")).encode()
    return Response(body, status_code, HEADERS | {"Cache-Control": "no-store"}, "application/json")


def problem(
    status_code: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """What went wrong, as RFC 9457 has it: a title a kind, and a sentence that says what to do."""
    document = {"type": "about:blank", "status": status_code, "title": title, "detail": detail}
    return Response(
        json.dumps(document).encode(),
        status_code,
        HEADERS | {"Cache-Control": "no-store"} | dict(headers or {}),
        "application/problem+json",
    )


def takes_gzip(headers: Mapping[str, str]) -> bool:
    """Whether who asks understands gzip, by Accept-Encoding."""
    weights: dict[str, float] = {}
    for part in headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = part.partition(";")
        try:
            weights[name.strip()] = float(weight.strip().removeprefix("q=") or 1.0)
        except ValueError:
            weights[name.strip()] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0.0


def _is_known(known: str, etag: str) -> bool:
    """Whether If-None-Match names the tag, in either form."""
    bare = etag.strip('"')
    tags = {tag.strip().removeprefix("W/").strip('"').removesuffix("-gzip")
            for tag in known.split(",")}  # fmt: skip
    return bare in tags or known.strip() == "*"
