"""Beats: the truck's signed, expiring word on where its stream stands; pure, no input or output.

A beat is a DSSE document. It names the head of a stream as a manifest's digest, and so speaks for
everything before it; its expiry bounds how long a store can serve yesterday's head as today's. It
travels by every road there is: into the remote, into a second store, retained on MQTT.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from cloud_sync.batch import is_stream
from hardware.errors import Reason, Refused
from hardware.signing import SigningKey, open_exact_document, sign_document

PAYLOAD_TYPE = "application/vnd.truck.beat+json"
BEAT_BYTES_MAX = 4096
_VERSION = 1
_FIELDS = {"version", "stream", "seq", "digest", "rows", "at", "expires"}


@dataclass(frozen=True)
class Beat:
    """Rows [0, rows) of a stream are sealed; its last manifest is `seq`, of payload `digest`."""

    stream: str
    seq: int
    digest: str
    rows: int
    at_s: float
    expires_s: float

    def is_fresh(self, now_s: float) -> bool:
        """Whether a newer one is not yet due at `now_s`."""
        return now_s < self.expires_s


def beat_prefix(stream: str) -> str:
    """The folder of a stream's beats."""
    return f"{stream}/beat/"


def beat_key(stream: str, number: int) -> str:
    """Where the beat of a number is stored, created once; numbers rise and may skip."""
    return f"{beat_prefix(stream)}{number:012d}.json"


def sign_beat(beat: Beat, key: SigningKey) -> bytes:
    """The signed bytes of a beat; its times are kept to the microsecond."""
    payload = {
        "version": _VERSION,
        "stream": beat.stream,
        "seq": beat.seq,
        "digest": beat.digest,
        "rows": beat.rows,
        "at": _utc(beat.at_s),
        "expires": _utc(beat.expires_s),
    }
    return sign_document(payload, PAYLOAD_TYPE, key)


def open_beat(envelope: bytes, truck: bytes) -> Beat:
    """The beat in a DSSE envelope signed by `truck`, be it fresh or not.

    Raises:
        Refused: OVERSIZE, MALFORMED, VERSION or SIGNATURE; any changed byte is one of them.
    """
    if len(envelope) > BEAT_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, f"beat of {len(envelope)} bytes")
    payload, _ = open_exact_document(envelope, PAYLOAD_TYPE, truck)
    if payload.get("version") != _VERSION:
        raise Refused(Reason.VERSION, f"beat version {payload.get('version')!r}")
    if payload.keys() != _FIELDS or not is_head(payload):
        raise Refused(Reason.MALFORMED, "beat fields")
    at_s, expires_s = read_utc(payload["at"]), read_utc(payload["expires"])
    if expires_s <= at_s:
        raise Refused(Reason.MALFORMED, "a beat that expires before it is given")
    head = (payload["stream"], payload["seq"], payload["digest"], payload["rows"])
    return Beat(*head, at_s, expires_s)


def is_head(payload: dict[str, Any]) -> bool:
    """Whether stream, seq, digest and rows of a payload can be those of a stream's head."""
    digest = payload.get("digest")
    return (
        isinstance(payload.get("stream"), str)
        and is_stream(payload["stream"])
        and type(payload.get("seq")) is int
        and payload["seq"] >= 0
        and isinstance(digest, str)
        and len(digest) == 64
        and set(digest) <= set("0123456789abcdef")
        and type(payload.get("rows")) is int
        and payload["rows"] > payload["seq"]  # no batch is empty
    )


def read_utc(text: Any) -> float:
    """Seconds since 1970 of a time as we write it.

    Raises:
        Refused: MALFORMED, for any other spelling of it too.
    """
    try:
        time_s = dt.datetime.fromisoformat(text).timestamp()
        if _utc(time_s) == text:
            return time_s
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise Refused(Reason.MALFORMED, "a time of another shape") from error
    raise Refused(Reason.MALFORMED, "a time in another spelling")


def _utc(time_s: float) -> str:
    return dt.datetime.fromtimestamp(time_s, dt.UTC).isoformat()
