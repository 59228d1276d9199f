"""`truck replay`: recorded readings through the race logic at full speed, into Parquet tables.

No radio, no broker, no clock: the files written depend on the stage and the readings alone. Row
groups hold a fixed number of frames, so a replay cut short gives the same bytes up to its cut.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from hardware.errors import Misconfigured
from hardware.stage import stage_files, stage_from_files
from truck.race.frame import QUALITIES, Frame
from truck.race.incidents import Change, Incident, incidents_of
from truck.race.race import Race
from truck.race.readings import Readings
from truck.race.status import NOT_SEEN, STATUSES
from truck.readings import read_readings

SCHEMA = "truck.replay/1"
Progress = Callable[[int, int], None]  # frames done, frames in all

_SECOND_US = 1_000_000
_FRAMES_A_GROUP = 600
_LONGEST_S = 48 * 3600
_LATE_S = 24 * 3600  # after the start nothing is of this stage
_FEW = 0.01  # a share of readings that a long hole parts from the race
_EARLY_S = 3 * 3600  # riders sign on less than this before the flag
_TIME = pa.timestamp("us", "UTC")
_REALS = {
    "states": ("distance_m", "to_go_m", "lateral_m", "speed_mps", "gradient_pct", "gap_s", "gap_m",
               "age_s", "latitude_deg", "longitude_deg", "power_w", "heart_rate_bpm",
               "gap_measured_s", "gap_at_m", "headwind_mps", "crosswind_mps", "shelter",
               "echelon_risk", "effort_w", "effort_low_w", "effort_high_w", "w_balance",
               "virtual_gap_s", "bonus_s"),
    "groups": ("distance_m", "gap_s", "gap_m", "gap_measured_s", "gap_at_m", "speed_mps"),
}  # fmt: skip
TABLES = {
    "states": pa.schema(
        [("measured_at", _TIME), ("bib", pa.int32()), ("lap", pa.int16()),
         ("group_id", pa.int32()), ("status", pa.string()), ("quality", pa.string()),
         *((name, pa.float64()) for name in _REALS["states"])]
    ),
    "groups": pa.schema(
        [("measured_at", _TIME), ("group_id", pa.int32()), ("size", pa.int32()),
         ("first_bib", pa.int32()), ("echelon", pa.bool_()),
         *((name, pa.float64()) for name in _REALS["groups"])]
    ),
    "incidents": pa.schema(
        [("incident_id", pa.int32()), ("kind", pa.string()), ("bibs", pa.list_(pa.int32())),
         ("started_at", _TIME), ("raised_at", _TIME), ("cleared_at", _TIME),
         ("probability", pa.float64()), ("distance_m", pa.float64())]
    ),
    "incident_changes": pa.schema(
        [("at", _TIME), ("incident_id", pa.int32()), ("what", pa.string()), ("kind", pa.string()),
         ("probability", pa.float64()), ("bibs", pa.list_(pa.int32())), ("started_at", _TIME),
         ("distance_m", pa.float64())]
    ),
    "predictions": pa.schema(
        [("measured_at", _TIME), ("kind", pa.string()), ("bibs", pa.list_(pa.int32())),
         ("distance_m", pa.float64()), ("probability", pa.float64())]
    ),
}  # fmt: skip


def replay(
    stage_dir: Path,
    readings: list[Path],
    out: Path,
    until_s: float | None = None,
    each: Progress | None = None,
) -> dict[str, Any]:
    """Run the race over recorded readings and write its tables to the folder `out`.

    Args:
        stage_dir: a stage folder.
        readings: CSV or Parquet readings, or FIT, GPX, TCX and CSV rides.
        out: made new, or an earlier replay's, which is replaced.
        until_s: leave out what was measured later, seconds since 1970 UTC.
        each: told of progress.

    Returns:
        What summary.json says, schema truck.replay/1.

    Raises:
        TruckError: bad stage or readings, or a folder that cannot be written; nothing is left.
    """
    _check_free(out)
    files = stage_files(stage_dir)
    race = Race(stage_from_files(files))
    rows = read_readings(readings)
    if until_s is not None:
        rows = rows.take(rows.measured_at_us <= round(until_s * 1e6))
    seconds = seconds_of(rows, race.stage.start_at_s)
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    head = {"schema": SCHEMA, "stage": race.stage.name, "stage_sha256": digest.hexdigest()}
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        summary = head | write_tables(temporary, race, rows, seconds, each)
        text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
        (temporary / "summary.json").write_text(text)
        if out.exists():
            shutil.rmtree(out)
        temporary.rename(out)
    except OSError as error:
        raise Misconfigured(
            f"cannot write {out}: {error.strerror or error}",
            "Free some space or choose another folder.",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return summary


def frames_of(race: Race, rows: Readings, seconds: range) -> Iterator[tuple[Frame, dict[str, int]]]:
    """A frame a second with the readings up to it, and how many of each quality it took in."""
    cuts = np.searchsorted(rows.measured_at_us, np.array(seconds) * _SECOND_US, side="right")
    begun = 0
    for second, end in zip(seconds, cuts.tolist(), strict=True):
        qualities: dict[str, int] = {}
        if end > begun:
            placed = race.advance(rows.take(slice(begun, end)))
            counts = np.bincount(placed.quality, minlength=len(QUALITIES)).tolist()
            qualities = dict(zip(QUALITIES, counts, strict=True))
        begun = end
        yield race.frame(second * _SECOND_US), qualities


def _check_free(out: Path) -> None:
    """Refuse a folder that holds something else, before an hour's work rather than after."""
    if not out.exists():
        return
    try:
        earlier = json.loads((out / "summary.json").read_bytes())["schema"] == SCHEMA
    except (OSError, ValueError, KeyError, TypeError):
        earlier = out.is_dir() and not any(out.iterdir())
    if not earlier:
        raise Misconfigured(f"{out} holds something else than a replay", "Choose another folder.")


def seconds_of(rows: Readings, start_at_s: float | None) -> range:
    """The seconds of the race: trackers also send what they kept, and with clocks that are wrong.

    Such readings are taken in like all others, but nobody wants the frames of a day between.
    """
    if len(rows.bib) == 0:
        raise Misconfigured("no readings are left to replay", "Choose a later --until.")
    second = -(-rows.measured_at_us // _SECOND_US)
    first, last = int(second[0]), int(second[-1])
    if start_at_s is not None:
        begin, end = int(start_at_s) - _EARLY_S, int(start_at_s) + _LATE_S
        inside = second[(second >= begin) & (second <= end)]
        if len(inside):
            first, last = int(inside[0]), int(inside[-1])
    else:
        holes = np.flatnonzero(np.diff(second) > _EARLY_S) + 1
        strays = holes[holes <= _FEW * len(second)]
        first = int(second[strays[-1]]) if len(strays) else first
    if last - first > _LONGEST_S:
        raise Misconfigured(
            f"the readings span {(last - first) / 86400:.1f} days, more than a stage",
            "Give the files of one day, and start_at in stage.toml.",
        )
    return range(first, last + 1)


def write_tables(
    folder: Path, race: Race, rows: Readings, seconds: range, each: Progress | None
) -> dict[str, Any]:
    """Fold the readings into the race and write its tables into a folder; what they hold."""
    qualities = dict.fromkeys(QUALITIES, 0)
    counts = dict.fromkeys(TABLES, 0)
    writers = {
        name: pyarrow.parquet.ParquetWriter(
            folder / f"{name}.parquet", schema, compression="zstd", version="2.6"
        )
        for name, schema in TABLES.items()
    }
    waiting: list[Frame] = []
    changes: list[Change] = []
    try:
        for done, (frame, of) in enumerate(frames_of(race, rows, seconds), 1):
            for name, count in of.items():
                qualities[name] += count
            waiting.append(frame)
            if done % _FRAMES_A_GROUP == 0 or done == len(seconds):
                tables = (("states", states_table(waiting)), ("groups", groups_table(waiting)))
                for name, table in tables:
                    writers[name].write_table(table, row_group_size=max(1, table.num_rows))
                    counts[name] += table.num_rows
                waiting.clear()
                if each is not None:
                    each(done, len(seconds))
            changes += [change for _, change in race.take_changes()]
        changes += frame.changes  # no later reading closes the last second
        for name, tellings in (("incidents", incidents_of(changes)), ("incident_changes", changes)):
            writers[name].write_table(_tellings(name, tellings))
            counts[name] = len(tellings)
    finally:
        for writer in writers.values():
            writer.close()
    return {
        "length_m": round(race.course.length_m, 1),
        "from": _iso(seconds[0]),
        "to": _iso(seconds[-1]),
        "readings": {"rows": len(rows.bib), "quality": qualities},
        "frames": len(seconds),
        "tables": counts,
        "riders": _last_places(frame),
    }


def states_table(frames: list[Frame]) -> pa.Table:
    """The riders of these frames who have been seen."""
    seen = np.concatenate([frame.riders.status for frame in frames]) != NOT_SEEN

    def joined(name: str) -> Any:
        return np.concatenate([getattr(frame.riders, name) for frame in frames])[seen]

    group_id = joined("group_id")
    columns = {
        "measured_at": _instants(frames, [len(frame.riders.bib) for frame in frames]).filter(seen),
        "bib": joined("bib"),
        "lap": joined("lap"),
        "group_id": pa.array(group_id, mask=group_id < 0),
        "status": np.array(STATUSES, object)[joined("status")],
        "quality": np.array(QUALITIES, object)[joined("quality")],
    } | {name: _nullable(joined(name)) for name in _REALS["states"]}
    return pa.table(columns, TABLES["states"])


def groups_table(frames: list[Frame]) -> pa.Table:
    """The groups of these frames."""

    def joined(name: str) -> Any:
        return np.concatenate([getattr(frame.groups, name) for frame in frames])

    columns = {
        "measured_at": _instants(frames, [len(frame.groups.size) for frame in frames]),
        "group_id": joined("group_id"),
        "size": joined("size"),
        "first_bib": joined("first_bib"),
        "echelon": joined("echelon"),
    } | {name: _nullable(joined(name)) for name in _REALS["groups"]}
    return pa.table(columns, TABLES["groups"])


def _tellings(name: str, rows: Sequence[Incident] | Sequence[Change]) -> pa.Table:
    schema = TABLES[name]
    columns = zip(*rows, strict=True) if rows else [[] for _ in schema]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


def _instants(frames: list[Frame], counts: list[int]) -> pa.Array:
    at_us = np.repeat(np.array([frame.at_us for frame in frames], np.int64), counts)
    return pa.array(at_us).cast(_TIME)


def _nullable(column: Any) -> pa.Array:
    return pa.array(column, pa.float64(), from_pandas=True)


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _last_places(frame: Frame) -> list[dict[str, Any]]:
    riders = frame.riders
    known = np.isfinite(riders.distance_m)
    place_m = np.where(known, np.round(riders.distance_m, 1), 0.0).tolist()
    return [
        {
            "bib": bib,
            "name": name,
            "status": STATUSES[status],
            "distance_m": place if is_known else None,
            "lap": lap,
        }
        for bib, name, status, place, is_known, lap in zip(
            riders.bib.tolist(), riders.name, riders.status.tolist(), place_m, known.tolist(),
            riders.lap.tolist(), strict=True,
        )
    ]  # fmt: skip
