"""The completeness ledger of one stage: what was sent, as far as heard, and where every hole is.

Pure, and the same at both ends: the truck makes it from its view, the cloud from what it was sent,
and what either prints comes from here. A packet counts by its number within its bike's boot. Sent
is every number up to the highest that was heard; what is not in the cloud has a state, with a
reason where there is one:

    never_heard             no bundle that came holds it, and none that is known of is missing
    refused                 the truck refused a packet of that number; the reason says why
    never_heard_or_refused  more packets of that bike were refused than evidence was kept of
    at_relay                a relay made bundles in that time that have not come; it names the relay
    unsealed                stored at the truck, not yet sealed
    sealed                  sealed, not yet uploaded
    uploaded                uploaded, not yet acknowledged
    on_the_way              said of the cloud's end: the truck has it, the cloud not yet
    missing                 it should be there and is not

The first three are final as far as anybody can tell: the cloud copy is complete beside them. The
next five wait. The last is damage.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from hardware.errors import Exit, Misconfigured
from hardware.ranges import Ints, Ranges
from hardware.stage import stage_label


class State(StrEnum):
    """Where a packet is that the cloud does not hold."""

    NEVER_HEARD = "never_heard"
    REFUSED = "refused"
    UNPROVEN = "never_heard_or_refused"
    AT_RELAY = "at_relay"
    UNSEALED = "unsealed"
    SEALED = "sealed"
    UPLOADED = "uploaded"
    ON_THE_WAY = "on_the_way"
    MISSING = "missing"


FINAL = (State.NEVER_HEARD, State.REFUSED, State.UNPROVEN)
STORED = (State.UNSEALED, State.SEALED, State.UPLOADED, State.ON_THE_WAY)
"""What the truck has and the cloud not yet."""


@dataclass(frozen=True)
class Holes:
    """What the cloud does not hold: ranges, and beside each its state, reason and place.

    Attributes:
        at: in order, none overlapping.
        state: of `State`.
        reason: of a refusal, or the relay's name; else "".
        from_m, to_m: where on the road the packets before and after were; NaN where unknown.
    """

    at: Ranges
    state: list[str]
    reason: list[str]
    from_m: npt.NDArray[np.float64]
    to_m: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ledger:
    """What is known of a stage up to a row of the stream.

    Attributes:
        stage: its label.
        row_lo: no packet of it stands in a row before.
        row_end: rows [0, row_end) were looked at.
        sent: one range for each boot of a bike that has a row under this stage, in order; empty
            where all of them came late for the stage before.
        bib: beside `sent`; 0 where nobody rides it.
        holes: within `sent`.
    """

    stage: str
    row_lo: int
    row_end: int
    sent: Ranges
    bib: Ints
    holes: Holes


def document(ledger: Ledger) -> dict[str, Any]:
    """The ledger as JSON, without a schema's name; see FORMAT.md."""
    holes = ledger.holes
    totals: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    by_boot: dict[tuple[int, int], list[dict[str, Any]]] = {}
    columns = zip(
        *(column.tolist() for column in holes.at), holes.state, holes.reason,
        _km(holes.from_m), _km(holes.to_m), strict=True,
    )  # fmt: skip
    for device, boot, lo, hi, state, reason, from_km, to_km in columns:
        totals[state] += hi - lo
        if state == State.REFUSED:
            refused[reason] += hi - lo
        hole = {"seq": [lo, hi], "state": state, "reason": reason, "km": [from_km, to_km]}
        by_boot.setdefault((device, boot), []).append(hole)
    bikes = []
    sent_ranges = zip(*(column.tolist() for column in ledger.sent), strict=True)
    for bib, (device, boot, lo, hi) in zip(ledger.bib.tolist(), sent_ranges, strict=True):
        if lo == hi:
            continue
        found = by_boot.get((device, boot), [])
        waiting = sum(h["seq"][1] - h["seq"][0] for h in found if h["state"] in STORED)
        gone = sum(h["seq"][1] - h["seq"][0] for h in found) - waiting
        bikes.append(
            {
                "bib": bib, "device": device, "boot": boot, "sent": [lo, hi],
                "stored": hi - lo - gone, "in_cloud": hi - lo - gone - waiting, "holes": found,
            }
        )  # fmt: skip
    waiting = sum(n for state, n in totals.items() if state not in (*FINAL, State.MISSING))
    return {
        "stage": ledger.stage,
        "row_end": ledger.row_end,
        "complete": not waiting and not totals[State.MISSING],
        "totals": {
            "bikes": len({bike["device"] for bike in bikes}),
            "boots": len(bikes),
            "sent": ledger.sent.total,
            "stored": sum(bike["stored"] for bike in bikes),
            "in_cloud": sum(bike["in_cloud"] for bike in bikes),
            "waiting": waiting,
            **{str(state): totals[state] for state in State},
            "refused_by_reason": dict(sorted(refused.items())),
        },
        "bikes": bikes,
    }


def exit_code(found: dict[str, Any]) -> Exit:
    """What a command that answers with this document ends with."""
    if found["totals"][State.MISSING]:
        return Exit.DAMAGED
    return Exit.OK if found["complete"] else Exit.UNAVAILABLE


def sentence(found: dict[str, Any]) -> str:
    """The answer in words, for people."""
    totals = found["totals"]
    holed = {bike["device"] for bike in found["bikes"] if bike["holes"]}
    whole = totals["bikes"] - len(holed)
    answer = "is complete in the cloud" if found["complete"] else "is NOT complete in the cloud"
    parts = [f"{whole} of {totals['bikes']} bikes without a hole"]
    parts += [
        f"{_bikes(found, (state,))} {words} ({_where(found, state)}{totals[state]:,} packets)"
        for state, words in _WORDS.items()
        if totals[state]
    ]
    parts.append(f"{totals['waiting']:,} waiting")
    return (
        f"{found['stage']} {answer}: {totals['in_cloud']:,} of {totals['stored']:,} stored packets"
        f" are there, as of row {found['row_end']:,}; {', '.join(parts)}"
    )


_WORDS = {
    State.NEVER_HEARD: "with holes never heard",
    State.REFUSED: "with refused packets",
    State.UNPROVEN: "with holes never heard or refused",
    State.AT_RELAY: "with holes a relay may still bring",
    State.UNSEALED: "with packets not yet sealed",
    State.SEALED: "with packets not yet uploaded",
    State.UPLOADED: "with packets not yet acknowledged",
    State.ON_THE_WAY: "with packets on the way",
    State.MISSING: "with packets MISSING that the truck says it sent",
}


def find_stage(labels: Iterable[str], wanted: str | None) -> str:
    """The stage that was asked for among those there are, oldest first; without a wish the last.

    A name is enough, or the part of it that no other has: "12" finds `stage-12-pau-hautacam`.

    Raises:
        Misconfigured: none of them, or several.
    """
    known = list(labels)
    if not known:
        raise Misconfigured("no packet of any stage is stored yet", "Ask again once bikes ride.")
    if wanted is None:
        return known[-1]
    label = stage_label(wanted)
    found = [name for name in known if name == label] or [
        name for name in known if f"-{label}-" in f"-{name}-"
    ]
    if len(found) != 1:
        raise Misconfigured(
            f"{'several stages are' if found else 'no stage is'} called {wanted!r}",
            f"There are: {', '.join(known)}.",
        )
    return found[0]


def _bikes(found: dict[str, Any], states: tuple[State, ...]) -> int:
    return len(
        {b["device"] for b in found["bikes"] if any(h["state"] in states for h in b["holes"])}
    )


def _where(found: dict[str, Any], state: State) -> str:
    """The stretch of road, where it is one that is known."""
    ends = [
        km for bike in found["bikes"] for h in bike["holes"] if h["state"] == state
        for km in h["km"] if km is not None
    ]  # fmt: skip
    return f"km {min(ends):.1f} to {max(ends):.1f}, " if ends else ""


def _km(metres: npt.NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(m) else round(m / 1000.0, 3) for m in metres.tolist()]
