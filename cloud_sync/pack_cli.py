"""`cloud-sync pack keygen | build | list`: the remote team's side of stage packs."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cloud_sync.packs import publish, published_packs
from cloud_sync.remote import open_remote
from cloud_sync.signing_key import create_signing_key
from hardware import clock, keys
from hardware.errors import Misconfigured
from hardware.pack import PackManifest, build_pack, open_pack
from hardware.pack_folder import read_pack_folder
from hardware.route import road_of
from hardware.signing import SigningKey
from hardware.stage import stage_from_files

app = typer.Typer(
    no_args_is_help=True,
    help="Stage packs: the next stage with its boards, model and settings, signed for the truck.",
    epilog="The truck's side is `truck pack fetch`, `truck rehearse` and `truck pack activate`.",
)
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def keygen(
    name: Annotated[Path, typer.Argument(help="NAME or a path ending in NAME.")],
    as_json: Json = False,
) -> None:
    """Make the team's signing key: NAME.key (keep it secret) and NAME.pub (for `truck init`).

    Whoever holds NAME.key decides what every truck can be told to race on.
    """
    key, private, public = create_signing_key(name)
    if as_json:
        files = {"private": str(private), "public": str(public)}
        _print({"schema": "cloud-sync.pack.keygen/1", "team": key.public.hex(), **files})
    else:
        typer.echo(f"{private} (secret) and {public}")


@app.command()
def build(
    stage: Annotated[
        Path,
        typer.Argument(help="The stage folder, with boards/*.sql, model/ and settings.toml in it."),
    ],
    key: Annotated[Path, typer.Option(help="The team's private key, NAME.key.")],
    event: Annotated[str, typer.Option(help="The event's id, as in the truck's roster.")],
    version: Annotated[int, typer.Option(help="Counts up over the race, one a pack.")],
    number: Annotated[int, typer.Option(min=0, max=99, help="Of the stage; 0 the prologue.")],
    out: Annotated[Path | None, typer.Option(help="Write the pack to this file.")] = None,
    to: Annotated[
        str | None, typer.Option(help="Publish it in a folder or s3://bucket/prefix.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Sign a stage folder as a pack, and write or publish it.

    Example: cloud-sync pack build stage13 --key team.key --event tour-2027 --number 13
    --version 31 --to s3://bucket/race

    Published, a version is never replaced: what was wrong is mended by the next one.
    """
    if (out is None) == (to is None):
        raise Misconfigured("where the pack goes is not clear", "Give --out FILE or --to URL.")
    files, others = read_pack_folder(stage)
    found = stage_from_files(files)
    length_km = road_of(found).line.distance_m[-1] / 1000.0  # a road that cannot be drawn is told
    team = SigningKey(keys.read_key(key, "team signing key"))
    now_s = clock.from_environment().now_s()
    data = build_pack(
        files, event=event, version=version, stage=number, name=found.name, now_s=now_s, key=team
    )
    for name in others:
        sys.stderr.write(f"left out: {name} has no place in a pack\n")
    if to is not None:
        remote = open_remote(to)
        manifest = publish(remote, data, team.public)
        place = f"{remote.name}/{manifest.key}"
    elif out is not None:
        manifest = open_pack(data, team.public).manifest
        if out.exists() and out.read_bytes() != data:
            raise Misconfigured(f"{out} exists already", "Choose another file, or remove it.")
        keys.write_file(out, data, 0o644)
        place = str(out)
    if as_json:
        more = {"bytes": len(data), "place": place, "left_out": others}
        _print({"schema": "cloud-sync.pack.build/1", **_row(manifest), **more})
    else:
        typer.echo(f"{manifest}, {length_km:.1f} km, {len(files)} files: {place}")


@app.command("list")
def list_(
    url: Annotated[str, typer.Argument(help="A folder, file:///folder or s3://bucket/prefix.")],
    team: Annotated[Path, typer.Option(help="The team's public key, NAME.pub.")],
    event: Annotated[str, typer.Option(help="The event's id.")],
    as_json: Json = False,
) -> None:
    """Packs the team has published, oldest first; whatever it did not sign is only named."""
    public = keys.read_key(team, "team public key")
    remote = open_remote(url)
    found, foreign = published_packs(remote, event, public)
    if as_json:
        packs = [_row(manifest) for manifest in found]
        _print({"schema": "cloud-sync.pack.list/1", "packs": packs, "not_signed": foreign})
        return
    for key in foreign:
        sys.stderr.write(f"{remote.name}/{key} is not signed by this team, ignored\n")
    table = Table("version", "stage", "name", "made", "files", "pack")
    for manifest in found:
        table.add_row(
            str(manifest.version), str(manifest.stage), manifest.name, manifest.created_at,
            str(len(manifest.files)), manifest.digest[:16],
        )  # fmt: skip
    Console().print(table)


def _row(manifest: PackManifest) -> dict[str, object]:
    return {
        "event": manifest.event,
        "version": manifest.version,
        "stage": manifest.stage,
        "name": manifest.name,
        "created_at": manifest.created_at,
        "sha256": manifest.digest,
        "files": [file.name for file in manifest.files],
    }


def _print(document: dict[str, object]) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False))
