"""Recorded rides as columns: FIT, GPX, TCX and CSV, each also gzipped.

A file is read whole or not at all: one that ends early, whose checksum fails, or that holds a
number that is none, is Damaged and says where; half a ride is never shown as a whole one.
"""

import csv
import datetime as dt
import gzip
import io
import math
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fitdecode
import gpxpy
import gpxpy.gpx
import numpy as np
import numpy.typing as npt
from tcxreader.tcx_track_point import TCXTrackPoint
from tcxreader.tcxreader import TCXReader

from hardware.errors import Damaged, Misconfigured

Column = npt.NDArray[np.float64]
Row = tuple[float, ...]  # as the columns of Ride

_AGAIN = "Copy the file from the recorder again."
_LATEST_S = 4_102_444_800.0  # 2100: a time beyond is in milliseconds, or none
_SEMICIRCLE_DEG = 180.0 / 2**31


@dataclass(frozen=True)
class Ride:
    """One recording, a row a reading in order of time; NaN where a sensor was absent.

    measured_at_s counts from 1970 UTC; `dropped` rows had no time or no position on Earth.
    """

    measured_at_s: Column
    latitude_deg: Column
    longitude_deg: Column
    altitude_m: Column
    speed_mps: Column
    power_w: Column
    heart_rate_bpm: Column
    cadence_rpm: Column
    dropped: int


def read_rides(path: Path) -> dict[str, Ride]:
    """The rides of one file by rider; a file of one ride is named by its stem.

    Raises:
        Misconfigured: the file is missing, of an unknown kind, or lacks a column.
        Damaged: it is not whole, or holds no reading with time and position.
    """
    ending = path.suffixes[-2:-1] if path.suffix == ".gz" else path.suffixes[-1:]
    read = _READERS.get("".join(ending).lower())
    if read is None:
        raise Misconfigured(
            f"{path} is no ride we can read", "Give a .fit, .gpx, .tcx or .csv file, or its .gz."
        )
    return {name: _ride(path, name, rows) for name, rows in read(path).items()}


def bibs_of(names: Iterable[str]) -> dict[str, int]:
    """A bib for each rider: numeric names keep their number, others get the free ones in order."""
    ordered = sorted(set(names))
    bibs = {name: int(name) for name in ordered if name.isdecimal() and int(name) > 0}
    if len(set(bibs.values())) < len(bibs):
        raise Misconfigured(f"two riders share a bib among {', '.join(bibs)}", "Rename one.")
    taken = set(bibs.values())
    free = (bib for bib in range(1, len(ordered) + len(taken) + 1) if bib not in taken)
    return bibs | {name: next(free) for name in ordered if name not in bibs}


def read_gpx(path: Path) -> gpxpy.gpx.GPX:
    """A GPX document, gzipped or not.

    Raises:
        Misconfigured: the file is missing.
        Damaged: it is no whole GPX document.
    """
    try:
        return gpxpy.parse(_content(path))
    except (gpxpy.gpx.GPXException, ValueError, LookupError) as error:
        raise Damaged(f"{path} is no whole GPX document ({error}). {_AGAIN}") from error


def _content(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}", "Check the path.") from error
    if path.suffix == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, zlib.error, gzip.BadGzipFile, struct.error) as error:
            raise Damaged(
                f"{path}: the gzip data of {len(raw)} bytes is not whole ({error}). {_AGAIN}"
            ) from error
    if not raw:
        raise Damaged(f"{path} is empty. {_AGAIN}")
    return raw


def _ride(path: Path, name: str, rows: list[Row]) -> Ride:
    table = np.array(rows, np.float64).reshape(-1, 8)
    time, lat, lon = table.T[:3]
    whole = (np.abs(lat) <= 90) & (np.abs(lon) <= 180) & (time > 0) & (time < _LATEST_S)
    if not whole.any():
        raise Damaged(
            f"{path}: none of the {len(rows)} readings of {name} has both time and position. "
            "Choose a ride recorded with GPS."
        )
    kept = table[whole]
    columns = kept[np.argsort(kept[:, 0], kind="stable")].T.copy()
    at, lat, lon, altitude, speed, power, heart_rate, cadence = columns
    dropped = len(rows) - len(kept)
    return Ride(at, lat, lon, altitude, speed, power, heart_rate, cadence, dropped)


def _stem(path: Path) -> str:
    return Path(path.stem).stem if path.suffix == ".gz" else path.stem


def _utc_s(time: dt.datetime | None) -> float:
    if time is None:
        return math.nan
    return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).timestamp()


def _or_nan(value: Any) -> float:
    number = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if number else math.nan


def _read_fit(path: Path) -> dict[str, list[Row]]:
    raw = _content(path)
    stream = io.BytesIO(raw)
    try:
        with fitdecode.FitReader(
            stream,
            check_crc=fitdecode.CrcCheck.RAISE,
            error_handling=fitdecode.ErrorHandling.IGNORE,
        ) as frames:
            rows = [
                _fit_row(frame)
                for frame in frames
                if frame.frame_type == fitdecode.FIT_FRAME_DATA and frame.name == "record"
            ]
    except (
        fitdecode.FitError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError,
        ValueError, struct.error,
    ) as error:  # fmt: skip
        raise Damaged(
            f"{path}: the FIT data is not whole at byte {stream.tell()} of {len(raw)} "
            f"({str(error) or type(error).__name__}). {_AGAIN}"
        ) from error
    return {_stem(path): rows}


def _fit_row(frame: Any) -> Row:
    values: dict[str, Any] = {}
    for field in frame.fields:
        if field.value is not None:
            values.setdefault(field.name, field.value)
    time = values.get("timestamp")
    return (
        _utc_s(time if isinstance(time, dt.datetime) else None),
        _or_nan(values.get("position_lat")) * _SEMICIRCLE_DEG,
        _or_nan(values.get("position_long")) * _SEMICIRCLE_DEG,
        _or_nan(values.get("enhanced_altitude", values.get("altitude"))),
        _or_nan(values.get("enhanced_speed", values.get("speed"))),
        _or_nan(values.get("power")),
        _or_nan(values.get("heart_rate")),
        _or_nan(values.get("cadence")),
    )


def _read_gpx(path: Path) -> dict[str, list[Row]]:
    rows = []
    for point, _, _, index in read_gpx(path).walk():
        sensors = dict(_gpx_sensors(point))
        try:
            speed = point.speed if point.speed is not None else float(sensors.get("speed", "nan"))
            power, heart_rate, cadence = (
                next((float(sensors[tag]) for tag in tags if tag in sensors), math.nan)
                for tags in (("power", "watts"), ("hr", "heartrate"), ("cad", "cadence"))
            )
        except ValueError as error:
            raise Damaged(f"{path}: extension of track point {index}: {error}. {_AGAIN}") from error
        position = (point.latitude, point.longitude, point.elevation)
        values = (*position, speed, power, heart_rate, cadence)
        rows.append((_utc_s(point.time), *map(_or_nan, values)))
    return {_stem(path): rows}


def _gpx_sensors(point: gpxpy.gpx.GPXTrackPoint) -> Iterator[tuple[str, str]]:
    """Extension values by lower-case name, whatever namespace and nesting a recorder gives them."""
    for extension in point.extensions:
        for element in extension.iter():
            if isinstance(element.tag, str) and element.text and element.text.strip():
                yield element.tag.rpartition("}")[2].lower(), element.text


def _read_tcx(path: Path) -> dict[str, list[Row]]:
    reader, rows, count = TCXReader(), [], 0
    try:
        for _, element in ET.iterparse(io.BytesIO(_content(path))):  # noqa: S314 (expat bounds expansion)
            if element.tag.rpartition("}")[2] != "Trackpoint":
                continue
            count += 1
            point = TCXTrackPoint(tpx_ext={})
            reader.trackpoint_parser(point, element)
            element.clear()
            watts, speed = point.tpx_ext.get("Watts"), point.tpx_ext.get("Speed")
            position = (point.latitude, point.longitude, point.elevation)
            values = (*position, speed, watts, point.hr_value, point.cadence)
            rows.append((_utc_s(point.time), *map(_or_nan, values)))
    except (ET.ParseError, ValueError, TypeError, OverflowError) as error:
        raise Damaged(
            f"{path} is no whole TCX document after track point {count} ({error}). {_AGAIN}"
        ) from error
    return {_stem(path): rows}


_ALIASES = {
    "name": ("bib", "rider"),
    "time": ("measured_at", "t"),
    "lat": ("latitude_deg", "lat"),
    "lon": ("longitude_deg", "lon"),
    "altitude": ("altitude_m", "ele"),
    "speed": ("speed_mps", "speed", "speed_kmh"),
    "power": ("power_w", "power"),
    "heart_rate": ("heart_rate_bpm", "hr"),
    "cadence": ("cadence_rpm", "cad"),
}


def _read_csv(path: Path) -> dict[str, list[Row]]:
    """Rides of many riders: the readings file of DESIGN 6, or the short names of its columns."""
    try:
        text = _content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Damaged(f"{path}: no text at byte {error.start}. Save it as UTF-8.") from error
    lines, riders = csv.reader(io.StringIO(text, newline=""), strict=True), dict[str, list[Row]]()
    try:
        header = next(lines, [])
        at = {
            what: next((header.index(name) for name in names if name in header), -1)
            for what, names in _ALIASES.items()
        }
        for what in ("name", "time", "lat", "lon"):
            if at[what] < 0:
                column = _ALIASES[what][0]
                raise Misconfigured(f"{path} has no column {column}", "Name it in the first line.")
        name_at, *value_at = at.values()
        for cells in filter(None, lines):
            if len(cells) != len(header):
                raise ValueError(f"{len(cells)} cells where the first line has {len(header)}")
            if not cells[name_at].strip():
                raise ValueError(f"no {header[name_at]}")
            row = tuple(_cell(cells, header, index) for index in value_at)
            riders.setdefault(cells[name_at].strip(), []).append(row)
    except (csv.Error, ValueError) as error:
        raise Damaged(f"{path}: line {lines.line_num}: {error}. Mend that line.") from error
    if not riders:
        raise Damaged(f"{path} holds no readings. {_AGAIN}")
    return riders


def _cell(cells: list[str], header: list[str], index: int) -> float:
    """A number, or a time as seconds since 1970; NaN where there is none."""
    text = cells[index].strip() if index >= 0 else ""
    if not text:
        return math.nan
    try:
        if header[index] in _ALIASES["time"] and "-" in text[1:] and "e-" not in text:
            return _utc_s(dt.datetime.fromisoformat(text))
        value = float(text)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{header[index]} is {text[:40]!r}") from error
    if math.isinf(value):
        raise ValueError(f"{header[index]} is {text[:40]!r}")
    return value / 3.6 if header[index] == "speed_kmh" else value


_READERS: dict[str, Callable[[Path], dict[str, list[Row]]]] = {
    ".fit": _read_fit,
    ".gpx": _read_gpx,
    ".tcx": _read_tcx,
    ".csv": _read_csv,
}
