"""The completeness ledger from the cloud's end: the truck's word, held against the rows themselves.

The truck says in a stream of its own, `<stream>.ledger`, what its bikes sent as far as heard and
where the holes are, up to a row. The cloud holds every row before that one, by the chain; from the
rows it makes anew what is stored, and names each number on which the two differ.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from cloud_sync.manifest import Manifest
from hardware.completeness import Holes, Ledger, State, document, find_stage
from hardware.errors import Damaged, Unavailable
from hardware.ranges import Ranges, minus, none, overlap, ranges, runs

SCHEMA = "cloud-sync.complete/1"
TOLD_SCHEMA = b"truck.ledger/1"
_SENT = "sent"
_NAMED_MAX = 20
_ASKED = ["row_id", "device", "boot", "seq", "fix_index", "stage"]

Open = Callable[[Manifest], pa.Table]


def complete_stream(
    stream: str,
    told: Sequence[Manifest],
    chain: Sequence[Manifest],
    opened: Open,
    stage: str | None,
) -> dict[str, Any]:
    """How complete a stage is, schema cloud-sync.complete/1.

    Args:
        stream: its name.
        told: the proven chain of its ledger.
        chain: its own.
        opened: fetches the rows of a batch, proven.
        stage: its name or a part of it; None is the last the truck spoke of.

    Raises:
        Unavailable: the truck has not yet said a whole edition of its ledger.
        Misconfigured: it speaks of no such stage.
        Damaged: a batch does not hold.
    """
    said, at = _find_edition(stream, told, opened, stage)
    ledger = _read_edition(said)
    end = chain[-1].hi if chain else 0
    rows = _read_rows(ledger, chain, opened)
    checked, wrong = _check(ledger, rows, end)
    return {
        "schema": SCHEMA,
        "stream": stream,
        "told_at": at.sealed_at,
        "rows": {"told": ledger.row_end, "in_cloud": end},
        **document(checked),
        "disagreements": wrong,
    }


def _find_edition(
    stream: str, told: Sequence[Manifest], opened: Open, stage: str | None
) -> tuple[pa.Table, Manifest]:
    """The last whole edition of a stage, and the batch that ends it; read from the newest back."""
    parts: dict[int, list[pa.Table]] = {}
    ends: dict[int, Manifest] = {}
    whole: dict[str, int] = {}
    for manifest in reversed(told):
        table = opened(manifest)
        if (table.schema.metadata or {}).get(b"truck.schema") != TOLD_SCHEMA:
            raise Damaged(f"batch {manifest.batch} holds no ledger of {TOLD_SCHEMA.decode()}")
        numbers = table.column("edition").to_numpy()
        for number in np.unique(numbers)[::-1].tolist():
            part = table.filter(pa.array(numbers == number))
            parts.setdefault(number, []).insert(0, part)
            ends.setdefault(number, manifest)
            if sum(p.num_rows for p in parts[number]) == part.column("rows")[0].as_py():
                whole.setdefault(part.column("stage")[0].as_py(), number)
        if whole and (stage is None or stage in whole):
            break
    if not whole:
        raise Unavailable(
            f"the truck has not yet said how complete {stream} is: it does so every five minutes"
            " and when it stops"
        )
    label = find_stage(sorted(whole, key=lambda name: whole[name]), stage)
    return pa.concat_tables(parts[whole[label]]), ends[whole[label]]


def _read_edition(said: pa.Table) -> Ledger:
    """A ledger from its rows."""
    columns = {name: said.column(name).to_numpy() for name in ("device", "boot", "lo", "hi")}
    at, is_sent = ranges(*columns.values()), said.column("state").to_numpy() == _SENT
    holes = said.filter(pa.array(~is_sent))
    return Ledger(
        stage=str(said.column("stage")[0].as_py()),
        row_lo=int(said.column("row_lo")[0].as_py()),
        row_end=int(said.column("row_end")[0].as_py()),
        sent=at.take(is_sent),
        bib=said.column("bib").to_numpy()[is_sent].astype(np.int64),
        holes=Holes(
            at.take(~is_sent),
            holes.column("state").to_pylist(),
            holes.column("reason").to_pylist(),
            holes.column("from_m").to_numpy().astype(float),
            holes.column("to_m").to_numpy().astype(float),
        ),
    )


def _read_rows(ledger: Ledger, chain: Sequence[Manifest], opened: Open) -> pa.Table:
    """The first row of each packet that the ledger may speak of: its number and its stage."""
    parts = []
    for manifest in chain:
        if manifest.hi > ledger.row_lo and manifest.lo < ledger.row_end:
            table = opened(manifest).select(_ASKED)
            rows = table.column("row_id").to_numpy()
            first = table.column("fix_index").to_numpy() == 0
            asked = first & (rows >= ledger.row_lo) & (rows < ledger.row_end)
            parts.append(table.filter(pa.array(asked)))
    return pa.concat_tables(parts) if parts else pa.table({name: [] for name in _ASKED})


def _check(ledger: Ledger, rows: pa.Table, end: int) -> tuple[Ledger, list[str]]:
    """The ledger with what is not here, and in sentences where it and the rows differ."""
    device, boot, seq = (rows.column(name).to_numpy() for name in ("device", "boot", "seq"))
    here = runs(device, boot, seq)
    said = minus(ledger.sent, ledger.holes.at)
    absent = minus(said, here)
    may_come = max(0, ledger.row_end - end)
    missing = absent if absent.total > may_come else none()
    of_stage = np.asarray(rows.column("stage").to_numpy(zero_copy_only=False) == ledger.stage)
    labelled = runs(device[of_stage], boot[of_stage], seq[of_stage])
    beyond = minus(labelled, ledger.sent._replace(lo=np.zeros_like(ledger.sent.lo)))
    wrong = [
        *_named(missing, "the truck says it is stored, and the cloud's rows do not hold it"),
        *_named(overlap(here, ledger.holes.at), "the truck names a hole, and the cloud holds it"),
        *_named(beyond, "the cloud holds it, and the truck's ledger does not speak of it"),
    ]
    state = State.MISSING if missing.total else State.ON_THE_WAY
    return _with(ledger, absent, state), wrong


def _with(ledger: Ledger, absent: Ranges, state: State) -> Ledger:
    """The ledger with further holes of one state."""
    holes = ledger.holes
    at = Ranges._make(np.concatenate(pair) for pair in zip(holes.at, absent, strict=True))
    order = np.lexsort((at.lo, at.boot, at.device))
    unknown = np.full(len(absent.lo), np.nan)
    states = [*holes.state, *[str(state)] * len(absent.lo)]
    reasons = [*holes.reason, *[""] * len(absent.lo)]
    further = Holes(
        at.take(order),
        [states[place] for place in order.tolist()],
        [reasons[place] for place in order.tolist()],
        np.concatenate([holes.from_m, unknown])[order],
        np.concatenate([holes.to_m, unknown])[order],
    )
    return Ledger(ledger.stage, ledger.row_lo, ledger.row_end, ledger.sent, ledger.bib, further)


def _named(found: Ranges, what: str) -> Iterable[str]:
    """A sentence for each range, as many as one may want to read."""
    columns = zip(*(column.tolist() for column in found), strict=True)
    for place, (device, boot, lo, hi) in enumerate(columns):
        if place == _NAMED_MAX:
            yield f"and {len(found.lo) - place} more: {what}"
            return
        yield f"device {device} boot {boot} packets {lo} to {hi - 1}: {what}"
