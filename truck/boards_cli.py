"""`truck boards list | show | check`: what goes on air, and whether a pack's boards may."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hardware import home
from hardware.errors import Misconfigured, Unavailable
from hardware.pack import boards_of

app = typer.Typer(
    no_args_is_help=True, help="Boards for TV: what they show, and SQL of a pack before it may."
)
Home = Annotated[Path, typer.Argument(metavar="HOME", help="The home of a running truck.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
_ANSWER_S = 5.0
_FORMATS = ("json", "xml", "csv")


@app.command("list")
def list_(folder: Home, as_json: Json = False) -> None:
    """Every board of a running truck: its age, who holds it, its delay, what was put in by hand."""
    document = json.loads(_asked(folder, "boards.json"))
    if as_json:
        typer.echo(json.dumps(document))
        return
    table = Table("board", "rows", "quality", "at (UTC)", "frozen by", "delay s", "by hand")
    for row in document["boards"]:
        table.add_row(
            row["board"], str(row["rows"]), row["quality"], (row["at"] or "")[11:19],
            row["frozen_by"] or "", f"{row['delay_s']:g}", str(len(row["manual"])),
        )  # fmt: skip
    Console().print(table)
    for name, why in document["refused"].items():
        typer.echo(f"{name} gives nothing: {why}")


@app.command()
def show(
    folder: Home,
    board: Annotated[str, typer.Argument(help="As `truck boards list` names it.")],
    bib: Annotated[int | None, typer.Option(min=1, max=9999, help="Of the rider card.")] = None,
    kind: Annotated[str, typer.Option("--as", help="json, xml or csv; else a table.")] = "",
) -> None:
    """What a board of a running truck shows now, the bytes that a graphics machine gets."""
    if kind and kind not in _FORMATS:
        raise typer.BadParameter(f"--as takes {', '.join(_FORMATS)}")
    query = "" if bib is None else f"?bib={bib}"
    data = _asked(folder, f"{board}.{kind or 'json'}{query}")
    if kind:
        typer.echo(data)
        return
    rows = json.loads(data)
    stamp = rows[0].pop("at")
    table = Table(*rows[0], title=f"{board}, {stamp or 'nothing yet'}")
    for row in rows:
        row.pop("at", None)
        table.add_row(*row.values())
    Console().print(table)


@app.command()
def check(
    source: Annotated[
        Path, typer.Argument(metavar="PATH", help="NAME.sql, or a stage folder with boards/*.sql.")
    ],
    as_json: Json = False,
) -> None:
    """Whether boards may go live: one SELECT, within time, memory, rows and columns. Else exit 78.

    Each is asked over empty tables and over a made-up field of 200 riders, as `truck pack fetch`
    does.
    """
    from truck.serve.asked_boards import checked

    boards = checked(_read(source))
    if as_json:
        found = {name: board._asdict() for name, board in boards.items()}
        typer.echo(json.dumps({"schema": "truck.boards.check/1", "boards": found}))
        return
    for name, board in boards.items():
        typer.echo(f"{name}: {board.title}, {board.rows} rows of {', '.join(board.columns)}")


def _read(source: Path) -> dict[str, bytes]:
    from hardware.pack_folder import read_pack_folder

    if source.suffix == ".sql":
        try:
            named = {f"boards/{source.name}": source.read_bytes()}
        except OSError as error:
            raise Misconfigured(
                f"cannot read {source}: {error.strerror}", "See its path."
            ) from error
        boards = boards_of(named)
    else:
        boards = boards_of(read_pack_folder(source)[0])
    if not boards:
        raise Misconfigured(f"{source} holds no board", "It is boards/NAME.sql, NAME of a-z 0-9 -.")
    return boards


def _asked(folder: Path, path: str) -> str:
    """What the running truck's page answers."""
    page: Any = home.read_status(folder, "truck")["page"]
    try:
        with urllib.request.urlopen(f"{page}tv/{path}", timeout=_ANSWER_S) as answer:  # noqa: S310
            return str(answer.read(), "utf-8")
    except urllib.error.HTTPError as error:
        detail = json.loads(error.read()).get("detail", "")
        raise Misconfigured(f"the truck answers {error.code}: {detail}") from error
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"no truck answers at {page}; start it with `truck run {folder}`"
        ) from error
