"""Anchors: the head of a stream from elsewhere, so that a first pull can tell what is withheld.

A store can hide its newest batches from somebody who never saw them. The head travels by other
roads: read out over the phone (`seq:digest`), printed by `cloud-sync head --json` on another
machine, retained on MQTT as a signed beat, or in a second store.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud_sync.batch import BatchName, check_stream, manifest_prefix
from cloud_sync.beat import BEAT_BYTES_MAX, PAYLOAD_TYPE, Beat, beat_prefix, open_beat
from cloud_sync.manifest import ENVELOPE_BYTES_MAX, open_at
from cloud_sync.remote import Remote
from cloud_sync.tampering import Tampered, Tampering, refused_as
from hardware.errors import Misconfigured, Refused

HEAD_SCHEMA = "cloud-sync.head/1"
_SPOKEN = re.compile(r"(\d{1,12}):([0-9a-f]{64})")
_NUMBERED = re.compile(r"\d{12}\.json", re.ASCII)
_BYTES_MAX = 1 << 20


@dataclass(frozen=True)
class Anchor:
    """Manifest `seq` of a stream has this digest; no stream where it was not said."""

    stream: str | None
    seq: int
    digest: str
    source: str


@dataclass(frozen=True)
class Witness:
    """What is known of a copy from elsewhere, and whether the truck's last word must be fresh."""

    anchors: tuple[Anchor, ...] = ()
    live: bool = False
    now_s: float = 0.0

    def of(self, stream: str) -> list[Anchor]:
        """The anchors that speak of a stream."""
        return [anchor for anchor in self.anchors if anchor.stream in (None, stream)]

    @property
    def streams(self) -> set[str]:
        """The streams that must be there."""
        return {anchor.stream for anchor in self.anchors if anchor.stream is not None}


def read_anchors(text: str, truck: bytes) -> list[Anchor]:
    """The anchors in `seq:digest`, a file of `head --json`, or a file with a signed beat.

    Raises:
        Misconfigured: when it is none of them.
        Tampered: a beat that the truck did not sign.
    """
    if spoken := _SPOKEN.fullmatch(text):
        return [Anchor(None, int(spoken[1]), spoken[2], "the anchor given")]
    path = Path(text)
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES_MAX)
    except OSError as error:
        raise Misconfigured(
            f"the anchor {text[:80]!r} is no file: {error.strerror}",
            "Give seq:digest (64 hex digits), a file of `cloud-sync head --json`, or a beat.",
        ) from error
    try:
        document = json.loads(data)
        if document.get("payloadType") == PAYLOAD_TYPE:
            return [_as_anchor(_open_beat(data.strip(), truck, str(path)), str(path))]
        if document["schema"] != HEAD_SCHEMA:
            raise ValueError
        return [
            Anchor(check_stream(told["stream"]), int(told["seq"]), str(told["digest"]), str(path))
            for told in document["heads"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Misconfigured(
            f"{path} holds no head", "Make one with `cloud-sync head URL --json`."
        ) from error


def read_second_store(remote: Remote, streams: Sequence[str], truck: bytes) -> list[Anchor]:
    """The newest heads that another store holds, as beats or as manifests.

    Raises:
        Tampered: when the newest of them is not the truck's.
    """
    anchors = []
    for stream in streams:
        beat = newest_beat(remote, stream, truck)
        if beat is not None and beat.stream == stream:
            anchors.append(_as_anchor(beat, remote.name))
        numbered = _numbered(remote, manifest_prefix(stream))
        if numbered:
            place = BatchName(stream, len(numbered) - 1)
            last = open_at(place, remote.get(numbered[-1], ENVELOPE_BYTES_MAX), truck)
            if last.batch.stream == stream:
                anchors.append(Anchor(stream, last.batch.seq, last.digest, remote.name))
    return anchors


def newest_beat(remote: Remote, stream: str, truck: bytes) -> Beat | None:
    """The beat of the highest number that a store serves for a stream.

    Raises:
        Tampered: when the truck did not sign it.
    """
    numbered = _numbered(remote, beat_prefix(stream))
    if not numbered:
        return None
    return _open_beat(remote.get(numbered[-1], BEAT_BYTES_MAX), truck, numbered[-1])


def _numbered(remote: Remote, prefix: str) -> list[str]:
    return [key for key in remote.keys(prefix) if _NUMBERED.fullmatch(key.removeprefix(prefix))]


def _open_beat(envelope: bytes, truck: bytes, where: str) -> Beat:
    try:
        return open_beat(envelope, truck)
    except Refused as error:
        name = refused_as("beat", envelope, PAYLOAD_TYPE, truck, error)
        sentence = f"{where} is not a beat the truck signed: {error}"
        raise Tampered(Tampering(name), sentence) from error


def _as_anchor(beat: Beat, source: str) -> Anchor:
    return Anchor(beat.stream, beat.seq, beat.digest, source)
