"""The command `truck`."""

import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hardware import clock, home
from hardware.completeness import exit_code
from hardware.errors import Exit, Misconfigured, TruckError
from hardware.keys import Credentials, read_key
from truck import (
    boards_cli,
    demo_cli,
    nodes_cli,
    replay_cli,
    rulings_cli,
    tables,
    tokens_cli,
    units_cli,
)  # fmt: skip
from truck.config import TruckConfig, TruckHome, new_epoch
from truck.content.cli import app as content_app
from truck.packs.cli import app as pack_app
from truck.press.cli import app as press_app
from truck.stage.cli import app as stage_app

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The truck at the finish line: proves, journals, computes, stores and shows.\n\n"
    "Begin with `truck demo`; for a race, `truck init`, then `truck run`.",
)
app.add_typer(nodes_cli.app, name="node")
app.add_typer(units_cli.app)
app.add_typer(stage_app, name="stage")
app.add_typer(pack_app, name="pack")
app.add_typer(boards_cli.app, name="boards")
app.add_typer(press_app, name="press")
app.add_typer(content_app, name="content")
app.add_typer(demo_cli.app)
app.add_typer(rulings_cli.app)
app.add_typer(replay_cli.app)
app.add_typer(tokens_cli.app)
HomeArgument = Annotated[Path, typer.Argument(metavar="HOME", help="The truck's home folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
_STALE_S = 5.0


@app.command()
def init(
    folder: HomeArgument,
    credentials: Annotated[Path, typer.Option(help="This truck's folder of the event's keys.")],
    stage: Annotated[Path, typer.Option(help="The stage folder (stage.toml, route.gpx, ...).")],
    name: Annotated[str, typer.Option(help="This truck's name.")] = "truck",
    broker_host: Annotated[str, typer.Option(help="Where relays connect to.")] = "127.0.0.1",
    broker_port: Annotated[int, typer.Option(min=1, max=65535)] = 8883,
    page_port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    operator_port: Annotated[int | None, typer.Option(help="Else the page's and 1.")] = None,
    recipient: Annotated[
        list[Path] | None, typer.Option(help="Public key of one who may open the cloud copy.")
    ] = None,
    bio_recipient: Annotated[
        list[Path] | None, typer.Option(help="Of one who may open heart rates, power and cadence.")
    ] = None,
    keyset: Annotated[
        Path | None, typer.Option(help="Instead of these: a key set, signed by an offline root.")
    ] = None,
    keyset_root: Annotated[
        str | None, typer.Option(help="The root's public key: 64 hex digits, or a file of them.")
    ] = None,
    team: Annotated[
        Path | None, typer.Option(help="Public key of the team whose stage packs are taken.")
    ] = None,
) -> None:
    """Make a truck's home. Keep the credentials on a stick, not on this disk."""
    from cloud_sync.keyring import read_recipient, read_truck_public
    from hardware.stage import load_stage
    from truck.opening import read_roster
    from truck.race.course import Course

    at_home = TruckHome(folder)
    if at_home.config.exists():
        raise Misconfigured(f"{folder} is a truck's home already", "Choose an empty folder.")
    held = Credentials(credentials)
    read_roster(held, None)
    held.check_tls()
    Course(load_stage(stage))
    for path in [*(recipient or []), *(bio_recipient or [])]:
        read_recipient(path)
    fields = {
        "name": name,
        "epoch": new_epoch(clock.from_environment().now_s()),
        "credentials": credentials.resolve(),
        "stage": stage.resolve(),
        "broker_host": broker_host,
        "broker_port": broker_port,
        "page_port": page_port,
        "operator_port": operator_port,
        "recipients": [str(path.resolve()) for path in recipient or []],
        "bio_recipients": [str(path.resolve()) for path in bio_recipient or []],
        "keyset": None if keyset is None else keyset.resolve(),
        "keyset_root": None if keyset_root is None else read_truck_public(keyset_root).hex(),
        "team_public": None if team is None else read_key(team, "team public key").hex(),
    }
    config = home.save_settings(TruckConfig, at_home.config, fields)
    typer.echo(f"{folder} is ready; stream {config.stream}. Start it: truck run {folder}")


@app.command()
def run(
    folder: HomeArgument,
    stage: Annotated[Path | None, typer.Option(help="Another stage folder.")] = None,
    broker_port: Annotated[int | None, typer.Option()] = None,
    page_port: Annotated[int | None, typer.Option()] = None,
) -> None:
    """Run until SIGTERM or Ctrl-C; killing it outright loses nothing either."""
    from truck.packs.depot import raced_on
    from truck.service import Service

    flags = {"stage": stage, "broker_port": broker_port, "page_port": page_port}
    config = _config(folder, {k: v for k, v in flags.items() if v is not None})
    config, notes = raced_on(TruckHome(folder), config, stage)
    console = Console(stderr=True)
    with tables.counting(console, "opening the journal, records") as each:
        service = Service(TruckHome(folder), config, each)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    service.notes.extend(notes)
    for note in service.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    console.print(service.pages, markup=False, highlight=False, soft_wrap=True)
    service.run()


@app.command()
def rebuild(folder: HomeArgument, as_json: JsonOption = False) -> None:
    """Make the view again from the journal, beside the old one, and put it in its place."""
    from truck.opening import TruckKeys, open_journal
    from truck.store.rebuild import rebuild as rebuild_view

    config, at_home = _config(folder, {}), TruckHome(folder)
    truck_keys = TruckKeys.read(Credentials(config.credentials))
    _held = home.lock(folder, "truck")
    journal = open_journal(at_home, config, truck_keys, 0)
    with tables.counting(Console(stderr=True), "rebuilding, records") as each:
        digests = rebuild_view(at_home.view, truck_keys.store, journal, truck_keys.new_view, each)
    document = {
        "schema": "truck.rebuild/1",
        "records": journal.next_record,
        "tables": {name: {"rows": n, "digest": f"{d:x}"} for name, (n, d) in digests.items()},
    }
    if as_json:
        typer.echo(json.dumps(document))
    else:
        tables.print_rebuild(Console(), document)


@app.command()
def status(folder: HomeArgument, as_json: JsonOption = False) -> None:
    """How the truck is. Exit code 75 when it is not running, 1 when an alarm is up."""
    _config(folder, {})
    document = home.read_status(folder, "truck")
    age_s = home.status_age_s(folder)
    document["age_s"] = round(age_s, 1)
    running = document["state"] == "running" and age_s < _STALE_S
    document["healthy"] = running and not document["alarms"]
    if as_json:
        typer.echo(json.dumps(document))
    else:
        tables.print_status(Console(), document, running=running)
    if not running:
        raise typer.Exit(Exit.UNAVAILABLE)
    raise typer.Exit(Exit.OK if document["healthy"] else Exit.FAILED)


@app.command()
def query(
    folder: HomeArgument,
    sql: Annotated[str, typer.Argument(help="One SELECT.")],
    as_json: JsonOption = False,
) -> None:
    """Ask the view one question, whether the truck runs or not.

    Tables: readings, hearings, bundles, refusals, evidence, rulings, incidents, ticks, snapshots.
    Example: truck query HOME "SELECT bib, max(distance_m) FROM readings GROUP BY bib"
    """
    from truck.questions import ask_table

    table = ask_table(TruckHome(folder), _config(folder, {}), sql)
    if as_json:
        rows = table.to_pylist()
        typer.echo(json.dumps({"schema": "truck.query/1", "rows": rows}, default=str))
    else:
        tables.print_rows(Console(), table)


@app.command()
def complete(
    folder: HomeArgument,
    stage: Annotated[str | None, typer.Option(help="Its name or a part; else the last.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Is the stage complete in the cloud? Names every hole and its reason.

    Exit code 75 while something waits, 65 when something is missing that should be there.
    """
    from cloud_sync.status import rows_reached
    from truck.questions import ask_complete
    from truck.store.stored import Reached

    config, outbox = _config(folder, {}), TruckHome(folder).outbox
    found = ask_complete(
        TruckHome(folder), config, stage, lambda: Reached(*rows_reached(outbox, config.stream))
    )
    if as_json:
        typer.echo(json.dumps(found))
    else:
        tables.print_complete(Console(), found)
    raise typer.Exit(exit_code(found))


@app.command()
def quarantine(folder: HomeArgument) -> None:
    """Set a damaged journal and its view aside, and begin a new epoch.

    Nothing is deleted: they go to HOME/quarantine. What the cloud holds stays provable.
    """
    config, at_home = _config(folder, {}), TruckHome(folder)
    _held = home.lock(folder, "truck")
    aside = folder / "quarantine" / config.stream
    if aside.exists():
        raise Misconfigured(f"{aside} exists already", "Move it away first.")
    fields = {
        name: [str(p) for p in value] if isinstance(value, list) else value
        for name, value in config.model_dump(exclude_none=True).items()
    }
    fields["epoch"] = new_epoch(clock.from_environment().now_s())
    # the new epoch first: if what follows fails, the old journal is refused, never begun anew
    fresh = home.save_settings(TruckConfig, at_home.config, fields)
    aside.mkdir(parents=True)
    for path in (at_home.journal, at_home.view, Path(f"{at_home.view}.wal")):
        if path.exists():
            shutil.move(path, aside / path.name)
    typer.echo(f"the old journal is in {aside}; the new stream is {fresh.stream}")


def _config(folder: Path, flags: dict[str, Any]) -> TruckConfig:
    return home.load_settings(TruckConfig, TruckHome(folder).config, flags)


def _open_remote(url: str) -> Any:
    from cloud_sync.remote import open_remote

    return open_remote(url)


def main() -> None:
    """Run the command; an error is one sentence and its exit code."""
    try:
        app(obj=_open_remote)  # what of the outside a room of commands may reach
    except TruckError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
