"""The command `cloud-sync`: push sealed batches, pull and prove them, verify, status, keygen."""

import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from cloud_sync.audit import Audit, find_streams, verify_stream
from cloud_sync.config import Settings, load_settings
from cloud_sync.engines import cli as engines_cli
from cloud_sync.envelope import NotForThisKey
from cloud_sync.key_audit import Trust
from cloud_sync.keyring import (
    KeyHolder,
    create_key,
    open_holder,
    read_recipient,
    read_truck_public,
)
from cloud_sync.lock import hold_lock
from cloud_sync.outbox import Entry, Outbox
from cloud_sync.pack_cli import app as pack_app
from cloud_sync.pull import pull_stream
from cloud_sync.push import Pusher
from cloud_sync.remote import open_remote
from cloud_sync.status import PUSH_LOCK, spool_status
from hardware import clock
from hardware.errors import Damaged, Exit, Misconfigured, TruckError

app = typer.Typer(
    help="Bring the truck's sealed batches to the cloud, and back with proof.",
    epilog="S3 takes AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(engines_cli.app)
app.add_typer(pack_app, name="pack")

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Url = Annotated[str, typer.Argument(help="A folder, file:///folder or s3://bucket/prefix.")]
Truck = Annotated[
    str | None, typer.Option(help="The truck's public key: 64 hex digits, or a file of them.")
]
Key = Annotated[
    str | None, typer.Option(help="Your private key: NAME.key of `keygen`, or kms:ARN.")
]
Root = Annotated[
    str | None, typer.Option(help="Public key of the key sets' root: recipients are checked.")
]
Cloud = Annotated[
    str | None, typer.Option(help="The cloud team's public key, which signs erasures.")
]
Stream = Annotated[str | None, typer.Option(help="One stream only; else all there are.")]


@app.command()
def keygen(
    name: Annotated[Path, typer.Argument(help="NAME or a path ending in NAME.")],
    as_json: Json = False,
) -> None:
    """Make a recipient's key pair: NAME.key (keep it secret) and NAME.pub (give it to the truck).

    Make one for operations and one to keep offline: a batch opens with either.
    """
    private, public = create_key(name)
    key_id = read_recipient(public).key_id
    if as_json:
        files = {"private": str(private), "public": str(public)}
        _print({"schema": "cloud-sync.keygen/1", "key_id": key_id, **files})
    else:
        typer.echo(f"key {key_id}: {private} (secret) and {public}")


@app.command()
def push(
    spool: Annotated[Path, typer.Argument(help="The truck's spool folder.")],
    to: Annotated[str | None, typer.Option(help="A folder or s3://bucket/prefix.")] = None,
    watch: Annotated[bool, typer.Option(help="Go on until SIGTERM or Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Upload what is sealed: objects in parallel, manifests in order, each read back.

    Without --watch it ends when nothing waits, or with exit code 75 when the remote is away.
    """
    remote = open_remote(_required(load_settings(to, None, None).to, "to"))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pushed = {"batches": 0, "rows": 0, "bytes": 0}
    with (
        Outbox(spool, create=watch) as outbox,  # the truck may start after us
        hold_lock(spool / PUSH_LOCK, f"pushing {spool}"),
        _progress() as bar,
    ):
        task = bar.add_task("pushing", total=len(outbox.waiting()))

        def note(entry: Entry) -> None:
            pushed["batches"] += 1
            pushed["rows"] += entry.hi - entry.lo
            pushed["bytes"] += entry.size
            bar.advance(task)

        Pusher(spool, outbox, remote, clock.from_environment(), stop, note).push(watch=watch)
        waiting = len(outbox.waiting())
    if as_json:
        _print({"schema": "cloud-sync.push/1", "to": remote.name, **pushed, "waiting": waiting})
    else:
        typer.echo(f"{pushed['batches']} batches, {pushed['rows']} rows pushed to {remote.name}")


@app.command()
def pull(
    url: Url,
    to: Annotated[Path, typer.Option(help="Folder for the Parquet files.")],
    key: Key = None,
    truck: Truck = None,
    root: Root = None,
    cloud: Cloud = None,
    stream: Stream = None,
    as_json: Json = False,
) -> None:
    """Prove a stream's whole chain, open it, and leave plain Parquet in TO/<stream>/.

    Of several streams those that the key opens: readings, or biometrics (<stream>.bio). Exit code
    65 names every batch that does not hold; then nothing new is published.
    """
    settings = load_settings(None, key, truck, root, cloud)
    private = open_holder(_required(settings.key, "key"))
    public = read_truck_public(_required(settings.truck, "truck"))
    trust = _trust(settings)
    remote = open_remote(url)
    streams = find_streams(remote, stream, to)
    with hold_lock(to / ".pull.lock", f"pulling into {to}"), _progress() as bar:
        audits, strangers = _openable(
            streams,
            lambda name: pull_stream(
                remote, name, to, public, private, _count(bar, f"pulling {name}"), trust
            ),
        )
    for name in strangers:
        sys.stderr.write(f"{name}: not sealed to this key, left out\n")
    _report("cloud-sync.pull/1", remote.name, audits, as_json, {"to": str(to)})


@app.command()
def verify(
    url: Url,
    truck: Truck = None,
    key: Key = None,
    root: Root = None,
    cloud: Cloud = None,
    stream: Stream = None,
    as_json: Json = False,
) -> None:
    """Prove a stream's chain and the hash of every object; with --key also that each opens.

    With --root also that each batch was sealed to the recipients of the key set in force, with
    --cloud (or --root) that each rider's key is there, or its erasure signed.
    """
    settings = load_settings(None, key, truck, root, cloud)
    public = read_truck_public(_required(settings.truck, "truck"))
    private: KeyHolder | None = open_holder(settings.key) if settings.key else None
    trust = _trust(settings)
    remote = open_remote(url)
    with _progress() as bar:

        def prove(name: str, holder: KeyHolder | None) -> Audit:
            what = f"verifying {name}"
            return verify_stream(remote, name, public, holder, _count(bar, what), trust)

        streams = find_streams(remote, stream)
        audits, strangers = _openable(streams, lambda name: prove(name, private))
        audits += [prove(name, None) for name in strangers]
    _report("cloud-sync.verify/1", remote.name, audits, as_json, {"opened": private is not None})


@app.command()
def status(
    spool: Annotated[Path, typer.Argument(help="The truck's spool folder.")], as_json: Json = False
) -> None:
    """How far the cloud copy is behind; exit code 75 while the pusher reports an error."""
    state = spool_status(spool, clock.from_environment().now_s())
    if as_json:
        _print(state)
    else:
        typer.echo(
            f"sealed {state['sealed']['batches']} batches, {state['sealed']['rows']} rows;"
            f" pending {state['pending']['batches']} ({state['pending']['bytes']} bytes),"
            f" {state['lag_s']:.1f} s behind; pusher: {state['pusher']['state']}"
        )
        if state["error"]:
            typer.echo(f"last error: {state['error']}")
    if state["error"]:
        raise typer.Exit(Exit.UNAVAILABLE)


def main() -> None:
    """Run the command; a known error is one sentence on stderr and its exit code."""
    try:
        app(prog_name="cloud-sync")
    except TruckError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


def _report(
    schema: str, remote: str, audits: list[Audit], as_json: bool, more: dict[str, Any]
) -> None:
    """Print what was proven; raise Damaged naming what was not."""
    failures = [failure for audit in audits for failure in audit.failures]
    if as_json:
        _print(
            {
                "schema": schema,
                "remote": remote,
                **more,
                "verified": not failures,
                "rows": sum(audit.summary()["rows"] for audit in audits),
                "streams": [audit.summary() for audit in audits],
            }
        )
    for audit in audits:
        summary = audit.summary()
        if not as_json and not audit.failures:
            typer.echo(
                f"{audit.stream}: {summary['batches']} batches, {summary['rows']} rows proven"
            )
        if audit.unlisted:
            count = len(audit.unlisted)
            sys.stderr.write(f"{audit.stream}: {count} objects no manifest names, ignored\n")
    if failures:
        raise Damaged("; ".join(failures))


def _openable(streams: list[str], work: Callable[[str], Audit]) -> tuple[list[Audit], list[str]]:
    """The audits of streams that the key in `work` opens, and the names of the others.

    Raises:
        NotForThisKey: when it opens none of them.
    """
    audits: list[Audit] = []
    strangers: dict[str, NotForThisKey] = {}
    for name in streams:
        try:
            audits.append(work(name))
        except NotForThisKey as error:
            strangers[name] = error
    if strangers and not audits:
        raise next(iter(strangers.values()))
    return audits, list(strangers)


def _trust(settings: Settings) -> Trust:
    root, cloud = (
        read_truck_public(text) if text else None for text in (settings.root, settings.cloud)
    )
    return Trust(root, cloud)


def _required(value: Any, name: str) -> Any:
    if value is None:
        raise Misconfigured(
            f"--{name} is missing", f"Give it, set CLOUD_SYNC_{name.upper()}, or cloud-sync.toml."
        )
    return value


def _print(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=1))


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def _count(bar: Progress, what: str) -> Callable[[int, int], None]:
    task = bar.add_task(what, total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)
