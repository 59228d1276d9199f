"""Acks: the cloud team's signed word that it holds a stream up to a batch; pure.

An ack is a DSSE document signed with the cloud team's Ed25519 key, given after the chain up to that
batch and every object of it were proven. It names the batch by its manifest's digest, and so speaks
for all before it; only then may the truck let its own copy go.
"""

import datetime as dt
from dataclasses import dataclass

from cloud_sync.beat import is_head, read_utc
from hardware.errors import Reason, Refused
from hardware.signing import SigningKey, open_exact_document, sign_document

PAYLOAD_TYPE = "application/vnd.truck.ack+json"
ACK_BYTES_MAX = 4096
_VERSION = 1
_FIELDS = {"version", "stream", "seq", "digest", "rows", "at"}


@dataclass(frozen=True)
class Ack:
    """The cloud holds rows [0, rows) of a stream, up to manifest `seq` of payload `digest`."""

    stream: str
    seq: int
    digest: str
    rows: int
    at_s: float


def ack_prefix(stream: str) -> str:
    """The folder of a stream's acks."""
    return f"{stream}/acks/"


def ack_key(stream: str, seq: int) -> str:
    """Where the ack up to a batch is stored, created once."""
    return f"{ack_prefix(stream)}{seq:012d}.json"


def sign_ack(ack: Ack, key: SigningKey) -> bytes:
    """The signed bytes of an ack; its time is kept to the microsecond."""
    payload = {
        "version": _VERSION,
        "stream": ack.stream,
        "seq": ack.seq,
        "digest": ack.digest,
        "rows": ack.rows,
        "at": dt.datetime.fromtimestamp(ack.at_s, dt.UTC).isoformat(),
    }
    return sign_document(payload, PAYLOAD_TYPE, key)


def open_ack(envelope: bytes, cloud: bytes) -> Ack:
    """The ack in a DSSE envelope signed by `cloud`, the cloud team's public key.

    Raises:
        Refused: OVERSIZE, MALFORMED, VERSION or SIGNATURE; any changed byte is one of them.
    """
    if len(envelope) > ACK_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, f"ack of {len(envelope)} bytes")
    payload, _ = open_exact_document(envelope, PAYLOAD_TYPE, cloud)
    if payload.get("version") != _VERSION:
        raise Refused(Reason.VERSION, f"ack version {payload.get('version')!r}")
    if payload.keys() != _FIELDS or not is_head(payload):
        raise Refused(Reason.MALFORMED, "ack fields")
    head = (payload["stream"], payload["seq"], payload["digest"], payload["rows"])
    return Ack(*head, read_utc(payload["at"]))
