"""The commands `truck node`: configurations that relays fetch from the truck."""

from pathlib import Path
from typing import Annotated

import typer

from hardware import home, keys
from hardware.keys import Credentials
from truck.config import TruckConfig, TruckHome
from truck.nodes import offer as lay

app = typer.Typer(no_args_is_help=True, help="Signed configurations of relays.")


@app.command()
def offer(
    folder: Annotated[Path, typer.Argument(metavar="HOME", help="The truck's home.")],
    files: Annotated[list[Path], typer.Argument(help="What `hardware config sign` wrote.")],
) -> None:
    """Offer configurations to their relays: each tries its own and keeps it if it is seen at work.

    The truck, running or not, has them kept by its broker from then on. `truck status` shows which
    relay runs what.
    """
    at_home = TruckHome(folder)
    credentials = Credentials(home.load_settings(TruckConfig, at_home.config, {}).credentials)
    authority, event = credentials.authority(), credentials.roster().event
    for file in files:
        name = lay(at_home.nodes, keys.read_file(file, "configuration"), authority, event)
        typer.echo(f"{file}: offered to relay {name}", err=True)
