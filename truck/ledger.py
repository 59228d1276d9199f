"""The truck's completeness ledger: the holes in what it stored, each with what the view proves.

Pure. A hole is refused only where the evidence names a packet of that number; a relay may still
bring it only where numbers are missing among the bundles it made around that time; else nobody who
has delivered heard it. A refusal without evidence leaves both open, for that bike.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hardware.completeness import Holes, Ledger, State
from hardware.packet import HEADER_DTYPE
from hardware.ranges import Bools, Ints, Ranges, minus, neighbours, overlap, ranges, runs, sweep
from truck.store.stored import Columns, Stored

Floats = npt.NDArray[np.float64]
CLOCKS_APART_US = 5_000_000
"""How far the clocks of two relays may differ, and a packet be late between bike and relay."""

_STEPS = ("", State.UPLOADED, State.SEALED, State.UNSEALED)  # as `truck.store.stored` counts


def make_ledger(stored: Stored) -> Ledger:
    """The ledger of a stage from what the view holds of it."""
    sent = _ranges(stored.sent)
    kept = _ranges(stored.stored)
    refused = _refused(stored.proven)
    absent = minus(sent, kept)
    layers = [overlap(absent, numbers) for numbers in refused.values()]
    steps = [
        overlap(sent, kept.take(stored.stored["step"] == step)) for step in range(1, len(_STEPS))
    ]
    at, held = sweep(absent, *layers, *steps)
    state, reason = [State.NEVER_HEARD] * len(at.lo), [""] * len(at.lo)
    unproven = _unproven(stored)
    before, after = neighbours(at, kept)
    relays = _silent(
        stored.absent,
        _beside(stored.stored["to_us"], before, -np.inf) - CLOCKS_APART_US,
        _beside(stored.stored["from_us"], after, np.inf) + CLOCKS_APART_US,
    )
    for place in np.flatnonzero(held[0]).tolist():
        names = [name for name, is_so in zip(refused, held[1:, place], strict=False) if is_so]
        waits = [name for name, may_bring in relays.items() if may_bring[place]]
        if names:
            state[place], reason[place] = State.REFUSED, names[-1]
        elif waits:
            state[place], reason[place] = State.AT_RELAY, ", ".join(waits)
        elif unproven is None or int(at.device[place]) in unproven:
            state[place] = State.UNPROVEN
    for step, name in enumerate(_STEPS[1:], len(refused) + 1):
        for place in np.flatnonzero(held[step]).tolist():
            state[place] = State(name)
    before[~held[0]] = after[~held[0]] = -1  # what is stored has a place of its own
    from_m = _beside(stored.stored["to_m"], before, np.nan)
    to_m = _beside(stored.stored["from_m"], after, np.nan)
    return Ledger(
        stored.stage,
        _first_row(stored, sent, kept),
        stored.row_end,
        sent,
        stored.sent["bib"].astype(np.int64),
        Holes(at, [str(s) for s in state], reason, from_m, to_m),
    )


def _first_row(stored: Stored, sent: Ranges, kept: Ranges) -> int:
    """No packet of the stage stands in a row before this one."""
    begins = dict(zip(zip(sent.device, sent.boot, strict=True), sent.lo, strict=True))
    boots = zip(kept.device, kept.boot, kept.hi, strict=True)
    ours = np.array([hi > begins.get((d, b), hi) for d, b, hi in boots], np.bool_)
    return int(stored.stored["row_id"][ours].min(initial=stored.row_end))


def _ranges(found: Columns) -> Ranges:
    return ranges(*(found[name] for name in Ranges._fields))


def _refused(proven: Columns) -> dict[str, Ranges]:
    """Numbers that evidence proves to be refused, by reason; a later reason outweighs."""
    header = np.frombuffer(b"".join(proven["header"].tolist()), HEADER_DTYPE)
    reasons = proven["reason"].astype(str)
    found: dict[str, Ranges] = {}
    for reason in dict.fromkeys(reasons.tolist()):
        these = header[reasons == reason]
        found[reason] = runs(these["kid"] >> 8, these["boot"], these["seq"])
    return found


def _unproven(stored: Stored) -> set[int] | None:
    """Devices of which more was refused than is kept as evidence; None is every one."""
    refused = dict(zip(stored.refused["key"], stored.refused["refused"].tolist(), strict=True))
    for key, kept in zip(stored.proven["key"], stored.proven["kept"].tolist(), strict=True):
        refused[key] = refused.get(key, 0) - kept
    if refused.pop("others", 0) > 0:
        return None
    return {int(str(key)[4:], 16) >> 8 for key, count in refused.items() if count > 0}


def _silent(absent: Columns, since_us: Floats, until_us: Floats) -> dict[str, Bools]:
    """By relay whether, of each span of time, some of its bundles have not come."""
    from_us = np.nan_to_num(absent["from_us"].astype(float), nan=-np.inf)
    to_us = np.nan_to_num(absent["to_us"].astype(float), nan=np.inf)
    found = {}
    for name in sorted(set(absent["relay"].tolist())):
        ours = np.flatnonzero(absent["relay"] == name)
        ours = ours[np.argsort(from_us[ours])]
        begun = np.searchsorted(from_us[ours], until_us, side="right")
        last_us = np.concatenate([[-np.inf], np.maximum.accumulate(to_us[ours])])
        found[str(name)] = last_us[begun] >= since_us
    return found


def _beside(column: npt.NDArray[Any], rows: Ints, otherwise: float) -> Floats:
    """What a column says in some rows; `otherwise` where the row is -1."""
    if not len(column):
        return np.full(len(rows), otherwise)
    return np.where(rows >= 0, column[rows], otherwise).astype(float)
