"""`cloud-sync erase`: a rider's biometrics destroyed on every copy made by us, and signed for."""

from pathlib import Path
from typing import Annotated

import typer

from cloud_sync.batch import biometrics_of, check_stream, is_biometrics
from cloud_sync.config import load_settings
from cloud_sync.erase import destroy_keys, find_rider_keys, forget_pulled
from cloud_sync.eraser import open_eraser
from cloud_sync.erasure import TEXT_MAX, Erasure
from cloud_sync.keyring import open_holder
from cloud_sync.rider_keys import forget_local
from cloud_sync.terminal import Json, Url, print_json, required
from hardware import clock, keys
from hardware.errors import Misconfigured
from hardware.signing import SigningKey

app = typer.Typer()


@app.command()
def erase(
    url: Url,
    stream: Annotated[str, typer.Option(help="The truck's stream, as `verify` names it.")],
    rider: Annotated[int, typer.Option(help="His bib.")],
    by: Annotated[str, typer.Option(help="Who erases.")],
    reason: Annotated[str, typer.Option(help="Why, in a few words; name nobody here.")],
    sign: Annotated[Path, typer.Option(help="Private signing key of the cloud team or the root.")],
    key: Annotated[
        str | None, typer.Option(help="A private key that opens the biometrics, to find his keys.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="One stage only, by its label.")] = None,
    also: Annotated[
        list[str] | None, typer.Option(help="Another remote with a copy; may be repeated.")
    ] = None,
    pulled: Annotated[
        list[Path] | None, typer.Option(help="A folder pulled into; may be repeated.")
    ] = None,
    spool: Annotated[
        list[Path] | None, typer.Option(help="A truck's outbox folder; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Destroy a rider's heart rates, power and cadence: his keys go, and a signed event stays.

    The chain stays provable and other riders' rows are not touched. `verify --cloud` shows who
    erased what and when. There is no way back.
    """
    for text, what in ((by, "--by"), (reason, "--reason")):
        if not text.strip() or not text.isprintable() or len(text) > TEXT_MAX:
            raise Misconfigured(f"{what} must be one line", f"At most {TEXT_MAX} characters.")
    name = check_stream(stream if is_biometrics(stream) else biometrics_of(stream))
    signer = SigningKey(keys.read_key(sign, "private signing key"))
    holder = open_holder(required(load_settings(None, key, None).key, "key"))
    erasers = [open_eraser(address) for address in (url, *(also or []))]
    ids = dict.fromkeys(
        key_id
        for eraser in erasers
        for key_id in find_rider_keys(eraser.remote, name, rider, stage, holder)
    )
    erasure = Erasure(name, tuple(ids), by, reason, clock.from_environment().now_s())
    objects = destroy_keys(erasers, erasure, signer) if ids else 0
    files = sum(forget_local(place, name, key_id) for place in spool or [] for key_id in ids)
    rows = sum(forget_pulled(folder, name, rider, stage) for folder in pulled or [])
    if not ids and not rows:
        raise Misconfigured(
            f"nothing of rider {rider} is in {name}",
            "Check bib, stream and stage; what was erased before is not found again.",
        )
    notes = [f"{eraser.remote.name}: {eraser.note}" for eraser in erasers]
    if as_json:
        counts = {"keys": list(ids), "objects": objects, "files": files, "pulled_rows": rows}
        schema = "cloud-sync.erase/1"
        print_json({"schema": schema, "stream": name, **counts, "by": by, "notes": notes})
        return
    typer.echo(f"{name}: {len(ids)} keys of rider {rider} destroyed, {objects} objects deleted,")
    typer.echo(f"{files} files of the truck removed, {rows} pulled rows rewritten away")
    for note in notes:
        typer.echo(f"mind: {note}", err=True)
