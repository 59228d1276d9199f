"""The completeness ledger for people: the answer in words, and a strip a bike with its holes."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hardware.completeness import State, sentence

CELLS = 48
ROWS_SHOWN = 60
_WHOLE = ("█", "green")
_LOOKS = {
    State.NEVER_HEARD: ("░", "white"),
    State.UNPROVEN: ("?", "yellow"),
    State.REFUSED: ("x", "yellow"),
    State.UPLOADED: ("▓", "cyan"),
    State.SEALED: ("▓", "cyan"),
    State.UNSEALED: ("▒", "cyan"),
    State.ON_THE_WAY: ("▒", "cyan"),
    State.AT_RELAY: ("▒", "magenta"),
    State.MISSING: ("!", "bold red"),
}
"""From the least to the most pressing: a cell shows the most pressing of its packets."""


def print_ledger(console: Console, found: dict[str, Any]) -> None:
    """A ledger's document: the sentence, then every boot of a bike that has a hole."""
    console.print(sentence(found) + ".", markup=False, highlight=False)
    holed = [bike for bike in found["bikes"] if bike["holes"]]
    if not holed:
        return
    table = Table("bib", "device/boot", "packets", "from the first to the last", "holes")
    for bike in holed[:ROWS_SHOWN]:
        lo, hi = bike["sent"]
        bib = str(bike["bib"] or "-")
        boot = f"{bike['device']}/{bike['boot']}"
        table.add_row(bib, boot, f"{hi - lo:,}", strip(bike), _holes(bike))
    console.print(table)
    if len(holed) > ROWS_SHOWN:
        console.print(f"... and {len(holed) - ROWS_SHOWN} more; --json gives all")
    marks = {mark: [s for s in _LOOKS if _LOOKS[s][0] == mark] for mark, _ in _LOOKS.values()}
    seen = {hole["state"] for bike in holed for hole in bike["holes"]}
    words = [
        f"{mark} {' or '.join(state.replace('_', ' ') for state in states if state in seen)}"
        for mark, states in marks.items()
        if seen & set(states)
    ]
    console.print(f"{_WHOLE[0]} in the cloud  {'  '.join(words)}", highlight=False, markup=False)


def strip(bike: dict[str, Any]) -> Text:
    """One bike's boot, at most CELLS characters."""
    lo, hi = bike["sent"]
    cells = min(CELLS, hi - lo)
    pressing = [-1] * cells
    order = list(_LOOKS)
    for hole in bike["holes"]:
        first, end = ((seq - lo) * cells for seq in hole["seq"])
        rank = order.index(State(hole["state"]))
        for cell in range(first // (hi - lo), -(-end // (hi - lo))):
            pressing[cell] = max(pressing[cell], rank)
    drawn = Text()
    for rank in pressing:
        drawn.append(*(_WHOLE if rank < 0 else _LOOKS[order[rank]]))
    return drawn


def _holes(bike: dict[str, Any]) -> str:
    """The holes of one bike by state, with the reasons."""
    counts: dict[str, int] = {}
    for hole in bike["holes"]:
        words = hole["state"].replace("_", " ") + (f" ({hole['reason']})" if hole["reason"] else "")
        counts[words] = counts.get(words, 0) + hole["seq"][1] - hole["seq"][0]
    return ", ".join(f"{count:,} {words}" for words, count in counts.items())
