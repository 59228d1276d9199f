"""A stage as the press asks about it, worked out from a replay's tables."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from truck.press.results import Result, results_of
from truck.race.climbs import Climb, climbs_of
from truck.race.course import Course
from truck.rehearsal.ride import Ridden

Floats = NDArray[np.float64]

_EVERY_S = 20  # a curve on paper needs no more
_LEAST_SIZE = 3  # smaller groups are drawn where they lead, or hold out for long
_LONG_S = 600
_FOLLOWED = 8  # riders in the gap history
_CLIMBERS = 10
_LEAST_CLIMB_M = 1000.0
_MAY_TAKE_S = 3 * 3600.0


class GroupLine(NamedTuple):
    """One group's way through the stage, kilometres and seconds behind the front, every 20 s."""

    group_id: int
    km: Floats
    gap_s: Floats
    size: NDArray[np.int64]


class GapLine(NamedTuple):
    """One rider's gap over the day; hours since the flag."""

    bib: int
    hours: Floats
    gap_s: Floats


class Ascent(NamedTuple):
    """One rider's way up a climb."""

    bib: int
    time_s: float
    vam_mph: float
    speed_kmh: float


class ClimbTimes(NamedTuple):
    """A climb and its fastest, best first; `measured` riders were heard at foot and top."""

    climb: Climb
    best: tuple[Ascent, ...]
    measured: int


@dataclass(frozen=True)
class Day:
    """What the report is written from."""

    name: str
    course: Course
    began_s: float
    until: str
    readings: int
    results: list[Result]
    groups: list[GroupLine]
    gaps: list[GapLine]
    climbs: list[ClimbTimes]
    incidents: list[dict[str, Any]]
    standings: list[dict[str, Any]]


def day_of(ridden: Ridden) -> Day:
    """Everything the report says, from one replay."""
    stage, course = ridden.stage, ridden.course
    states = pq.read_table(
        ridden.table("states"),
        columns=["measured_at", "bib", "status", "distance_m", "gap_s", "virtual_gap_s", "bonus_s"],
    )
    at_s = pc.cast(states["measured_at"], pa.int64()).to_numpy() / 1e6
    began_s = float(at_s[0]) if stage.start_at_s is None else stage.start_at_s
    last = states.filter(pa.array(at_s == at_s[-1])).to_pylist()
    done_s = at_s[pc.equal(states["status"], "finished").to_numpy(zero_copy_only=False)]
    # a frame shows who crossed in the second before it; times are cut to whole seconds
    winner_s = int(done_s[0] - 1 - began_s) if len(done_s) else None
    results = results_of(
        last, stage.startlist, winner_s, against_the_clock=stage.kind == "time-trial"
    )
    ends_s = float(done_s[0]) if len(done_s) else float(at_s[-1])
    ahead = [one.bib for one in results if not one.same_time]  # the first of each time
    return Day(
        name=stage.name,
        course=course,
        began_s=began_s,
        until=str(ridden.summary["to"]),
        readings=int(ridden.summary["readings"]["rows"]),
        results=results,
        groups=_groups(pq.read_table(ridden.table("groups")), began_s, ends_s),
        gaps=_gaps(states, at_s, ahead[:_FOLLOWED], began_s, ends_s),
        climbs=_climbs(states, at_s, course),
        incidents=pq.read_table(ridden.table("incidents")).to_pylist(),
        standings=_standings(last, {s.bib: (s.name, s.team) for s in stage.startlist}),
    )


def _groups(table: pa.Table, began_s: float, ends_s: float) -> list[GroupLine]:
    """Groups that were of some size, or led, or held out, while nobody had finished."""
    at_s = pc.cast(table["measured_at"], pa.int64()).to_numpy() / 1e6
    ids, size = table["group_id"].to_numpy(), table["size"].to_numpy().astype(np.int64)
    km, gap_s = (table[name].to_numpy() for name in ("distance_m", "gap_s"))
    shown = (at_s >= began_s) & (at_s < ends_s) & ((at_s - began_s) % _EVERY_S == 0)
    shown &= np.isfinite(km) & np.isfinite(gap_s)
    lines = []
    for group in np.unique(ids[shown]).tolist():
        mine = shown & (ids == group)
        lasts = np.count_nonzero(mine) * _EVERY_S
        if size[mine].max() >= _LEAST_SIZE or lasts >= _LONG_S:
            lines.append(GroupLine(group, km[mine] / 1000.0, gap_s[mine], size[mine]))
    return lines


def _gaps(
    states: pa.Table, at_s: Floats, bibs: list[int], began_s: float, ends_s: float
) -> list[GapLine]:
    bib, gap_s = states["bib"].to_numpy(), states["gap_s"].to_numpy()
    shown = (at_s >= began_s) & (at_s <= ends_s) & ((at_s - began_s) % _EVERY_S == 0)
    lines = []
    for one in bibs:
        mine = shown & (bib == one) & np.isfinite(gap_s)
        if mine.any():
            lines.append(GapLine(one, (at_s[mine] - began_s) / 3600.0, gap_s[mine]))
    return lines


def _climbs(states: pa.Table, at_s: Floats, course: Course) -> list[ClimbTimes]:
    """Every climb of a kilometre and more, with the riders who were timed at foot and top."""
    climbs = [c for c in climbs_of(course) if c.length_m >= _LEAST_CLIMB_M]
    bib, m = states["bib"].to_numpy(), states["distance_m"].to_numpy()
    order = np.lexsort((at_s, bib))
    bib, m, when_s = bib[order], m[order], at_s[order]
    edges = np.flatnonzero(np.append(True, bib[1:] != bib[:-1]))
    found: list[list[Ascent]] = [[] for _ in climbs]
    for first, end in zip(edges, np.append(edges[1:], len(bib)), strict=True):
        known = np.isfinite(m[first:end])
        way_m, at = m[first:end][known], when_s[first:end][known]
        if len(way_m) < 2:
            continue
        # he passed a point when he was first beyond it for good
        furthest_m = np.maximum.accumulate(way_m)
        for climb, ascents in zip(climbs, found, strict=True):
            time_s = _passed_s(furthest_m, at, climb.top_m) - _passed_s(
                furthest_m, at, climb.start_m
            )
            if 0.0 < time_s < _MAY_TAKE_S:
                vam_mph = climb.rise_m / time_s * 3600.0
                speed_kmh = climb.length_m / time_s * 3.6
                ascents.append(Ascent(int(bib[first]), time_s, vam_mph, speed_kmh))
    return [
        ClimbTimes(climb, tuple(sorted(a, key=lambda one: one.time_s)[:_CLIMBERS]), len(a))
        for climb, a in zip(climbs, found, strict=True)
        if a
    ]


def _passed_s(furthest_m: Floats, at_s: Floats, point_m: float) -> float:
    """When a rider came to a point, between the two frames about it; NaN where he did not."""
    after = int(np.searchsorted(furthest_m, point_m))
    if after == 0 or after == len(furthest_m):
        return float("nan")
    low_m, high_m = furthest_m[after - 1], furthest_m[after]
    share = (point_m - low_m) / (high_m - low_m)
    return float(at_s[after - 1] + share * (at_s[after] - at_s[after - 1]))


def _standings(
    last: list[dict[str, Any]], people: dict[int, tuple[str, str]]
) -> list[dict[str, Any]]:
    known = [row for row in last if row["virtual_gap_s"] is not None]
    rows = sorted(known, key=lambda row: (row["virtual_gap_s"], row["bib"]))
    return [
        {
            "bib": row["bib"],
            "name": people.get(row["bib"], ("", ""))[0],
            "team": people.get(row["bib"], ("", ""))[1],
            "gap_s": row["virtual_gap_s"] - rows[0]["virtual_gap_s"],
            "bonus_s": row["bonus_s"] or 0.0,
        }
        for row in rows
    ]
