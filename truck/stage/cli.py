"""`truck stage import | show | check`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hardware.errors import Exit, Misconfigured
from hardware.keys import write_file
from hardware.stage import Circuit, load_stage, stage_files
from truck.race.course import Course
from truck.stage.doubt import Doubt
from truck.stage.examine import examine
from truck.stage.folder import Particulars, import_stage
from truck.stage.picture import picture_of
from truck.stage.report import document_of, print_stage

CHECK_SCHEMA = "truck.stage.check/1"

app = typer.Typer(
    no_args_is_help=True,
    help="Stage folders: made from a GPX export, shown, and doubted before the race.",
)
StageArgument = Annotated[Path, typer.Argument(metavar="STAGE", help="The stage folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command("import")
def import_(
    gpx: Annotated[
        Path, typer.Argument(help="Track or route (.gpx), or a ride (.fit .tcx .csv); also .gz.")
    ],
    folder: Annotated[Path, typer.Argument(help="Where to make the stage folder.")],
    name: Annotated[str | None, typer.Option(help="Else the name in the GPX.")] = None,
    kind: Annotated[str, typer.Option(help="road or time-trial.")] = "road",
    start_at: Annotated[str | None, typer.Option(help="The flag, as 2027-07-16T10:35:00Z.")] = None,
    length_km: Annotated[
        float | None, typer.Option(help="Flag to line, as the road book says.")
    ] = None,
    neutral_km: Annotated[float | None, typer.Option(help="Before the flag.")] = None,
    laps: Annotated[
        list[str] | None,
        typer.Option(help="FROM_KM:LENGTH_KM:COUNT, as 150.0:10.2:3; repeat it."),
    ] = None,
    finish: Annotated[
        str | None, typer.Option(help="LATITUDE,LONGITUDE; else where the drawing ends.")
    ] = None,
) -> None:
    """Make a stage folder from an organiser's GPX; its named waypoints become checkpoints.

    The folder appears whole or not at all. Then add startlist.csv, and ask `truck stage check`.
    Example: truck stage import stage9.gpx.gz STAGE --length-km 185.5 --neutral-km 6.2
    """
    particulars = Particulars(
        name, kind, start_at, length_km, neutral_km,
        tuple(_circuit(text) for text in laps or ()), None if finish is None else _place(finish),
    )  # fmt: skip
    made = import_stage(gpx, folder, particulars)
    console = Console(stderr=True)
    for what in made.left_out:
        console.print(f"left out: {what}", markup=False, highlight=False)
    typer.echo(
        f"{folder} is a stage of {made.length_km:.1f} km from {made.points} points with "
        f"{made.checkpoints} checkpoints. Next: truck stage check {folder}"
    )


@app.command()
def show(
    stage: StageArgument,
    picture: Annotated[
        Path | None, typer.Option(help="Also draw the profile into this .svg file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Length, laps, climbs, points, riders and weather of a stage; derived values say so."""
    found = load_stage(stage)
    course = Course(found)
    document = document_of(found, course)
    if picture is not None:
        write_file(picture, picture_of(found, course).encode(), 0o644)
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))
    else:
        print_stage(Console(), document)


@app.command()
def check(stage: StageArgument, as_json: JsonOption = False) -> None:
    """Name what is doubtful about a stage, each with where it is and what to do.

    Exit code 0 when the stage can be used, doubts or not; 65 when it cannot.
    """
    unusable: str | None = None
    doubts: list[Doubt] = []
    try:
        doubts = examine(stage_files(stage))
    except Misconfigured as error:
        unusable = str(error)
    if as_json:
        document = {
            "schema": CHECK_SCHEMA,
            "usable": unusable is None,
            "error": unusable,
            "doubts": [doubt.document() for doubt in doubts if not doubt.note],
            "notes": [doubt.document() for doubt in doubts if doubt.note],
        }
        typer.echo(json.dumps(document, ensure_ascii=False))
    else:
        _print_doubts(stage, doubts, unusable)
    if unusable is not None:
        raise typer.Exit(Exit.DAMAGED)


def _print_doubts(stage: Path, doubts: list[Doubt], unusable: str | None) -> None:
    if unusable is not None:
        typer.echo(f"cannot be used: {unusable}")
        return
    for doubt in doubts:
        typer.echo(f"{'note' if doubt.note else 'doubt'}: {doubt}")
    count = sum(not doubt.note for doubt in doubts)
    typer.echo(f"{stage} can be used; {count or 'no'} doubt{'' if count == 1 else 's'}")


def _circuit(text: str) -> Circuit:
    try:
        from_km, length_km, count = text.split(":")
        return Circuit(float(from_km), float(length_km), int(count))
    except ValueError as error:
        raise Misconfigured(f"--laps {text} is no circuit", "Write it as 150.0:10.2:3.") from error


def _place(text: str) -> tuple[float, float]:
    try:
        latitude_deg, longitude_deg = map(float, text.split(","))
    except ValueError as error:
        raise Misconfigured(f"--finish {text} is no place", "Write it as 42.99,-0.01.") from error
    return latitude_deg, longitude_deg
