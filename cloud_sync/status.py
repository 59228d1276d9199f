"""What the outbox says of a spool: how far the cloud copy is behind, and why."""

import json
from pathlib import Path
from typing import Any

from cloud_sync.batch import is_biometrics
from cloud_sync.lock import is_held
from cloud_sync.outbox import PAUSED, SECOND, SPOOL_LIMIT, Entry, Outbox
from cloud_sync.stream import Stream
from hardware.errors import NotInitialised

PUSH_LOCK = "push.lock"
PUBLIC_NOTE = "public.json"
POLICY = "when full, sealing stops and rows wait in the store; no batch goes before it is released"


def set_paused(spool: Path, *, paused: bool) -> None:
    """Have the pusher send no more batches, or go on; sealing and beats go on meanwhile.

    Raises:
        NotInitialised, Misconfigured, Damaged: when there is no sound outbox.
    """
    with Outbox(spool) as outbox:
        outbox.note(PAUSED, "yes" if paused else "")


def spool_status(spool: Path, now_s: float) -> dict[str, Any]:
    """The state of a spool, schema cloud-sync.status/1; `lag_s` is the age of the oldest pending.

    Raises:
        NotInitialised, Misconfigured, Damaged: when there is no sound outbox.
    """
    with Outbox(spool) as outbox:
        totals, heads, pusher = outbox.totals(), outbox.heads(), outbox.pusher()
        streams, paused = outbox.streams(), outbox.noted(PAUSED)
        limit, second = int(outbox.noted(SPOOL_LIMIT) or 0), outbox.noted(SECOND)
    forks = [known for known in streams.values() if known.closed]
    closed = {known.stream for known in forks}
    live = [head for head in heads if head.batch.stream not in closed]
    uncured = [fork.closed for fork in forks if not any(_is_cure(head, fork) for head in live)]
    oldest_s = totals["oldest_s"]
    return {
        "schema": "cloud-sync.status/1",
        "sealed": {name: totals[name] for name in ("batches", "rows", "bytes")},
        "uploaded": {
            "batches": totals["batches"] - totals["pending_batches"] - totals["aside_batches"],
            "bytes": totals["bytes"] - totals["pending_bytes"] - totals["aside_bytes"],
        },
        "pending": {"batches": totals["pending_batches"], "bytes": totals["pending_bytes"]},
        "lag_s": 0.0 if oldest_s is None else round(max(0.0, now_s - oldest_s), 3),
        "pusher": {
            "running": is_held(spool / PUSH_LOCK),
            "state": pusher["state"],
            "remote": pusher["remote"],
            "at_s": pusher["at_s"],
        },
        "paused": bool(paused),
        "spool": {
            "bytes": totals["held_bytes"],
            "bytes_max": limit or None,
            "full": bool(limit) and totals["held_bytes"] >= limit,
            "policy": POLICY,
        },
        "forks": [
            {"stream": known.stream, "at_s": known.closed_at_s, "why": known.closed}
            for known in forks
        ],
        "acks": [
            {
                "stream": known.stream,
                "seq": known.acked if known.acked >= 0 else None,
                "at_s": known.acked_at_s,
                "refused": known.ack_refused,
            }
            for known in streams.values()
        ],
        "second_error": second,
        "public": public_status(spool, now_s),
        "error": pusher["error"] or "; ".join(uncured),
        "heads": [
            {
                "stream": head.batch.stream,
                "seq": head.batch.seq,
                "rows": head.hi,
                "sha256": head.digest,
                "state": str(head.state),
            }
            for head in heads
        ],
    }


def public_status(spool: Path, now_s: float) -> dict[str, Any] | None:
    """What `cloud-sync publish` last said of the public copy, and how old that is; None without."""
    try:
        said = json.loads((spool / PUBLIC_NOTE).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(said, dict) or not isinstance(said.get("at_s"), int | float):
        return None
    return said | {"age_s": round(max(0.0, now_s - said["at_s"]), 1)}


def rows_reached(spool: Path, stream: str) -> tuple[int, int, int]:
    """Rows of a stream below which all are sealed, are uploaded, and are acknowledged.

    Acknowledged is what the cloud team signed for, where the pusher knows its key, else what the
    pusher read back from the remote.

    Raises:
        Misconfigured, Damaged: when there is no sound outbox; of one not yet made all are 0.
    """
    try:
        with Outbox(spool) as outbox:
            return outbox.reached(outbox.epoch_in_force(stream))
    except NotInitialised:
        return 0, 0, 0


def _is_cure(head: Entry, fork: Stream) -> bool:
    """Whether another stream of the same kind was sealed after `fork` was closed."""
    same_kind = is_biometrics(head.batch.stream) == is_biometrics(fork.stream)
    return same_kind and head.sealed_at_s >= (fork.closed_at_s or 0.0)
