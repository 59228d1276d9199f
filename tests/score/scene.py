"""One simulated stage: what was true, what reached the truck, and what the truck published.

Columns come as arrays [seconds, riders], loaded when a measure asks for them. Truth is the
simulator's (hardware/virtual), ours are the tables of `truck replay`.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hardware.route import Line, line_of
from hardware.stage import Stage, load_stage

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# devices that say something untrue; a dead tracker says nothing, which is a hole like others
MISLEADING = ("in_car", "wrong_binding", "spare_on_roof", "clock_offset", "stale_fixes")
CRASH, ECHELON = "crash", "echelon"


class Missing(Exception):
    """A column or table that this replay or simulation does not write."""


@dataclass(frozen=True)
class Event:
    """Something that happened; seconds since 1970, `ended_s` infinite where it is for good."""

    kind: str
    bibs: frozenset[int]
    started_s: float
    ended_s: float
    distance_m: float


@dataclass(frozen=True)
class Alarm:
    """Something said about an incident, at `raised_s`."""

    incident_id: int
    kind: str
    bibs: frozenset[int]
    raised_s: float
    probability: float
    distance_m: float


class Scene:
    """Truth, readings and states of a stage on one grid.

    Attributes:
        seconds: instants that both truth and replay speak of, seconds since 1970.
        bibs: riders of the truth.
    """

    def __init__(self, simulated: Path, replayed: Path, readings: Path | None = None) -> None:
        self._truth = Grid(simulated / "truth" / "riders.parquet")
        self._states = Grid(replayed / "states.parquet")
        self._simulated, self._replayed = simulated, replayed
        self._readings = readings or simulated / "readings.parquet"
        self.seconds: Ints = np.intersect1d(self._truth.seconds, self._states.seconds)
        self.bibs: Ints = self._truth.bibs
        self._columns: dict[tuple[str, str], Floats] = {}

    def truth(self, name: str) -> Floats:
        """A column of the truth."""
        return self._column("truth", self._truth, name)

    def ours(self, name: str) -> Floats:
        """A column of the states; NaN for a rider who is not in that frame."""
        return self._column("ours", self._states, name)

    def _column(self, side: str, grid: "Grid", name: str) -> Floats:
        if (side, name) not in self._columns:
            self._columns[side, name] = grid.column(name, self.seconds, self.bibs)
        return self._columns[side, name]

    @cached_property
    def stage(self) -> Stage:
        return load_stage(self._simulated / "stage")

    @cached_property
    def line(self) -> Line:
        return line_of(self.stage)

    @cached_property
    def events(self) -> list[Event]:
        table = pq.read_table(self._simulated / "truth" / "events.parquet")
        return [
            Event(
                row["kind"],
                frozenset(row["bibs"] or ()),
                _epoch_s(row["started_at"], -np.inf),
                _epoch_s(row["ended_at"], np.inf),
                np.nan if row["distance_m"] is None else row["distance_m"],
            )
            for row in table.to_pylist()
        ]

    @cached_property
    def alarms(self) -> list[Alarm]:
        """What was said about incidents, in order: one entry whenever it was raised or changed."""
        changes = self._replayed / "incident_changes.parquet"
        if changes.exists():
            at, table = "at", pq.read_table(changes)
        else:
            at, table = "raised_at", pq.read_table(self._replayed / "incidents.parquet")
        for name in ("incident_id", "distance_m"):
            if name not in table.column_names:
                raise Missing(f"incidents.{name}")
        return [
            Alarm(
                row["incident_id"],
                row["kind"],
                frozenset(row["bibs"]),
                _epoch_s(row[at], np.nan),
                row["probability"],
                np.nan if row["distance_m"] is None else row["distance_m"],
            )
            for row in table.to_pylist()
            if row.get("what") != "cleared"
        ]

    @cached_property
    def groups(self) -> pa.Table:
        return pq.read_table(self._replayed / "groups.parquet")

    @cached_property
    def standings(self) -> dict[int, dict[str, Any]]:
        rows = pq.read_table(self._simulated / "truth" / "standings.parquet").to_pylist()
        return {row["bib"]: row for row in rows}

    @cached_property
    def sound(self) -> Bools:
        """Riders whose device misleads nobody all stage long."""
        bad = {bib for event in self.events if event.kind in MISLEADING for bib in event.bibs}
        return ~np.isin(self.bibs, np.array(sorted(bad), np.int64))

    @cached_property
    def racing(self) -> Bools:
        """Riders who in truth are on the road, after the flag."""
        on_road = self._truth.among(("racing", "stopped"), self.seconds, self.bibs)
        return on_road & (self.truth("distance_m") >= 0.0)

    @cached_property
    def riding(self) -> Bools:
        """The same without those who stand."""
        return self.racing & self._truth.among(("racing",), self.seconds, self.bibs)

    @cached_property
    def finished(self) -> Bools:
        """Riders who in truth have crossed the line."""
        return self._truth.among(("finished",), self.seconds, self.bibs)

    @cached_property
    def shown(self) -> Bools:
        """Riders whom we show on the road, by a fix that is not old."""
        shown = self._states.among(("racing", "stopped"), self.seconds, self.bibs)
        return shown & np.isfinite(self.ours("distance_m"))

    @cached_property
    def shown_on(self) -> Bools:
        """The same, and those who ride on unheard for up to 90 s."""
        lost = self._states.among(("signal_lost",), self.seconds, self.bibs)
        lost &= self.ours("age_s") <= 90.0
        return self.shown | (lost & np.isfinite(self.ours("distance_m")))

    @cached_property
    def readings(self) -> dict[str, Any]:
        """Columns of the readings by bib and time; `at_s` is measured_at."""
        table = pq.read_table(self._readings)
        table = table.filter(
            pc.and_(pc.is_valid(table["latitude_deg"]), pc.is_valid(table["longitude_deg"]))
        )
        columns = {n: _numbers(table[n]) for n in table.column_names if n != "heard_at"}
        columns["at_s"] = columns.pop("measured_at") / 1e6
        order = np.lexsort((columns["at_s"], columns["bib"]))
        return {name: column[order] for name, column in columns.items()}

    @cached_property
    def latest(self) -> Ints:
        """Row of each rider's latest reading at each second; -1 before the first."""
        bib, at_s = self.readings["bib"], self.readings["at_s"]
        rows = np.full((len(self.seconds), len(self.bibs)), -1, np.int64)
        for column, number in enumerate(self.bibs.tolist()):
            low, high = np.searchsorted(bib, [number, number + 1])
            found = np.searchsorted(at_s[low:high], self.seconds, side="right")
            rows[:, column] = np.where(found > 0, low + found - 1, -1)
        return rows

    def held(self, values: Floats) -> Floats:
        """A value a reading as [seconds, riders]: each rider's latest, NaN once it is 10 s old."""
        rows = np.maximum(self.latest, 0)
        age_s = self.seconds[:, None] - self.readings["at_s"][rows]
        return np.where((self.latest >= 0) & (age_s <= 10.0), values[rows], np.nan)


class Grid:
    """A long table of (measured_at, bib) rows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        keys = pq.read_table(path, columns=["measured_at", "bib"])
        self._at_us = _numbers(keys["measured_at"]).astype(np.int64)
        self._bib = _numbers(keys["bib"]).astype(np.int64)
        self.seconds = np.unique(self._at_us // 1_000_000)
        self.bibs = np.unique(self._bib)
        self.names = set(pq.read_schema(path).names)

    def column(self, name: str, seconds: Ints, bibs: Ints) -> Floats:
        """A column of numbers as [seconds, riders]; NaN where there is no row."""
        grid = np.full((len(seconds), len(bibs)), np.nan)
        self._lay(_numbers(self._read(name)), grid, seconds, bibs)
        return grid

    def among(self, words: tuple[str, ...], seconds: Ints, bibs: Ints) -> Bools:
        """Where the status is one of these words, as [seconds, riders]."""
        grid = np.zeros((len(seconds), len(bibs)), bool)
        is_one = pc.is_in(self._read("status").cast(pa.string()), pa.array(words))
        self._lay(is_one.to_numpy(), grid, seconds, bibs)
        return grid

    def _read(self, name: str) -> Any:
        if name not in self.names:
            raise Missing(f"{self._path.stem}.{name}")
        return pq.read_table(self._path, columns=[name])[name]

    def _lay(self, values: Any, grid: Any, seconds: Ints, bibs: Ints) -> None:
        row, at_row = _index(self._at_us // 1_000_000, seconds)
        column, at_column = _index(self._bib, bibs)
        kept = at_row & at_column & (self._at_us % 1_000_000 == 0)
        grid[row[kept], column[kept]] = values[kept]


def _index(values: Ints, wanted: Ints) -> tuple[Ints, Bools]:
    """Where each value stands among those wanted, and whether it does."""
    at = np.minimum(np.searchsorted(wanted, values), max(0, len(wanted) - 1))
    return at, wanted[at] == values


def _numbers(column: Any, null: float = np.nan) -> Floats:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return np.asarray(pc.fill_null(column.cast(pa.float64(), safe=False), null), np.float64)


def _epoch_s(at: dt.datetime | None, null: float) -> float:
    return null if at is None else at.timestamp()
