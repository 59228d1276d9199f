"""A stream at the truck: what the outbox knows of it beside its batches; pure."""

from dataclasses import dataclass

from cloud_sync.batch import BatchName


@dataclass(frozen=True)
class Stream:
    """A stream: its truck's public key, why it was closed, how far the cloud acknowledged it."""

    stream: str
    truck: bytes
    closed: str
    closed_at_s: float | None
    acked: int
    acked_at_s: float | None
    ack_refused: str


@dataclass(frozen=True)
class SignedBeat:
    """A signed beat about the head `batch`, and the number it is stored under."""

    batch: BatchName
    number: int
    envelope: bytes
