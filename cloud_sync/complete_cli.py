"""The command `cloud-sync complete`, and what `verify` says of completeness."""

import json
import sys
from collections.abc import Collection, Iterable
from typing import Annotated, Any

import typer
from rich.console import Console

from cloud_sync.audit import Audit, find_streams, prove_chain, raise_failures
from cloud_sync.batch import ledger_of, stream_of
from cloud_sync.complete import complete_stream
from cloud_sync.config import load_settings
from cloud_sync.fetching import fetch_object
from cloud_sync.keyring import KeyHolder, open_holder, read_truck_public
from cloud_sync.manifest import Manifest
from cloud_sync.opening import Opener
from cloud_sync.remote import Remote, open_remote
from hardware.completeness import exit_code, sentence
from hardware.errors import Damaged, Exit, Misconfigured, Unavailable
from hardware.strip import print_ledger

app = typer.Typer()


@app.command()
def complete(
    url: Annotated[str, typer.Argument(help="A folder, file:///folder or s3://bucket/prefix.")],
    key: Annotated[
        str | None, typer.Option(help="Your private key: NAME.key of `keygen`, or kms:ARN.")
    ] = None,
    truck: Annotated[
        str | None, typer.Option(help="The truck's public key: 64 hex digits, or a file of them.")
    ] = None,
    stream: Annotated[str | None, typer.Option(help="Of which truck; else the only one.")] = None,
    stage: Annotated[str | None, typer.Option(help="Its name or a part; else the last.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Is the stage complete here? The truck's ledger, held against the rows themselves.

    Exit code 75 while something waits, 65 when something is missing or the two ends disagree.
    """
    settings = load_settings(None, key, truck)
    for name, value in (("key", settings.key), ("truck", settings.truck)):
        if value is None:
            raise Misconfigured(
                f"--{name} is missing",
                f"Give it, set CLOUD_SYNC_{name.upper()}, or cloud-sync.toml.",
            )
    remote = open_remote(url)
    found = answer_complete(
        remote, _one_stream(remote, stream), read_truck_public(settings.truck or ""),
        open_holder(settings.key or ""), stage,
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(found))
    else:
        print_ledger(Console(), found)
    for what in found["disagreements"]:
        sys.stderr.write(f"the two ends disagree: {what}\n")
    raise typer.Exit(Exit.DAMAGED if found["disagreements"] else exit_code(found))


def answer_complete(
    remote: Remote, stream: str, truck: bytes, key: KeyHolder, stage: str | None = None
) -> dict[str, Any]:
    """A stage's ledger from what a remote holds, see `cloud_sync.complete`."""
    chains = {name: _chain(remote, name, truck) for name in (ledger_of(stream), stream)}
    openers = {name: Opener(remote, name, key) for name in chains}

    def opened(manifest: Manifest) -> Any:
        return openers[manifest.batch.stream].open(fetch_object(remote, manifest), manifest)

    for name, opener in openers.items():
        opener.check(chains[name])
    return complete_stream(stream, chains[ledger_of(stream)], chains[stream], opened, stage)


def answers_to(
    remote: Remote, streams: Collection[str], truck: bytes, key: KeyHolder | None
) -> list[dict[str, Any]]:
    """For `verify`: the answer of every stream with a ledger; without a key a word why not."""
    told = sorted({stream for stream in map(stream_of, streams) if stream and stream in streams})
    if key is None:
        for stream in told:
            sys.stderr.write(f"{stream}: whether it is complete was not checked; needs --key\n")
        return []
    found = []
    for stream in told:
        try:
            found.append(answer_complete(remote, stream, truck, key))
        except Unavailable as error:
            sys.stderr.write(f"{stream}: {error}\n")
    return found


def check_answers(found: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    """Say what `answers_to` found, on stdout where no JSON goes there.

    Raises:
        Damaged: naming where the two ends disagree, or that packets are missing.
    """
    wrong = []
    for answer in found:
        if not as_json:
            typer.echo(f"{answer['stream']}: {sentence(answer)}")
        wrong += [f"{answer['stream']}: {what}" for what in answer["disagreements"]]
    if wrong:
        raise Damaged("; ".join(wrong))


def _chain(remote: Remote, stream: str, truck: bytes) -> list[Manifest]:
    audit = Audit(stream)
    if not prove_chain(audit, remote, truck, ()):
        raise_failures([audit])
    return audit.chain


def _one_stream(remote: Remote, stream: str | None) -> str:
    """The stream asked for, or the only one whose truck has told its ledger."""
    if stream is not None:
        return stream
    told = list(filter(None, map(stream_of, find_streams(remote, None))))
    if len(told) != 1:
        names = ", ".join(told) or "none"
        raise Misconfigured(
            f"{remote.name} holds the ledgers of {len(told)} streams: {names}",
            "Name one with --stream; a truck tells its ledger every five minutes.",
        )
    return told[0]
