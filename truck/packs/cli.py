"""`truck pack fetch | list | show | activate | rollback`."""

import datetime as dt
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hardware import clock, home
from hardware.errors import Exit, Misconfigured
from hardware.pack import Pack, boards_of
from truck.config import TruckConfig, TruckHome
from truck.packs.checks import Checked, check_pack
from truck.packs.depot import Depot
from truck.packs.record import Activation
from truck.packs.source import pack_of_file, pack_of_remote
from truck.rulings_cli import login

app = typer.Typer(
    no_args_is_help=True,
    help="Tomorrow's stage as the remote team signs it: fetched, rehearsed, activated, undone.\n\n"
    "The evening: fetch, `truck rehearse`, activate, start the truck again.",
)
Home = Annotated[Path, typer.Argument(metavar="HOME", help="The truck's home folder.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
By = Annotated[str, typer.Option(help="Who decides.", envvar="TRUCK_OPERATOR", show_default=False)]
Note = Annotated[str, typer.Option(help="Why, in a few words.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_LINE_MAX = 200


@app.command()
def fetch(
    context: typer.Context,
    folder: Home,
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="A .pack file, a folder, or s3://bucket/prefix.")
    ],
    version: Annotated[
        int | None, typer.Option(min=1, help="This one, even an older; else the newest.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch a pack, prove it, check it, and stage it. Nothing changes for the race.

    Signature, event, version and every file's hash first, then what `truck stage check` checks,
    and each board's SQL. A pack that fails is not kept: exit 65 it is bad, 78 you can mend it.
    """
    with _depot(folder) as depot:
        notes: list[str] = []
        if Path(source).is_file():
            pack = pack_of_file(Path(source), depot.team)
            if version is not None and pack.manifest.version != version:
                raise Misconfigured(f"{source} is {pack.manifest}", "Name that version, or none.")
        else:
            remote = context.obj(source)
            pack, notes = pack_of_remote(
                remote, depot.event, depot.team, version=version, held=depot.highest
            )
        checked, new = depot.take(pack, named=version is not None)
    for note in notes:
        sys.stderr.write(f"note: {note}\n")
    document = _document(pack, checked) | {"new": new}
    if as_json:
        _print(document)
        return
    _print_doubts(checked)
    typer.echo(
        f"{pack.manifest} is {'staged' if new else 'here already'}. Next: truck rehearse "
        f"--pack {depot.folder_of(pack)} --from {folder}, then "
        f"truck pack activate {folder} {pack.manifest.version}"
    )


@app.command("list")
def list_(folder: Home, as_json: Json = False) -> None:
    """Staged packs, and who activated what and when."""
    with _depot(folder) as depot:
        now = depot.record.in_force
        packs = [depot.shelf.open(version) for version in depot.shelf.versions()]
        lines = depot.record.lines
    active = None if now is None else now.version
    if as_json:
        rows = [_row(pack) | {"in_force": pack.manifest.version == active} for pack in packs]
        said = [_said(line) for line in lines]
        _print({"schema": "truck.packs/1", "packs": rows, "activations": said})
        return
    table = Table("version", "stage", "name", "made", "boards", "")
    for pack in packs:
        row = _row(pack)
        table.add_row(
            str(row["version"]), str(row["stage"]), row["name"], row["created_at"],
            ", ".join(row["boards"]), "in force" if row["version"] == active else "",
        )  # fmt: skip
    Console().print(table)
    for line in lines:
        typer.echo(_sentence(line))


@app.command()
def show(folder: Home, version: int, as_json: Json = False) -> None:
    """A staged pack: what is in it, what is doubtful about its stage, its boards' columns."""
    with _depot(folder) as depot:
        pack = depot.shelf.open(version)
        checked = check_pack(pack)
    if as_json:
        _print(_document(pack, checked))
        return
    typer.echo(f"{pack.manifest}, made {pack.manifest.created_at}, {pack.manifest.digest[:16]}")
    table = Table("file", "bytes", "sha256")
    for file in pack.manifest.files:
        table.add_row(file.name, f"{file.size:,}", file.sha256[:16])
    Console().print(table)
    for board, columns in checked.boards.items():
        typer.echo(f"board {board}: {', '.join(columns)}")
    _print_doubts(checked)


@app.command()
def activate(
    folder: Home,
    version: Annotated[int, typer.Argument(help="Of a staged pack, see `truck pack list`.")],
    yes: Yes = False,
    older: Annotated[bool, typer.Option("--older", help="Take an older one than now.")] = False,
    by: By = "",
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Race on this pack from the truck's next start on.

    It is proven and checked once more, then one signed line says who and when. Undo it with
    `truck pack rollback`.
    """
    who = _who(by, note)
    with _depot(folder) as depot:
        pack = depot.shelf.open(version)
        _ask(f"Race on {pack.manifest} from the next start on?", yes=yes)
        now_us = clock.from_environment().now_us()
        said, _ = depot.activate(version, older=older, by=who, note=note, now_us=now_us)
    _tell(said, pack, folder, as_json)


@app.command()
def rollback(
    folder: Home, yes: Yes = False, by: By = "", note: Note = "", as_json: Json = False
) -> None:
    """Race on what was in force before, from the truck's next start on."""
    who = _who(by, note)
    with _depot(folder) as depot:
        to = depot.record.before
        _ask(f"Go back to {f'pack {to.version}' if to else 'the stage of truck.toml'}?", yes=yes)
        now_us = clock.from_environment().now_us()
        said, pack = depot.roll_back(by=who, note=note, now_us=now_us)
    _tell(said, pack, folder, as_json)


@contextmanager
def _depot(folder: Path) -> Iterator[Depot]:
    """The home's packs, for one command at a time."""
    at_home = TruckHome(folder)
    config = home.load_settings(TruckConfig, at_home.config, {})
    try:
        at_home.packs.mkdir(exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"cannot write {at_home.packs}: {error.strerror}", "Choose a home you may write."
        ) from error
    held = home.take_lock(
        at_home.packs / "lock", f"another `truck pack` is at work in {at_home.packs}"
    )
    try:
        yield Depot(at_home, config)
    finally:
        os.close(held)


def _who(by: str, note: str) -> str:
    who = by or login()
    for text in (who, note):
        if len(text) > _LINE_MAX or (text and not text.isprintable()):
            raise Misconfigured(
                "--by and --note are one line each", f"At most {_LINE_MAX} characters."
            )
    return who


def _ask(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        sys.stderr.write("error: nobody is there to be asked. Say --yes; nothing was changed\n")
        raise typer.Exit(Exit.UNSAFE)
    if not typer.confirm(question, err=True):
        sys.stderr.write("nothing was changed\n")
        raise typer.Exit(Exit.UNSAFE)


def _tell(said: Activation, pack: Pack | None, folder: Path, as_json: bool) -> None:
    if as_json:
        _print({"schema": "truck.pack.activation/1", **_said(said)})
        return
    what = str(pack.manifest) if pack else "the stage of truck.toml"
    typer.echo(_sentence(said))
    typer.echo(f"From its next start the truck races on {what}: truck run {folder}")


def _sentence(said: Activation) -> str:
    at = dt.datetime.fromtimestamp(said.at_us / 1e6, dt.UTC)
    to = "the stage of truck.toml" if said.version is None else f"pack {said.version}"
    verb = "activated" if said.what == "activate" else "went back to"
    return f"{at:%Y-%m-%d %H:%M:%S} UTC, {said.by} {verb} {to}{f': {said.note}' * bool(said.note)}"


def _said(said: Activation) -> dict[str, Any]:
    names = ("number", "at_us", "by", "note", "what", "version", "digest")
    return {name: getattr(said, name) for name in names}


def _row(pack: Pack) -> dict[str, Any]:
    manifest = pack.manifest
    return {
        "event": manifest.event,
        "version": manifest.version,
        "stage": manifest.stage,
        "name": manifest.name,
        "created_at": manifest.created_at,
        "sha256": manifest.digest,
        "files": [file.name for file in manifest.files],
        "boards": sorted(boards_of(pack.files)),
    }


def _document(pack: Pack, checked: Checked) -> dict[str, Any]:
    return {
        "schema": "truck.pack/1",
        **_row(pack),
        "boards": checked.boards,
        "doubts": [doubt.document() for doubt in checked.doubts if not doubt.note],
        "notes": [doubt.document() for doubt in checked.doubts if doubt.note],
    }


def _print_doubts(checked: Checked) -> None:
    for doubt in checked.doubts:
        typer.echo(f"{'note' if doubt.note else 'doubt'}: {doubt}")


def _print(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False))
