"""The command `cloud-sync`: the cloud team's side, and the truck's from its own room."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cloud_sync import feed_cli, look_cli, pull_cli, sending_cli
from cloud_sync.complete_cli import app as complete_app
from cloud_sync.engines import cli as engines_cli
from cloud_sync.erase_cli import app as erase_app
from cloud_sync.keyring import create_key, read_recipient, write_kms_recipient
from cloud_sync.keys_cli import app as keys_app
from cloud_sync.pack_cli import app as pack_app
from cloud_sync.terminal import Json, print_json
from hardware.errors import TruckError

app = typer.Typer(
    help="Bring the truck's sealed batches to the cloud, and back with proof.",
    epilog="Stores take their own variables (AWS_*, AZURE_STORAGE_*, GOOGLE_*), see docs/CLOUD.md.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(sending_cli.app)
app.add_typer(feed_cli.app)
app.add_typer(pull_cli.app)
app.add_typer(look_cli.app)
app.add_typer(engines_cli.app)
app.add_typer(pack_app, name="pack")
app.add_typer(keys_app, name="keys")
app.add_typer(erase_app)
app.add_typer(complete_app)


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


def main() -> None:
    """Run the command; a known error is one sentence on stderr and its exit code."""
    try:
        app(prog_name="cloud-sync")
    except TruckError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
