"""What the outbox says of a spool: how far the cloud copy is behind, and why."""

from pathlib import Path
from typing import Any

from cloud_sync.lock import is_held
from cloud_sync.outbox import Outbox
from hardware.errors import NotInitialised

PUSH_LOCK = "push.lock"


def spool_status(spool: Path, now_s: float) -> dict[str, Any]:
    """The state of a spool, schema cloud-sync.status/1; `lag_s` is the age of the oldest pending.

    Raises:
        NotInitialised, Misconfigured, Damaged: when there is no sound outbox.
    """
    with Outbox(spool) as outbox:
        totals, heads, pusher = outbox.totals(), outbox.heads(), outbox.pusher()
    oldest_s = totals["oldest_s"]
    return {
        "schema": "cloud-sync.status/1",
        "sealed": {name: totals[name] for name in ("batches", "rows", "bytes")},
        "uploaded": {
            "batches": totals["batches"] - totals["pending_batches"],
            "bytes": totals["bytes"] - totals["pending_bytes"],
        },
        "pending": {"batches": totals["pending_batches"], "bytes": totals["pending_bytes"]},
        "lag_s": 0.0 if oldest_s is None else round(max(0.0, now_s - oldest_s), 3),
        "pusher": {
            "running": is_held(spool / PUSH_LOCK),
            "state": pusher["state"],
            "remote": pusher["remote"],
            "at_s": pusher["at_s"],
        },
        "error": pusher["error"],
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


def rows_reached(spool: Path, stream: str) -> tuple[int, int, int]:
    """Rows of a stream below which all are sealed, are uploaded, and are acknowledged.

    Acknowledged is what our own pusher read back from the remote.

    Raises:
        Misconfigured, Damaged: when there is no sound outbox; of one not yet made all are 0.
    """
    try:
        with Outbox(spool) as outbox:
            return outbox.reached(stream)
    except NotInitialised:
        return 0, 0, 0
