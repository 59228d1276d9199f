"""A photo as it may be shown: opened, checked, made anew, and without what the camera wrote in it.

Whatever is served was drawn from pixels by us: no EXIF, no GPS, no thumbnail, no second file hidden
behind the first. What the camera knew of time and place is read before, to put the photo on the
race's axes; it goes no further unless the editor wants it there.
"""

import datetime as dt
import hashlib
import io
import warnings
from typing import NamedTuple

from PIL import ExifTags, Image, ImageOps

from hardware.errors import Misconfigured

BYTES_MAX = 25 * 1024 * 1024
_PIXELS_MAX = 60_000_000
_EDGE_PX = 2048
_QUALITY = 85
_FORMATS = ("JPEG", "PNG", "WEBP")
# what the library says of damaged files, by format and by field
_NO_PHOTO = (
    OSError, ValueError, SyntaxError, Image.DecompressionBombError, EOFError, KeyError, TypeError,
    IndexError, ZeroDivisionError, OverflowError,
)  # fmt: skip


class Photo(NamedTuple):
    """A photo made anew.

    Attributes:
        name: `<sha16>.jpg`.
        data: a JPEG of at most 2,048 pixels an edge.
        taken_at_s: when, by the camera's clock and zone; None where it does not say both.
        latitude_deg: where, None where the camera does not say.
        longitude_deg: as above.
    """

    name: str
    data: bytes
    taken_at_s: float | None
    latitude_deg: float | None
    longitude_deg: float | None


def photo_of(data: bytes) -> Photo:
    """The photo to show.

    Raises:
        Misconfigured: too large, no photo, damaged, or of a format that is not taken.
    """
    if len(data) > BYTES_MAX:
        raise Misconfigured(
            f"the photo has {len(data) / 1e6:.0f} MB", f"Send at most {BYTES_MAX >> 20} MB."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a camera wrote badly is not kept anyway
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                if image.width * image.height > _PIXELS_MAX:
                    raise Misconfigured(
                        f"the photo has {image.width} x {image.height} pixels",
                        f"Send one of at most {_PIXELS_MAX // 1_000_000} million.",
                    )
                image.load()
                exif = image.getexif()
                upright = ImageOps.exif_transpose(image).convert("RGB")
            taken_at_s, place = _taken_at_s(exif), _place(exif)
    except _NO_PHOTO as error:
        raise Misconfigured(
            "this is no whole JPEG, PNG or WebP photo", "Open it, save it again, and send that."
        ) from error
    upright.thumbnail((_EDGE_PX, _EDGE_PX))
    clean = Image.new("RGB", upright.size)
    clean.paste(upright)  # pixels alone: nothing that came with the file comes along
    out = io.BytesIO()
    clean.save(out, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    shown = out.getvalue()
    name = f"{hashlib.sha256(shown).hexdigest()[:16]}.jpg"
    return Photo(name, shown, taken_at_s, *place)


def _taken_at_s(exif: Image.Exif) -> float | None:
    """By DateTimeOriginal and its zone; without a zone a camera's clock says nothing sure."""
    inside = exif.get_ifd(ExifTags.IFD.Exif)
    text = inside.get(ExifTags.Base.DateTimeOriginal)
    zone = inside.get(ExifTags.Base.OffsetTimeOriginal)
    try:
        taken = dt.datetime.strptime(f"{text} {zone}".strip("\0 "), "%Y:%m:%d %H:%M:%S %z")
    except (TypeError, ValueError):
        return None
    return taken.timestamp()


def _place(exif: Image.Exif) -> tuple[float | None, float | None]:
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    try:
        degrees = [
            sum(float(part) / 60.0**k for k, part in enumerate(gps[tag]))
            * (-1.0 if str(gps[ref]).strip("\0 ").upper() in ("S", "W") else 1.0)
            for tag, ref in (
                (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef),
                (ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef),
            )
        ]
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None, None
    if not (abs(degrees[0]) <= 90.0 and abs(degrees[1]) <= 180.0):
        return None, None
    return degrees[0], degrees[1]
