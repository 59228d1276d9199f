"""The commands `hardware roster`: whom the event lets speak, and how that changes."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hardware import clock, keys
from hardware.authority import amend_roster, newest_roster
from hardware.errors import Misconfigured
from hardware.roster import Roster, check_roster, open_roster, roster_of, roster_payload
from hardware.roster_change import bind, revoke
from hardware.roster_diff import changes

app = typer.Typer(no_args_is_help=True, help="Look into signed rosters, and sign the next one.")

AuthorityKey = Annotated[
    Path, typer.Option("--authority", help="The authority's public key (authority.pub).")
]
EventFolder = Annotated[Path, typer.Argument(metavar="EVENT", help="The event folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
DraftOption = Annotated[
    Path | None,
    typer.Option("--draft", help="Sign nothing: write it here, for `roster sign` elsewhere."),
]


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


@app.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(help="A roster.json; EVENT/rosters keeps them all.")],
    new: Annotated[Path, typer.Argument(help="Another one.")],
    authority: AuthorityKey,
    as_json: JsonOption = False,
) -> None:
    """Say what changed from one signed roster to another."""
    before, after = read_roster(old, authority), read_roster(new, authority)
    _tell(before, after, as_json=as_json)


@app.command("revoke")
def revoke_command(
    event: EventFolder,
    relay: Annotated[list[str] | None, typer.Option(help="A relay's name; repeat.")] = None,
    device: Annotated[list[int] | None, typer.Option(help="A device's number; repeat.")] = None,
    bib: Annotated[list[int] | None, typer.Option(help="Whoever speaks for this bib.")] = None,
    draft: DraftOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign the next roster, in which these may no longer speak.

    Lay it into the truck's credentials folder; the truck gives it to every relay. A revoked key
    never comes back: flash the node or the transponder again.
    """
    if not (relay or device or bib):
        raise Misconfigured("nobody is named", "Give --relay, --device or --bib.")
    now_s = clock.from_environment().now_s()
    _change(
        event, lambda newest: revoke(newest, relay or [], device or [], bib or [], now_s), draft,
        as_json=as_json,
    )  # fmt: skip


@app.command("bind")
def bind_command(
    event: EventFolder,
    bib: Annotated[int, typer.Argument(min=1, max=65535, help="The rider.")],
    device: Annotated[int, typer.Argument(min=0, help="The device on his bike.")],
    from_time: Annotated[
        str, typer.Option("--from", help="Since when, as 2027-07-16T10:35:00Z; else now.")
    ] = "",
    draft: DraftOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign the next roster, in which this device alone speaks for this rider from a time on.

    During a stage it is `truck swap`, which holds at once.
    """
    from_s = _instant_s(from_time) if from_time else clock.from_environment().now_s()
    _change(event, lambda newest: bind(newest, bib, device, from_s), draft, as_json=as_json)


@app.command("sign")
def sign(
    event: EventFolder,
    draft: Annotated[Path, typer.Argument(help="What `revoke` or `bind` wrote with --draft.")],
    as_json: JsonOption = False,
) -> None:
    """Say what a draft would change, and sign it as the next version.

    A draft stands on one version; where another was signed since, make it again.
    """
    try:
        wanted = roster_of(json.loads(keys.read_file(draft, "draft")))
    except (ValueError, AttributeError, RecursionError) as error:
        raise Misconfigured(f"{draft} is no draft of a roster", "Make it again.") from error

    def take(newest: Roster) -> Roster:
        if (wanted.event, wanted.version) != (newest.event, newest.version):
            raise Misconfigured(
                f"the draft stands on {wanted.event} version {wanted.version}, and this is "
                f"{newest.event} version {newest.version}",
                "Make the draft again from the newest roster.",
            )
        return wanted

    _change(event, take, None, as_json=as_json)


def _change(
    event: Path, change: Callable[[Roster], Roster], draft: Path | None, *, as_json: bool
) -> None:
    _, before = newest_roster(event)
    if draft is None:
        after = amend_roster(event, change)
    else:
        after = change(before)
        check_roster(after)
        text = json.dumps(roster_payload(after), indent=1)
        keys.write_file(draft, text.encode() + b"\n", 0o644)
    _tell(before, after, as_json=as_json)


def _tell(before: Roster, after: Roster, *, as_json: bool) -> None:
    said = changes(before, after)
    if as_json:
        document = {
            "schema": "hardware.roster-diff/1",
            "event": after.event,
            "from_version": before.version,
            "to_version": after.version,
            "changes": said,
        }
        typer.echo(json.dumps(document, separators=(",", ":")))
        return
    typer.echo(f"{after.event}: from version {before.version} to {after.version}", err=True)
    typer.echo("\n".join(said) if said else "nothing has changed")


def _instant_s(text: str) -> float:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise Misconfigured(f"--from {text} is no time", "As 2027-07-16T10:35:00Z.") from error
    if instant.tzinfo is None:
        raise Misconfigured(f"--from {text} has no zone", "As 2027-07-16T10:35:00Z.")
    return instant.timestamp()


def read_roster(file: Path, authority: Path) -> Roster:
    """A roster file, its signature proven.

    Raises:
        Refused: it is not the authority's.
        Misconfigured: a file cannot be read.
    """
    public = keys.read_key(authority, "authority public key")
    return open_roster(keys.read_file(file, "roster"), public)
