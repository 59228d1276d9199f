"""What operators decide, as commands of `truck`: each asks the running truck for a ruling."""

import datetime as dt
import getpass
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hardware import home
from hardware.errors import Misconfigured
from truck import tables
from truck.config import TruckConfig, TruckHome

app = typer.Typer()
incident = typer.Typer(no_args_is_help=True, help="Judge an incident the truck has raised.")
app.add_typer(incident, name="incident", rich_help_panel="Operators decide")

_LIST = (
    "SELECT number, decided_at, decided_by, said, note, until, number IN "
    "(SELECT withdraws FROM rulings WHERE withdraws IS NOT NULL) AS withdrawn "
    "FROM rulings ORDER BY number"
)
_PANEL = "Operators decide"
Home = Annotated[Path, typer.Argument(metavar="HOME", help="The truck's home folder.")]
Bib = Annotated[int, typer.Argument(help="The rider's number.")]
Incident = Annotated[int, typer.Argument(metavar="ID", help="As on the page and in `incidents`.")]
By = Annotated[str, typer.Option(help="Who decides.", envvar="TRUCK_OPERATOR", show_default=False)]
Note = Annotated[str, typer.Option(help="Why, in a few words.")]
Minutes = Annotated[
    float | None, typer.Option(min=0, help="End by itself after so long; else until withdrawn.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command(rich_help_panel=_PANEL)
def swap(
    folder: Home,
    bib: Bib,
    device: Annotated[int, typer.Argument(help="The transponder on the bike he rides now.")],
    by: By = "",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """A rider has changed bikes: from now on DEVICE, and no other, speaks for BIB."""
    _rule(folder, as_json, by, note, kind="swap", bib=bib, device=device)


@app.command(rich_help_panel=_PANEL)
def abandon(folder: Home, bib: Bib, by: By = "", note: Note = "", as_json: Json = False) -> None:
    """A rider is out of the race; silence alone never says so."""
    _rule(folder, as_json, by, note, kind="abandon", bib=bib)


@app.command(rich_help_panel=_PANEL)
def reinstate(folder: Home, bib: Bib, by: By = "", note: Note = "", as_json: Json = False) -> None:
    """A rider who was out is in the race after all."""
    _rule(folder, as_json, by, note, kind="reinstate", bib=bib)


@app.command(rich_help_panel=_PANEL)
def hide(folder: Home, bib: Bib, by: By = "", note: Note = "", as_json: Json = False) -> None:
    """Take a rider out of every public output, at once; the record keeps him."""
    _rule(folder, as_json, by, note, kind="hide", bib=bib)


@app.command(rich_help_panel=_PANEL)
def show(folder: Home, bib: Bib, by: By = "", note: Note = "", as_json: Json = False) -> None:
    """Show a hidden rider again."""
    _rule(folder, as_json, by, note, kind="show", bib=bib)


@app.command(rich_help_panel=_PANEL)
def gap(
    folder: Home,
    bib: Bib,
    seconds: Annotated[float, typer.Argument(min=0, help="Behind the first.")],
    also: Annotated[
        list[int] | None, typer.Option("--with", help="Another of his group; may be repeated.")
    ] = None,
    minutes: Minutes = None,
    by: By = "",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Show this gap for a rider, or for a whole group, whatever is measured."""
    bibs = [bib, *(also or [])]
    _rule(folder, as_json, by, note, kind="gap", bibs=bibs, gap_s=seconds, minutes=minutes)


@app.command(rich_help_panel=_PANEL)
def group(
    folder: Home,
    bibs: Annotated[list[int], typer.Argument(metavar="BIB...", help="One rides alone.")],
    minutes: Minutes = None,
    by: By = "",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """These riders are one group, with nobody else, whatever is measured."""
    _rule(folder, as_json, by, note, kind="group", bibs=bibs, minutes=minutes)


@app.command(rich_help_panel=_PANEL)
def withdraw(
    folder: Home,
    number: Annotated[int, typer.Argument(help="Of the ruling, see `truck rulings`.")],
    by: By = "",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Take a ruling back; both stay in the record."""
    _rule(folder, as_json, by, note, kind="withdraw", withdraws=number)


@incident.command()
def confirm(
    folder: Home, number: Incident, by: By = "", note: Note = "", as_json: Json = False
) -> None:
    """It happened."""
    _rule(folder, as_json, by, note, kind="confirm", incident=number)


@incident.command()
def dismiss(
    folder: Home, number: Incident, by: By = "", note: Note = "", as_json: Json = False
) -> None:
    """It did not happen."""
    _rule(folder, as_json, by, note, kind="dismiss", incident=number)


@app.command(rich_help_panel=_PANEL)
def rulings(folder: Home, as_json: Json = False) -> None:
    """List every ruling of this stream, who made it and when, whether the truck runs or not."""
    from truck.questions import ask_table

    table = ask_table(TruckHome(folder), _config(folder), _LIST)
    if as_json:
        document = {"schema": "truck.rulings/1", "rulings": table.to_pylist()}
        typer.echo(json.dumps(document, default=str))
    else:
        tables.print_rows(Console(), table)


def _rule(folder: Path, as_json: bool, by: str, note: str, **wish: Any) -> None:
    from truck.questions import ask_ruling

    _config(folder)
    wish |= {"by": by or login(), "note": note}
    ruling = ask_ruling(TruckHome(folder), wish)
    if as_json:
        typer.echo(json.dumps(ruling))
        return
    at = dt.datetime.fromtimestamp(ruling["at_us"] / 1e6, dt.UTC)
    already = "" if ruling["changed"] else "nothing changed, it holds already: "
    typer.echo(
        f"{already}ruling {ruling['number']}: {ruling['said']} ({ruling['by']}, {at:%H:%M:%S} UTC)"
    )


def login() -> str:
    """The name of this login, for who decides.

    Raises:
        Misconfigured: it has none.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise Misconfigured("this login has no name", "Say who decides with --by.") from error


def _config(folder: Path) -> TruckConfig:
    return home.load_settings(TruckConfig, TruckHome(folder).config, {})
