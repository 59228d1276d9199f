"""The commands `hardware event`: make an event, its keys, its roster and its folders."""

from pathlib import Path
from typing import Annotated

import typer

from hardware import clock, passphrase, topics
from hardware.authority import create_event
from hardware.errors import Misconfigured

app = typer.Typer(no_args_is_help=True, help="Make an event: its keys, roster, folders.")


@app.callback()
def event_commands() -> None:
    """Make an event: its keys, roster, folders."""


@app.command("new")
def new(
    folder: Annotated[Path, typer.Argument(help="An empty folder for the event.")],
    event: Annotated[str, typer.Option(help="The event's id; every signature is bound to it.")],
    relay: Annotated[
        list[str] | None,
        typer.Option(help="A relay whose keys are made here; repeat for more."),
    ] = None,
    riders: Annotated[
        int | None, typer.Option(min=1, help="Virtual transponders for bibs 1 to N.")
    ] = None,
    bib: Annotated[
        list[int] | None, typer.Option(help="A virtual transponder for this bib; repeat for more.")
    ] = None,
    truck_host: Annotated[
        list[str] | None, typer.Option(help="Name or address relays reach the truck by; repeat.")
    ] = None,
    under_passphrase: Annotated[
        bool,
        typer.Option(
            "--passphrase",
            help="Keep the authority's keys under a passphrase: asked for, or in the file that "
            "HARDWARE_PASSPHRASE_FILE names.",
        ),
    ] = False,
) -> None:
    """Make keys, certificates and a signed roster for a new event.

    Without --relay, --riders and --bib it holds the truck alone: relays enrol at first boot, and
    transponders when they are flashed. Keep authority.key and ca.key on this machine; give truck/,
    relays/<name>/ and bikes/ to the machines they are for.
    """
    bibs = list(bib) if bib else list(range(1, (riders or 0) + 1))
    if (bib and riders) or len(set(bibs)) < len(bibs) or min(bibs, default=1) < 1:
        raise Misconfigured("the riders are not clear", "Give --riders N, or each --bib once.")
    if not event.strip() or len(event) > 64:
        raise Misconfigured("the event's id is empty or longer than 64", "Give a short --event.")
    relays = list(dict.fromkeys(relay or []))
    for name in relays:
        if not topics.is_name(name):
            raise Misconfigured(
                f"relay name {name!r} is no name", "Use a-z, 0-9 and -, at most 32."
            )
    roster = create_event(
        folder,
        event=event,
        now_s=clock.from_environment().now_s(),
        bibs=bibs,
        relays=relays,
        truck_hosts=("localhost", "127.0.0.1", *(truck_host or ())),
        secret=passphrase.known(new=True) if under_passphrase else "",
    )
    typer.echo(
        f"event {roster.event}: {len(bibs)} transponders, {len(roster.relays)} relays", err=True
    )
    typer.echo(str(folder))
