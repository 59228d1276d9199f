"""`cloud-sync keys root | set | grant`: who may open what, and old batches for a new recipient."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cloud_sync.audit import Audit, Progress, find_streams, prove_chain, raise_failures
from cloud_sync.config import load_settings
from cloud_sync.envelope import NotForThisKey
from cloud_sync.fetching import fetch_object
from cloud_sync.grant import grant_batch, grant_key, grant_prefix, grant_rider, rider_grant_key
from cloud_sync.key_audit import Trust
from cloud_sync.keyring import KeyHolder, Recipient, open_holder, read_recipient, read_truck_public
from cloud_sync.keyset import (
    KeySet,
    Kind,
    Member,
    decode_keyset,
    encode_keyset,
    open_keyset,
    sign_keyset,
)
from cloud_sync.put import put_proven
from cloud_sync.remote import Remote, open_remote
from cloud_sync.signing_key import create_signing_key
from cloud_sync.terminal import Json, Url, count_in, open_bar, print_json, required
from hardware import keys
from hardware.errors import Damaged, Misconfigured, Refused
from hardware.signing import SigningKey

app = typer.Typer(
    no_args_is_help=True,
    help="Who may open the cloud copy: key sets signed by an offline root, and grants.",
)
set_app = typer.Typer(
    no_args_is_help=True,
    help="A key set: draft it anywhere, sign it where the root's key is.",
    epilog="keys set new tour.draft --name tour; keys set add tour.draft operations.pub"
    " recovery.pub; keys set sign tour.draft --root-key root.key --to keyset.json",
)
app.add_typer(set_app, name="set")

Draft = Annotated[Path, typer.Argument(metavar="DRAFT", help="The draft's file.")]


@app.command()
def root(
    name: Annotated[Path, typer.Argument(help="NAME or a path ending in NAME.")],
    as_json: Json = False,
) -> None:
    """Make a signing key: NAME.key (keep it offline) and NAME.pub (for the truck and verifiers).

    One is the root of the key sets; the cloud team makes another, to sign acks and erasures.
    """
    key, private, public = create_signing_key(name)
    if as_json:
        files = {"private": str(private), "public": str(public)}
        print_json({"schema": "cloud-sync.keys.root/1", "root": key.public.hex(), **files})
    else:
        typer.echo(f"{private} (secret) and {public}")


@set_app.command()
def new(draft: Draft, name: Annotated[str, typer.Option(help="Of the event or the team.")]) -> None:
    """Begin a draft; a truck follows one name for good."""
    if draft.exists():
        raise Misconfigured(f"{draft} exists already", "Go on with it, or choose another name.")
    _write(draft, KeySet(name, 0, ()))
    typer.echo(f"{draft}: key set {name}, nobody in it yet")


@set_app.command()
def add(
    draft: Draft,
    recipients: Annotated[list[Path], typer.Argument(metavar="PUB...", help="Their .pub files.")],
    kinds: Annotated[
        list[Kind], typer.Option("--for", help="What they may open; may be repeated.")
    ] = [Kind.READINGS],  # noqa: B006 typer copies it
) -> None:
    """Add recipients, for readings or for biometrics too."""
    keyset = _read(draft)
    for path in recipients:
        keyset = keyset.with_member(Member(read_recipient(path), tuple(dict.fromkeys(kinds))))
    _write(draft, keyset)
    _tell(keyset)


@set_app.command()
def revoke(draft: Draft, name: Annotated[str, typer.Argument(help="His name or key id.")]) -> None:
    """Revoke a recipient: batches sealed by the next version leave him out.

    What was sealed to him before he can open for ever, wherever he kept a copy.
    """
    keyset = _read(draft).without(name)
    _write(draft, keyset)
    _tell(keyset)


@set_app.command()
def sign(
    draft: Draft,
    root_key: Annotated[Path, typer.Option(help="The root's private key, ROOT.key.")],
    to: Annotated[Path, typer.Option(help="Where the signed set goes, for the truck.")],
) -> None:
    """Sign the draft as the next version."""
    keyset = _read(draft)
    following = KeySet(keyset.name, keyset.version + 1, keyset.members)
    signed = sign_keyset(following, SigningKey(keys.read_key(root_key, "root's private key")))
    keys.write_file(to, signed, 0o644)
    _write(draft, following)
    _tell(following)
    typer.echo(f"{to}: lay it where the truck's `keyset` points; the next batch follows it")


@set_app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A draft, or a signed set with --root.")],
    root: Annotated[str | None, typer.Option(help="The root's public key.")] = None,
    as_json: Json = False,
) -> None:
    """Show who is in a set; with --root prove its signature."""
    if root is None:
        keyset = _read(file)
    else:
        try:
            keyset = open_keyset(keys.read_file(file, "the key set"), read_truck_public(root))
        except Refused as error:
            raise Damaged(f"{file} is no key set of this root: {error}") from error
    if as_json:
        print_json({**encode_keyset(keyset), "signed": root is not None})
    else:
        _tell(keyset)


@app.command()
def grant(
    url: Url,
    to: Annotated[Path, typer.Option(help="Public key of the new recipient.")],
    key: Annotated[str | None, typer.Option(help="A private key that opens the batches.")] = None,
    truck: Annotated[str | None, typer.Option(help="The truck's public key.")] = None,
    cloud: Annotated[
        str | None, typer.Option(help="The cloud team's public key, where riders were erased.")
    ] = None,
    stream: Annotated[str | None, typer.Option(help="One stream only; else all it opens.")] = None,
    as_json: Json = False,
) -> None:
    """Open old batches to a new recipient: their data keys are wrapped for him too.

    The objects stay as they are; each grant is a small object of its own. Whoever pulls with the
    new key finds them.
    """
    settings = load_settings(None, key, truck, None, cloud)
    trust = Trust(cloud=read_truck_public(settings.cloud) if settings.cloud else None)
    holder = open_holder(required(settings.key, "key"))
    public = read_truck_public(required(settings.truck, "truck"))
    recipient, remote = read_recipient(to), open_remote(url)
    given: dict[str, int] = {}
    error: NotForThisKey | None = None
    with open_bar() as bar:
        for name in find_streams(remote, stream):
            move = count_in(bar, f"granting {name}")
            try:
                given[name] = _grant_stream(
                    _prove_stream(remote, name, public, trust), remote, holder, recipient, move
                )
            except NotForThisKey as not_ours:
                error = not_ours
    if error is not None and not given:
        raise error
    if as_json:
        document = {"schema": "cloud-sync.keys.grant/1", "to": recipient.key_id, "streams": given}
        print_json(document)
    else:
        for name, count in given.items():
            typer.echo(f"{name}: {count} keys granted to {recipient.name} ({recipient.key_id})")


def _prove_stream(remote: Remote, stream: str, truck: bytes, trust: Trust) -> Audit:
    """A stream whose chain and keys hold.

    Raises:
        Damaged: naming all that does not.
    """
    audit = Audit(stream)
    if not prove_chain(audit, remote, truck, (), trust):
        raise_failures([audit])
    return audit


def _grant_stream(
    audit: Audit, remote: Remote, holder: KeyHolder, to: Recipient, move: Progress
) -> int:
    """Grant every batch and every rider's key of a stream that he cannot open yet; how many."""
    stream = audit.stream
    opener = audit.opener(remote, holder)
    opener.check(audit.chain)
    there = set(remote.keys(grant_prefix(stream)))
    given = 0
    for place, manifest in enumerate(audit.chain):
        if to.key_id not in manifest.recipients:
            grants: list[tuple[str, bytes]] = []
            if grant_key(manifest.batch, to.key_id) not in there:
                data_key = opener.data_key(fetch_object(remote, manifest), manifest)
                grants.append(grant_batch(manifest.batch, data_key, to))
            for rider_key in manifest.rider_keys:
                rider = opener.rider_key(rider_key)
                if rider and rider_grant_key(stream, rider_key, to.key_id) not in there:
                    grants.append(grant_rider(stream, rider_key, rider.secret, to))
            for key, data in grants:
                put_proven(remote, key, data)
            there |= {key for key, _ in grants}
            given += len(grants)
        move(place + 1, len(audit.chain))
    return given


def _read(draft: Path) -> KeySet:
    try:
        return decode_keyset(json.loads(keys.read_file(draft, "the draft")))
    except (Refused, ValueError, AttributeError) as error:
        raise Misconfigured(
            f"{draft} is no draft of a key set",
            "Begin one with `cloud-sync keys set new`; a signed set is shown with --root.",
        ) from error


def _write(draft: Path, keyset: KeySet) -> None:
    keys.write_file(draft, json.dumps(encode_keyset(keyset), indent=1).encode() + b"\n", 0o644)


def _tell(keyset: KeySet) -> None:
    typer.echo(f"key set {keyset.name}, version {keyset.version or 'none yet'}")
    for member in keyset.members:
        kinds = "revoked" if member.revoked else ", ".join(member.kinds)
        typer.echo(f"  {member.recipient.name} ({member.recipient.key_id}): {kinds}")
