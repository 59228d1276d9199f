"""The commands `hardware config`: the next signed version of a node's configuration."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hardware import keys
from hardware.errors import Misconfigured, Refused
from hardware.node import PROFILES, Node, make_node, open_node, read_node, sign_node
from hardware.signing import SigningKey

app = typer.Typer(no_args_is_help=True, help="Signed configurations of nodes.")


@app.command()
def sign(
    event: Annotated[Path, typer.Argument(help="The event folder, with authority.key.")],
    before: Annotated[Path, typer.Argument(help="The node's configuration until now, signed.")],
    out: Annotated[Path, typer.Option(help="Where the next version goes.")],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE, such as broker.host=10.0.0.9; repeat."),
    ] = None,
    profile: Annotated[
        str, typer.Option(help="moto, helicopter or fixed: its settings, all of them.")
    ] = "",
) -> None:
    """Sign the next version of a node's configuration, with changes.

    Give the result to `truck node offer` or `relay config offer`. A value is JSON, or text.
    """
    authority = SigningKey(keys.read_key(event / "authority.key", "authority signing key"))
    node = read_node(keys.read_file(before, "configuration"), authority.public)
    following = _changed(node, change or [], profile)
    signed = sign_node(following, authority)
    open_node(signed, authority.public, node.event, node.name, node.serial)
    keys.write_file(out, signed, 0o644)
    typer.echo(f"{following.name}: version {following.version} in {out}", err=True)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A signed configuration.")],
    authority: Annotated[Path, typer.Option(help="The authority's public key (authority.pub).")],
) -> None:
    """Prove a configuration's signature and print it as JSON."""
    public = keys.read_key(authority, "authority public key")
    node = read_node(keys.read_file(file, "configuration"), public)
    typer.echo(json.dumps({"schema": "truck.node/1"} | node.model_dump(mode="json"), indent=1))


def _changed(node: Node, changes: list[str], profile: str) -> Node:
    """The next version; a changed field that does not exist, or a bad value, is named."""
    fields = node.model_dump(mode="json")
    if profile:
        named = next((name for name in PROFILES if name == profile), None)
        if named is None:
            raise Misconfigured(
                f"there is no profile {profile!r}", f"One of {', '.join(PROFILES)}."
            )
        fields |= {"profile": named} | PROFILES[named]._asdict()
    for change in changes:
        path, _, text = change.partition("=")
        *parents, last = path.split(".")
        place: Any = fields
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place or path in _KEPT:
            raise Misconfigured(
                f"--set {change!r} names no field that can be changed",
                "`hardware config show` prints the fields.",
            )
        place[last] = _value(text)
    fields["version"] = node.version + 1
    try:
        return make_node(fields.pop("profile"), **fields)
    except Refused as error:
        raise Misconfigured(str(error), "Give another value.") from error


_KEPT = ("event", "name", "serial", "version", "role", "profile")


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
