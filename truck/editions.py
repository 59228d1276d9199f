"""Editions: the ledger as rows of a stream of its own, so that the cloud can tell a hole's reason.

Every five minutes, and when the truck stops, the ledger of the stage is said anew, whole: a row for
each boot of a bike and what it sent, and one a hole. Rows that were sealed stay as they are; one
edition that a kill cut short is followed by another; its count of rows shows that it is not whole.
"""

from collections.abc import Callable
from typing import Any, Protocol

import duckdb
import numpy as np
import pyarrow as pa

from hardware.completeness import Ledger
from hardware.errors import Unavailable
from hardware.ranges import Ranges
from truck.ledger import make_ledger
from truck.store.append import Store
from truck.store.stored import Reached, read_labels, read_stored

EDITION_S = 300.0
SCHEMA = "truck.ledger/1"
SENT = "sent"
_STAGES = 2  # back-fill may still close holes of the stage before
_NONE_WAITS = Reached(1 << 62, 1 << 62, 1 << 62)
_COLUMNS = pa.schema(
    {
        "row_id": pa.int64(), "edition": pa.int64(), "rows": pa.int64(), "stage": pa.string(),
        "row_lo": pa.int64(), "row_end": pa.int64(), "device": pa.int32(), "boot": pa.int32(),
        "bib": pa.int32(), "lo": pa.int64(), "hi": pa.int64(), "state": pa.string(),
        "reason": pa.string(), "from_m": pa.float64(), "to_m": pa.float64(),
    },
    metadata={"truck.schema": SCHEMA},
)  # fmt: skip
_SAID = ["device", "boot", "bib", "lo", "hi", "state", "reason"]


class Sealing(Protocol):
    """What seals this stream; `cloud_sync.replicate.Sealer` is one."""

    def seal_due(self, source: Any, now_s: float, *, flush: bool = False) -> int:
        """Seal what the source holds."""
        ...

    def status(self) -> dict[str, Any]:
        """Among others the rows sealed so far."""
        ...


class Editions:
    """The ledger's stream: a `cloud_sync.batch.BatchSource` of the editions that wait."""

    def __init__(self, store: Callable[[], Store], sealer: Sealing) -> None:
        self._store, self._sealer = store, sealer
        self._base = int(sealer.status()["rows"])
        self._waiting = _COLUMNS.empty_table()
        self._said: dict[str, pa.Table] = {}
        self._due_s: float | None = None

    def turn(self, now_s: float, flush: bool) -> None:
        """Say the ledger anew where it is time and has changed, and seal it.

        Raises:
            Unavailable, Damaged: from the view or the sealer; call again.
        """
        if self._due_s is None:
            self._due_s = now_s + EDITION_S
        if not self._waiting.num_rows and (flush or now_s >= self._due_s):
            self._due_s = now_s + EDITION_S
            self._say()
        if self._waiting.num_rows:
            self._sealer.seal_due(self, now_s, flush=True)
            self._base += self._waiting.num_rows
            self._waiting = self._waiting.slice(0, 0)

    def row_end(self) -> int:
        """Rows [0, row_end) are said."""
        return self._base + int(self._waiting.num_rows)

    def rows(self, lo: int, hi: int) -> pa.Table:
        """Rows of what waits."""
        return self._waiting.slice(lo - self._base, hi - lo)

    def _say(self) -> None:
        try:
            store = self._store()
            for label in read_labels(store)[-_STAGES:]:
                table = edition(make_ledger(read_stored(store, label, _NONE_WAITS)), self.row_end())
                facts = table.select(_SAID)
                if not facts.equals(self._said.get(label)):
                    self._said[label] = facts
                    self._waiting = pa.concat_tables([self._waiting, table])
        except duckdb.Error as error:
            raise Unavailable(f"the view does not answer: {error}") from error


def edition(ledger: Ledger, base: int) -> pa.Table:
    """The rows of a ledger, the first of them row `base` of their stream."""
    sent, holes = ledger.sent, ledger.holes
    boots, rows = len(sent.lo), len(sent.lo) + len(holes.at.lo)
    bib = {(d, b): n for d, b, n in zip(sent.device, sent.boot, ledger.bib, strict=True)}
    at = Ranges._make(np.concatenate(columns) for columns in zip(sent, holes.at, strict=True))
    nowhere = np.full(boots, np.nan)
    columns = {
        "row_id": np.arange(base, base + rows),
        "edition": np.full(rows, base),
        "rows": np.full(rows, rows),
        "stage": [ledger.stage] * rows,
        "row_lo": np.full(rows, ledger.row_lo),
        "row_end": np.full(rows, ledger.row_end),
        **at._asdict(),
        "bib": [bib[boot] for boot in zip(at.device, at.boot, strict=True)],
        "state": [SENT] * boots + holes.state,
        "reason": [""] * boots + holes.reason,
        "from_m": np.concatenate([nowhere, holes.from_m]),
        "to_m": np.concatenate([nowhere, holes.to_m]),
    }
    return pa.table(
        [
            pa.array(columns[field.name], field.type, from_pandas=pa.types.is_floating(field.type))
            for field in _COLUMNS
        ],
        schema=_COLUMNS,
    )
