"""Content over HTTP: what is shown, for everybody; adding and moderating with an editor's token."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hardware import clock
from hardware.errors import Damaged, Locked, Misconfigured
from truck.content.gallery import Gallery
from truck.content.item import Item
from truck.content.photo import BYTES_MAX, Photo, photo_of
from truck.content.place import km_of
from truck.race.course import Course
from truck.serve.access import caller_of, needs
from truck.serve.answer import Body, answered, problem, said

SCHEMA = "truck.content/1"
_FIELDS = {"kind", "at", "km", "text", "link", "author"}
_FORM_BYTES = 16_384  # of a form beside its photo


def routes(gallery: Gallery, course: Course | None = None) -> list[Route]:
    """GET /api/v1/content and /content/media/{name}; POST /content and /content/{id}/{verdict}.

    Args:
        gallery: where it is kept.
        course: puts photos with a place on the kilometre axis.
    """

    async def shown(request: Request) -> Response:
        try:
            items = await run_in_threadpool(gallery.shown)
        except Damaged as error:
            return problem(503, "Not to be had now", str(error))
        return answered(request, Body(_document(items)))

    async def media(request: Request) -> Response:
        data = await run_in_threadpool(gallery.photo, request.path_params["name"])
        if data is None:
            return problem(404, "No such photo", "it was never shown, or was taken away again")
        return answered(request, Body(data, "image/jpeg"), "public, max-age=60")

    @needs("content", body_bytes_max=BYTES_MAX + _FORM_BYTES)
    async def add(request: Request) -> Response:
        caller = caller_of(request)
        return await _answer(request, gallery, course, "" if caller is None else caller.name)

    @needs("content")
    async def decide(request: Request) -> Response:
        caller = caller_of(request)
        name = caller.name if caller is not None else ""
        show = request.path_params["verdict"] == "show"
        try:
            item = await run_in_threadpool(
                gallery.decide, request.path_params["id"], name, show=show
            )
        except Misconfigured as error:
            return problem(404, "No such item", str(error))
        except (Locked, Damaged) as error:
            return problem(503, "Not now", str(error))
        return said({"schema": SCHEMA, **_public(item), "state": item.state})

    return [
        Route("/api/v1/content", shown),
        Route("/content/media/{name}", media),
        Route("/content", add, methods=["POST"]),
        Route("/content/{id:int}/{verdict}", decide, methods=["POST"]),
    ]


async def _answer(request: Request, gallery: Gallery, course: Course | None, name: str) -> Response:
    try:
        fields, data = await _sent(request)
        photo = None if data is None else await run_in_threadpool(photo_of, data)
        item = _item_of(fields, photo, course, name)
        # what a photo shows nobody has looked at yet; words are their author's
        kept = await run_in_threadpool(gallery.add, item, photo, at_once=photo is None)
    except Misconfigured as error:
        return problem(422, "Not taken", str(error))
    except (Locked, Damaged) as error:
        return problem(503, "Not now", str(error))
    return said({"schema": SCHEMA, **_public(kept), "state": kept.state}, 201)


async def _sent(request: Request) -> tuple[dict[str, Any], bytes | None]:
    """The fields, and the photo if there is one.

    Raises:
        Misconfigured: it is neither JSON nor a form of ours.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    data = None
    try:
        if kind == "application/json":
            fields = json.loads(await request.body())
        elif kind == "multipart/form-data":
            async with request.form(max_files=1, max_fields=len(_FIELDS)) as form:
                file = form.get("photo")
                data = await file.read() if isinstance(file, UploadFile) else None
                fields = {key: value for key, value in form.items() if isinstance(value, str)}
        else:
            raise Misconfigured("that is no content", "Send application/json or a form.")
    except (ValueError, HTTPException, RecursionError) as error:
        raise Misconfigured(f"the body does not read as {kind}", "Send it again.") from error
    if not isinstance(fields, dict):
        raise Misconfigured("the body is no object", "Send the fields by name.")
    strange = fields.keys() - _FIELDS
    if strange:
        raise Misconfigured(
            f"the field {sorted(map(str, strange))[0][:40]!r} is unknown",
            f"Send {', '.join(sorted(_FIELDS))}, and a photo as `photo`.",
        )
    return fields, data


def _item_of(fields: dict[str, Any], photo: Photo | None, course: Course | None, name: str) -> Item:
    text = {key: fields.get(key, "") for key in ("kind", "at", "text", "link", "author")}
    if not all(isinstance(value, str) for value in text.values()):
        raise Misconfigured("a field is no text", "Only km is a number.")
    km: float | None = None
    if fields.get("km") not in (None, ""):
        try:
            km = float(fields["km"])
        except (TypeError, ValueError) as error:
            raise Misconfigured("km is no number", "Write it as 12.4.") from error
    elif photo is not None and course is not None and photo.latitude_deg is not None:
        km = km_of(course, photo.latitude_deg, photo.longitude_deg or 0.0)
    at_s = photo.taken_at_s if photo is not None else None
    if text["at"]:
        try:
            instant = datetime.fromisoformat(text["at"])
            if instant.tzinfo is None:
                raise ValueError("no zone")
            at_s = instant.timestamp()
        except (ValueError, OverflowError) as error:
            raise Misconfigured("at is no time", "Write it as 2027-07-16T14:05:00Z.") from error
    kind = text["kind"] or ("photo" if photo is not None else "comment")
    when_s = clock.from_environment().now_s() if at_s is None else at_s
    return Item(0, kind, when_s, km, text["text"], text["link"], text["author"], "", "", name, "")


def _document(items: list[Item]) -> bytes:
    """Columns, as every channel of the feed."""
    rows = [_public(item) for item in items]
    names = ("item_id", "kind", "at", "km", "text", "link", "author", "media")
    columns = {name: [row[name] for row in rows] for name in names}
    document = {"schema": SCHEMA, "items": columns}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _public(item: Item) -> dict[str, Any]:
    """What the public may know: not who added it, or let it through."""
    kept = asdict(item)
    at = datetime.fromtimestamp(item.at_s, UTC).isoformat(timespec="seconds")
    media = f"/content/media/{item.media}" if item.media else None
    row = {key: kept[key] for key in ("item_id", "kind", "km", "text", "link", "author")}
    return row | {"at": at.replace("+00:00", "Z"), "media": media}
