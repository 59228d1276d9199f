"""Each board over both replays: what it would have shown, and whether it runs at all."""

from collections.abc import Mapping
from typing import Any

from hardware.errors import Misconfigured
from truck.rehearsal.ride import Ridden
from truck.replay import TABLES
from truck.serve.asked_boards import sql_of
from truck.serve.board_tables import course_tables, papers_of
from truck.store.boards import BoardTables

Rows = list[dict[str, Any]]
# what a truck has of the running race; here out of the day's states
_AS_ON_AIR = {
    "riders": (
        "SELECT states.*, coalesce(name, '') AS name, coalesce(team, '') AS team, "
        "row_number() OVER (ORDER BY distance_m DESC NULLS LAST) AS rank, false AS ruled, "
        "NULL::TIMESTAMPTZ AS finished_at "
        "FROM states LEFT JOIN starters ON starters.bib = states.bib "
        "WHERE measured_at = (SELECT max(measured_at) FROM states)"
    ),
    "top_speeds": (
        "SELECT bib, max(speed_mps) AS speed_mps, arg_max(measured_at, speed_mps) AS at, "
        "arg_max(distance_m, speed_mps) AS distance_m FROM states "
        "WHERE status = 'racing' AND quality = 'good' AND age_s <= 3 GROUP BY bib"
    ),
    "climb_times": (
        "SELECT bib, climb, epoch(min(measured_at) FILTER (distance_m >= top_m)) "
        "- epoch(min(measured_at) FILTER (distance_m >= start_m)) AS time_s, true AS sure "
        "FROM states, climbs GROUP BY bib, climb, start_m "
        "HAVING min(distance_m) < start_m AND time_s IS NOT NULL"
    ),
}


def boards_apart(
    today: tuple[Ridden, Mapping[str, bytes]],
    following: tuple[Ridden, Mapping[str, bytes]],
    at_us: int,
) -> list[dict[str, Any]]:
    """Each board's rows by today's and by tomorrow's road, up to an instant, ready for JSON.

    Args:
        today: a replay and its boards' SQL by name; a board it has not is asked as tomorrow's.
        following: the same for tomorrow.
        at_us: rows measured later are left out, microseconds since 1970 UTC.
    """
    names = sorted(today[1].keys() | following[1].keys())
    before = _ask(today[0], {**following[1], **today[1]}, at_us)
    after = _ask(following[0], following[1], at_us)
    rows = []
    for name in names:
        one, other = before[name], after.get(name, [])
        rows.append({
            "board": name,
            "in_pack": name in following[1],
            "sql_changed": name in today[1] and today[1][name] != following[1].get(name),
            "changed": one != other,
            "error": next((said for said in (other, one) if isinstance(said, str)), None),
            "today": None if isinstance(one, str) else one,
            "next": None if isinstance(other, str) else other,
        })  # fmt: skip
    return rows


def _ask(ridden: Ridden, boards: Mapping[str, bytes], at_us: int) -> dict[str, Rows | str]:
    """The rows of each board, or why it gives none."""
    papers = papers_of(ridden.stage) | course_tables(ridden.stage, ridden.course)
    tables = BoardTables(
        {**{name: ridden.table(name) for name in TABLES}, **papers}, at_us, _AS_ON_AIR
    )
    answers: dict[str, Rows | str] = {}
    try:
        for name, data in boards.items():
            try:
                answers[name] = tables.ask(sql_of(name, data)).to_pylist()
            except Misconfigured as error:
                answers[name] = str(error)
    finally:
        tables.close()
    return answers
