"""A stage as the organiser hands it over: a folder with stage.toml, route.gpx and CSV sheets."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import gpxpy
import gpxpy.gpx
import numpy as np
from numpy.typing import NDArray

from hardware.errors import Misconfigured
from hardware.sheet import Row, read_sheet

_FILES = ("stage.toml", "route.gpx", "startlist.csv", "checkpoints.csv", "weather.csv")
_KINDS = ("road", "time-trial")
_KEYS = ("name", "kind", "start_at", "length_km", "neutral_km", "laps", "finish")


@dataclass(frozen=True)
class Starter:
    """One line of the start list."""

    bib: int
    name: str
    team: str
    gc_gap_s: float | None = None
    jersey: str | None = None
    device: str | None = None
    start_at_s: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A named point of the road book, in kilometres after the flag."""

    km: float
    kind: str
    name: str


@dataclass(frozen=True)
class Circuit:
    """A stretch that is ridden `count` times."""

    from_km: float
    length_km: float
    count: int


@dataclass(frozen=True, eq=False)
class Route:
    """Points of the road in riding order: degrees, and metres of altitude (NaN where absent)."""

    latitude_deg: NDArray[np.float64]
    longitude_deg: NDArray[np.float64]
    altitude_m: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stage:
    """A stage as its files say it; what is derived from it is the course's business."""

    name: str
    kind: str
    start_at_s: float | None
    length_km: float | None
    neutral_km: float
    laps: tuple[Circuit, ...]
    finish: tuple[float, float] | None
    route: Route
    startlist: tuple[Starter, ...]
    checkpoints: tuple[Checkpoint, ...]


def load_stage(folder: Path) -> Stage:
    """Read a stage folder.

    Raises:
        Misconfigured: with file, line, field and the cure.
    """
    return stage_from_files(stage_files(folder))


def stage_files(folder: Path) -> dict[str, bytes]:
    """The raw bytes of a stage folder, by file name (what a journal keeps of it).

    Raises:
        Misconfigured: when the folder or a needed file is missing.
    """
    files: dict[str, bytes] = {}
    for name in _FILES:
        path = folder / name
        if not path.exists():
            continue
        try:
            files[name] = path.read_bytes()
        except OSError as error:
            raise Misconfigured(
                f"cannot read {path}: {error.strerror}", "Check its permissions."
            ) from error
    for name in _FILES[:2]:
        if name not in files:
            raise Misconfigured(
                f"{folder} has no {name}", "A stage folder holds stage.toml and route.gpx."
            )
    return files


def stage_from_files(files: Mapping[str, bytes]) -> Stage:
    """The stage that these files describe.

    Raises:
        Misconfigured: with file, line, field and the cure.
    """
    for name in _FILES[:2]:
        if name not in files:
            raise Misconfigured(f"the stage has no {name}", "Add it to the stage folder.")
    book = _Book(files["stage.toml"])
    kind = book.text("kind")
    if kind not in _KINDS:
        raise book.wrong("kind", f"'{kind}' is not one of {', '.join(_KINDS)}")
    return Stage(
        name=book.text("name"),
        kind=kind,
        start_at_s=book.instant("start_at"),
        length_km=book.number("length_km", low=0.1),
        neutral_km=book.number("neutral_km", low=0.0) or 0.0,
        laps=book.laps(),
        finish=book.finish(),
        route=_read_route(files["route.gpx"]),
        startlist=_read_startlist(files.get("startlist.csv")),
        checkpoints=_read_checkpoints(files.get("checkpoints.csv")),
    )


class _Book:
    """stage.toml, with errors that name the line of the key."""

    def __init__(self, data: bytes) -> None:
        try:
            self._source = data.decode("utf-8")
            self._table = tomllib.loads(self._source)
        except ValueError as error:
            raise Misconfigured(f"stage.toml: {error}", "Mend its TOML syntax.") from error
        for key in self._table:
            if key not in _KEYS:
                raise self.wrong(key, f"is no key of a stage; known are {', '.join(_KEYS)}")

    def wrong(self, key: str, what: str) -> Misconfigured:
        """The error that names the key's line."""
        for line, text in enumerate(self._source.splitlines(), 1):
            if text.lstrip(" [").startswith(key):
                return Misconfigured(
                    f"stage.toml, line {line}, {key}: {what}", "Correct that line."
                )
        return Misconfigured(f"stage.toml, {key}: {what}", f"Add a line for {key}.")

    def text(self, key: str) -> str:
        value = self._table.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, "a text in quotes is needed")
        return value.strip()

    def number(self, key: str, low: float) -> float | None:
        value = self._table.get(key)
        return None if value is None else self._check(key, key, value, low, 1000.0)

    def instant(self, key: str) -> float | None:
        value = self._table.get(key)
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self.wrong(key, "write a date and time with its zone, as 2027-07-16T10:35:00Z")
        return value.timestamp()

    def laps(self) -> tuple[Circuit, ...]:
        entries = self._table.get("laps", [])
        if not isinstance(entries, list):
            raise self.wrong("laps", "write a list of { from_km, length_km, count }")
        circuits = []
        for entry in entries:
            fields = {
                name: self._check("laps", name, _field(entry, name), low, 1000.0)
                for name, low in (("from_km", 0.0), ("length_km", 0.1), ("count", 1.0))
            }
            circuits.append(Circuit(fields["from_km"], fields["length_km"], int(fields["count"])))
        return tuple(sorted(circuits, key=lambda circuit: circuit.from_km))

    def finish(self) -> tuple[float, float] | None:
        place = self._table.get("finish")
        if place is None:
            return None
        return (
            self._check("finish", "latitude_deg", _field(place, "latitude_deg"), -90.0, 90.0),
            self._check("finish", "longitude_deg", _field(place, "longitude_deg"), -180.0, 180.0),
        )

    def _check(self, key: str, name: str, value: object, low: float, high: float) -> float:
        # bool is an int to Python, but `true` is no number to an organiser
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, f"{name} must be a number")
        if not (math.isfinite(value) and low <= value <= high):
            raise self.wrong(key, f"{name} is {value:g}, outside {low:g} to {high:g}")
        return float(value)


def _field(table: Any, name: str) -> object:
    return table.get(name) if isinstance(table, dict) else None


def _read_route(data: bytes) -> Route:
    try:
        # gpxpy raises its own and the XML parser's errors, all of them about the file's text
        gpx = gpxpy.parse(data.decode("utf-8-sig"))
    except (gpxpy.gpx.GPXException, ValueError) as error:
        what = str(error).splitlines()[0] if str(error) else "not a GPX file"
        raise Misconfigured(f"route.gpx: {what}", "Export the route again as GPX 1.1.") from error
    points: list[Any] = [p for track in gpx.tracks for part in track.segments for p in part.points]
    points = points or [p for route in gpx.routes for p in route.points]
    if len(points) < 2:
        raise Misconfigured(
            f"route.gpx holds {len(points)} route points", "Export the track of the whole stage."
        )
    route = Route(
        np.array([p.latitude for p in points], np.float64),
        np.array([p.longitude for p in points], np.float64),
        np.array([np.nan if p.elevation is None else p.elevation for p in points], np.float64),
    )
    sound = (np.abs(route.latitude_deg) <= 90) & (np.abs(route.longitude_deg) <= 180)
    if not sound.all():
        where = int(np.argmin(sound)) + 1
        raise Misconfigured(
            f"route.gpx, point {where}: latitude or longitude is outside the globe",
            "Export the route again.",
        )
    return route


def _read_startlist(data: bytes | None) -> tuple[Starter, ...]:
    if data is None:
        return ()
    seen: dict[int, int] = {}
    starters = []
    for row in read_sheet("startlist.csv", data, ("bib", "name", "team")):
        bib = _bib(row)
        if bib in seen:
            raise row.wrong("bib", f"stands on line {seen[bib]} too", "Give each rider his own.")
        seen[bib] = row.line
        starters.append(
            Starter(
                bib=bib,
                name=row.needed("name"),
                team=row.text("team") or "",
                gc_gap_s=row.number("gc_gap_s"),
                jersey=row.text("jersey"),
                device=row.text("device"),
                start_at_s=_instant(row, "start_at"),
            )
        )
    return tuple(starters)


def _bib(row: Row) -> int:
    text = row.needed("bib")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 9999):
        raise row.wrong("bib", "is no bib number", "Write a whole number from 1 to 9999.")
    return int(text)


def _instant(row: Row, field: str) -> float | None:
    text = row.text(field)
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise row.wrong(field, "is no time", "Write it as 2027-07-16T10:35:00Z.") from error
    if instant.tzinfo is None:
        raise row.wrong(field, "has no zone", "Write it as 2027-07-16T10:35:00Z.")
    return instant.timestamp()


def _read_checkpoints(data: bytes | None) -> tuple[Checkpoint, ...]:
    if data is None:
        return ()
    checkpoints = []
    for row in read_sheet("checkpoints.csv", data, ("km", "kind", "name")):
        row.needed("km")
        km = row.number("km")
        if km is not None:
            checkpoints.append(Checkpoint(km, row.needed("kind"), row.text("name") or ""))
    return tuple(sorted(checkpoints, key=lambda checkpoint: checkpoint.km))
