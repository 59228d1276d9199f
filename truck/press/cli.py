"""`truck press report | release | hold | list`."""

import datetime as dt
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hardware import clock
from hardware.errors import Misconfigured
from hardware.keys import write_file
from truck import tables
from truck.config import TruckHome
from truck.press.shelf import Shelf
from truck.rulings_cli import login

app = typer.Typer(
    no_args_is_help=True,
    help="Results and the stage report for the press, held back until you release them.",
)
Home = Annotated[Path, typer.Argument(metavar="[HOME]", help="The truck's home; else here.")]
Stage = Annotated[str | None, typer.Option(help="Its number, name or a part; else the last.")]
By = Annotated[str, typer.Option(help="Who decides.", envvar="TRUCK_OPERATOR", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def report(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[HOME | READINGS... | REPLAY]", help="Else the truck's home is here."
        ),
    ] = None,
    stage: Stage = None,
    stage_folder: Annotated[
        Path | None, typer.Option(help="The stage's folder; a home knows its own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the papers, marked as held back, here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make results.csv, results.pdf and report.pdf of a stage: unofficial, from the receivers.

    From a truck's home they are laid down for the press, held back until `truck press release`.
    A whole stage of 184 riders takes about two minutes.
    """
    from truck.press.papers import ask_day, papers_of
    from truck.rehearsal.sources import home_in

    named = sources or [Path()]
    at_home = home_in(named)
    if at_home is None and out is None:
        raise Misconfigured("nowhere to write the papers to", "Name a folder with --out.")
    with tables.steps(Console(stderr=True), "riding the stage again") as progress:
        label, day = ask_day(named, stage, stage_folder, progress)
    made_at_s = clock.from_environment().now_s()
    written = []
    if at_home is not None:
        shelf = Shelf(TruckHome(at_home).press)
        written.append(shelf.put(label, papers_of(day, made_at_s, embargoed=False)))
    if out is not None:
        for name, data in papers_of(day, made_at_s, embargoed=True).items():
            write_file(out / name, data, 0o644)
        written.append(out)
    finished = sum(one.rank is not None for one in day.results)
    if as_json:
        typer.echo(
            json.dumps({
                "schema": "truck.press-report/1", "stage": label, "riders": len(day.results),
                "finished": finished, "folders": [str(path) for path in written],
            })
        )  # fmt: skip
        return
    for path in written:
        typer.echo(f"{path}: results.csv, results.pdf, report.pdf; {finished} riders finished")
    if at_home is not None:
        typer.echo(
            f"Held back. Read report.pdf, then: truck press release {at_home} --stage {label}",
            err=True,
        )


@app.command()
def release(folder: Home = Path(), stage: Stage = None, by: By = "", as_json: Json = False) -> None:
    """Let the press have a stage's papers as they are now; ones made later are held back."""
    _decide(folder, stage, by, as_json, released=True)


@app.command()
def hold(folder: Home = Path(), stage: Stage = None, by: By = "", as_json: Json = False) -> None:
    """Hold a stage's papers back again; who has them already keeps them."""
    _decide(folder, stage, by, as_json, released=False)


@app.command("list")
def list_papers(folder: Home = Path(), as_json: Json = False) -> None:
    """Which stages have papers, and who released them."""
    shelf = _shelf(folder)
    rows = [
        {"stage": label, "decisions": shelf.decisions(label), "path": str(shelf.folder / label)}
        for label in shelf.stages()
    ]
    if as_json:
        typer.echo(json.dumps({"schema": "truck.press-list/1", "stages": rows}))
        return
    table = Table("stage", "state", "by", "at")
    for label in shelf.stages():
        last = (shelf.decisions(label) or [{}])[-1]
        state = "released" if last.get("released") else "held back"
        table.add_row(label, state, last.get("by", ""), last.get("at", ""))
    Console().print(table)


def _decide(folder: Path, stage: str | None, by: str, as_json: bool, *, released: bool) -> None:
    shelf = _shelf(folder)
    label = _label(shelf, stage)
    at = dt.datetime.fromtimestamp(clock.from_environment().now_s(), dt.UTC)
    decision = shelf.decide(
        label, by or login(), at.isoformat(timespec="seconds"), released=released
    )
    if as_json:
        typer.echo(json.dumps({"schema": "truck.press-release/1", "stage": label, **decision}))
        return
    typer.echo(f"{label}: {'released' if released else 'held back'} by {decision['by']}")


def _label(shelf: Shelf, stage: str | None) -> str:
    known = shelf.stages()
    if stage is None and len(known) == 1:
        return known[0]
    wanted = (stage or "").strip().lower()
    found = [one for one in known if wanted == one]
    found = found or [one for one in known if wanted and wanted in one.split("-")]
    found = found or [one for one in known if wanted and wanted in one]
    if len(found) != 1:
        raise Misconfigured(
            f"{'more than one' if found else 'no'} stage with papers is {stage or 'the last'!r}",
            f"Name one with --stage: {', '.join(known) or 'there is none yet'}.",
        )
    return found[0]


def _shelf(folder: Path) -> Shelf:
    from hardware import home

    at_home = TruckHome(folder)
    home.check(at_home.config)
    return Shelf(at_home.press)
