"""Stage folders (DESIGN 6) for the virtual peloton and for recorded rides."""

import csv
import datetime as dt
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import gpxpy.gpx
import numpy as np
import pyproj

from hardware import keys
from hardware.errors import Misconfigured
from hardware.rides import Ride, bibs_of
from hardware.virtual.course import Course, course_of

_EARTH = pyproj.Geod(ellps="WGS84")
_JUMP_MPS = 35.0  # no rider is faster: a step that needs more is the recorder's
_STANDING_M = 3.0
_TEAM_RIDERS = 8


class Starter(NamedTuple):
    """One line of the start list."""

    bib: int
    name: str
    team: str


class Checkpoint(NamedTuple):
    """A named place on the course; kind as in DESIGN 6 (climb, sprint, feed, ...)."""

    km: float
    kind: str
    name: str


def virtual_starters(bibs: Sequence[int]) -> list[Starter]:
    """A start list of made-up riders, eight a team."""
    return [
        Starter(bib, f"Rider {bib}", f"Team {chr(ord('A') + k // _TEAM_RIDERS % 26)}")
        for k, bib in enumerate(bibs)
    ]


def checkpoints_of(course: Course) -> list[Checkpoint]:
    """The course's highest point and a sprint at half way."""
    top = int(np.argmax(course.altitude_m))
    found = [Checkpoint(round(course.length_m / 2000, 2), "sprint", "Half way")]
    if 0 < top < len(course.altitude_m) - 1:
        name = f"Highest point, {course.altitude_m[top]:.0f} m"
        found.append(Checkpoint(round(course.distance_m[top] / 1000, 2), "climb", name))
    return sorted(found)


def write_stage(
    folder: Path,
    course: Course,
    starters: Sequence[Starter],
    *,
    name: str,
    start_at_s: float,
    checkpoints: Sequence[Checkpoint] = (),
) -> None:
    """Write a stage folder: route.gpx, startlist.csv, checkpoints.csv and, last, stage.toml.

    Raises:
        Misconfigured: the folder holds a stage already, or cannot be written.
    """
    if (folder / "stage.toml").exists():
        raise Misconfigured(f"{folder} already holds a stage", "Choose an empty folder.")
    start_at = dt.datetime.fromtimestamp(int(start_at_s), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    texts = {
        "route.gpx": _gpx(course, name),
        "startlist.csv": _csv(Starter._fields, starters),
        "checkpoints.csv": _csv(Checkpoint._fields, checkpoints),
        "stage.toml": (
            f"name = {json.dumps(name, ensure_ascii=False)}\n"
            'kind = "road"\n'
            f"start_at = {start_at}\n"
            f"length_km = {course.length_m / 1000:.3f}\n"
        ),
    }
    for file, text in texts.items():
        keys.write_file(folder / file, text.encode(), 0o644)


def write_stage_from_rides(folder: Path, rides: dict[str, Ride]) -> None:
    """A stage folder whose route is the longest ride and whose starters are the riders.

    Raises:
        Misconfigured: the folder holds a stage already, or cannot be written.
    """
    course = max((course_of_ride(ride) for ride in rides.values()), key=lambda c: c.length_m)
    bibs = bibs_of(rides)
    write_stage(
        folder,
        course,
        [Starter(bib, name, "") for name, bib in sorted(bibs.items(), key=lambda item: item[1])],
        name="Recorded ride of " + ", ".join(sorted(rides)),
        start_at_s=min(float(ride.measured_at_s[0]) for ride in rides.values()),
        checkpoints=checkpoints_of(course),
    )


def course_of_ride(ride: Ride) -> Course:
    """A ride's track as a course: standstill and jumps left out, gaps crossed in a straight line.

    Raises:
        Misconfigured: when the ride goes nowhere.
    """
    lat, lon, at_s = ride.latitude_deg, ride.longitude_deg, ride.measured_at_s
    kept = [0]
    for k in range(1, len(at_s)):
        last = kept[-1]
        moved_m = float(_EARTH.inv(lon[last], lat[last], lon[k], lat[k])[2])
        jumped = moved_m > _JUMP_MPS * max(1.0, at_s[k] - at_s[last])
        if not jumped and moved_m >= _STANDING_M:
            kept.append(k)
    try:
        return course_of(lat[kept], lon[kept], ride.altitude_m[kept])
    except ValueError as error:
        raise Misconfigured("a ride goes nowhere", "Choose one that makes a course.") from error


def _gpx(course: Course, name: str) -> str:
    document = gpxpy.gpx.GPX()
    document.creator = "hardware stage"
    track = gpxpy.gpx.GPXTrack(name=name)
    segment = gpxpy.gpx.GPXTrackSegment()
    columns = (course.latitude_deg, course.longitude_deg, course.altitude_m)
    for lat, lon, altitude in zip(*(column.tolist() for column in columns), strict=True):
        point = gpxpy.gpx.GPXTrackPoint(round(lat, 7), round(lon, 7), round(altitude, 1))
        segment.points.append(point)
    track.segments.append(segment)
    document.tracks.append(track)
    return document.to_xml(version="1.1")


def _csv(header: Sequence[str], rows: Sequence[NamedTuple]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
