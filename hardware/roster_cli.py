"""The commands `hardware roster`: whom the event lets speak."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hardware import clock, keys
from hardware.roster import Roster, open_roster

app = typer.Typer(no_args_is_help=True, help="Look into a signed roster.")

AuthorityKey = Annotated[
    Path, typer.Option("--authority", help="The authority's public key (authority.pub).")
]


@app.callback()
def roster_commands() -> None:
    """Look into a signed roster."""


@app.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="A roster.json.")],
    authority: AuthorityKey,
    as_json: Annotated[bool, typer.Option("--json", help="One object, hardware.roster/1.")] = False,
) -> None:
    """Prove a roster's signature and show whom it lets speak."""
    roster = read_roster(file, authority)
    now_s = clock.from_environment().now_s()
    devices = [
        {
            "device": key.device,
            "generation": key.generation,
            "kid": key.kid,
            "bib": roster.bib_of(key.device, now_s),
            "revoked": key.revoked,
            "public": key.sign_public.hex(),
        }
        for key in roster.devices
    ]
    relays = [{"name": r.name, "revoked": r.revoked} for r in roster.relays]
    if as_json:
        document = {
            "schema": "hardware.roster/1",
            "event": roster.event,
            "version": roster.version,
            "devices": devices,
            "relays": relays,
        }
        typer.echo(json.dumps(document, separators=(",", ":")))
        return
    names = ", ".join(relay.name for relay in roster.relays)
    title = f"{roster.event}, version {roster.version}, relays {names}"
    table = Table("device", "generation", "bib", "revoked", "public key", title=title)
    for row in devices:
        revoked = "yes" if row["revoked"] else ""
        cells = (row["device"], row["generation"], row["bib"], revoked, str(row["public"])[:16])
        table.add_row(*map(str, cells))
    Console().print(table)


def read_roster(file: Path, authority: Path) -> Roster:
    """A roster file, its signature proven.

    Raises:
        Refused: it is not the authority's.
        Misconfigured: a file cannot be read.
    """
    public = keys.read_key(authority, "authority public key")
    return open_roster(keys.read_file(file, "roster"), public)
