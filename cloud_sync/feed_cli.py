"""The feed's public copy: publish it from beside the truck, and follow it from anywhere."""

import json
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from cloud_sync.bucket import open_bucket
from cloud_sync.follow import Follower, Seen
from cloud_sync.lock import hold_lock
from cloud_sync.publish import Publisher
from cloud_sync.sending_cli import Spool
from cloud_sync.site import Site
from cloud_sync.status import PUBLIC_NOTE
from cloud_sync.terminal import Json
from hardware import clock, keys
from hardware.errors import Misconfigured

app = typer.Typer()
_BASE = "The truck's feed, such as http://127.0.0.1:8080/api."
_LOOK_S = 0.4  # more than twice a frame, so that a copy is half a second behind
_BUCKETS = ("s3://", "az://", "gs://")


@app.command(rich_help_panel="The truck's side")
def publish(
    spool: Spool,
    base: Annotated[str, typer.Option("--from", help=_BASE)],
    to: Annotated[str, typer.Option(help="s3://, az:// or gs://bucket/prefix, for all to read.")],
) -> None:
    """Keep a public copy of the feed, for a CDN, until SIGTERM or Ctrl-C.

    Only the newest frame is sent. What fails is counted, shown by `truck status` and `cloud-sync
    status`, and tried again with the next frame; the truck never waits for it.
    """
    if not to.startswith(_BUCKETS):
        raise Misconfigured(f"{to} is no bucket", f"Write {' or '.join(_BUCKETS)}bucket/prefix.")
    now, stop = clock.from_environment(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with hold_lock(spool / "public.lock", f"publishing {spool}"), Publisher(
        Site(base), open_bucket(to)
    ) as publisher:  # fmt: skip
        while not stop.is_set():
            publisher.turn(clock.monotonic_s())
            _note(spool, _status(publisher, base, to, now.now_s(), "publishing"))
            stop.wait(_LOOK_S)
        _note(spool, _status(publisher, base, to, now.now_s(), "stopped"))


@app.command(rich_help_panel="The cloud team's side")
def follow(
    base: Annotated[str, typer.Argument(help="A truck's feed, or a public copy's address.")],
    also: Annotated[
        list[str] | None, typer.Option(help="Where to go on when that is cut off; repeat it.")
    ] = None,
    channel: Annotated[str, typer.Option(help="state, groups, riders, ...")] = "state",
    seconds: Annotated[float | None, typer.Option(help="End after so long.")] = None,
    as_json: Json = False,
) -> None:
    """Show each frame of one channel as it comes, from the first of these addresses that has it."""
    follower = Follower([Site(one) for one in (base, *(also or []))], channel)
    began_s = clock.monotonic_s()
    told: dict[str, str] = {}
    while seconds is None or clock.monotonic_s() - began_s < seconds:
        turned_s = clock.monotonic_s()
        seen = follower.turn(turned_s)
        if seen is not None:
            typer.echo(json.dumps(_line(seen)) if as_json else _words(seen))
        for site, error in follower.errors.items():
            if error and told.get(site) != error:
                typer.echo(f"note: {error}", err=True)
            told[site] = error
        clock.sleep_s(max(0.0, turned_s + _LOOK_S - clock.monotonic_s()))


def _line(seen: Seen) -> dict[str, Any]:
    return {"schema": "cloud-sync.follow/1", "base": seen.base, "frame": seen.document}


def _words(seen: Seen) -> str:
    return f"{seen.document.get('at')}  frame {seen.number} from {seen.base}"


def _status(publisher: Publisher, base: str, to: str, at_s: float, state: str) -> dict[str, Any]:
    return {
        "schema": "cloud-sync.publish/1",
        "state": state,
        "from": base,
        "to": to,
        "number": publisher.number,
        "objects": publisher.objects,
        "bytes": publisher.sent_bytes,
        "failures": publisher.failures,
        "error": publisher.error,
        "at_s": at_s,
    }


def _note(spool: Path, status: dict[str, Any]) -> None:
    """Tell `status`; where the disk is full, that must wait."""
    with suppress(Misconfigured):
        keys.write_file(spool / PUBLIC_NOTE, json.dumps(status).encode() + b"\n", 0o644)
