"""The commands `hardware enroll`: tokens for cards, and the desk that answers relays."""

import json
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hardware import clock, keys
from hardware.authority import newest_roster, open_authority
from hardware.enrolment_desk import TOKEN_VALID_S, Desk, new_token, revoke_tokens, tokens
from hardware.enrolment_request import EnrolmentRefused
from hardware.enrolment_service import EnrolmentService
from hardware.errors import Exit, Misconfigured

app = typer.Typer(no_args_is_help=True, help="Take relays in their first boot into the event.")

EventFolder = Annotated[Path, typer.Argument(metavar="EVENT", help="The event folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
_DAY_S = 86400.0


@app.command()
def listen(
    event: EventFolder,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where relays reach us.")],
    seconds: Annotated[float | None, typer.Option(min=0, help="End after so long.")] = None,
    until: Annotated[
        int | None, typer.Option(min=1, help="End when so many relays have their answer.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Answer relays in their first boot until Ctrl-C: check the token, certify, sign the roster.

    Each refusal is said once an address and counted. Exit 3 where relays were waited for in vain.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise Misconfigured(f"--listen {listen} is no address", "Give HOST:PORT, as 0.0.0.0:8443.")
    authority = open_authority(event)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service = EnrolmentService(
        event, authority, host.strip("[]"), int(port), clock.from_environment(), _say
    )
    _say(f"the desk is open on {host}:{service.port}; Ctrl-C closes it")
    ends_s = None if seconds is None else clock.monotonic_s() + seconds

    def is_over() -> bool:
        late = ends_s is not None and clock.monotonic_s() > ends_s
        return stop.is_set() or late or (until is not None and len(service.enrolled) >= until)

    service.serve(is_over)
    _, roster = newest_roster(event)
    document = {
        "schema": "hardware.enroll/1",
        "event": roster.event,
        "roster_version": roster.version,
        "enrolled": [{"name": r.name, "serial": r.serial} for r in service.enrolled.values()],
        "refused": dict(service.refused),
    }
    _show(document, as_json)
    if until is not None and len(service.enrolled) < until:
        raise typer.Exit(Exit.PARTIAL)


@app.command("file")
def from_file(
    event: EventFolder,
    request: Annotated[
        list[Path], typer.Argument(help="Request files that relays wrote to a stick.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Answer requests that came on a stick; each answer is written beside its request.

    `moto-1.request.json` gets `moto-1.answer.json`. Exit 3 where some were refused.
    """
    desk = Desk(event, open_authority(event))
    now_s = clock.from_environment().now_s()
    enrolled: list[dict[str, str]] = []
    refused: Counter[str] = Counter()
    for path in request:
        try:
            asked, answer = desk.enrol(keys.read_file(path, "request"), now_s)
        except EnrolmentRefused as refusal:
            refused[refusal.why.value] += 1
            _say(f"{path}: {refusal}")
            continue
        place = path.with_name(path.name.replace(".request", "").removesuffix(".json"))
        place = place.with_name(f"{place.name}.answer.json")
        keys.write_file(place, answer, 0o644)
        enrolled.append({"name": asked.name, "serial": asked.serial, "answer": str(place)})
        _say(f"{asked.name} is enrolled, serial {asked.serial}: {place}")
    _, roster = newest_roster(event)
    document = {
        "schema": "hardware.enroll/1",
        "event": roster.event,
        "roster_version": roster.version,
        "enrolled": enrolled,
        "refused": dict(refused),
    }
    _show(document, as_json)
    if refused:
        raise typer.Exit(Exit.PARTIAL if enrolled else Exit.DAMAGED)


@app.command("token")
def token_command(
    event: EventFolder,
    name: Annotated[str, typer.Argument(help="The relay's name.")],
    to: Annotated[
        Path | None, typer.Option(help="Write a fresh token here, for the card: 32 bytes.")
    ] = None,
    days: Annotated[float, typer.Option(min=0, help="How long it is good.")] = (
        TOKEN_VALID_S / _DAY_S
    ),
    revoke: Annotated[bool, typer.Option("--revoke", help="Make none; revoke the unused.")] = False,
) -> None:
    """Make a one-time token by hand, or revoke those of a card that was lost.

    `hardware flash` makes tokens by itself. A fresh one revokes the unused ones of that name.
    """
    if revoke == (to is not None):
        raise Misconfigured("what to do is not clear", "Give --to FILE or --revoke.")
    if to is None:
        _say(f"{revoke_tokens(event, name)} tokens of {name} revoked")
        return
    token = new_token(event, name, clock.from_environment().now_s(), days * _DAY_S)
    keys.write_file(to, token)
    typer.echo(str(to))


@app.command("tokens")
def list_tokens(event: EventFolder, as_json: JsonOption = False) -> None:
    """List the tokens of the event: for whom, and what became of them."""
    now_s = clock.from_environment().now_s()
    rows = [
        {
            "name": token.name,
            "state": "used" if used else _state(now_s, token.expires_s, revoked=token.revoked),
            "expires_at_s": token.expires_s,
            "serial": used.serial if used else None,
        }
        for token, used in tokens(event)
    ]
    if as_json:
        typer.echo(json.dumps({"schema": "hardware.tokens/1", "tokens": rows}))
        return
    table = Table("relay", "state", "serial")
    for row in rows:
        table.add_row(str(row["name"]), str(row["state"]), str(row["serial"] or ""))
    Console().print(table)


def _state(now_s: float, expires_s: float, *, revoked: bool) -> str:
    if revoked:
        return "revoked"
    return "expired" if now_s > expires_s else "unused"


def _show(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(document, separators=(",", ":")))
        return
    refused = ", ".join(f"{why} {n}" for why, n in sorted(document["refused"].items()))
    typer.echo(
        f"{len(document['enrolled'])} relays enrolled, roster version "
        f"{document['roster_version']}; refused: {refused or 'none'}"
    )


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)
