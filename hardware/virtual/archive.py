"""A simulated stage as Parquet: what was heard, and the truth beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from hardware.virtual import truth
from hardware.virtual.ride import Event, Ride, Status
from hardware.virtual.road import Road
from hardware.virtual.sensing import CHUNK_S, Readings

_SECOND_US = 1_000_000
_ROWS_A_GROUP = 500_000
_TIME = pa.timestamp("us", "UTC")
_MEASURED = (
    "latitude_deg", "longitude_deg", "altitude_m", "speed_mps", "power_w", "heart_rate_bpm",
    "cadence_rpm",
)  # fmt: skip
_READINGS = pa.schema(
    [("measured_at", _TIME), ("bib", pa.int32()), *((name, pa.float64()) for name in _MEASURED),
     ("impact", pa.bool_()), ("heard_at", _TIME)]
)  # fmt: skip
_RODE = (
    "lateral_m", "speed_mps", "power_w", "heart_rate_bpm", "headwind_mps", "crosswind_mps",
    "shelter", "w_balance_j",
)  # fmt: skip
_TRUTH = pa.schema(
    [("measured_at", _TIME), ("bib", pa.int32()), ("distance_m", pa.float64()),
     ("gradient_pct", pa.float32()), ("group_id", pa.int32()), ("gap_s", pa.float64()),
     ("group_gap_s", pa.float64()), *((name, pa.float32()) for name in _RODE),
     ("status", pa.dictionary(pa.int8(), pa.string())), ("reported", pa.bool_())]
)  # fmt: skip
_REPEATING = ["measured_at", "bib", "group_id", "status"]
_EVENTS = pa.schema(
    [("kind", pa.string()), ("bibs", pa.list_(pa.int32())), ("started_at", _TIME),
     ("ended_at", _TIME), ("distance_m", pa.float64()), ("severity", pa.float64()),
     ("note", pa.string())]
)  # fmt: skip
_STANDINGS = pa.schema(
    [("bib", pa.int32()), ("finish_at", _TIME), ("virtual_gap_s", pa.float64()),
     ("bonus_s", pa.float64())]
)  # fmt: skip


def write_readings(
    path: Path, parts: list[Readings], twice: NDArray[np.int64], later_s: NDArray[np.float64]
) -> int:
    """In the order in which the truck would hear them."""

    def joined(name: str) -> NDArray[Any]:
        column = np.concatenate([getattr(part, name) for part in parts])
        return np.concatenate([column, column[twice]])

    heard_us = joined("heard_at_us")
    heard_us[len(heard_us) - len(twice) :] += np.rint(later_s * 1000.0).astype(np.int64) * 1000
    order = np.argsort(heard_us, kind="stable")
    columns = {
        "measured_at": pa.array(joined("measured_at_us")[order]).cast(_TIME),
        "bib": joined("bib")[order],
        "impact": joined("impact")[order],
        "heard_at": pa.array(heard_us[order]).cast(_TIME),
    } | {name: _nullable(joined(name)[order]) for name in _MEASURED}
    _write(path, pa.table({name: columns[name] for name in _READINGS.names}, _READINGS))
    return len(order)


def write_riders(
    path: Path,
    ride: Ride,
    road: Road,
    group_id: NDArray[np.int32],
    reported: NDArray[np.bool_],
) -> None:
    """A row a rider and second, half an hour a row group."""
    distance_m, gap_s = truth.distance_of(ride), truth.gaps_of(ride)
    group_gap_s = truth.group_gaps_of(group_id, gap_s)
    names = pa.array([status.name.lower() for status in Status])
    with pa.parquet.ParquetWriter(
        path, _TRUTH, compression="zstd", version="2.6", use_dictionary=_REPEATING
    ) as writer:
        for first in range(0, ride.seconds, CHUNK_S):
            span = slice(first, min(first + CHUNK_S, ride.seconds))
            seconds = np.arange(span.start, span.stop)
            at_us = _epoch_us(ride) + seconds * _SECOND_US
            group = group_id[span].ravel()
            columns = {
                "measured_at": pa.array(np.repeat(at_us, len(ride.bibs))).cast(_TIME),
                "bib": np.tile(ride.bibs, len(seconds)),
                "distance_m": distance_m[span].ravel(),
                "gradient_pct": 100.0 * road.gradient[road.index(distance_m[span].ravel())],
                "group_id": pa.array(group, mask=group < 0),
                "gap_s": _nullable(gap_s[span].ravel()),
                "group_gap_s": _nullable(group_gap_s[span].ravel()),
                "status": pa.DictionaryArray.from_arrays(ride.status[span].ravel(), names),
                "reported": reported[span].ravel(),
            } | {name: getattr(ride, name)[span].ravel() for name in _RODE}
            writer.write_table(pa.table({n: columns[n] for n in _TRUTH.names}, _TRUTH))


def write_events(path: Path, ride: Ride, events: list[Event]) -> None:
    """What happened to riders, trackers and radio, in order of time."""
    start_us = _epoch_us(ride)

    def instants(seconds: list[int | None]) -> pa.Array:
        at_us = [None if s is None else start_us + s * _SECOND_US for s in seconds]
        return pa.array(at_us, pa.int64()).cast(_TIME)

    columns = {
        "kind": [event.kind for event in events],
        "bibs": [list(event.bibs) for event in events],
        "started_at": instants([event.from_s for event in events]),
        "ended_at": instants([event.to_s for event in events]),
        "distance_m": [event.distance_m for event in events],
        "severity": [event.severity for event in events],
        "note": [event.note for event in events],
    }
    _write(path, pa.table(columns, _EVENTS))


def write_standings(path: Path, bibs: NDArray[np.int32], standings: truth.Standings) -> None:
    """A row a rider."""
    at_us = np.nan_to_num(np.rint(standings.finish_s * 1e6)).astype(np.int64)
    columns = {
        "bib": bibs,
        "finish_at": pa.array(at_us, mask=np.isnan(standings.finish_s)).cast(_TIME),
        "virtual_gap_s": _nullable(standings.virtual_gap_s),
        "bonus_s": standings.bonus_s,
    }
    _write(path, pa.table(columns, _STANDINGS))


def _nullable(column: NDArray[np.float64]) -> pa.Array:
    """NaN is no value."""
    return pa.array(column, pa.float64(), from_pandas=True)


def _epoch_us(ride: Ride) -> int:
    return round(ride.start_s * _SECOND_US)


def _write(path: Path, table: pa.Table) -> None:
    pa.parquet.write_table(
        table,
        path,
        compression="zstd",
        row_group_size=_ROWS_A_GROUP,
        version="2.6",
        use_dictionary=["bib", "kind", "note"],
    )
