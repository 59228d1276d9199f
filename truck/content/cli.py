"""`truck content add | list | show | reject`."""

import datetime as dt
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hardware import clock, home
from hardware.errors import Misconfigured
from hardware.stage import load_stage
from truck.config import TruckConfig, TruckHome
from truck.content.gallery import Gallery
from truck.content.item import KINDS, Item
from truck.content.photo import Photo, photo_of
from truck.rulings_cli import login

app = typer.Typer(
    no_args_is_help=True,
    help="Photos, video links, posts and commentary on the race's time and kilometre axis.",
)
Home = Annotated[Path, typer.Argument(metavar="HOME", help="The truck's home folder.")]
By = Annotated[str, typer.Option(help="Who.", envvar="TRUCK_OPERATOR", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
ItemId = Annotated[int, typer.Argument(metavar="ID", help="As in `truck content list`.")]


@app.command()
def add(
    folder: Home,
    file: Annotated[Path | None, typer.Argument(help="A photo: JPEG, PNG or WebP.")] = None,
    kind: Annotated[str, typer.Option(help=f"{', '.join(KINDS)}; a file is a photo.")] = "",
    text: Annotated[str, typer.Option(help="Plain words, or a photo's caption.")] = "",
    link: Annotated[str, typer.Option(help="A public https:// address.")] = "",
    author: Annotated[str, typer.Option(help="Who said it or took it.")] = "",
    at: Annotated[
        str, typer.Option(help="When (ISO 8601); else the photo's own time, or now.")
    ] = "",
    km: Annotated[
        float | None, typer.Option(help="Where, after the flag; else where the photo was taken.")
    ] = None,
    keep_place: Annotated[
        bool, typer.Option(help="Use the photo's own place on the road, if it has one.")
    ] = True,
    wait: Annotated[bool, typer.Option("--wait", help="Let somebody else look first.")] = False,
    by: By = "",
    as_json: Json = False,
) -> None:
    """Add a photo, a video link, a post or a comment.

    A photo is drawn anew: nothing that the camera wrote into it, such as its place, is in the file
    that people get.
    """
    at_home = TruckHome(folder)
    home.check(at_home.config)
    photo = None if file is None else _photo(file)
    if km is None and photo is not None and keep_place:
        km = _km_of(at_home, photo)
    at_s = _instant_s(at) if at else photo.taken_at_s if photo is not None else None
    if at_s is None:
        at_s = clock.from_environment().now_s()
    said = kind or ("photo" if photo else "video" if link and not text else "post" if link else "")
    item = Item(
        0, said or "comment", at_s, km, text, link, author, "", "", by or login(), ""
    )  # fmt: skip
    kept = Gallery(at_home.content).add(item, photo, at_once=not wait)
    _say(kept, as_json)


@app.command("list")
def list_items(folder: Home, as_json: Json = False) -> None:
    """What there is, what waits for somebody to look at it, and who let it through."""
    items = Gallery(_content(folder)).items()
    if as_json:
        rows = [item.document() for item in items]
        typer.echo(json.dumps({"schema": "truck.content-list/1", "items": rows}))
        return
    table = Table("id", "time UTC", "km", "kind", "text", "by", "state")
    for item in items:
        at = dt.datetime.fromtimestamp(item.at_s, dt.UTC).strftime("%H:%M:%S")
        km = "" if item.km is None else f"{item.km:.1f}"
        words = item.text or item.link or item.media
        table.add_row(
            str(item.item_id), at, km, item.kind, words[:60], item.author or item.added_by,
            item.state,
        )  # fmt: skip
    Console().print(table)


@app.command()
def show(folder: Home, item_id: ItemId, by: By = "", as_json: Json = False) -> None:
    """Let an item through to the page and the feed."""
    _say(Gallery(_content(folder)).decide(item_id, by or login(), show=True), as_json)


@app.command()
def reject(folder: Home, item_id: ItemId, by: By = "", as_json: Json = False) -> None:
    """Take an item away from the public; it stays in the record."""
    _say(Gallery(_content(folder)).decide(item_id, by or login(), show=False), as_json)


def _content(folder: Path) -> Path:
    at_home = TruckHome(folder)
    home.check(at_home.config)
    return at_home.content


def _photo(file: Path) -> Photo:
    try:
        return photo_of(file.read_bytes())
    except OSError as error:
        raise Misconfigured(f"cannot read {file}: {error.strerror}", "Check the path.") from error
    except Misconfigured as error:
        raise Misconfigured(f"{file}: {error}", "Nothing was added.") from error


def _km_of(at_home: TruckHome, photo: Photo) -> float | None:
    """Where on the stage a photo was taken, if it was taken at the road."""
    if photo.latitude_deg is None or photo.longitude_deg is None:
        return None
    from truck.content.place import km_of
    from truck.race.course import Course

    config = home.load_settings(TruckConfig, at_home.config, {})
    return km_of(Course(load_stage(config.stage)), photo.latitude_deg, photo.longitude_deg)


def _instant_s(text: str) -> float:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise Misconfigured(f"{text!r} is no time", "Write 2027-07-16T14:05:00Z.") from error
    if instant.tzinfo is None:
        raise Misconfigured(f"{text!r} has no zone", "Write 2027-07-16T14:05:00Z.")
    return instant.timestamp()


def _say(item: Item, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"schema": "truck.content/1", **item.document()}))
        return
    where = "" if item.km is None else f" at km {item.km:.1f}"
    typer.echo(f"{item.kind} {item.item_id}{where}: {item.state}")
