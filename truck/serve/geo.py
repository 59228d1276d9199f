"""The race as GeoJSON (RFC 7946), from what the feed says of one frame."""

from collections.abc import Iterator, Mapping
from typing import Any

from truck.serve.feed import encoded

SCHEMA = "truck.feed.geo/1"
_OF_RIDER = (
    "bib",
    "name",
    "team",
    "status",
    "quality",
    "age_s",
    "distance_m",
    "gap_s",
    "speed_mps",
)
_OF_GROUP = ("size", "first_bib", "distance_m", "gap_s", "speed_mps")
_DIGITS = 6


def encode_geo(
    course: Mapping[str, Any], riders: Mapping[str, Any], groups: Mapping[str, Any]
) -> bytes:
    """A FeatureCollection: the road, its points, groups at their first rider, and every rider.

    Args:
        course: the document truck.course/1.
        riders: the document of the channel riders.
        groups: that of the channel groups, of the same frame.
    """
    features = [
        *_of_course(course),
        *_of_groups(groups["groups"], riders["riders"]),
        *_of_riders(riders["riders"]),
    ]
    head = {name: riders[name] for name in ("number", "at", "at_us", "stage")}
    return encoded({"type": "FeatureCollection", "schema": SCHEMA, **head, "features": features})


def _of_course(course: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    profile, points = course["profile"], course["checkpoints"]
    line = [
        # RFC 7946: longitude first, then latitude, then height
        [lon, lat] if height_m is None else [lon, lat, height_m]
        for lon, lat, height_m in zip(
            profile["longitude_deg"], profile["latitude_deg"], profile["altitude_m"], strict=True
        )
    ]
    properties = {"kind": "route", "name": course["name"], "length_m": course["length_m"]}
    if len(line) > 1:
        yield _feature("route", {"type": "LineString", "coordinates": line}, properties)
    for number, at_m in enumerate(points["distance_m"]):
        place = _along(profile, at_m)
        said = {"what": points["kind"][number], "name": points["name"][number], "distance_m": at_m}
        if place is not None:
            yield _feature(f"checkpoint-{number}", _point(*place), {"kind": "checkpoint", **said})


def _of_groups(groups: Mapping[str, Any], riders: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    row_of = {bib: row for row, bib in enumerate(riders["bib"])}
    for number, group_id in enumerate(groups["group_id"]):
        place = _place(riders, row_of[groups["first_bib"][number]])
        said = {name: groups[name][number] for name in _OF_GROUP}
        if place is not None:
            yield _feature(f"group-{group_id}", place, {"kind": "group", **said})


def _of_riders(riders: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for row, bib in enumerate(riders["bib"]):
        place = _place(riders, row)
        said = {name: riders[name][row] for name in _OF_RIDER}
        if place is not None:
            yield _feature(f"rider-{bib}", place, {"kind": "rider", **said})


def _place(riders: Mapping[str, Any], row: int) -> dict[str, Any] | None:
    lon, lat = riders["longitude_deg"][row], riders["latitude_deg"][row]
    return None if lon is None or lat is None else _point(lon, lat)


def _along(profile: Mapping[str, Any], at_m: float) -> tuple[float, float] | None:
    """Longitude and latitude at a distance, between the points of the profile; None off it."""
    ways_m = profile["distance_m"]
    after = next((n for n, way_m in enumerate(ways_m) if way_m >= at_m), None)
    if after is None or at_m < ways_m[0]:
        return None
    before = max(after - 1, 0)
    span_m = ways_m[after] - ways_m[before]
    share = (at_m - ways_m[before]) / span_m if span_m > 0 else 0.0
    lon, lat = (
        round(axis[before] + share * (axis[after] - axis[before]), _DIGITS)
        for axis in (profile["longitude_deg"], profile["latitude_deg"])
    )
    return lon, lat


def _point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def _feature(name: str, geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "id": name, "geometry": geometry, "properties": properties}
