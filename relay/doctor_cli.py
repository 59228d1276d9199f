"""The commands `relay doctor` and `relay units`: for whoever sets a node up, or looks after it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from hardware import clock, home
from hardware.errors import Exit, NotInitialised
from hardware.node import relay_settings
from hardware.units import write_unit
from relay.config import RelayConfig
from relay.doctor import examine
from relay.home import RelayHome
from relay.start import open_slots

app = typer.Typer()


@app.command()
def doctor(
    folder: Annotated[Path, typer.Argument(metavar="HOME", help="The relay's own folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="One object, relay.doctor/1.")] = False,
) -> None:
    """Look at disk, spool, clock, radio, certificate, broker, roster, configuration.

    It changes nothing.

    Exits 1 when something is not well; each such line says why it matters and what to try.
    """
    at_home = RelayHome(folder)
    home.check(at_home.config)
    standing = open_slots(at_home, {}).standing()
    signed = relay_settings(standing.node) if standing else {}
    config = home.load_settings(RelayConfig, at_home.config, {}, signed)
    try:
        status = home.read_status(folder, "relay")
    except NotInitialised:
        status = {}
    checks = examine(folder, config, status, clock.from_environment())
    well = all(check.is_ok for check in checks)
    if as_json:
        rows = [
            {"name": c.name, "why": c.why, "ok": c.is_ok, "seen": c.seen, "try": c.cure}
            for c in checks
        ]
        document = {"schema": "relay.doctor/1", "name": config.name, "ok": well, "checks": rows}
        typer.echo(json.dumps(document))
    else:
        for check in checks:
            typer.echo(f"{'ok  ' if check.is_ok else 'FAIL'} {check.name}: {check.seen}")
            if not check.is_ok:
                typer.echo(f"     why it matters: {check.why}\n     what to try: {check.cure}")
    if not well:
        raise typer.Exit(Exit.FAILED)


@app.command()
def units(
    out: Annotated[Path, typer.Option(help="Where relay.service goes: /etc/systemd/system.")],
) -> None:
    """Write the systemd unit: notify, watchdog, hardened; home in /var/lib/truck-relay."""
    typer.echo(str(write_unit("relay", out)))
