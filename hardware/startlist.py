"""startlist.csv: who rides, for whom, and when against the clock."""

from dataclasses import dataclass

from hardware.sheet import Row, read_sheet

_STATUSES = {"dns": "dns", "abandoned": "abandoned", "dnf": "abandoned"}


@dataclass(frozen=True)
class Starter:
    """One line of the start list.

    Attributes:
        bib: the number he wears.
        gc_gap_s: behind the leader of the general classification before this stage.
        start_at_s: his own start in a time trial, seconds since 1970 UTC.
        status: "dns" or "abandoned" for one who is out from the start, else None.
    """

    bib: int
    name: str
    team: str
    gc_gap_s: float | None = None
    jersey: str | None = None
    device: str | None = None
    start_at_s: float | None = None
    status: str | None = None


def read_startlist(data: bytes | None) -> tuple[Starter, ...]:
    """The starters in the order of the file; none without one.

    Raises:
        Misconfigured: with line, field and the cure.
    """
    if data is None:
        return ()
    seen: dict[int, int] = {}
    starters = []
    for row in read_sheet("startlist.csv", data, ("bib", "name", "team")):
        bib = _bib(row)
        if bib in seen:
            raise row.wrong("bib", f"stands on line {seen[bib]} too", "Give each rider his own.")
        seen[bib] = row.line
        starters.append(
            Starter(
                bib=bib,
                name=row.needed("name"),
                team=row.text("team") or "",
                gc_gap_s=row.number("gc_gap_s", 0.0, 86_400.0),
                jersey=row.text("jersey"),
                device=row.text("device"),
                start_at_s=row.instant_s("start_at"),
                status=_status(row),
            )
        )
    return tuple(starters)


def _bib(row: Row) -> int:
    text = row.needed("bib")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 9999):
        raise row.wrong("bib", "is no bib number", "Write a whole number from 1 to 9999.")
    return int(text)


def _status(row: Row) -> str | None:
    text = row.text("status")
    if text is None:
        return None
    if text.lower() not in _STATUSES:
        raise row.wrong("status", "is unknown", "Leave it blank, or write dns or abandoned.")
    return _STATUSES[text.lower()]
