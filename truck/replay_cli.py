"""`truck replay`, and `truck rehearse`, which replays twice."""

import datetime as dt
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hardware.errors import Exit, Misconfigured
from hardware.keys import write_file
from truck import tables

app = typer.Typer()
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def replay(
    stage: Annotated[Path, typer.Argument(help="The stage folder.")],
    readings: Annotated[list[Path], typer.Argument(help="CSV, Parquet, FIT, GPX or TCX.")],
    out: Annotated[Path, typer.Option(help="Folder for the Parquet tables; made whole or not.")],
    until: Annotated[
        str | None, typer.Option(help="Stop at this instant (ISO 8601, or epoch seconds).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the race logic over recorded readings at full speed, without radio or broker.

    Writes states, groups, incidents and predictions as Parquet, and summary.json. The bytes
    depend on the input alone; a replay cut short is the first part of the whole one.
    """
    from truck.replay import replay as replay_stage

    until_s = None if until is None else _instant_s(until)
    with tables.steps(Console(stderr=True), "replaying, seconds of the race") as progress:
        summary = replay_stage(stage, readings, out, until_s, progress)
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        typer.echo(f"{out}: {summary}")


@app.command()
def rehearse(
    pack: Annotated[
        Path, typer.Option(metavar="NEXT", help="A .pack file, HOME/packs/N, or a stage folder.")
    ],
    readings: Annotated[
        list[Path],
        typer.Option("--from", metavar="TODAY", help="A truck's home, or files of readings."),
    ],
    stage: Annotated[
        Path | None, typer.Option(help="Today's stage folder; a home knows its own.")
    ] = None,
    team: Annotated[
        Path | None, typer.Option(help="The team's public key; a home knows it.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Also draw both roads and profiles into this .svg file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ride today's readings through tomorrow's pack, and show what differs.

    Lengths, the finish, climbs and points; each rider's way to go and gap, groups, incidents; each
    board's rows; the start list and the devices. Nothing is changed. Exit code 65 when the pack
    could not be used. Example: truck rehearse --pack HOME/packs/000031 --from HOME
    """
    from truck.rehearsal.picture import picture_of_both
    from truck.rehearsal.rehearse import rehearse as rehearse_pack
    from truck.rehearsal.report import print_rehearsal
    from truck.rehearsal.sources import home_in, next_of, today_of

    following = next_of(pack, home_in(readings), team)
    today = today_of(readings, stage)
    console = Console(stderr=True)
    with tables.stepping(console) as watch:
        document, course, next_course = rehearse_pack(today, following, watch)
    if picture is not None:
        write_file(picture, picture_of_both(document, course, next_course).encode(), 0o644)
    if as_json:
        typer.echo(json.dumps(document, default=str, ensure_ascii=False))
    else:
        print_rehearsal(Console(), document)
    failed = document["checks"]["failed"] or any(board["error"] for board in document["boards"])
    raise typer.Exit(Exit.DAMAGED if failed else Exit.OK)


def _instant_s(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise Misconfigured(
            f"{text!r} is no instant", "Write it as 2027-07-16T12:00:00Z or as epoch seconds."
        ) from error
    return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp()
