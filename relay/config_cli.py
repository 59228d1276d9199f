"""The commands `relay config`: a signed configuration, offered by hand."""

from pathlib import Path
from typing import Annotated

import typer

from hardware import keys
from relay.home import RelayHome
from relay.slots import lay_first
from relay.start import open_slots

app = typer.Typer(no_args_is_help=True, help="Signed configurations and the slots they run from.")


@app.command()
def offer(
    folder: Annotated[Path, typer.Argument(metavar="HOME", help="The relay's own folder.")],
    file: Annotated[Path, typer.Argument(help="What `hardware config sign` wrote for this node.")],
) -> None:
    """Offer a configuration to the relay of HOME, running or not.

    It is tried at once, and counts when the truck has seen the relay at work with it; otherwise
    the old one returns by itself. One that is older, or for another node or event, is refused.
    """
    envelope = keys.read_file(file, "configuration")
    node = open_slots(RelayHome(folder), {}).judge(envelope)
    if node is None:
        typer.echo("that configuration is in its slot already", err=True)
        return
    lay_first(folder, envelope)
    how = f"`relay status {folder}` says how it goes"
    typer.echo(f"version {node.version} is tried now: {how}", err=True)
