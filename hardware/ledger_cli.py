"""The flash ledger as commands: `hardware ledger show` and `verify`."""

import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hardware import flash_ledger
from hardware.errors import Damaged
from hardware.flash_ledger import Ledger

SCHEMA = "hardware.ledger/1"

app = typer.Typer(no_args_is_help=True, help="Who flashed what, when, and how it was proven.")

Event = Annotated[Path, typer.Argument(metavar="EVENT", help="The event's folder.")]
Json = Annotated[bool, typer.Option("--json", help=f"One object, {SCHEMA}.")]


@app.command()
def show(event: Event, as_json: Json = False) -> None:
    """List every entry, oldest first, and say whether the ledger is whole."""
    ledger = flash_ledger.read(event)
    if as_json:
        _print_json(event, ledger)
    else:
        table = Table("when (UTC)", "by", "role", "name", "serial", "target", "config", "proven")
        for entry in ledger.entries:
            at = dt.datetime.fromtimestamp(entry.at_s, dt.UTC).isoformat(" ", "seconds")[:-6]
            config = f"{entry.config_version} {entry.config_sha256[:8]}"
            table.add_row(
                at, entry.by, entry.role, entry.name, entry.serial, entry.target, config,
                entry.proven,
            )  # fmt: skip
        Console().print(table)
    _judge(event, ledger)


@app.command()
def verify(event: Event, as_json: Json = False) -> None:
    """Prove that no line was changed, removed, added or swapped; name those that were."""
    ledger = flash_ledger.read(event)
    if as_json:
        _print_json(event, ledger)
    elif not ledger.problems:
        typer.echo(
            f"{len(ledger.entries)} entries, each as it was written; key {_key(ledger)}, "
            f"ends with {ledger.head.sha256[:16]}"
        )
    _judge(event, ledger)


def _judge(event: Path, ledger: Ledger) -> None:
    """Say what is torn; end with 65 where a line is not as it was written."""
    if ledger.torn_bytes and not ledger.problems:
        typer.echo(
            f"a last line of {ledger.torn_bytes} bytes was torn by a crash: that device is not "
            "proven, flash it again",
            err=True,
        )
    if ledger.problems:
        named = "; ".join(f"line {line}: {what}" for line, what in ledger.problems[:8])
        more = len(ledger.problems) - 8
        raise Damaged(
            f"{event / 'ledger.jsonl'} is not as it was written: {named}"
            + (f"; and {more} more" if more > 0 else "")
        )


def _print_json(event: Path, ledger: Ledger) -> None:
    value = {
        "schema": SCHEMA,
        "event": str(event),
        "key": _key(ledger),
        "head": ledger.head.sha256,
        "proven": not ledger.problems,
        "torn_bytes": ledger.torn_bytes,
        "problems": [problem._asdict() for problem in ledger.problems],
        "entries": [asdict(entry) for entry in ledger.entries],
    }
    typer.echo(json.dumps(value, separators=(",", ":")))


def _key(ledger: Ledger) -> str:
    """What the crew's paper holds of the ledger's public key."""
    return ledger.public.hex()[:16]
