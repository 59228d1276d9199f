"""Erasures: the signed word that riders' keys were destroyed, by whom and why; pure.

A DSSE document, type `application/vnd.truck.erasure+json`, signed by the cloud team or the root of
the key sets. It names keys by their ids and no rider; it is stored before the keys go, so that a
key that is missing always has one who answers for it.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cloud_sync.beat import read_utc
from hardware.errors import Reason, Refused
from hardware.signing import SigningKey, open_exact_document, sign_document

PAYLOAD_TYPE = "application/vnd.truck.erasure+json"
SCHEMA = "truck.erasure/1"
ERASURE_BYTES_MAX = 65536
TEXT_MAX = 200
_FIELDS = {"schema", "stream", "rider_keys", "by", "reason", "at"}
_KEY_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Erasure:
    """These riders' keys of a stream were destroyed at `at_s` (seconds since 1970)."""

    stream: str
    rider_keys: tuple[str, ...]
    by: str
    reason: str
    at_s: float


def erasure_prefix(stream: str) -> str:
    """The folder of a stream's erasures."""
    return f"{stream}/erasures/"


def erasure_key(stream: str, envelope: bytes) -> str:
    """Where an erasure is stored, created once."""
    return f"{erasure_prefix(stream)}{hashlib.sha256(envelope).hexdigest()[:32]}.json"


def sign_erasure(erasure: Erasure, key: SigningKey) -> bytes:
    """The signed bytes of an erasure; its time is kept to the microsecond."""
    payload = {
        "schema": SCHEMA,
        "stream": erasure.stream,
        "rider_keys": list(erasure.rider_keys),
        "by": erasure.by,
        "reason": erasure.reason,
        "at": dt.datetime.fromtimestamp(erasure.at_s, dt.UTC).isoformat(),
    }
    return sign_document(payload, PAYLOAD_TYPE, key)


def open_erasure(envelope: bytes, signers: Sequence[bytes]) -> Erasure:
    """The erasure in an envelope that one of `signers` (public keys) signed.

    Raises:
        Refused: OVERSIZE, MALFORMED, VERSION or SIGNATURE; any changed byte is one of them.
    """
    if len(envelope) > ERASURE_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, f"erasure of {len(envelope)} bytes")
    refusal = Refused(Reason.SIGNATURE, "nobody is named who may sign erasures")
    for signer in signers:
        try:
            payload, _ = open_exact_document(envelope, PAYLOAD_TYPE, signer)
        except Refused as error:
            refusal = error
            continue
        if payload.get("schema") != SCHEMA:
            raise Refused(Reason.VERSION, f"erasure schema {payload.get('schema')!r}")
        ids = payload.get("rider_keys")
        if (
            payload.keys() != _FIELDS
            or not all(isinstance(payload[name], str) for name in ("stream", "by", "reason"))
            or not isinstance(ids, list)
            or not all(isinstance(one, str) and _KEY_ID.fullmatch(one) for one in ids)
        ):
            raise Refused(Reason.MALFORMED, "erasure fields")
        words = (payload["by"], payload["reason"])
        return Erasure(payload["stream"], tuple(ids), *words, read_utc(payload["at"]))
    raise refusal
