"""The commands that prove a copy: `pull` brings it here, `verify` leaves it where it is."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from cloud_sync.anchor import Witness, read_anchors, read_second_store
from cloud_sync.audit import Audit, find_streams, raise_failures, verify_stream
from cloud_sync.complete_cli import answers_to, check_answers
from cloud_sync.config import Settings, load_settings
from cloud_sync.envelope import NotForThisKey
from cloud_sync.key_audit import Trust
from cloud_sync.keyring import KeyHolder, open_holder, read_truck_public
from cloud_sync.lock import hold_lock
from cloud_sync.packs import FIRST_PART as PACKS
from cloud_sync.pull import EVERYTHING, pull_stream, read_since
from cloud_sync.remote import open_remote
from cloud_sync.tampering import NEED_A_KEY
from cloud_sync.terminal import Json, Url, count_in, open_bar, print_json, required
from hardware import clock
from hardware.errors import Misconfigured
from hardware.stage import stage_label

app = typer.Typer()
_PANEL = "The cloud team"

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
Anchor = Annotated[
    list[str] | None,
    typer.Option(help="A head from elsewhere: seq:digest, a file of `head --json`, or a beat."),
]
Also = Annotated[
    list[str] | None, typer.Option(help="A second store, whose heads must be served here too.")
]
Live = Annotated[
    bool, typer.Option("--live", help="Refuse a copy whose last word from the truck has expired.")
]


@app.command(rich_help_panel=_PANEL)
def pull(
    url: Url,
    to: Annotated[Path, typer.Option(help="Folder for the Parquet files.")],
    key: Key = None,
    truck: Truck = None,
    root: Root = None,
    cloud: Cloud = None,
    stream: Stream = None,
    since: Annotated[
        str | None, typer.Option(help="From this batch on, or sealed from this time on.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="One stage's rows only, by its name.")] = None,
    encrypted: Annotated[
        bool, typer.Option("--encrypted", help="Keep the sealed files; no key is needed.")
    ] = False,
    anchor: Anchor = None,
    also: Also = None,
    live: Live = False,
    as_json: Json = False,
) -> None:
    """Prove a stream's whole chain, open it, and leave Parquet in TO by stream, stage and day.

    Of several streams those that the key opens: readings, or biometrics (<stream>.bio). Exit code
    65 names everything that does not hold; then nothing new is published. A pull that was killed
    goes on where it was; a later one fetches what is new.
    """
    settings = load_settings(None, key, truck, root, cloud)
    private = None if encrypted else open_holder(required(settings.key, "key"))
    public = read_truck_public(required(settings.truck, "truck"))
    if encrypted and stage is not None:
        raise Misconfigured("--stage needs the rows opened", "Leave out --encrypted or --stage.")
    selection = EVERYTHING if since is None else read_since(since)
    if stage is not None:
        selection = replace(selection, stage=stage_label(stage))
    remote = open_remote(url)
    witness = read_witness(public, stream, anchor, also, live=live)
    streams = find_streams(remote, stream, to, witness)
    with hold_lock(to / ".pull.lock", f"pulling into {to}"), byte_bar() as bar:

        def bring(name: str) -> Audit:
            progress = count_in(bar, f"pulling {name}")
            return pull_stream(
                remote, name, to, public, private, progress, trust_of(settings), selection, witness
            )

        audits, strangers = _openable(streams, bring)
    for name in strangers:
        sys.stderr.write(f"{name}: not sealed to this key, left out\n")
    report("cloud-sync.pull/2", remote.name, audits, as_json, {"to": str(to)})


@app.command(rich_help_panel=_PANEL)
def verify(
    url: Url,
    truck: Truck = None,
    key: Key = None,
    root: Root = None,
    cloud: Cloud = None,
    stream: Stream = None,
    anchor: Anchor = None,
    also: Also = None,
    live: Live = False,
    as_json: Json = False,
) -> None:
    """Prove a stream's chain and the hash of every object; with --key also that each opens.

    With --root also that each batch was sealed to the recipients of the key set in force, with
    --cloud (or --root) that each rider's key is there, or its erasure signed. Without a private key
    it says what it could not check.
    """
    settings = load_settings(None, key, truck, root, cloud)
    public = read_truck_public(required(settings.truck, "truck"))
    private = open_holder(settings.key) if settings.key else None
    remote = open_remote(url)
    witness = read_witness(public, stream, anchor, also, live=live)
    with byte_bar() as bar:

        def prove(name: str, holder: KeyHolder | None) -> Audit:
            progress = count_in(bar, f"verifying {name}")
            return verify_stream(
                remote, name, public, holder, progress, trust_of(settings), witness
            )

        streams = find_streams(remote, stream, None, witness)
        audits, strangers = _openable(streams, lambda name: prove(name, private))
        audits += [prove(name, None) for name in strangers]
    unchecked = [] if private is not None else [str(name) for name in NEED_A_KEY]
    whole = [a.stream for a in audits if not a.failures and a.stream not in strangers]
    complete = answers_to(remote, whole, public, private)
    more = {"opened": private is not None, "unchecked": unchecked, "complete": complete}
    report("cloud-sync.verify/2", remote.name, audits, as_json, more)
    check_answers(complete, as_json=as_json)
    if not as_json and unchecked:
        typer.echo(
            "without --key it was not checked that objects open and hold the rows that their"
            " manifests name"
        )


def read_witness(
    truck: bytes,
    stream: str | None,
    anchors: list[str] | None,
    also: list[str] | None,
    *,
    live: bool = False,
) -> Witness:
    """What is known from elsewhere, of one stream or of all.

    Raises:
        Misconfigured: an anchor that is none, or that names no stream where one is needed.
        Tampered: one that the truck did not sign.
    """
    found = [anchor for text in anchors or [] for anchor in read_anchors(text, truck)]
    if stream is None and any(anchor.stream is None for anchor in found):
        raise Misconfigured("seq:digest does not say of which stream", "Add --stream.")
    for url in also or []:
        second = open_remote(url)
        streams = [stream] if stream is not None else sorted({*second.streams()} - {PACKS})
        found += read_second_store(second, streams, truck)
    kept = tuple(anchor for anchor in found if stream in (None, anchor.stream) or not anchor.stream)
    return Witness(kept, live, clock.from_environment().now_s())


def trust_of(settings: Settings) -> Trust:
    """Whom to believe besides the truck."""
    root, cloud = (
        read_truck_public(text) if text else None for text in (settings.root, settings.cloud)
    )
    return Trust(root, cloud)


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


def byte_bar() -> Progress:
    """A bar that counts bytes where somebody looks, else nothing."""
    bar = open_bar()
    bar.columns = (*bar.columns[:2], DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return bar


def report(
    schema: str, remote: str, audits: list[Audit], as_json: bool, more: dict[str, Any]
) -> None:
    """Print what was proven; raise what was not.

    Raises:
        Tampered: naming all of it.
    """
    failed = any(audit.failures for audit in audits)
    if as_json:
        print_json(
            {
                "schema": schema,
                "remote": remote,
                **more,
                "verified": not failed,
                "rows": sum(audit.summary()["rows"] for audit in audits),
                "streams": [audit.summary() for audit in audits],
            }
        )
    for audit in audits:
        if not as_json and not audit.failures:
            rows = audit.chain[-1].hi if audit.chain else 0
            typer.echo(f"{audit.stream}: {len(audit.chain)} batches, {rows} rows proven")
        for remark in audit.remarks:
            sys.stderr.write(f"{audit.stream}: {remark}\n")
        if audit.unlisted:
            count = len(audit.unlisted)
            sys.stderr.write(f"{audit.stream}: {count} objects no manifest names, ignored\n")
    raise_failures(audits)
