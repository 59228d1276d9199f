"""`truck replay`."""

import datetime as dt
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hardware.errors import Misconfigured
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
