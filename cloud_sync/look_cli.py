"""The commands that look at copies: `head`, `ls`, `diff`, `watch`."""

import contextlib
import datetime as dt
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cloud_sync.anchor import HEAD_SCHEMA
from cloud_sync.audit import Audit, find_streams, prove_chain, raise_failures, utc
from cloud_sync.compare import Difference, Verdict, compare
from cloud_sync.config import load_settings
from cloud_sync.keyring import open_holder, read_truck_public
from cloud_sync.lock import hold_lock
from cloud_sync.manifest import Manifest
from cloud_sync.pull import pull_stream
from cloud_sync.pull_cli import Anchor, Key, Stream, Truck, read_witness
from cloud_sync.pull_folder import PullFolder
from cloud_sync.remote import Remote, open_remote
from cloud_sync.terminal import Json, Url, print_json, required
from cloud_sync.watch import Watched, acknowledge, prove_new
from hardware import clock, keys
from hardware.errors import Exit, Misconfigured, Unavailable
from hardware.signing import SigningKey

app = typer.Typer()
_PANEL = "The cloud team"


@app.command(rich_help_panel=_PANEL)
def head(url: Url, truck: Truck = None, stream: Stream = None, as_json: Json = False) -> None:
    """Prove a copy's chain and say its head, to compare over another road than the store.

    Read `seq:digest` out over the phone, or keep the output of --json: either is an --anchor.
    """
    public, remote = _asked(truck, url)
    now_s = clock.from_environment().now_s()
    heads = [_head(_prove(remote, name, public), now_s) for name in find_streams(remote, stream)]
    if as_json:
        print_json({"schema": HEAD_SCHEMA, "remote": remote.name, "at": utc(now_s), "heads": heads})
        return
    for told in heads:
        beat = told["beat"]
        fresh = f", beat {'fresh' if beat['fresh'] else 'expired'}" if beat else ", no beat"
        typer.echo(
            f"{told['stream']} {told['seq']}:{told['digest']}\n  {told['rows']} rows, sealed"
            f" {told['sealed_at']}, {told['age_s']:.0f} s ago{fresh}"
        )


@app.command("ls", rich_help_panel=_PANEL)
def list_(url: Url, truck: Truck = None, stream: Stream = None, as_json: Json = False) -> None:
    """List the streams of a copy, or with --stream its batches; what is listed was proven."""
    public, remote = _asked(truck, url)
    audits = [_prove(remote, name, public) for name in find_streams(remote, stream)]
    if as_json:
        told = [
            {"stream": a.stream, "batches": [_batch(m) for m in a.chain], "unlisted": a.unlisted}
            for a in audits
        ]
        print_json({"schema": "cloud-sync.ls/1", "remote": remote.name, "streams": told})
        return
    table = Table("stream", "batches", "rows", "bytes", "first sealed", "last sealed")
    if stream is not None:
        table = Table("batch", "rows", "bytes", "sealed", "recipients", "digest")
        for m in audits[0].chain:
            table.add_row(
                str(m.batch.seq), f"{m.lo}-{m.hi}", str(m.size), m.sealed_at,
                " ".join(m.recipients), m.digest[:16],
            )  # fmt: skip
    else:
        for a in audits:
            size = sum(m.size for m in a.chain)
            table.add_row(
                a.stream, str(len(a.chain)), str(a.chain[-1].hi), str(size),
                a.chain[0].sealed_at, a.chain[-1].sealed_at,
            )  # fmt: skip
    Console().print(table)


@app.command(rich_help_panel=_PANEL)
def diff(
    one: Url,
    other: Annotated[str, typer.Argument(help="Another copy, a pulled folder, or a head's file.")],
    truck: Truck = None,
    stream: Stream = None,
    as_json: Json = False,
) -> None:
    """Compare two copies, or a copy with what was pulled, or with a head kept earlier.

    Exit code 0 where they are the same, 3 where one is behind, 65 where they contradict each
    other or objects are missing.
    """
    public, remote = _asked(truck, one)
    if Path(other).is_file() or (":" in other and "://" not in other):
        found = _against_head(remote, other, stream, public)
    else:
        found = [
            _compare(remote, other, name, public)
            for name in sorted({*find_streams(remote, stream), *_others(other, stream)})
        ]
    if as_json:
        print_json({"schema": "cloud-sync.diff/1", "differences": [asdict(one) for one in found]})
    else:
        for difference in found:
            typer.echo(difference.sentence())
    verdicts = {difference.verdict for difference in found}
    if verdicts & {Verdict.FORKED, Verdict.INCOMPLETE}:
        raise typer.Exit(Exit.DAMAGED)
    if verdicts - {Verdict.SAME}:
        raise typer.Exit(Exit.PARTIAL)


@app.command(rich_help_panel=_PANEL)
def watch(
    url: Url,
    to: Annotated[Path | None, typer.Option(help="Pull what comes into this folder too.")] = None,
    key: Key = None,
    truck: Truck = None,
    stream: Stream = None,
    anchor: Anchor = None,
    ack: Annotated[
        Path | None,
        typer.Option(help="The cloud team's private signing key: acknowledge what was proven."),
    ] = None,
    every_s: Annotated[float, typer.Option(min=0.1, help="How often to look.")] = 2.0,
    seconds: Annotated[float | None, typer.Option(help="End by itself after so long.")] = None,
) -> None:
    """Follow a copy: prove batches as they come, print a line for each, acknowledge them.

    An outage is waited out. Ends with 65 when something does not hold, and at Ctrl-C.
    """
    settings = load_settings(None, key, truck)
    public = read_truck_public(required(settings.truck, "truck"))
    private = open_holder(settings.key) if settings.key else None
    if to is not None and private is None:
        raise Misconfigured("--to opens what comes", "Give --key too.")
    signer = SigningKey(keys.read_key(ack, "private signing key")) if ack else None
    remote = open_remote(url)
    witness = read_witness(public, stream, anchor, None)
    clock_, stop = clock.from_environment(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watched: dict[str, Watched] = {}
    end_s = None if seconds is None else clock.monotonic_s() + seconds

    def told(manifest: Manifest) -> None:
        typer.echo(
            f"{manifest.batch} rows {manifest.lo}-{manifest.hi} sealed {manifest.sealed_at}"
            f" {manifest.digest[:16]}"
        )

    def look() -> None:
        with contextlib.suppress(Misconfigured):  # the truck may start after us
            for name in find_streams(remote, stream, None, witness):
                watched.setdefault(name, Watched(name))
        for one in watched.values():
            known = len(one.chain)
            if to is None or private is None:
                prove_new(one, remote, public, private, told, witness=witness)
            else:
                with hold_lock(to / ".pull.lock", f"pulling into {to}"):
                    audit = pull_stream(
                        remote, one.stream, to, public, private, lambda *_: None, witness=witness
                    )
                raise_failures([audit])
                one.chain = audit.chain
                for manifest in audit.chain[known:]:
                    told(manifest)
            if signer is not None and len(one.chain) > known:
                acknowledge(remote, one.chain[-1], signer, clock_.now_s())

    while not stop.is_set() and (end_s is None or clock.monotonic_s() < end_s):
        try:
            look()
        except Unavailable as error:
            sys.stderr.write(f"waiting: {error}\n")
        stop.wait(every_s)


def _asked(truck: str | None, url: str) -> tuple[bytes, Remote]:
    settings = load_settings(None, None, truck)
    return read_truck_public(required(settings.truck, "truck")), open_remote(url)


def _prove(remote: Remote, stream: str, truck: bytes) -> Audit:
    audit = Audit(stream)
    if not prove_chain(audit, remote, truck, ()):
        raise_failures([audit])
    return audit


def _head(audit: Audit, now_s: float) -> dict[str, Any]:
    last, beat = audit.chain[-1], audit.beat
    age_s = now_s - dt.datetime.fromisoformat(last.sealed_at).timestamp()
    return {
        "stream": audit.stream,
        "seq": last.batch.seq,
        "digest": last.digest,
        "rows": last.hi,
        "sealed_at": last.sealed_at,
        "age_s": round(age_s, 3),
        "beat": {"seq": beat.seq, "at": utc(beat.at_s), "fresh": beat.is_fresh(now_s)}
        if beat
        else None,
    }


def _batch(manifest: Manifest) -> dict[str, Any]:
    return {
        "seq": manifest.batch.seq, "rows": [manifest.lo, manifest.hi], "bytes": manifest.size,
        "sealed_at": manifest.sealed_at, "recipients": manifest.recipients,
        "digest": manifest.digest, "object": manifest.key,
    }  # fmt: skip


def _others(other: str, stream: str | None) -> list[str]:
    """The streams of the second copy, where it is one and not what was pulled."""
    if _is_pulled(other):
        names = [path.name.removeprefix("stream=") for path in Path(other).glob("stream=*")]
        return [name for name in names if stream in (None, name)]
    return find_streams(open_remote(other), stream)


def _against_head(remote: Remote, text: str, stream: str | None, truck: bytes) -> list[Difference]:
    """How a copy stands to a head that was kept.

    Raises:
        Tampered: when it does not hold that head any more.
    """
    witness = read_witness(truck, stream, [text], None)
    found = []
    for name in find_streams(remote, stream, None, witness):
        audit = Audit(name)
        if not prove_chain(audit, remote, truck, (), witness=witness):
            raise_failures([audit])
        found += [
            compare(name, audit.chain, audit.chain[: known.seq + 1]) for known in witness.of(name)
        ]
    return found


def _is_pulled(other: str) -> bool:
    return "://" not in other and any(Path(other).glob("stream=*"))


def _compare(remote: Remote, other: str, stream: str, truck: bytes) -> Difference:
    one = _prove_or_none(remote, stream, truck)
    if _is_pulled(other):
        pulled = PullFolder(Path(other), stream).read()
        return compare(stream, one, pulled.chain)
    second = open_remote(other)
    two = _prove_or_none(second, stream, truck)
    shared = [m.key for m, n in zip(one, two, strict=False) if m.digest == n.digest]
    prefix = f"{stream}/data/"
    missing = sorted(
        {key for copy in (remote, second) for key in set(shared) - set(copy.keys(prefix))}
    )
    return compare(stream, one, two, missing)


def _prove_or_none(remote: Remote, stream: str, truck: bytes) -> list[Manifest]:
    """A stream's chain, or nothing where the copy does not have the stream at all."""
    return _prove(remote, stream, truck).chain if stream in remote.streams() else []
