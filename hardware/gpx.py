"""A road drawn as GPX: its points in riding order and its named waypoints."""

import re
from dataclasses import dataclass
from typing import Any

import gpxpy
import gpxpy.gpx
import numpy as np
from numpy.typing import NDArray

from hardware.errors import Misconfigured

_ELEVATION_M = (-500.0, 9000.0)  # from the Dead Sea's shore to above every road


@dataclass(frozen=True, eq=False)
class Route:
    """Points of the road in riding order: degrees, and metres of altitude (NaN where absent)."""

    latitude_deg: NDArray[np.float64]
    longitude_deg: NDArray[np.float64]
    altitude_m: NDArray[np.float64]


@dataclass(frozen=True)
class Waypoint:
    """A named place beside the road; `kind` as the export has it, or empty."""

    name: str
    kind: str
    latitude_deg: float
    longitude_deg: float


@dataclass(frozen=True)
class Drawing:
    """What a GPX file draws."""

    name: str
    route: Route
    waypoints: tuple[Waypoint, ...]


def read_drawing(file: str, data: bytes) -> Drawing:
    """The track of a GPX document, all its segments in order, or its route where it has none.

    Raises:
        Misconfigured: it is no GPX, draws nothing, or has a point that is nowhere.
    """
    gpx = _parse(file, data)
    points: list[Any] = [p for track in gpx.tracks for part in track.segments for p in part.points]
    points = points or [p for route in gpx.routes for p in route.points]
    if len(points) < 2:
        raise Misconfigured(
            f"{file} holds {len(points)} route points", "Export the track of the whole stage."
        )
    table = np.array([(p.latitude, p.longitude, _metres(p.elevation)) for p in points], np.float64)
    lat, lon, altitude = table.T.copy()
    sound = (np.abs(lat) <= 90.0) & (np.abs(lon) <= 180.0)
    if not sound.all():
        at = int(np.argmin(sound))
        swapped = abs(lat[at]) <= 180.0 and abs(lon[at]) <= 90.0
        raise Misconfigured(
            f"{file}, point {at + 1}: latitude {lat[at]:g} or longitude {lon[at]:g} is outside "
            "the globe" + (", they look swapped" if swapped else ""),
            "Export the route again.",
        )
    low, high = _ELEVATION_M
    altitude[~((altitude >= low) & (altitude <= high))] = np.nan
    names = [gpx.name, *(track.name for track in gpx.tracks), *(r.name for r in gpx.routes)]
    return Drawing(
        next((name.strip() for name in names if name and name.strip()), ""),
        Route(lat, lon, altitude),
        tuple(_waypoint(point) for point in gpx.waypoints if point.name and point.name.strip()),
    )


def _parse(file: str, data: bytes) -> gpxpy.gpx.GPX:
    again = "Export the route again as GPX 1.1."
    try:
        text = _text(data)
        # GPX needs no entities of its own; declared ones only serve to blow up a parser
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise Misconfigured(f"{file} declares a DOCTYPE, which no GPX has", again)
        # gpxpy raises its own and the XML parser's errors, all of them about the file's text
        return gpxpy.parse(text)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Misconfigured(f"{file}, line {line}: not {error.encoding.upper()}", again) from error
    except (gpxpy.gpx.GPXException, ValueError, LookupError) as error:
        what = str(error).splitlines()[0] if str(error) else "not a GPX file"
        raise Misconfigured(f"{file}: {what}", again) from error


def _text(data: bytes) -> str:
    """The document in the encoding its first bytes name, without that declaration."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16")
    else:
        named = re.match(rb"(?:\xef\xbb\xbf)?\s*<\?xml[^>]*encoding=[\"']([\w.-]+)[\"']", data)
        encoding = named[1].decode("ascii").lower() if named else "utf-8"
        text = data.decode("utf-8-sig" if encoding in ("utf-8", "utf8") else encoding)
    return re.sub(r"^\s*<\?xml[^>]*\?>", "", text)


def _metres(elevation: Any) -> float:
    return float("nan") if elevation is None else float(elevation)


def _waypoint(point: Any) -> Waypoint:
    kind = (point.type or point.symbol or "").strip()
    return Waypoint(point.name.strip(), kind, float(point.latitude), float(point.longitude))
