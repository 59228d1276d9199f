"""Readings files as columns: CSV or Parquet as DESIGN 6 says, or recorded rides as they come."""

import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from hardware.errors import Damaged, Misconfigured, TruckError
from hardware.rides import Ride, bibs_of, read_rides
from truck.race.readings import Readings

_NEEDED = ("measured_at", "bib", "latitude_deg", "longitude_deg")
_SENSORS = ("altitude_m", "speed_mps", "power_w", "heart_rate_bpm", "cadence_rpm", "impact")
_TIME = pa.timestamp("us", "UTC")
_BAD_CELL = re.compile(r"CSV column #(\d+): Row #(\d+): .*?(?:invalid value|zone offset in) '(.*)'")
_RAGGED = re.compile(r"Row #(\d+): (Expected \d+ columns, got \d+)")
_NO_TIME = "Write epoch seconds, or ISO 8601 with its zone as 2027-07-16T10:35:00Z."


def read_readings(paths: Sequence[Path]) -> Readings:
    """The readings of several files, by time and bib.

    Rides without bibs of their own get them from their names, as their stage folder does. Rows
    without a position are left out.

    Raises:
        Misconfigured: missing file or column, a cell that is none, nothing to read.
        Damaged: a file that is not whole.
    """
    parts, rides = [], dict[str, Ride]()
    for path in paths:
        if _is_parquet(path):
            parts.append(_columns(path, _read_parquet(path)))
        elif _is_readings_csv(path):
            parts.append(_columns(path, _read_csv(path)))
        else:
            for name, ride in read_rides(path).items():
                if name in rides:
                    raise Misconfigured(
                        f"{path}: the rider {name} is in another file too", "Rename one of them."
                    )
                rides[name] = ride
    parts += [_ride_columns(bib, rides[name]) for name, bib in bibs_of(rides).items()]
    if not parts:
        raise Misconfigured("no readings were named", "Give at least one file of readings.")
    return _by_time(parts)


def _by_time(parts: list[Readings]) -> Readings:
    """All parts in order; column after column, so that millions of rows are not held thrice."""
    columns: list[NDArray[Any]] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    parts.clear()
    bib, measured_at_us = columns[:2]
    order = np.lexsort((bib, measured_at_us))
    del bib, measured_at_us
    for k, column in enumerate(columns):
        columns[k] = column[order]
    return Readings._make(columns)


def _is_parquet(path: Path) -> bool:
    return path.suffix == ".parquet"


def _is_readings_csv(path: Path) -> bool:
    if not path.name.endswith((".csv", ".csv.gz")):
        return False
    return {"measured_at", "bib"} <= set(_header(path))


def _header(path: Path) -> list[str]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            line = file.readline(65536)
    except (OSError, EOFError) as error:
        raise _unreadable(path, error) from error
    text = line.decode("utf-8-sig", "replace")
    return [name.strip().strip('"') for name in text.strip().split(",")]


def _read_csv(path: Path) -> pa.Table:
    header = _header(path)
    numbers = dict.fromkeys(header, pa.float64())
    kinds = numbers | {"bib": pa.int32(), "measured_at": _time_type(path, header)}
    try:
        return pyarrow.csv.read_csv(
            path,
            # one thread: only then errors name the row
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, column_names=header, skip_rows=1
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=kinds,
                include_columns=[n for n in header if n in (*_NEEDED, *_SENSORS, "speed_kmh")],
            ),
        )
    except pa.ArrowInvalid as error:
        raise _bad_line(path, header, str(error)) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _time_type(path: Path, header: list[str]) -> pa.DataType:
    """Numbers or ISO times, as the first row has it."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        file.readline()
        cells = file.readline().strip().split(",")
    at = header.index("measured_at")
    numeric = at < len(cells) and re.fullmatch(r'"?[\d.]+"?', cells[at].strip())
    return pa.float64() if numeric else _TIME


def _bad_line(path: Path, header: list[str], what: str) -> TruckError:
    cell = _BAD_CELL.search(what)
    if cell:
        column, line, value = int(cell[1]), int(cell[2]), cell[3]
        field = header[column] if column < len(header) else f"column {column + 1}"
        hint = _NO_TIME if field == "measured_at" else "Write a number with a decimal point."
        kind = "time" if field == "measured_at" else "number"
        return Misconfigured(f"{path}, line {line}, {field}: '{value[:40]}' is no {kind}", hint)
    ragged = _RAGGED.search(what)
    if ragged:
        return Damaged(f"{path}, line {ragged[1]}: {ragged[2].lower()}. Copy the file again.")
    return Damaged(f"{path}: {what.splitlines()[0]}. Copy the file again.")


def _read_parquet(path: Path) -> pa.Table:
    try:
        names = pyarrow.parquet.read_schema(path).names
        wanted = [n for n in names if n in (*_NEEDED, *_SENSORS, "speed_kmh")]
        return pyarrow.parquet.read_table(path, columns=wanted)
    except pa.ArrowInvalid as error:
        what = str(error).splitlines()[0].rstrip(".")
        raise Damaged(f"{path} is no whole Parquet file: {what}. Copy it again.") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _columns(path: Path, table: pa.Table) -> Readings:
    for name in _NEEDED:
        if name not in table.column_names:
            raise Misconfigured(
                f"{path}: the column '{name}' is missing",
                f"Readings have at least {', '.join(_NEEDED)}.",
            )
    for name in ("measured_at", "bib"):
        if table[name].null_count:
            line = int(np.argmax(pc.is_null(table[name]).to_numpy())) + 2
            raise Misconfigured(f"{path}, line {line}, {name}: is empty", "Fill it in.")
    rows = table.num_rows

    def number(name: str) -> NDArray[np.float64]:
        if name not in table.column_names:
            return np.full(rows, np.nan)
        try:
            return np.asarray(pc.cast(table[name], pa.float64()).to_numpy(), np.float64)
        except pa.ArrowInvalid as error:
            raise _wrong_type(path, table, name, "numbers") from error

    speed_mps = number("speed_mps")
    if "speed_mps" not in table.column_names:
        speed_mps = number("speed_kmh") / 3.6
    try:
        bib = pc.cast(table["bib"], pa.int32()).to_numpy()
    except pa.ArrowInvalid as error:
        raise _wrong_type(path, table, "bib", "whole numbers") from error
    readings = Readings(
        bib=bib,
        measured_at_us=_times_us(path, table),
        latitude_deg=number("latitude_deg"),
        longitude_deg=number("longitude_deg"),
        altitude_m=number("altitude_m"),
        speed_mps=speed_mps,
        power_w=number("power_w"),
        heart_rate_bpm=number("heart_rate_bpm"),
        cadence_rpm=number("cadence_rpm"),
        impact=number("impact"),
    )
    somewhere = np.isfinite(readings.latitude_deg) & np.isfinite(readings.longitude_deg)
    return readings if somewhere.all() else readings.take(somewhere)


def _times_us(path: Path, table: pa.Table) -> NDArray[np.int64]:
    times = table["measured_at"]
    if pa.types.is_timestamp(times.type):
        exact = pc.cast(times, pa.timestamp("us", times.type.tz), safe=False)
        return np.asarray(pc.cast(exact, pa.int64()).to_numpy(), np.int64)
    if pa.types.is_floating(times.type) or pa.types.is_integer(times.type):
        seconds = np.asarray(pc.cast(times, pa.float64()).to_numpy(), np.float64)
        return np.rint(seconds * 1e6).astype(np.int64)
    raise _wrong_type(path, table, "measured_at", "times")


def _wrong_type(path: Path, table: pa.Table, name: str, wanted: str) -> Misconfigured:
    return Misconfigured(
        f"{path}: the column '{name}' holds {table.schema.field(name).type} where {wanted} belong",
        _NO_TIME if name == "measured_at" else f"Write it as {wanted}.",
    )


def _ride_columns(bib: int, ride: Ride) -> Readings:
    return Readings(
        bib=np.full(len(ride.measured_at_s), bib, np.int32),
        measured_at_us=np.rint(ride.measured_at_s * 1e6).astype(np.int64),
        **{name: getattr(ride, name) for name in Readings._fields[2:-1]},
        impact=np.full(len(ride.measured_at_s), np.nan),
    )


def _unreadable(path: Path, error: OSError | EOFError) -> TruckError:
    if isinstance(error, FileNotFoundError | PermissionError):
        return Misconfigured(f"cannot read {path}: {error.strerror}", "Check the path.")
    return Damaged(f"{path} is not whole: {error}. Copy it again.")
