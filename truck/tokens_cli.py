"""Tokens and the audit log as commands of `truck`, whether the truck runs or not."""

import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hardware import clock, home
from hardware.errors import Damaged
from hardware.keys import Credentials
from truck.audit import Actor, Audit, AuditLog, read_audit
from truck.config import TruckConfig, TruckHome
from truck.rulings_cli import login
from truck.serve.tokens import ROLES, Token, TokenRecord, Tokens, new_token, write_token

app = typer.Typer()
token = typer.Typer(no_args_is_help=True, help="Who may do what at the truck's doors.")
audit = typer.Typer(no_args_is_help=True, help="Who did what to the truck, proven.")
app.add_typer(token, name="token", rich_help_panel="Doors")
app.add_typer(audit, name="audit", rich_help_panel="Doors")

Home = Annotated[Path, typer.Argument(metavar="HOME", help="The truck's home folder.")]
By = Annotated[str, typer.Option(help="Who decides.", envvar="TRUCK_OPERATOR", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@token.command()
def new(
    folder: Home,
    role: Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")],
    name: Annotated[str, typer.Option("--for", help="Who holds it, as the audit log says it.")],
    hours: Annotated[float, typer.Option(help="How long it holds.")] = 12.0,
    by: By = "",
    as_json: Json = False,
) -> None:
    """Make a token and print it, once: the truck keeps none. Needs the key stick.

    Send it as `Authorization: Bearer TOKEN`; an operator signs in with it on the operator's page.
    """
    made, text = make_token(folder, role, name, hours, by or login())
    if as_json:
        typer.echo(json.dumps({"schema": "truck.token-new/1", **asdict(made), "token": text}))
        return
    typer.echo(text)
    typer.echo(f"token {made.id}: {role} for {name} until {_utc(made.until_s)} UTC", err=True)


def make_token(folder: Path, role: str, name: str, hours: float, by: str) -> tuple[Token, str]:
    """A token of a home, recorded and in the audit log: what it says, and what its holder carries.

    Raises:
        Misconfigured: no such role, no name, too long a time, or the keys are not there.
    """
    at_home, credentials = _open(folder)
    key = credentials.signing_key("truck")
    made = new_token(credentials.roster().event, role, name, hours, _wall_s())

    def keep() -> dict[str, Any]:
        _tokens(at_home, credentials).keep(made, by)
        return {"said": f"token {made.id} for {name}, {role}, {hours:g} hours"}

    asked = {"role": role, "for": name}
    Audit(folder, key, _wall_s).do(Actor(by, "command"), "token_new", asked, keep)
    return made, write_token(made, key)


@token.command("list")
def list_tokens(folder: Home, as_json: Json = False) -> None:
    """Every token that was made, and whether it still holds."""
    at_home, credentials = _open(folder)
    records, now_s = _tokens(at_home, credentials).records(), _wall_s()
    if as_json:
        rows = [asdict(r) | {"state": _state(r, now_s)} for r in records]
        typer.echo(json.dumps({"schema": "truck.tokens/1", "tokens": rows}))
        return
    table = Table("id", "role", "for", "until (UTC)", "state", "made by")
    for r in records:
        table.add_row(r.id, r.role, r.name, _utc(r.until_s), _state(r, now_s), r.made_by)
    Console().print(table)


@token.command()
def revoke(
    folder: Home,
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `truck token list` shows it.")],
    by: By = "",
) -> None:
    """Let a token hold no longer, from the next request on, whether the truck runs or not."""
    at_home, credentials = _open(folder)
    actor = Actor(by or login(), "command")

    def end() -> dict[str, Any]:
        record = _tokens(at_home, credentials).revoke(token_id, actor.by, _wall_s())
        return {"said": f"token {record.id} of {record.name}, {record.role}, is revoked"}

    log = Audit(folder, credentials.signing_key("truck"), _wall_s)
    typer.echo(log.do(actor, "token_revoke", {"id": token_id[:32]}, end)["said"])


@audit.command()
def show(
    folder: Home,
    last: Annotated[int, typer.Option(min=1, help="So many of the newest lines.")] = 40,
    as_json: Json = False,
) -> None:
    """List the newest lines, and say whether the log is whole."""
    log = _read(folder)
    if as_json:
        _print_json(log, last)
    else:
        table = Table("when (UTC)", "by", "role", "from", "action", "outcome", "said")
        for e in log.entries[-last:]:
            asked = json.dumps(e.detail) if e.outcome == "asked" else ""
            table.add_row(
                _utc(e.at_s), e.by, e.role, e.address, e.action, e.outcome, e.said or asked
            )
        Console().print(table)
    _judge(folder, log)


@audit.command()
def verify(folder: Home, as_json: Json = False) -> None:
    """Prove that no line was changed, removed, added or swapped; name those that were.

    Note its end: a log that somebody put back whole, in an older state, has another.
    """
    log = _read(folder)
    if as_json:
        _print_json(log, 0)
    elif not log.problems:
        typer.echo(
            f"{len(log.entries)} lines, each as it was written; ends with {log.head.sha256[:16]}"
        )
    _judge(folder, log)


def _read(folder: Path) -> AuditLog:
    _, credentials = _open(folder)
    return read_audit(folder, credentials.roster().truck_sign_public)


def _judge(folder: Path, log: AuditLog) -> None:
    """End with 65 where a line is not as it was written."""
    if log.problems:
        named = "; ".join(f"line {line}: {what}" for line, what in log.problems[:8])
        more = f"; and {len(log.problems) - 8} more" if len(log.problems) > 8 else ""
        raise Damaged(f"{folder / 'audit.jsonl'} is not as it was written: {named}{more}")


def _print_json(log: AuditLog, last: int) -> None:
    typer.echo(
        json.dumps(
            {
                "schema": "truck.audit/1",
                "lines": log.head.lines,
                "head": log.head.sha256,
                "proven": not log.problems,
                "torn_bytes": log.torn_bytes,
                "problems": [problem._asdict() for problem in log.problems],
                "entries": [asdict(entry) for entry in log.entries[-last:]] if last else [],
            }
        )
    )


def _open(folder: Path) -> tuple[TruckHome, Credentials]:
    config = home.load_settings(TruckConfig, TruckHome(folder).config, {})
    return TruckHome(folder), Credentials(config.credentials)


def _tokens(at_home: TruckHome, credentials: Credentials) -> Tokens:
    roster = credentials.roster()
    return Tokens(at_home.tokens, roster.truck_sign_public, roster.event)


def _state(record: TokenRecord, now_s: float) -> str:
    if record.revoked_at_s is not None:
        return f"revoked by {record.revoked_by}"
    return "holds" if now_s < record.until_s else "expired"


def _utc(at_s: float) -> str:
    return dt.datetime.fromtimestamp(at_s, dt.UTC).isoformat(" ", "seconds")[:-6]


def _wall_s() -> float:
    """Not the race's time: a token of 12 hours holds for 12 hours, at whatever pace the race is."""
    return clock.Clock().now_s()
