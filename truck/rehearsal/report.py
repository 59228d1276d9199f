"""A rehearsal for people: what differs, in the order in which it matters tonight."""

from typing import Any

from rich.console import Console
from rich.table import Table

_RIDERS_SHOWN = 20
_ROWS_SHOWN = 8


def print_rehearsal(console: Console, document: dict[str, Any]) -> None:
    """The document as text."""
    stage, share = document["stage"], document["readings"]["placed_share"]
    pack = document["pack"]
    signed = f"pack {pack['version']}" if pack else "a folder nobody has signed"
    console.print(f"{stage['today']} through {signed}: {stage['next']}", style="bold", markup=False)
    console.print(
        f"{document['readings']['rows']:,} readings of today; {share['today']:.0%} lie on today's "
        f"road, {share['next']:.0%} on tomorrow's", highlight=False,
    )  # fmt: skip
    if document["elsewhere"]:
        console.print(
            "Today's rides are not on tomorrow's road, so distances, gaps, groups and incidents "
            "cannot be compared. Boards, start list, devices and the stage itself were checked.",
            style="yellow",
        )
    _print_course(console, document["course"])
    if document["race"] is not None:
        _print_race(console, document["race"])
    _print_boards(console, document["boards"])
    _print_people(console, document["people"])
    checks = document["checks"]
    for kind in ("doubts", "notes"):
        for doubt in checks[kind]:
            console.print(
                f"{kind[:-1]}: {doubt['where']}: {doubt['what']}. {doubt['cure']}",
                markup=False, highlight=False, soft_wrap=True,
            )  # fmt: skip
    for failed in checks["failed"]:
        console.print(f"CANNOT BE USED: {failed}", style="bold red", markup=False, soft_wrap=True)


def _print_course(console: Console, course: dict[str, Any]) -> None:
    table = Table("course", "today", "next", "change")
    for name in ("length_km", "neutral_km"):
        table.add_row(name.removesuffix("_km") + " km", *_three(course[name], 2))
    for point in course["points"]:
        table.add_row(point["what"] + " km", *_three(point["km"], 2))
    console.print(table)
    parts = course["parts_at_km"]
    where = "the same road" if parts is None else f"the roads part at km {parts:.1f}"
    console.print(
        f"finish moved by {course['finish_moved_m'] / 1000.0:.1f} km as the crow flies; "
        f"{course['shared_share']:.0%} of tomorrow's road is today's, {where}", highlight=False,
    )  # fmt: skip


def _print_race(console: Console, race: dict[str, Any]) -> None:
    for moment, words in (
        ("before_the_line", "the last second before anybody is at a line"),
        ("at_the_end", "the end"),
    ):
        _print_riders(console, race[moment], words)
    day = race["all_day"]
    if day["to_go_median_m"] is not None:
        gaps = [_number(day, name) for name in ("gap_median_s", "gap_most_s")]
        console.print(
            f"all day: to go {day['to_go_median_m'] / 1000.0:+.2f} km at the median, "
            f"{day['to_go_most_m'] / 1000.0:+.2f} at most; gaps differ by {gaps[0]} s at the "
            f"median, {gaps[1]} at most", highlight=False, soft_wrap=True,
        )  # fmt: skip
    incidents = race["incidents"]
    console.print(f"incidents: {incidents['today']}, next {incidents['next']}")
    for side, word in (("gone", "only today"), ("new", "only next")):
        for one in incidents[side]:
            who = ", ".join(map(str, one["bibs"]))
            console.print(f"  {word}: {one['kind']} of {who} at {one['started_at']}", markup=False)


def _print_riders(console: Console, moment: dict[str, Any], words: str) -> None:
    table = Table(
        "bib", "rider", "to go km", "next", "change", "gap s", "next", "change",
        title=f"{moment['at']}, {words}",
    )  # fmt: skip
    for rider in moment["riders"][:_RIDERS_SHOWN]:
        to_go = {side: _km(value) for side, value in rider["to_go_m"].items()}
        table.add_row(
            str(rider["bib"]), rider["name"], *_three(to_go, 2), *_three(rider["gap_s"], 1)
        )
    console.print(table)
    if len(moment["riders"]) > _RIDERS_SHOWN:
        console.print(f"... and {len(moment['riders']) - _RIDERS_SHOWN} more; --json gives all")
    groups = moment["groups"]
    bibs = ", ".join(map(str, groups["regrouped"])) or "nobody"
    console.print(
        f"groups: {groups['today']}, next {groups['next']}; in another group: {bibs}",
        highlight=False,
    )


def _print_boards(console: Console, boards: list[dict[str, Any]]) -> None:
    for board in boards:
        name = board["board"]
        if board["error"]:
            console.print(f"board {name}: {board['error']}", style="bold red", markup=False)
            continue
        said = "the same rows" if not board["changed"] else "other rows"
        said += "" if board["in_pack"] else ", not in the pack"
        said += ", its SQL changed" if board["sql_changed"] else ""
        console.print(f"board {name}: {said}", highlight=False)
        if not board["changed"]:
            continue
        for side in ("today", "next"):
            rows = board[side]
            table = Table(*(rows[0] if rows else ("no row",)), title=f"{name}, {side}")
            for row in rows[:_ROWS_SHOWN]:
                table.add_row(*("" if v is None else _shown(v) for v in row.values()))
            console.print(table)


def _print_people(console: Console, people: dict[str, Any]) -> None:
    riders = people["riders"]
    console.print(f"start list: {riders['today']} riders, next {riders['next']}", highlight=False)
    for key, what in (("new", "new"), ("gone", "gone"), ("not_starting", "not starting")):
        if people[key]:
            console.print(f"  {what}: {', '.join(map(str, people[key]))}", highlight=False)
    for one in people["renamed"]:
        console.print(f"  bib {one['bib']}: {one['today']}, next {one['next']}", markup=False)
    without = people["without_device"]
    if without is None:
        console.print("  devices: not checked, for there is no roster here")
    elif without:
        bibs = ", ".join(map(str, without))
        console.print(f"  no device is bound to {bibs}", style="bold red")


def _three(pair: dict[str, float | None], digits: int) -> tuple[str, str, str]:
    today, following, change = (pair[name] for name in ("today", "next", "change"))
    return (
        "-" if today is None else f"{today:.{digits}f}",
        "-" if following is None else f"{following:.{digits}f}",
        "" if change is None else f"{change:+.{digits}f}",
    )


def _number(row: dict[str, Any], name: str) -> str:
    return "-" if row[name] is None else f"{row[name]:.1f}"


def _shown(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _km(metres: float | None) -> float | None:
    return None if metres is None else metres / 1000.0
