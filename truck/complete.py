"""The answer to "is this stage complete in the cloud?", schema truck.complete/1."""

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
    }


def _bundles(absent: Columns) -> list[dict[str, Any]]:
    """Bundles that relays made and the truck has not: numbers [lo, hi) of a relay's boot."""
    columns = (absent[name].tolist() for name in ("relay", "boot", "lo", "hi"))
    return [
        {"relay": relay, "boot": boot, "numbers": [lo, hi]}
        for relay, boot, lo, hi in zip(*columns, strict=True)
    ]
