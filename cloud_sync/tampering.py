"""Tamperings: what can be wrong with a copy, each by a name of its own that programs count by.

The names stand in --json beside the sentence and never change their meaning. Pure.
"""

import json
from dataclasses import dataclass
from enum import StrEnum

from hardware.errors import Damaged, Reason, Refused


class Tampering(StrEnum):
    """Everything a store, or whoever holds it, could do; see docs/CLOUD.md."""

    STREAM_MISSING = "stream_missing"
    FIRST_MISSING = "first_missing"
    MANIFEST_MISSING = "manifest_missing"
    MANIFEST_JUNK = "manifest_junk"
    MANIFEST_TYPE = "manifest_type"
    MANIFEST_SIGNER = "manifest_signer"
    MANIFEST_SIGNATURE = "manifest_signature"
    MANIFEST_SPELLING = "manifest_spelling"
    MANIFEST_VERSION = "manifest_version"
    MANIFEST_FIELDS = "manifest_fields"
    MANIFEST_OTHER_STREAM = "manifest_other_stream"
    MANIFEST_REPLAYED = "manifest_replayed"
    MANIFEST_REORDERED = "manifest_reordered"
    CHAIN_FORKED = "chain_forked"
    ROWS_MISSING = "rows_missing"
    ROWS_REPEATED = "rows_repeated"
    ROWS_NONE = "rows_none"
    OBJECT_NAME = "object_name"
    HEAD_WITHHELD = "head_withheld"
    HEAD_FORKED = "head_forked"
    ANCHOR_WITHHELD = "anchor_withheld"
    ANCHOR_FORKED = "anchor_forked"
    BEAT_MISSING = "beat_missing"
    BEAT_EXPIRED = "beat_expired"
    BEAT_AHEAD = "beat_ahead"
    BEAT_FORKED = "beat_forked"
    BEAT_WITHHELD = "beat_withheld"
    BEAT_OTHER_STREAM = "beat_other_stream"
    BEAT_JUNK = "beat_junk"
    BEAT_TYPE = "beat_type"
    BEAT_SIGNER = "beat_signer"
    BEAT_SIGNATURE = "beat_signature"
    BEAT_SPELLING = "beat_spelling"
    BEAT_VERSION = "beat_version"
    BEAT_FIELDS = "beat_fields"
    ACK_FORKED = "ack_forked"
    KEYSET_FORGED = "keyset_forged"
    KEYSET_MISPLACED = "keyset_misplaced"
    KEYSET_OTHER = "keyset_other"
    KEYSET_RECIPIENTS = "keyset_recipients"
    ERASURE_FORGED = "erasure_forged"
    ERASURE_OTHER_STREAM = "erasure_other_stream"
    RIDER_KEY_CHANGED = "rider_key_changed"
    RIDER_KEY_MISSING = "rider_key_missing"
    RIDER_KEY_SERVED_AGAIN = "rider_key_served_again"
    OBJECT_MISSING = "object_missing"
    OBJECT_MISPLACED = "object_misplaced"
    OBJECT_EMPTY = "object_empty"
    OBJECT_SHORTER = "object_shorter"
    OBJECT_LONGER = "object_longer"
    OBJECT_SWAPPED = "object_swapped"
    OBJECT_OTHER_STREAM = "object_other_stream"
    OBJECT_CHANGED = "object_changed"
    # what only who holds a private key can find: the truck's own signature stands over it
    OBJECT_NOT_SEALED = "object_not_sealed"
    ENVELOPE_OTHER_BATCH = "envelope_other_batch"
    ENVELOPE_RECIPIENTS = "envelope_recipients"
    ENVELOPE_CLOSED = "envelope_closed"
    PAGES_DAMAGED = "pages_damaged"
    FORMAT_UNKNOWN = "format_unknown"
    FOOTER_OTHER_BATCH = "footer_other_batch"
    ROW_COUNT = "row_count"
    ROW_IDS = "row_ids"
    OTHER = "other"


NEED_A_KEY = (
    Tampering.OBJECT_NOT_SEALED, Tampering.ENVELOPE_OTHER_BATCH, Tampering.ENVELOPE_RECIPIENTS,
    Tampering.ENVELOPE_CLOSED, Tampering.PAGES_DAMAGED, Tampering.FORMAT_UNKNOWN,
    Tampering.FOOTER_OTHER_BATCH, Tampering.ROW_COUNT, Tampering.ROW_IDS,
)  # fmt: skip


class Tampered(Damaged):
    """A copy that does not hold, by name."""

    def __init__(self, kind: Tampering, what: str) -> None:
        super().__init__(what)
        self.kind = kind


@dataclass(frozen=True)
class Finding:
    """One thing that does not hold: its name, and the sentence."""

    reason: Tampering
    what: str

    @classmethod
    def of(cls, error: Damaged) -> "Finding":
        """What an error found."""
        kind = error.kind if isinstance(error, Tampered) else Tampering.OTHER
        return cls(kind, str(error))


def refused_as(kind: str, envelope: bytes, payload_type: str, public: bytes, why: Refused) -> str:
    """The name of a DSSE document that was refused; `kind` is its first word, "manifest" say."""
    try:
        served = json.loads(envelope)
        served_type, signer = served["payloadType"], served["signatures"][0]["keyid"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return f"{kind}_junk"
    if served_type != payload_type:
        return f"{kind}_type"
    if why.reason is Reason.SIGNATURE:
        return f"{kind}_signature" if signer == public.hex()[:16] else f"{kind}_signer"
    if why.reason is Reason.VERSION:
        return f"{kind}_version"
    return f"{kind}_spelling" if "not the bytes" in str(why) else f"{kind}_fields"
