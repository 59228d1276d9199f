"""The tables that a board's SQL is asked over: the race at one moment."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa

from hardware.stage import Stage
from truck.race.climbs import climbs_of
from truck.race.course import Course
from truck.race.frame import QUALITIES, Frame, RiderColumns
from truck.race.riders import NEVER_US
from truck.race.status import STATUSES
from truck.replay import TABLES, groups_table, states_table
from truck.serve.race_boards import Moment
from truck.serve.wording import climb_name

_TIME = pa.timestamp("us", "UTC")
_WORDS = {"status": STATUSES, "quality": QUALITIES}
_TYPES = {
    "bib": pa.int32(), "name": pa.string(), "team": pa.string(), "lap": pa.int16(),
    "group_id": pa.int32(), "status": pa.string(), "quality": pa.string(), "ruled": pa.bool_(),
}  # fmt: skip
RIDERS = pa.schema(
    [("measured_at", _TIME), ("rank", pa.int32()),
     *((f.name, _TYPES.get(f.name, pa.float64())) for f in fields(RiderColumns)
       if f.name != "finished_us"), ("finished_at", _TIME)]
)  # fmt: skip
COURSE = pa.schema(
    [("name", pa.string()), ("kind", pa.string()), ("start_at", _TIME),
     ("length_m", pa.float64()), ("neutral_m", pa.float64())]
)  # fmt: skip
TOP_SPEEDS = pa.schema(
    [("bib", pa.int32()), ("speed_mps", pa.float64()), ("at", _TIME), ("distance_m", pa.float64())]
)
CLIMBS = pa.schema(
    [("climb", pa.string()), ("start_m", pa.float64()), ("top_m", pa.float64()),
     ("rise_m", pa.float64()), ("gradient_pct", pa.float64()), ("category", pa.string())]
)  # fmt: skip
CLIMB_TIMES = pa.schema(
    [("bib", pa.int32()), ("climb", pa.string()), ("time_s", pa.float64()), ("sure", pa.bool_())]
)
STARTERS = pa.schema(
    [("bib", pa.int32()), ("name", pa.string()), ("team", pa.string()),
     ("gc_gap_s", pa.float64()), ("status", pa.string())]
)  # fmt: skip
CHECKPOINTS = pa.schema([("km", pa.float64()), ("kind", pa.string()), ("name", pa.string())])
SCHEMAS: Mapping[str, pa.Schema] = {
    **TABLES, "riders": RIDERS, "course": COURSE, "climbs": CLIMBS, "top_speeds": TOP_SPEEDS,
    "climb_times": CLIMB_TIMES, "starters": STARTERS, "checkpoints": CHECKPOINTS,
}  # fmt: skip


def empty_tables() -> dict[str, pa.Table]:
    """Every table without a row."""
    return {name: schema.empty_table() for name, schema in SCHEMAS.items()}


def full_tables(rows: int = 200) -> dict[str, pa.Table]:
    """Every table as full as a big field makes it, with made-up values."""
    return {
        name: pa.table([_made_up(f.type, rows) for f in schema], schema=schema)
        for name, schema in SCHEMAS.items()
    }


def papers_of(stage: Stage) -> dict[str, pa.Table]:
    """The tables `starters` and `checkpoints` of a stage."""
    return {
        "starters": pa.Table.from_pylist(
            [{n: getattr(s, n) for n in STARTERS.names} for s in stage.startlist], STARTERS
        ),
        "checkpoints": pa.Table.from_pylist(
            [{n: getattr(c, n) for n in CHECKPOINTS.names} for c in stage.checkpoints], CHECKPOINTS
        ),
    }


def course_tables(stage: Stage, course: Course) -> dict[str, pa.Table]:
    """The tables `course`, one row, and `climbs`."""
    start_us = None if stage.start_at_s is None else round(stage.start_at_s * 1e6)
    row = (stage.name, stage.kind, start_us, course.length_m, -course.start_m)
    climbs = [
        (climb_name(climb), *(None if math.isnan(v) else v for v in climb[2:6]), climb.category)
        for climb in climbs_of(course)
    ]
    return {"course": _rows_table([row], COURSE), "climbs": _rows_table(climbs, CLIMBS)}


def moment_tables(moment: Moment) -> dict[str, pa.Table]:
    """What changes from frame to frame. `states` and `groups` hold this moment alone."""
    tops = [(t.bib, t.speed_mps, t.at_us, t.distance_m) for t in moment.top_speeds]
    said = moment.frame.open
    incidents = {
        "incident_id": [one.incident_id for one in said], "kind": [one.kind for one in said],
        "bibs": [list(one.bibs) for one in said], "started_at": [one.started_us for one in said],
        "raised_at": [None] * len(said), "cleared_at": [None] * len(said),
        "probability": [one.probability for one in said],
        "distance_m": [one.distance_m for one in said],
    }  # fmt: skip
    return {
        "riders": riders_table(moment.frame),
        "states": states_table([moment.frame]),
        "groups": groups_table([moment.frame]),
        "incidents": pa.table(incidents, TABLES["incidents"]),
        "top_speeds": _rows_table(tops, TOP_SPEEDS),
        "climb_times": _rows_table(moment.climb_times, CLIMB_TIMES),
    }


def riders_table(frame: Frame) -> pa.Table:
    """The riders of a frame in standings order, null where nothing is known."""
    riders, count = frame.riders, len(frame.riders.bib)
    columns: dict[str, Any] = {
        "measured_at": pa.array(np.full(count, frame.at_us)).cast(_TIME),
        "rank": np.arange(1, count + 1),
    }
    finished_us = pa.array(riders.finished_us, mask=riders.finished_us == NEVER_US)
    columns["finished_at"] = finished_us.cast(_TIME)
    for of in fields(RiderColumns):
        values = getattr(riders, of.name)
        if of.name in _WORDS:
            values = np.array(_WORDS[of.name], object)[values]
        elif of.name == "group_id":
            values = pa.array(values, mask=values < 0)
        elif of.name in RIDERS.names and of.name not in _TYPES:
            values = pa.array(values, pa.float64(), from_pandas=True)
        columns[of.name] = values
    return pa.table({name: columns[name] for name in RIDERS.names}, RIDERS)


def _rows_table(rows: Any, schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [[] for _ in schema]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)


def _made_up(of: pa.DataType, rows: int) -> pa.Array:
    """Values of a type, each row another."""
    if pa.types.is_string(of):
        return pa.array([f"word {k}" for k in range(rows)], of)
    if pa.types.is_boolean(of):
        return pa.array([k % 2 == 0 for k in range(rows)], of)
    if pa.types.is_list(of):
        return pa.array([[k] for k in range(rows)], of)
    return pa.array(range(rows), pa.int64()).cast(of)
