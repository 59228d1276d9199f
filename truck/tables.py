"""What the truck's commands print for people."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from hardware.strip import print_ledger

ROWS_SHOWN = 200
SILENT_S = 60.0


@contextmanager
def counting(console: Console, what: str) -> Iterator[Callable[[int, Any], None]]:
    """Shows how many records have passed; for work whose end is not known."""
    with Progress(
        TextColumn("{task.description}"), TextColumn("{task.completed:,.0f}"),
        console=console, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(what, total=None)
        yield lambda number, _: bar.update(task, completed=number + 1)


@contextmanager
def steps(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how many steps of how many are done."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TimeRemainingColumn(), console=console, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stepping(console: Console) -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Shows several works one below the other, each by steps of how many are done."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TimeRemainingColumn(), console=console, transient=True,
    ) as bar:  # fmt: skip

        def begin(what: str) -> Callable[[int, int], None]:
            task = bar.add_task(what, total=None)
            return lambda done, total: bar.update(task, completed=done, total=total)

        yield begin


def print_demo(console: Console, outcome: dict[str, Any]) -> None:
    """The summary of a demo."""
    packets, latency, cloud = outcome["packets"], outcome["latency_s"], outcome["cloud"]
    table = Table("packets", "count", title="what became of every packet")
    for name in ("sent", "heard", "stored", "lost", "doubled"):
        table.add_row(name, f"{packets[name]:,}")
    for reason, count in packets["refused"].items():
        table.add_row(f"refused: {reason}", f"{count:,}")
    console.print(table)
    hops = Table("hop", "p50 s", "p99 s", "p99.9 s", title="bike to frame, budget 3 s")
    hops.add_row("total", *(_seconds(latency[q]) for q in ("p50", "p99", "p99_9")))
    for name, hop in latency["by_hop"].items():
        hops.add_row(name, *(_seconds(hop[q]) for q in ("p50_s", "p99_s", "p99_9_s")))
    console.print(hops)
    proven = "pulled back and proven equal" if cloud["verified"] else "NOT EQUAL to what is stored"
    console.print(
        f"cloud: {cloud['rows_sealed']:,} rows sealed in {cloud['batches']} batches, "
        f"{cloud['rows_pulled']:,} {proven}",
        highlight=False,
    )


def print_status(console: Console, document: dict[str, Any], *, running: bool) -> None:
    """A truck's status."""
    state = "running" if running else f"not running, last word {document['age_s']:.0f} s ago"
    console.print(f"{document['stream']}: {state}; page {document['page']}", highlight=False)
    table = Table("hop", "p50 s", "p99 s", "p99.9 s")
    latency = document["latency"]
    table.add_row("total (3 s)", *(_seconds(latency[q]) for q in ("p50_s", "p99_s", "p99_9_s")))
    for name, hop in latency["by_hop"].items():
        table.add_row(name, *(_seconds(hop[q]) for q in ("p50_s", "p99_s", "p99_9_s")))
    console.print(table)
    packets = document["packets"]
    refused = ", ".join(f"{reason} {n:,}" for reason, n in packets["refused"].items()) or "none"
    console.print(
        f"packets: {packets['stored']:,} stored, {packets['doubled']:,} doubled; "
        f"refused: {refused}",
        highlight=False,
    )
    for relay in document["relays"]:
        age_s = relay["last_heard_age_s"]
        heard = "never heard" if age_s is None else f"last heard {age_s} s ago"
        console.print(
            f"relay {relay['name']}: {heard}, {relay['backfill']} bundles late; {_node(relay)}",
            highlight=False,
        )
    cloud = document["cloud"]
    if "sealed" in cloud:
        console.print(
            f"cloud: {cloud['sealed']['rows']:,} rows sealed, "
            f"{cloud['pending']['batches']} batches wait, {cloud['lag_s']} s behind, "
            f"pusher {cloud['pusher']['state']}",
            highlight=False,
        )
    for note in document["notes"]:
        console.print(f"note: {note}", markup=False, highlight=False)
    for alarm in document["alarms"]:
        console.print(f"ALARM {alarm['what']}. {alarm['cure']}", markup=False, style="bold red")


def print_rebuild(console: Console, document: dict[str, Any]) -> None:
    """What a rebuild made."""
    table = Table("table", "rows", "digest", title=f"{document['records']:,} journal records")
    for name, made in document["tables"].items():
        table.add_row(name, f"{made['rows']:,}", made["digest"])
    console.print(table)


def _node(relay: dict[str, Any]) -> str:
    """What a relay's heartbeat says of it."""
    if relay["roster_version"] is None:
        return "no heartbeat"
    days = relay["certificate_days"]
    life = "no certificate" if days is None else f"certificate {days} days"
    config = "settings file"
    if relay["config_digest"]:
        trial = ", on trial" if relay["on_trial"] else ""
        config = (
            f"version {relay['config_version']} {relay['config_digest'][:12]} in slot "
            f"{relay['slot']}{trial}"
        )
    return f"{config}; roster {relay['roster_version']}; {life}"


def print_complete(console: Console, found: dict[str, Any]) -> None:
    """How complete a stage is in the cloud."""
    print_ledger(console, found)
    for gap in found["bundles_missing"]:
        lo, hi = gap["numbers"]
        console.print(
            f"relay {gap['relay']}: bundles {lo} to {hi - 1} of its boot {gap['boot']} have not "
            "come; they wait in its spool or were dropped there: see `relay status`",
            highlight=False,
        )
    for relay in found["relays"]:
        if relay["behind_s"] > SILENT_S:
            console.print(
                f"relay {relay['relay']}: nothing it heard since {relay['heard_until'][:19]}Z has "
                "come; if its link is down, holes of that time may still close",
                highlight=False,
            )


def print_rows(console: Console, rows: pa.Table) -> None:
    """A query's answer, the first 200 rows of it."""
    table = Table(*rows.column_names)
    for row in rows.slice(0, ROWS_SHOWN).to_pylist():
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console.print(table)
    if rows.num_rows > ROWS_SHOWN:
        console.print(f"... and {rows.num_rows - ROWS_SHOWN:,} more; --json gives all")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
