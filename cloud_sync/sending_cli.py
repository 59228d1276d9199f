"""What the truck's side runs: doctor, push, pause, resume, status."""

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from cloud_sync.config import load_settings
from cloud_sync.doctor import Check, examine
from cloud_sync.heads import send_heads
from cloud_sync.keyring import read_truck_public
from cloud_sync.lock import hold_lock
from cloud_sync.outbox import Entry, Outbox
from cloud_sync.push import Orders, Pusher
from cloud_sync.remote import open_remote
from cloud_sync.status import PUSH_LOCK, set_paused, spool_status
from cloud_sync.terminal import Json, Url, open_bar, print_json, required
from hardware import clock
from hardware.errors import Exit

app = typer.Typer()
_PANEL = "The truck's side"
_CLOUD_KEY = "cloud team's public key"
Spool = Annotated[Path, typer.Argument(help="The truck's spool folder.")]


@app.command(rich_help_panel=_PANEL)
def doctor(url: Url, as_json: Json = False) -> None:
    """Try a store before the race: create-only by eight writers at once, rights, list, clock.

    It leaves a few tiny objects below doctor/ and asks for no right to delete. Exit code 78 when
    something is to be mended, 65 for a store that gives back other bytes, 75 when it is away.
    """
    now = clock.from_environment()
    checks: list[Check] = []
    for check in examine(url, f"{int(now.now_s() * 1000)}-{os.getpid()}", now):
        checks.append(check)
        if not as_json:
            typer.echo(f"{'ok  ' if check.is_ok else 'FAIL'} {check.name}: {check.seen}")
            if not check.is_ok:
                typer.echo(f"     why it matters: {check.why}\n     what to try: {check.cure}")
    last = checks[-1]
    if as_json:
        rows = [
            {"name": c.name, "why": c.why, "ok": c.is_ok, "seen": c.seen, "try": c.cure}
            for c in checks
        ]
        print_json({"schema": "cloud-sync.doctor/1", "url": url, "ok": last.is_ok, "checks": rows})
    if not last.is_ok:
        raise typer.Exit(last.exit_code)


@app.command(rich_help_panel=_PANEL)
def push(
    spool: Spool,
    to: Annotated[
        str | None, typer.Option(help="A folder, s3://, az:// or gs://bucket/prefix.")
    ] = None,
    watch: Annotated[bool, typer.Option(help="Go on until SIGTERM or Ctrl-C.")] = False,
    also: Annotated[
        str | None, typer.Option(help="A second store, which hears of each head at once.")
    ] = None,
    cloud: Annotated[
        str | None, typer.Option(help="The cloud team's public key: files go only at its ack.")
    ] = None,
    cap_mbit_s: Annotated[
        float, typer.Option(min=0, help="Leave room on the link: upload no faster on average.")
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Upload what is sealed: objects in parallel, manifests in order, each read back.

    Without --watch it ends when nothing waits, or with exit code 75 when the remote is away.
    """
    settings = load_settings(to, None, None, cloud=cloud, also=also)
    remote = open_remote(required(settings.to, "to"))
    second = open_remote(settings.also) if settings.also else None
    acks = read_truck_public(settings.cloud, _CLOUD_KEY) if settings.cloud else None
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pushed = {"batches": 0, "rows": 0, "bytes": 0}
    with (
        Outbox(spool, create=watch) as outbox,  # the truck may start after us
        hold_lock(spool / PUSH_LOCK, f"pushing {spool}"),
        open_bar() as bar,
    ):
        task = bar.add_task("pushing", total=len(outbox.waiting()))

        def note(entry: Entry) -> None:
            pushed["batches"] += 1
            pushed["rows"] += entry.hi - entry.lo
            pushed["bytes"] += entry.size
            bar.advance(task)

        orders = Orders(watch=watch, cloud=acks, cap_bytes_per_s=cap_mbit_s * 125_000)
        now = clock.from_environment()
        with send_heads(outbox, second, watch=watch):
            Pusher(spool, outbox, remote, now, stop, note, orders).push()
        waiting = len(outbox.waiting())
    if as_json:
        print_json({"schema": "cloud-sync.push/1", "to": remote.name, **pushed, "waiting": waiting})
    else:
        typer.echo(f"{pushed['batches']} batches, {pushed['rows']} rows pushed to {remote.name}")


@app.command(rich_help_panel=_PANEL)
def pause(spool: Spool) -> None:
    """Send no more batches, so that the link is free; sealing, beats and releasing go on."""
    set_paused(spool, paused=True)
    typer.echo("paused; go on with `cloud-sync resume`")


@app.command(rich_help_panel=_PANEL)
def resume(spool: Spool) -> None:
    """Send batches again."""
    set_paused(spool, paused=False)
    typer.echo("resumed")


@app.command(rich_help_panel=_PANEL)
def status(spool: Spool, as_json: Json = False) -> None:
    """How far the cloud copy is behind; exit code 75 while the pusher reports an error."""
    state = spool_status(spool, clock.from_environment().now_s())
    if as_json:
        print_json(state)
    else:
        held, most = state["spool"]["bytes"], state["spool"]["bytes_max"]
        typer.echo(
            f"sealed {state['sealed']['batches']} batches, {state['sealed']['rows']} rows;"
            f" pending {state['pending']['batches']} ({state['pending']['bytes']} bytes),"
            f" {state['lag_s']:.1f} s behind; pusher: {state['pusher']['state']}"
            f"{', paused' if state['paused'] else ''}\n"
            f"spool: {held} bytes{f' of {most}' if most else ''}; {state['spool']['policy']}"
        )
        for ack in state["acks"]:
            if ack["seq"] is not None:
                typer.echo(f"{ack['stream']}: acknowledged up to {ack['seq']}")
            if ack["refused"]:
                typer.echo(f"{ack['stream']}: an ack was refused: {ack['refused']}")
        if state["second_error"]:
            typer.echo(f"second store: {state['second_error']}")
        if state["error"]:
            typer.echo(f"last error: {state['error']}")
    if state["error"]:
        raise typer.Exit(Exit.UNAVAILABLE)
