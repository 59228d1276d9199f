"""A stage as the organiser hands it over: a folder with stage.toml, route.gpx and CSV sheets."""

import math
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from hardware.checkpoints import Checkpoint, read_checkpoints
from hardware.errors import Misconfigured
from hardware.gpx import Route, read_drawing
from hardware.startlist import Starter, read_startlist
from hardware.weather import Weather, read_weather

__all__ = [
    "Checkpoint", "Circuit", "Route", "Stage", "Starter", "Weather",
    "load_stage", "stage_files", "stage_from_files", "stage_label",
]  # fmt: skip

KINDS = ("road", "time-trial")
_FILES = ("stage.toml", "route.gpx", "startlist.csv", "checkpoints.csv", "weather.csv")
_OVERLAP_KM = 0.2  # a road book rounds
_KEYS = ("name", "kind", "start_at", "length_km", "neutral_km", "laps", "finish")


@dataclass(frozen=True)
class Circuit:
    """A stretch that is ridden `count` times."""

    from_km: float
    length_km: float
    count: int


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
    weather: tuple[Weather, ...] = ()

    @property
    def label(self) -> str:
        """The name as rows, folders and keys carry it: a-z, 0-9 and -, 63 at most."""
        return stage_label(self.name)


def stage_label(name: str) -> str:
    """What a stage's name is in ASCII: "Pau - Hautacam" is "pau-hautacam"."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].rstrip("-") or "stage"


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
    if kind not in KINDS:
        raise book.wrong("kind", f"'{kind}' is not one of {', '.join(KINDS)}")
    return Stage(
        name=book.text("name"),
        kind=kind,
        start_at_s=book.instant("start_at"),
        length_km=book.number("length_km", low=0.1),
        neutral_km=book.number("neutral_km", low=0.0) or 0.0,
        laps=book.laps(),
        finish=book.finish(),
        route=read_drawing("route.gpx", files["route.gpx"]).route,
        startlist=read_startlist(files.get("startlist.csv")),
        checkpoints=read_checkpoints(files.get("checkpoints.csv")),
        weather=read_weather(files.get("weather.csv")),
    )


class _Book:
    """stage.toml, with errors that name the line of the key."""

    def __init__(self, data: bytes) -> None:
        try:
            self._source = data.decode("utf-8-sig")
            self._table = tomllib.loads(self._source)
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise Misconfigured(f"stage.toml, line {line}: not UTF-8", "Save it so.") from error
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
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.strip())
            except ValueError:
                value = None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self.wrong(key, "write a date and time with its zone, as 2027-07-16T10:35:00Z")
        return value.timestamp()

    def laps(self) -> tuple[Circuit, ...]:
        entries = self._table.get("laps", [])
        if not isinstance(entries, list):
            raise self.wrong("laps", "write a list of { from_km, length_km, count }")
        circuits = sorted(map(self._circuit, entries), key=lambda circuit: circuit.from_km)
        for one, other in pairwise(circuits):
            if one.from_km + one.length_km * one.count > other.from_km + _OVERLAP_KM:
                raise self.wrong(
                    "laps", f"the circuits from km {one.from_km:g} and {other.from_km:g} overlap"
                )
        return tuple(circuits)

    def finish(self) -> tuple[float, float] | None:
        place = self._table.get("finish")
        if place is None:
            return None
        return (
            self._check("finish", "latitude_deg", _field(place, "latitude_deg"), -90.0, 90.0),
            self._check("finish", "longitude_deg", _field(place, "longitude_deg"), -180.0, 180.0),
        )

    def _circuit(self, entry: object) -> Circuit:
        from_km, length_km, count = (
            self._check("laps", name, _field(entry, name), low, 1000.0)
            for name, low in (("from_km", 0.0), ("length_km", 0.1), ("count", 1.0))
        )
        if count != int(count):
            raise self.wrong("laps", f"count is {count:g}, not a whole number of laps")
        return Circuit(from_km, length_km, int(count))

    def _check(self, key: str, name: str, value: object, low: float, high: float) -> float:
        # bool is an int to Python, but `true` is no number to an organiser
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, f"{name} must be a number")
        if not (math.isfinite(value) and low <= value <= high):
            raise self.wrong(key, f"{name} is {value:g}, outside {low:g} to {high:g}")
        return float(value)


def _field(table: Any, name: str) -> object:
    return table.get(name) if isinstance(table, dict) else None
