"""Partitions: rows by stage and day, as Hive lays them out and engines prune them; pure.

    stream=<stream>/stage=<label>/date=<YYYY-MM-DD>/part-<first batch>-<last batch>.parquet

`stream` is a folder of its own; `stage` is the readings' column of that name and leaves the files,
"unnamed" where it says nothing; `date` is the day of `measured_at` in UTC. Biometrics have no time,
and no level of it.
"""

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
    rows = table.num_rows
    has_stage = _STAGE in table.column_names
    nothing = pa.chunked_array([pa.nulls(rows, pa.string())])
    stage = table[_STAGE].cast(pa.string()) if has_stage else nothing
    date = nothing
    if _TIME in table.column_names and pa.types.is_timestamp(table.schema.field(_TIME).type):
        date = table[_TIME].cast(pa.date32()).cast(pa.string())
    keys = pa.table({"stage": _named(stage), "date": pc.fill_null(date, "")}).combine_chunks()
    kept = table.drop_columns([_STAGE]) if has_stage else table
    distinct = keys.group_by(["stage", "date"]).aggregate([]).to_pylist()
    places = sorted(Place(row["stage"], row["date"]) for row in distinct)
    for place in places:
        if len(places) == 1:
            yield place, kept
            return
        mine = pc.and_(pc.equal(keys["stage"], place.stage), pc.equal(keys["date"], place.date))
        yield place, kept.filter(mine)


def _named(stage: pa.ChunkedArray) -> pa.ChunkedArray:
    known = pc.fill_null(stage, "")
    return pc.if_else(pc.equal(known, ""), _UNNAMED, known)
