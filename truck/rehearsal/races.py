"""Two replays of the same readings held against each other: riders, gaps, groups, incidents."""

import datetime as dt
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from truck.rehearsal.ride import Ridden
from truck.store.boards import BoardTables
from truck.store.export import query

_NUMBERS = ("distance_m", "to_go_m", "gap_s")
_COLUMNS = ["measured_at", "bib", "status", "group_id", *_NUMBERS]
_SECOND_US = 1_000_000
_SLOW_S = 120.0
_ALL_DAY = """
SELECT count(*) AS rows,
  median(n.to_go_m - t.to_go_m) AS to_go_median_m,
  arg_max(n.to_go_m - t.to_go_m, abs(n.to_go_m - t.to_go_m)) AS to_go_most_m,
  median(abs(n.gap_s - t.gap_s)) AS gap_median_s,
  max(abs(n.gap_s - t.gap_s)) AS gap_most_s
FROM today t JOIN next n USING (measured_at, bib)
"""


def looked_at_us(today: Ridden, following: Ridden) -> int:
    """The last second before anybody is at the line in either race: all gaps are still open."""
    ends = []
    for ridden in (today, following):
        states = pq.read_table(ridden.table("states"), columns=["measured_at", "status"])
        at = states.filter(pc.equal(states["status"], "finished"))["measured_at"]
        last = pc.max(states["measured_at"]) if len(at) == 0 else pc.min(at)
        if last.as_py() is not None:
            ends.append(round(last.as_py().timestamp()) * _SECOND_US - _SECOND_US * bool(len(at)))
    return min(ends, default=0)


def races_apart(today: Ridden, following: Ridden, at_us: int) -> dict[str, Any]:
    """What differs between two replays at an instant, at the end and all day; ready for JSON."""
    end_us = min(_last_us(ridden) for ridden in (today, following))
    return {
        "before_the_line": _moment(today, following, at_us),
        "at_the_end": _moment(today, following, end_us),
        "all_day": _all_day(today, following),
        "incidents": _incidents(today, following),
    }


def _moment(today: Ridden, following: Ridden, at_us: int) -> dict[str, Any]:
    names = {s.bib: s.name for s in (*today.stage.startlist, *following.stage.startlist)}
    before, after = _at(today, at_us), _at(following, at_us)
    riders = []
    for bib in sorted(before.keys() | after.keys(), key=lambda b: _behind(before.get(b), after, b)):
        one, other = before.get(bib, {}), after.get(bib, {})
        row: dict[str, Any] = {"bib": bib, "name": names.get(bib, "")}
        row |= {name: _pair(one.get(name), other.get(name)) for name in _NUMBERS}
        row["status"] = {"today": one.get("status"), "next": other.get("status")}
        row["group"] = {"today": _mates(before, bib), "next": _mates(after, bib)}
        riders.append(row)
    return {
        "at": dt.datetime.fromtimestamp(at_us / 1e6, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "riders": riders,
        "groups": {
            "today": len({frozenset(_mates(before, b)) for b in before if _mates(before, b)}),
            "next": len({frozenset(_mates(after, b)) for b in after if _mates(after, b)}),
            "regrouped": [r["bib"] for r in riders if r["group"]["today"] != r["group"]["next"]],
        },
    }


def _behind(row: dict[str, Any] | None, after: dict[int, dict[str, Any]], bib: int) -> float:
    """For the order of the list: who is ahead today comes first."""
    distance_m = (row or after[bib])["distance_m"]
    return float("inf") if distance_m is None else -float(distance_m)


def _last_us(ridden: Ridden) -> int:
    last = pc.max(pq.read_table(ridden.table("states"), columns=["measured_at"])["measured_at"])
    return 0 if last.as_py() is None else round(last.as_py().timestamp()) * _SECOND_US


def _at(ridden: Ridden, at_us: int) -> dict[int, dict[str, Any]]:
    at = pa.scalar(at_us).cast(pa.timestamp("us", "UTC"))
    states = pq.read_table(
        ridden.table("states"), columns=_COLUMNS, filters=[("measured_at", "=", at)]
    )
    return {row["bib"]: row for row in states.to_pylist()}


def _mates(riders: dict[int, dict[str, Any]], bib: int) -> list[int]:
    """Everybody in his group, himself too; groups are compared by who is in them."""
    group = riders.get(bib, {}).get("group_id")
    if group is None:
        return []
    return sorted(other for other, row in riders.items() if row["group_id"] == group)


def _all_day(today: Ridden, following: Ridden) -> dict[str, Any]:
    columns = ["measured_at", "bib", "to_go_m", "gap_s"]
    pair = BoardTables({
        "today": pq.read_table(today.table("states"), columns=columns),
        "next": pq.read_table(following.table("states"), columns=columns),
    })  # fmt: skip
    try:
        (row,) = query(pair, _ALL_DAY, _SLOW_S).to_pylist()
    finally:
        pair.close()
    return {k: v if v is None or k == "rows" else round(v, 1) + 0.0 for k, v in row.items()}


def _incidents(today: Ridden, following: Ridden) -> dict[str, Any]:
    found = {
        side: [
            {
                "kind": row["kind"],
                "bibs": row["bibs"],
                "started_at": row["started_at"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            for row in pq.read_table(ridden.table("incidents")).to_pylist()
        ]
        for side, ridden in (("today", today), ("next", following))
    }
    return {
        "today": len(found["today"]),
        "next": len(found["next"]),
        "gone": [row for row in found["today"] if row not in found["next"]],
        "new": [row for row in found["next"] if row not in found["today"]],
    }


def _pair(today: float | None, following: float | None) -> dict[str, float | None]:
    both = today is not None and following is not None
    return {
        "today": None if today is None else round(today, 1),
        "next": None if following is None else round(following, 1),
        "change": round((following or 0.0) - (today or 0.0), 1) + 0.0 if both else None,
    }
