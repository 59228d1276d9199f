"""Labels as commands: `hardware labels` prints the sheet, `hardware label` says what one is of."""

import datetime as dt
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from hardware import flash_ledger, keys
from hardware.authority import newest_roster
from hardware.crew import read_crew
from hardware.errors import Misconfigured
from hardware.flash_ledger import Entry
from hardware.label import Label, label_of, read_label
from hardware.label_sheet import COLUMNS, ROWS, print_labels

SCHEMA = "hardware.label/1"
_PANEL = "The crew's evening"
_LABELS_MAX = 1000  # of one reading

app = typer.Typer()

Event = Annotated[
    Path, typer.Option(help="The event's folder.", envvar="HARDWARE_EVENT", show_default=False)
]


@app.command(rich_help_panel=_PANEL)
def labels(
    sheet: Annotated[Path, typer.Argument(metavar="CREW.CSV", help="The crew's sheet.")],
    event: Event,
    out: Annotated[Path, typer.Option(help="Where the PDF goes.")] = Path("labels.pdf"),
) -> None:
    """Print the sheet of labels: a QR code, the bib or name in large letters, the serial.

    A4, 24 to a page, with cut marks; print it at 100 %.
    """
    try:
        data = sheet.read_bytes()
    except OSError as error:
        what = f"cannot read the crew's sheet {sheet}: {error.strerror}"
        raise Misconfigured(what, "Name the file that was saved as CSV.") from error
    crew = read_crew(sheet.name, data)
    _, roster = newest_roster(event)
    keys.write_file(out, print_labels([label_of(roster.event, m) for m in crew.members]), 0o644)
    pages = -(-len(crew.members) // (COLUMNS * ROWS))
    typer.echo(f"{len(crew.members)} labels on {pages} pages", err=True)
    typer.echo(str(out))


@app.command(rich_help_panel=_PANEL)
def label(
    text: Annotated[str, typer.Argument(help="What a scanner read; - takes lines from stdin.")],
    event: Event,
    as_json: Annotated[bool, typer.Option("--json", help=f"One object, {SCHEMA}.")] = False,
) -> None:
    """Say what a label is of, and whether it is of this event and this sheet.

    `zbarimg -q --raw photo.jpg | hardware label - --event EVENT` asks a photograph.
    """
    lines = sys.stdin.read(1 << 20).splitlines() if text == "-" else [text]
    if not lines or len(lines) > _LABELS_MAX:
        raise Misconfigured(f"{len(lines)} labels were read", "Hold the camera over one sheet.")
    _, roster = newest_roster(event)
    entries = _newest_entries(event)
    found: list[dict[str, Any]] = []
    for read in map(read_label, lines):
        wrong = _wrong(read, roster.event, entries.get(read.serial))
        found.append(asdict(read) | {"wrong": wrong, "said": _said(read, entries.get(read.serial))})
    if as_json:
        typer.echo(json.dumps({"schema": SCHEMA, "labels": found}, separators=(",", ":")))
    else:
        for row in found:
            typer.echo(row["wrong"] or row["said"])
    first = next((row["wrong"] for row in found if row["wrong"]), None)
    if first:
        raise Misconfigured(first, "Take that label off, and print the sheet again.")


def _newest_entries(event: Path) -> dict[str, Entry]:
    """The last line of each serial in the flash ledger."""
    return {entry.serial: entry for entry in flash_ledger.sound_entries(event)}


def _wrong(read: Label, event: str, entry: Entry | None) -> str | None:
    if read.event != event:
        return f"the label of {read.serial} is of event {read.event!r}, not of {event!r}"
    if entry is not None and (entry.role, entry.name) != (read.role, read.name):
        return (
            f"the label says that {read.serial} is {read.role} {read.name}, "
            f"but it was flashed as {entry.role} {entry.name}"
        )
    return None


def _said(read: Label, entry: Entry | None) -> str:
    bib = f", bib {read.bib}" if read.bib else ""
    what = f"{read.serial} is {read.role} {read.name}{bib} of event {read.event!r}"
    if entry is None:
        return f"{what}; nothing was flashed for it yet"
    at = dt.datetime.fromtimestamp(entry.at_s, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{what}; flashed {at} by {entry.by}, {entry.proven}"
