"""The command `truck units`."""

from pathlib import Path
from typing import Annotated

import typer

from hardware.units import write_unit

app = typer.Typer()


@app.command()
def units(
    out: Annotated[Path, typer.Option(help="Where truck.service goes: /etc/systemd/system.")],
) -> None:
    """Write the systemd unit: notify, watchdog, hardened; home in /var/lib/truck."""
    typer.echo(str(write_unit("truck", out)))
