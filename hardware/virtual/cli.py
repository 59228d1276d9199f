"""The commands `hardware scenario` and `hardware simulate`: made-up stages, and rides on stages."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hardware.errors import Misconfigured
from hardware.virtual.faults import Faults
from hardware.virtual.scenario import write_scenario
from hardware.virtual.terrain import KINDS

app = typer.Typer()


class Sensing(StrEnum):
    """How a simulated stage is sensed."""

    SEEDED = "seeded"
    NONE = "none"


Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")]


@app.command("scenario")
def scenario(
    folder: Annotated[Path, typer.Argument(help="A new folder for the stage.")],
    seed: Seed,
    kind: Annotated[
        str | None, typer.Option(help=f"Of {', '.join(KINDS)}; otherwise the seed's own.")
    ] = None,
    length_km: Annotated[float | None, typer.Option(help="Flag to line.")] = None,
    riders: Annotated[int | None, typer.Option(help="How many start.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One object, hardware.scenario/1.")
    ] = False,
) -> None:
    """Make up a stage: road, start list with the classification, checkpoints, weather.

    Kinds go round with the seed, so eight seeds from a multiple of eight hold them all.
    """
    made = write_scenario(folder, seed, kind, length_km, riders)
    if as_json:
        _print_json(made)
        return
    typer.echo(
        f"{made['kind']}, {made['length_km']} km, {made['riders']} riders: "
        f"`hardware simulate {folder} --seed {seed} --out DIR` rides it",
        err=True,
    )
    typer.echo(str(folder))


@app.command("simulate")
def simulate(
    stage: Annotated[Path, typer.Argument(help="A stage folder.")],
    seed: Seed,
    out: Annotated[Path, typer.Option(help="A new folder for readings and truth.")],
    riders: Annotated[
        int | None, typer.Option(min=1, max=999, help="Where there is no start list.")
    ] = None,
    seconds: Annotated[int | None, typer.Option(min=1, help="Ride no longer than this.")] = None,
    faults: Annotated[
        Sensing, typer.Option(help="none: only the receivers' own error.")
    ] = Sensing.SEEDED,
    as_json: Annotated[
        bool, typer.Option("--json", help="One object, hardware.simulate/1.")
    ] = False,
) -> None:
    """Ride a stage with physics, tactics and mishaps; write readings, and the truth beside them.

    `truck replay DIR/stage DIR/readings.parquet --out OUT` takes them from there.
    """
    try:
        # here, because a relay has no pyarrow
        from hardware.virtual.simulate import simulate_stage
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"this machine lacks {error.name}", "Install big-data-truck with [truck]."
        ) from error
    clean = Faults() if faults is Sensing.NONE else None
    with Console(stderr=True).status("reading the stage") as status:
        summary = simulate_stage(stage, out, seed, riders, seconds, clean, status.update)
    if as_json:
        _print_json(summary)
        return
    events = ", ".join(f"{count} {kind}" for kind, count in summary["events"].items())
    typer.echo(
        f"{summary['riders']} riders, {summary['seconds']} s, {summary['readings']} readings; "
        + events,
        err=True,
    )
    typer.echo(str(out))


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, separators=(",", ":")))
