"""The job's tables over two races and three stages are what pyarrow and numpy say they are."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

pytestmark = pytest.mark.timeout(1800)  # Spark starts in 10 s alone, in minutes in a crowd

PLACED = pa.array([0, 1, 3], pa.int8())
Rider = tuple[str, str, int]


@pytest.fixture(scope="module")
def placed(races) -> pa.Table:
    """What was sealed of both races, at a known place, in order of time."""
    parts = [
        rows.append_column("race", pa.repeat(race, rows.num_rows))
        for race, rows in races.rows.items()
    ]
    rows = pa.concat_tables(parts)
    known = pc.and_(pc.is_valid(rows["distance_m"]), pc.is_in(rows["quality"], PLACED))
    rows = rows.filter(pc.and_(known, pc.greater(rows["bib"], 0)))
    return rows.sort_by(
        [(n, "ascending") for n in ("race", "stage", "bib", "measured_at", "row_id")]
    )


def table(tables: Path, name: str) -> pa.Table:
    part = ds.partitioning(
        pa.schema([("race", pa.string()), ("stage", pa.string())]), flavor="hive"
    )
    return ds.dataset(tables / name, partitioning=part, exclude_invalid_files=True).to_table()


def by_rider(placed: pa.Table) -> Iterator[tuple[Rider, dict[str, np.ndarray]]]:
    names = list(zip(*(placed[n].to_pylist() for n in ("race", "stage", "bib")), strict=True))
    cuts = [k for k in range(len(names)) if k == 0 or names[k] != names[k - 1]] + [len(names)]
    at_s = pc.cast(placed["measured_at"], pa.int64()).to_numpy() / 1e6
    columns = {
        n: placed[n].to_numpy() for n in ("distance_m", "speed_mps", "gradient_pct")
    } | {"at_s": at_s}  # fmt: skip
    for lo, hi in pairwise(cuts):
        yield names[lo], {n: column[lo:hi] for n, column in columns.items()}


def test_every_rider_and_stage_has_a_row_and_sums_agree(tables: Path, placed: pa.Table) -> None:
    told = placed.group_by(["race", "stage", "bib"]).aggregate(
        [("row_id", "count"), ("distance_m", "max"), ("distance_m", "min"), ("measured_at", "min"),
         ("measured_at", "max"), ("speed_mps", "max")]
    )  # fmt: skip
    order = [(n, "ascending") for n in ("race", "stage", "bib")]
    told, made = told.sort_by(order), table(tables, "riders").sort_by(order)
    assert made.num_rows == told.num_rows == 12
    assert set(zip(*(made[n].to_pylist() for n in ("race", "stage")), strict=True)) == {
        ("race-1", "stage-1"), ("race-1", "stage-2"), ("race-2", "stage-1"),
    }  # fmt: skip
    assert made["readings"].to_pylist() == told["row_id_count"].to_pylist()
    km = pc.divide(pc.subtract(told["distance_m_max"], told["distance_m_min"]), 1000.0)
    assert made["distance_km"].to_pylist() == pytest.approx(km.to_pylist(), abs=1e-9)
    assert pc.sum(made["distance_km"]).as_py() > 20.0
    for name, expected in (("from_at", "measured_at_min"), ("to_at", "measured_at_max")):
        assert made[name].type == pa.timestamp("us", "UTC")
        assert made[name].cast(pa.int64()).equals(told[expected].cast(pa.int64()))
    fastest = [None if v is None else v * 3.6 for v in told["speed_mps_max"].to_pylist()]
    assert made["max_kmh"].to_pylist() == fastest
    hours = pc.divide(made["elapsed_s"], 3600.0)
    assert made["mean_kmh"].to_pylist() == pytest.approx(pc.divide(km, hours).to_pylist())


def test_climbs_and_stops_agree_with_a_loop_over_each_rider(tables: Path, placed: pa.Table) -> None:
    made = {
        (row["race"], row["stage"], row["bib"]): row for row in table(tables, "riders").to_pylist()
    }
    for rider, column in by_rider(placed):
        forward_m = np.maximum(np.diff(column["distance_m"]), 0.0)
        climbed_m = float((forward_m * np.maximum(column["gradient_pct"][1:], 0.0) / 100.0).sum())
        assert made[rider]["climbed_m"] == pytest.approx(climbed_m, abs=1e-6)
        stops = stops_of(column["at_s"], column["speed_mps"] < 1.0)
        assert made[rider]["stops"] == len(stops)
        assert made[rider]["stopped_s"] == pytest.approx(sum(stops))
    assert sum(row["climbed_m"] for row in made.values()) > 10.0


def stops_of(at_s: np.ndarray, standing: np.ndarray) -> list[float]:
    """How long each stop of 10 s or more was; silence of more than 30 s ends one."""
    long_s, since = [], None
    for k, stands in enumerate(standing):
        if since is not None and (not stands or at_s[k] - at_s[k - 1] > 30.0):
            long_s.append(at_s[k - 1] - at_s[since])
            since = None
        if stands and since is None:
            since = k
    if since is not None:
        long_s.append(at_s[-1] - at_s[since])
    return [s for s in long_s if s >= 10.0]


def test_groups_at_each_kilometre_agree_with_a_loop_over_passages(
    tables: Path, placed: pa.Table
) -> None:
    passed: dict[tuple[str, str, int], list[tuple[float, int]]] = {}
    for (race, stage, bib), column in by_rider(placed):
        for km, at_s in passages(column["at_s"], column["distance_m"]).items():
            passed.setdefault((race, stage, km), []).append((at_s, bib))
    expected = {}
    for mark, riders in passed.items():
        riders.sort()
        group, last_s = 0, -np.inf
        for at_s, bib in riders:
            group += at_s - last_s > 3.0
            expected.setdefault((*mark, group), []).append((at_s, bib))
            last_s = at_s
    made = {
        (row["race"], row["stage"], row["mark_km"], row["group"]): row
        for row in table(tables, "groups").to_pylist()
    }
    assert made.keys() == expected.keys()
    assert len(made) > 8
    assert max(row["riders"] for row in made.values()) > 1
    assert max(group for *_, group in made) > 1
    for name, riders in expected.items():
        row, first_s = made[name], expected[*name[:3], 1][0][0]
        assert row["bibs"] == sorted(bib for _, bib in riders)
        assert row["riders"] == len(riders)
        assert row["gap_s"] == pytest.approx(riders[0][0] - first_s, abs=1e-5)
        assert row["first_at"].timestamp() == pytest.approx(riders[0][0], abs=1e-5)
        if name[3] == 1:
            assert row["gap_ahead_s"] is None
        else:
            last_s = expected[*name[:3], name[3] - 1][-1][0]
            assert row["gap_ahead_s"] == pytest.approx(riders[0][0] - last_s, abs=1e-5)


def passages(at_s: np.ndarray, distance_m: np.ndarray) -> dict[int, float]:
    """When each kilometre was first passed, on the line between two readings 30 s apart at most."""
    first: dict[int, float] = {}
    for k in range(1, len(at_s)):
        step_s, before = at_s[k] - at_s[k - 1], distance_m[k - 1]
        if step_s > 30.0 or before < 0.0:
            continue
        for km in range(int(before // 1000) + 1, int(distance_m[k] // 1000) + 1):
            share = (km * 1000.0 - before) / (distance_m[k] - before)
            first[km] = min(first.get(km, np.inf), at_s[k - 1] + share * step_s)
    return first
