"""Results of a stage as the receivers saw it: unofficial, and said so wherever they stand.

Times are cut to whole seconds, and riders who crossed the line less than a second behind the one
before them get his time (UCI Cycling Regulations 2.3.040, without the exceptions that only
commissaires grant). Receivers do not resolve a sprint: the order within one time is by
interpolated crossings, and is marked.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hardware.startlist import Starter

SAME_TIME_S = 1.0
# The columns of the UCI's results template; the start list knows no UCI id, country or gender
UCI_COLUMNS = (
    "Rank", "BIB", "UCI ID", "Last Name", "First Name", "Country", "Team", "Gender", "Phase",
    "Heat", "Result", "IRM", "Sort Order",
)  # fmt: skip
COLUMNS = (*UCI_COLUMNS, "Gap", "Same time", "Official")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run such a cell


@dataclass(frozen=True)
class Result:
    """One line of the results.

    Attributes:
        rank: place at the line, None for who has not crossed it.
        time_s: whole seconds from the flag (from his own start against the clock), or None.
        gap_s: whole seconds behind the winner's time, or None.
        same_time: whether his time is that of the rider before him.
        status: as the race has it at the end, see `truck.race.status`.
        irm: DNF or DNS where an operator or the start list says so, else empty: silence is none.
    """

    rank: int | None
    bib: int
    name: str
    team: str
    time_s: int | None
    gap_s: int | None
    same_time: bool
    status: str
    irm: str


def results_of(
    last: Sequence[Mapping[str, Any]], starters: Sequence[Starter], winner_s: int | None,
    *, against_the_clock: bool = False,
) -> list[Result]:  # fmt: skip
    """The results, best first; starters nobody ever heard stand at the end.

    Args:
        last: a row a rider of the last frame in standings order: bib, status, gap_s.
        starters: the start list.
        winner_s: the winner's time in whole seconds, None while nobody has finished.
        against_the_clock: a time trial, where everybody keeps his own time.
    """
    people = {starter.bib: starter for starter in starters}
    found: list[Result] = []
    before_s, time_gap_s = -1e9, 0
    for row in last:
        person = people.pop(row["bib"], None)
        name, team = ("", "") if person is None else (person.name, person.team)
        irm = _irm(row["status"], person)
        if row["status"] != "finished" or row["gap_s"] is None or winner_s is None:
            found.append(
                Result(None, row["bib"], name, team, None, None, False, row["status"], irm)
            )
            continue
        gap_s = float(row["gap_s"])
        same = not against_the_clock and gap_s - before_s < SAME_TIME_S
        if not same:
            time_gap_s = int(gap_s)
        before_s = gap_s
        rank = 1 + sum(one.rank is not None for one in found)
        time_s, again = winner_s + time_gap_s, same and rank > 1
        found.append(
            Result(rank, row["bib"], name, team, time_s, time_gap_s, again, "finished", "")
        )
    for bib, person in people.items():
        irm = _irm("not_seen", person)
        found.append(
            Result(None, bib, person.name, person.team, None, None, False, "not_seen", irm)
        )
    return sorted(found, key=lambda one: (one.rank is None, one.rank or 0, bool(one.irm)))


def results_csv(results: Sequence[Result]) -> bytes:
    """UTF-8 with a byte order mark, so that spreadsheets read names; one line a rider."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for order, one in enumerate(results, 1):
        first, last = parted_name(one.name)
        cells = (
            "" if one.rank is None else one.rank, one.bib, "", last, first, "", one.team, "",
            "Final", "", "" if one.time_s is None else clock_text(one.time_s), one.irm, order,
            "" if one.gap_s is None else gap_text(one.gap_s), "s.t." if one.same_time else "", "no",
        )  # fmt: skip
        writer.writerow([_inert(cell) for cell in cells])
    return out.getvalue().encode("utf-8-sig")


def live_csv(frame: Mapping[str, Any]) -> bytes:
    """The race as it stands in a frame (schema truck.frame/1), in the columns of the results.

    `Result` stays empty: nobody has a time before the line. `Gap` is that shown on the page.
    """
    riders = frame["riders"]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow((*COLUMNS, "At", "Km to go", "Status"))
    people = zip(riders["bib"], riders["name"], riders["team"], riders["gap_s"],
                 riders["to_go_m"], riders["status"], strict=True)  # fmt: skip
    for order, (bib, name, team, gap_s, to_go_m, status) in enumerate(people, 1):
        first, last = parted_name(name)
        gap = "" if gap_s is None else gap_text(int(gap_s))
        to_go = "" if to_go_m is None else f"{to_go_m / 1000:.1f}"
        rank = order if gap_s is not None else ""
        cells = (rank, bib, "", last, first, "", team, "", "Live", "", "", "", order, gap, "", "no",
                 frame["at"], to_go, status)  # fmt: skip
        writer.writerow([_inert(cell) for cell in cells])
    return out.getvalue().encode("utf-8-sig")


def parted_name(name: str) -> tuple[str, str]:
    """First and last name: what is written in capitals is the last, else the last word is."""
    words = name.split()
    capitals = [word for word in words if word.isupper() and len(word) > 1 and "." not in word]
    if capitals and len(capitals) < len(words):
        return " ".join(word for word in words if word not in capitals), " ".join(capitals)
    return " ".join(words[:-1]), words[-1] if words else ""


def clock_text(seconds: int) -> str:
    """4:58:12."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def gap_text(seconds: int) -> str:
    """+0:07, or +1:02:03."""
    if seconds >= 3600:
        return f"+{clock_text(seconds)}"
    return f"+{seconds // 60}:{seconds % 60:02d}"


def _irm(status: str, person: Starter | None) -> str:
    if person is not None and person.status == "dns":
        return "DNS"
    return "DNF" if status == "abandoned" else ""


def _inert(cell: object) -> str:
    text = str(cell)
    # a gap begins with + and is ours; names and teams come from a sheet anybody may have typed
    own = text[:1] == "+" and text[1:2].isdigit()
    return "'" + text if text.startswith(_FORMULA) and not own else text
