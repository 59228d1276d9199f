"""The command `cloud-sync`: the cloud team's side, and the truck's from its own room."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from cloud_sync import sending_cli
from cloud_sync.audit import Audit, find_streams, verify_stream
from cloud_sync.complete_cli import answers_to, check_answers
from cloud_sync.complete_cli import app as complete_app
from cloud_sync.config import Settings, load_settings
from cloud_sync.engines import cli as engines_cli
from cloud_sync.envelope import NotForThisKey
from cloud_sync.erase_cli import app as erase_app
from cloud_sync.key_audit import Trust
from cloud_sync.keyring import (
    KeyHolder,
    create_key,
    open_holder,
    read_recipient,
    read_truck_public,
    write_kms_recipient,
)
from cloud_sync.keys_cli import app as keys_app
from cloud_sync.lock import hold_lock
from cloud_sync.pack_cli import app as pack_app
from cloud_sync.pull import pull_stream
from cloud_sync.remote import open_remote
from cloud_sync.terminal import Json, Url, count_in, open_bar, print_json, required
from hardware.errors import Damaged, TruckError

app = typer.Typer(
    help="Bring the truck's sealed batches to the cloud, and back with proof.",
    epilog="Stores take their own variables (AWS_*, AZURE_STORAGE_*, GOOGLE_*), see docs/CLOUD.md.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(sending_cli.app)
app.add_typer(engines_cli.app)
app.add_typer(pack_app, name="pack")
app.add_typer(keys_app, name="keys")
app.add_typer(erase_app)
app.add_typer(complete_app)

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
    kms: Annotated[
        str | None, typer.Option(help="ARN of an RSA key in AWS KMS, which keeps the private half.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a recipient's key pair: NAME.key (keep it secret) and NAME.pub (give it to the truck).

    Make one for operations and one to keep offline: a batch opens with either. With --kms only
    NAME.pub is written; open with --key kms:ARN.
    """
    if kms is not None:
        place = f"kms:{kms}"
        public = write_kms_recipient(name, kms)
    else:
        private, public = create_key(name)
        place = str(private)
    key_id = read_recipient(public).key_id
    if as_json:
        files = {"private": place, "public": str(public)}
        print_json({"schema": "cloud-sync.keygen/1", "key_id": key_id, **files})
    else:
        typer.echo(f"key {key_id}: {place} (secret) and {public}")


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
    private = open_holder(required(settings.key, "key"))
    public = read_truck_public(required(settings.truck, "truck"))
    trust = _trust(settings)
    remote = open_remote(url)
    streams = find_streams(remote, stream, to)
    with hold_lock(to / ".pull.lock", f"pulling into {to}"), open_bar() as bar:
        audits, strangers = _openable(
            streams,
            lambda name: pull_stream(
                remote, name, to, public, private, count_in(bar, f"pulling {name}"), trust
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
    public = read_truck_public(required(settings.truck, "truck"))
    private: KeyHolder | None = open_holder(settings.key) if settings.key else None
    trust = _trust(settings)
    remote = open_remote(url)
    with open_bar() as bar:

        def prove(name: str, holder: KeyHolder | None) -> Audit:
            what = f"verifying {name}"
            return verify_stream(remote, name, public, holder, count_in(bar, what), trust)

        streams = find_streams(remote, stream)
        audits, strangers = _openable(streams, lambda name: prove(name, private))
        audits += [prove(name, None) for name in strangers]
    whole = [a.stream for a in audits if not a.failures and a.stream not in strangers]
    complete = answers_to(remote, whole, public, private)
    more = {"opened": private is not None, "complete": complete}
    _report("cloud-sync.verify/1", remote.name, audits, as_json, more)
    check_answers(complete, as_json=as_json)


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
        print_json(
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
