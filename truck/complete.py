"""The answer to "is this stage complete in the cloud?", schema truck.complete/1."""

import datetime as dt
from typing import Any

import duckdb

from hardware.completeness import document, find_stage
from hardware.errors import Damaged, Unavailable
from truck.ledger import make_ledger
from truck.store.append import Store
from truck.store.stored import Columns, Reached, read_labels, read_stored

SCHEMA = "truck.complete/1"


def answer_complete(
    store: Store, stream: str, stage: str | None, reached: Reached
) -> dict[str, Any]:
    """The ledger of a stage with how far each row of it has come.

    Args:
        store: the view.
        stream: its name in the cloud.
        stage: its name or a part of it; None is the last one.
        reached: how far the outbox's rows have come.

    Raises:
        Misconfigured: there is no such stage.
        Damaged: more was sealed than the view holds.
        Unavailable: the view does not answer.
    """
    try:
        stored = read_stored(store, find_stage(read_labels(store), stage), reached)
    except duckdb.Error as error:
        raise Unavailable(f"the view does not answer: {error}") from error
    if stored.row_end < reached.sealed:
        raise Damaged(
            f"stream {stream} has sealed {reached.sealed} rows and the view holds {stored.row_end}:"
            " its disk was restored; begin a new epoch with `truck quarantine`"
        )
    return {
        "schema": SCHEMA,
        "stream": stream,
        "rows": {"stored": stored.row_end, **reached._asdict()},
        **document(make_ledger(stored)),
        "bundles_missing": _bundles(stored.absent),
        "relays": _relays(stored.relays),
    }


def _relays(found: Columns) -> list[dict[str, Any]]:
    """When each relay heard the last of what it has delivered; what is later may still come."""
    last_us = found["last_us"]
    behind_s = (last_us.max(initial=0) - last_us) / 1e6
    return [
        {
            "relay": relay,
            "heard_until": dt.datetime.fromtimestamp(us / 1e6, dt.UTC).isoformat(),
            "behind_s": s,
        }
        for relay, us, s in zip(
            found["relay"].tolist(), last_us.tolist(), behind_s.tolist(), strict=True
        )
    ]


def _bundles(absent: Columns) -> list[dict[str, Any]]:
    """Bundles that relays made and the truck has not: numbers [lo, hi) of a relay's boot."""
    columns = (absent[name].tolist() for name in ("relay", "boot", "lo", "hi"))
    return [
        {"relay": relay, "boot": boot, "numbers": [lo, hi]}
        for relay, boot, lo, hi in zip(*columns, strict=True)
    ]
