"""`truck demo`: the whole line on this machine, then an account of every packet."""

import json
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hardware import clock, home
from hardware.errors import Exit, Misconfigured
from truck import tables
from truck.config import TruckConfig, TruckHome

app = typer.Typer()
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def demo(
    seconds: Annotated[float | None, typer.Option(help="End by itself after so long.")] = None,
    riders: Annotated[int, typer.Option(min=1, max=5000)] = 198,
    seed: Annotated[int, typer.Option(help="Of peloton and radio.")] = 1,
    ride: Annotated[
        list[Path] | None,
        typer.Option(help="Recorded ride (.fit .gpx .tcx .csv, also .gz) instead; repeat it."),
    ] = None,
    speed: Annotated[float, typer.Option(min=1, max=60, help="Times as fast as it was.")] = 1.0,
    start_s: Annotated[
        float | None,
        typer.Option(min=0, help="Where in the rides to begin; else where most first ride."),
    ] = None,
    radio: Annotated[
        str, typer.Option(help="Faults, as for `hardware bikes`: '--loss 0.05 --double 0.05'.")
    ] = "",
    from_crew: Annotated[
        Path | None,
        typer.Option(
            metavar="CREW.CSV",
            help="Relays and riders of a crew's sheet: flashed to images first, and started from "
            "these alone.",
        ),
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep everything in this folder.")] = None,
    headless: Annotated[bool, typer.Option(help="Do not wait for anybody to look.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bikes, relays, broker, truck, page and cloud copy on this machine, each its own process.

    Ctrl-C ends it with a summary of every packet, the latency by hop, and the cloud copy proven.
    """
    from truck import demo as play

    script = play.Script(
        seconds, riders, seed, tuple(ride or ()), speed, start_s, tuple(radio.split()), from_crew
    )
    if from_crew is not None and (ride or speed != 1.0):
        raise typer.BadParameter("--from-crew rides its own peloton: leave out --ride and --speed")
    if headless and seconds is None:
        raise typer.BadParameter("--headless needs --seconds, or it would never end")
    folder = keep or Path(tempfile.mkdtemp(prefix="truck-demo-"))
    if keep is not None and (keep / "event").exists():
        raise Misconfigured(f"{keep} holds a demo already", "Choose an empty folder.")
    console = Console(stderr=True)
    outcome = _play(play, folder, script, console)
    if keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        typer.echo(json.dumps(outcome))
    else:
        tables.print_demo(Console(), outcome)
    whole = outcome["packets"]["lost"] == 0 and outcome["cloud"]["verified"]
    raise typer.Exit(Exit.OK if whole else Exit.DAMAGED)


def _play(play: Any, folder: Path, script: Any, console: Console) -> dict[str, Any]:
    """One demo from set-up to account; whatever happens, no process is left behind."""

    def say(what: str) -> None:
        console.print(what, style="dim", markup=False, highlight=False)

    interrupted: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda n, _: interrupted.append(n))
    say(f"setting up event, keys and stage in {folder}")
    cast = play.set_the_stage(folder, script)
    try:
        play.start(cast, script)
        play.start_bikes(cast, script)
        console.print(f"\nthe race is on: {cast.page}   (Ctrl-C ends it)", highlight=False)
        if console.is_terminal:  # it signs in, so no log should keep it
            console.print(f"operators: {play.operator_link(cast)}", markup=False, soft_wrap=True)
        while cast.is_running("bikes") and not interrupted:
            clock.sleep_s(0.2)
        cast.check()
        play.settle(cast, say)
        at_home = TruckHome(cast.truck_home)
        return dict(play.account(cast, home.load_settings(TruckConfig, at_home.config, {}), say))
    finally:
        cast.end_all()
