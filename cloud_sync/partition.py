"""Partitions: rows by stage and day, as Hive lays them out and engines prune them; pure.

    stream=<stream>/stage=<label>/date=<YYYY-MM-DD>/part-<first batch>-<last batch>.parquet

`stream` is a folder of its own; `stage` is the readings' column of that name and leaves the files,
"unnamed" where it says nothing; `date` is the day of `measured_at` in UTC. Biometrics have no time,
and no level of it.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

_UNNAMED = "unnamed"  # not null: pyarrow infers no type of a key that is null throughout
_STAGE, _TIME = "stage", "measured_at"


@dataclass(frozen=True, order=True)
class Place:
    """One partition: a stage's label and a day; "" for no day, and where rows stay sealed."""

    stage: str
    date: str

    def folder(self) -> str:
        """Its folder below the stream's."""
        day = f"/date={self.date}" if self.date else ""
        return f"stage={quote(self.stage, safe='')}{day}"


def part(table: pa.Table) -> Iterator[tuple[Place, pa.Table]]:
    """The rows of each partition in their order, without the column `stage`."""
    has_stage = _STAGE in table.column_names
    has_day = _TIME in table.column_names
    kept = table.drop_columns([_STAGE]) if has_stage else table
    nothing = pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    stage = _named(table[_STAGE].cast(pa.string()) if has_stage else nothing)
    day = table[_TIME].cast(pa.date32()) if has_day else pa.nulls(table.num_rows, pa.date32())
    for label in sorted(pc.unique(stage).to_pylist()):
        for date in sorted(pc.unique(day).to_pylist(), key=str):
            mine = pc.and_(pc.equal(stage, label), _is_on(day, date))
            if pc.all(mine).as_py():  # nearly always: a batch is seconds of one stage
                yield Place(label, _written(date)), kept
            elif pc.any(mine).as_py():
                yield Place(label, _written(date)), kept.filter(mine)


def _is_on(day: pa.Array, date: dt.date | None) -> pa.Array:
    return pc.is_null(day) if date is None else pc.fill_null(pc.equal(day, date), False)


def _written(date: dt.date | None) -> str:
    return date.isoformat() if date else ""


def _named(stage: pa.ChunkedArray) -> pa.ChunkedArray:
    known = pc.fill_null(stage, "")
    return pc.if_else(pc.equal(known, ""), _UNNAMED, known)
