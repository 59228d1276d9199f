"""A stage folder made from an organiser's GPX export: whole or not at all."""

import csv
import gzip
import io
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import gpxpy.gpx
import numpy as np

from hardware.checkpoints import KINDS
from hardware.errors import Damaged, Misconfigured
from hardware.gpx import Drawing, Route, Waypoint, read_drawing
from hardware.keys import write_file
from hardware.rides import read_rides
from hardware.stage import Circuit, stage_from_files
from truck.race.course import Course

_MOST_BYTES = 200_000_000  # a year of riding at 1 Hz is smaller
_BESIDE_M = 500.0
_WORDS = {  # what exports call these places, in the languages of the big races
    "climb": ("climb", "mountain", "summit", "kom", "gpm", "côte", "cote", "col ", "passo",
              "puerto"),
    "sprint": ("sprint", "volata", "meta volante"),
    "bonus": ("bonus", "bonification"),
    "feed": ("feed", "food", "ravitaillement", "rifornimento", "avituallamiento", "verpflegung"),
    "crossing": ("crossing", "passage à niveau", "passaggio a livello", "paso a nivel"),
    "intermediate": ("intermediate", "time check", "pointage", "intermedio"),
}  # fmt: skip
_ENDS = ("start", "finish", "départ", "depart", "arrivée", "arrivee", "partenza", "arrivo", "meta")


@dataclass(frozen=True)
class Particulars:
    """What stage.toml says and a drawing cannot; `start_at` as it is written there."""

    name: str | None = None
    kind: str = "road"
    start_at: str | None = None
    length_km: float | None = None
    neutral_km: float | None = None
    laps: tuple[Circuit, ...] = ()
    finish: tuple[float, float] | None = None


@dataclass(frozen=True)
class Imported:
    """What became of a drawing; `left_out` names waypoints that were not taken, each with why."""

    points: int
    length_km: float
    checkpoints: int
    left_out: list[str] = field(default_factory=list)


def import_stage(gpx: Path, folder: Path, particulars: Particulars) -> Imported:
    """Make `folder` a stage from a GPX file or a recorded ride, gzipped or not.

    Times, heart rates and whatever else was recorded stay behind: only the road is taken. Of a
    file with several riders it is the road of the one with the most readings.

    Raises:
        Misconfigured: the file draws no road, contradicts the particulars, or `folder` is in use.
        Damaged: the gzip data is not whole.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Misconfigured(f"{folder} exists and is not empty", "Choose a new folder.")
    is_gpx = ".gpx" in [suffix.lower() for suffix in gpx.suffixes[-2:]]
    drawing = read_drawing(gpx.name, _bytes_of(gpx)) if is_gpx else _ridden(gpx)
    name = particulars.name or drawing.name or gpx.name.split(".")[0]
    files = {"route.gpx": _gpx(drawing, name), "stage.toml": _toml(name, particulars)}
    course = Course(stage_from_files(files))
    rows, left_out = _checkpoints(course, drawing.waypoints)
    if rows:
        files["checkpoints.csv"] = _sheet(("km", "kind", "name"), rows)
    _write(folder, files)
    return Imported(len(drawing.route.latitude_deg), course.length_m / 1000.0, len(rows), left_out)


def _ridden(path: Path) -> Drawing:
    rides = read_rides(path)
    name, ride = max(rides.items(), key=lambda item: len(item[1].latitude_deg))
    return Drawing(name, Route(ride.latitude_deg, ride.longitude_deg, ride.altitude_m), ())


def _bytes_of(gpx: Path) -> bytes:
    try:
        if gpx.suffix.lower() == ".gz":
            with gzip.open(gpx) as unpacked:
                data = unpacked.read(_MOST_BYTES + 1)
        else:
            with gpx.open("rb") as plain:
                data = plain.read(_MOST_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Damaged(f"{gpx}: the gzip data is not whole ({error}). Copy it again.") from error
    except OSError as error:
        raise Misconfigured(f"cannot read {gpx}: {error.strerror}", "Check the path.") from error
    if len(data) > _MOST_BYTES:
        raise Misconfigured(f"{gpx} is larger than any route", "Export the route alone.")
    return data


def _gpx(drawing: Drawing, name: str) -> bytes:
    document = gpxpy.gpx.GPX()
    document.creator = "truck stage import"
    track = gpxpy.gpx.GPXTrack(name=name)
    segment = gpxpy.gpx.GPXTrackSegment()
    route = drawing.route
    columns = (route.latitude_deg, route.longitude_deg, route.altitude_m)
    for lat, lon, altitude in zip(*(column.tolist() for column in columns), strict=True):
        known = None if np.isnan(altitude) else round(altitude, 2)
        segment.points.append(gpxpy.gpx.GPXTrackPoint(round(lat, 7), round(lon, 7), known))
    track.segments.append(segment)
    document.tracks.append(track)
    return bytes(document.to_xml(version="1.1").encode())


def _toml(name: str, particulars: Particulars) -> bytes:
    lines = [f"name = {_quoted(name)}", f"kind = {_quoted(particulars.kind)}"]
    if particulars.start_at is not None:
        lines.append(f"start_at = {particulars.start_at}")
    if particulars.length_km is not None:
        lines.append(f"length_km = {particulars.length_km}")
    if particulars.neutral_km is not None:
        lines.append(f"neutral_km = {particulars.neutral_km}")
    if particulars.laps:
        laps = ", ".join(
            f"{{ from_km = {lap.from_km}, length_km = {lap.length_km}, count = {lap.count} }}"
            for lap in particulars.laps
        )
        lines.append(f"laps = [{laps}]")
    if particulars.finish is not None:
        latitude_deg, longitude_deg = particulars.finish
        lines += ["[finish]", f"latitude_deg = {latitude_deg}", f"longitude_deg = {longitude_deg}"]
    return ("\n".join(lines) + "\n").encode()


def _quoted(text: str) -> str:
    # JSON's escapes are a part of TOML's, once DEL is written as one
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _checkpoints(
    course: Course, waypoints: tuple[Waypoint, ...]
) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Named waypoints at their first place on the course, and those that have none."""
    rows: list[tuple[float, str, str]] = []
    left_out = []
    for point in waypoints:
        lat, lon = np.array([point.latitude_deg]), np.array([point.longitude_deg])
        x, y = course.project(lat, lon)
        off_m = np.hypot(course.x_m - x[0], course.y_m - y[0])
        nearest_m = float(np.min(off_m))
        at = int(np.argmax(off_m <= nearest_m + 30.0))  # a circuit's place: its first pass
        kind = _kind_of(point)
        if kind is None:
            left_out.append(f"{point.name}: start and finish come from stage.toml")
        elif nearest_m > _BESIDE_M:
            left_out.append(f"{point.name}: {nearest_m / 1000.0:.1f} km beside the road")
        else:
            rows.append((min(float(course.distance_m[at]), course.length_m), kind, point.name))
    return [(f"{m / 1000.0:.2f}", kind, name) for m, kind, name in sorted(rows)], left_out


def _kind_of(point: Waypoint) -> str | None:
    """The kind of a waypoint by its own type or its name; None for start and finish."""
    if point.kind.lower() in KINDS:
        return point.kind.lower()
    said = f"{point.kind} {point.name} ".lower()
    if any(said.split()[0] == word for word in _ENDS):
        return None
    hits: Iterator[str] = (kind for kind, words in _WORDS.items() if any(w in said for w in words))
    return next(hits, "point")


def _sheet(header: tuple[str, ...], rows: list[tuple[str, str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the folder beside its place, and move it there when it is whole."""
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise Misconfigured(
            f"cannot write {folder}: {error.strerror}", "Choose another folder."
        ) from error
    try:
        for name, data in files.items():
            write_file(aside / name, data, 0o644)
        aside.chmod(0o755)
        os.replace(aside, folder)  # noqa: PTH105 (takes the place of an empty folder too)
    except OSError as error:
        raise Misconfigured(
            f"cannot write {folder}: {error.strerror}", "Choose another folder."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
