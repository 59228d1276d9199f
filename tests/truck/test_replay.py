"""`truck replay`: the same bytes again, and a cut replay is the first part of the whole."""

import datetime as dt
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from plain_processor import on_a_plain_processor
from rides_race import RIDES, START_US, between

from hardware.errors import Damaged, Misconfigured, TruckError
from truck.race.readings import Readings
from truck.readings import read_readings
from truck.replay import replay

UNTIL_S = START_US / 1e6 + 900
HALF_S = START_US / 1e6 + 300


@pytest.fixture(scope="module")
def whole(stage: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    replay(stage, [shared / RIDES], out, UNTIL_S)
    return out


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_five_riders_replayed_again_give_the_same_bytes(
    stage: Path, shared: Path, whole: Path, tmp_path: Path
) -> None:
    replay(stage, [shared / RIDES], tmp_path / "elsewhere", UNTIL_S)
    found = digests(whole)
    assert sorted(found) == [
        "groups.parquet", "incident_changes.parquet", "incidents.parquet",
        "predictions.parquet", "states.parquet", "summary.json",
    ]  # fmt: skip
    assert digests(tmp_path / "elsewhere") == found


def test_a_plain_processor_replays_to_the_same_bytes(
    stage: Path, shared: Path, whole: Path, tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from truck.replay import replay;"
        "replay(Path(sys.argv[1]), [Path(sys.argv[2])], Path(sys.argv[3]), float(sys.argv[4]))"
    )
    out = tmp_path / "plain"
    on_a_plain_processor(code, str(stage), str(shared / RIDES), str(out), str(UNTIL_S))
    assert digests(out) == digests(whole)


def test_a_replay_cut_at_half_time_is_the_first_half(
    stage: Path, shared: Path, whole: Path, tmp_path: Path
) -> None:
    summary = replay(stage, [shared / RIDES], tmp_path / "half", HALF_S)
    for name in ("states", "groups"):
        half, full = (
            pq.read_table(folder / f"{name}.parquet") for folder in (tmp_path / "half", whole)
        )
        last = pc.max(half["measured_at"])
        first_half = full.filter(pc.less_equal(full["measured_at"], last))
        assert half.num_rows == summary["tables"][name] > 500
        assert full.num_rows > half.num_rows
        assert half.equals(first_half)
        # every row group that both hold whole is the same bytes in both files
        groups = pq.ParquetFile(tmp_path / "half" / f"{name}.parquet").num_row_groups - 1
        assert groups >= 2
        ends = pq.ParquetFile(whole / f"{name}.parquet").metadata.row_group(groups).column(0)
        until = ends.dictionary_page_offset or ends.data_page_offset
        one, other = (f.read_bytes()[:until] for f in (tmp_path / "half" / f"{name}.parquet",
                                                      whole / f"{name}.parquet"))  # fmt: skip
        assert one == other


def test_the_tables_hold_what_the_design_says(whole: Path) -> None:
    states = pq.read_table(whole / "states.parquet")
    assert {
        "measured_at", "bib", "distance_m", "to_go_m", "lap", "lateral_m", "speed_mps",
        "gradient_pct", "group_id", "gap_s", "gap_m", "status", "quality", "age_s",
    } <= set(states.column_names)  # fmt: skip
    assert states.schema.field("measured_at").type == pa.timestamp("us", "UTC")
    assert set(pc.unique(states["bib"]).to_pylist()) == {1, 2, 3, 4, 5}
    for name in states.column_names:
        if pa.types.is_floating(states.schema.field(name).type):
            assert not pc.any(pc.is_nan(states[name])).as_py(), name
    assert {"kind", "bibs", "started_at", "raised_at", "cleared_at", "probability"} <= set(
        pq.read_schema(whole / "incidents.parquet").names
    )
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["schema"] == "truck.replay/1"
    assert summary["readings"]["rows"] == sum(summary["readings"]["quality"].values())


def as_csv(readings: Readings, path: Path, *, iso: bool) -> Path:
    part = between(readings, START_US, START_US + 60_000_000)
    at = pa.array(part.measured_at_us).cast(pa.timestamp("us", "UTC"))
    columns = {
        "measured_at": at if iso else part.measured_at_us / 1e6,
        "bib": part.bib,
        "latitude_deg": part.latitude_deg,
        "longitude_deg": part.longitude_deg,
        "speed_kmh": pa.array(part.speed_mps * 3.6, from_pandas=True),
        "impact": part.bib % 2,
        "team_note": np.full(len(part.bib), "x"),
    }
    table = pa.table(columns)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        pyarrow.csv.write_csv(table, path)
    return path


def test_csv_and_parquet_readings_are_the_same_readings(readings: Readings, tmp_path: Path) -> None:
    part = between(readings, START_US, START_US + 60_000_000)
    for name, iso in (("a.csv", True), ("b.csv", False), ("c.parquet", True), ("d.parquet", False)):
        found = read_readings([as_csv(readings, tmp_path / name, iso=iso)])
        assert found.bib.tolist() == part.bib.tolist()
        assert found.measured_at_us.tolist() == part.measured_at_us.tolist()
        assert found.latitude_deg == pytest.approx(part.latitude_deg, abs=1e-9)
        assert found.speed_mps == pytest.approx(part.speed_mps, abs=1e-6, nan_ok=True)
        assert np.isnan(found.power_w).all()
        assert found.impact.tolist() == (part.bib % 2).tolist()


def test_rides_of_one_file_each_are_the_same_riders_as_the_joined_file(
    shared: Path, readings: Readings
) -> None:
    files = sorted((shared / "roubaix2020").glob("rider_*"))
    found = read_readings(files)
    assert np.unique(found.bib).tolist() == [1, 2, 3, 4, 5]
    assert abs(len(found.bib) - len(readings.bib)) < 50


HEAD = b"measured_at,bib,latitude_deg,longitude_deg\n"


@pytest.mark.parametrize(
    ("name", "data", "kind", "parts"),
    [
        ("r.csv", HEAD + b"1595688383,1,40.1,-105.2\n1595688384,1,north,-105.2\n", Misconfigured,
         ["line 3", "latitude_deg", "'north'"]),
        ("r.csv", HEAD + b"2020-07-25T14:46:23Z,1,40.1,-105.2\nsoon,1,40.1,-105.2\n", Misconfigured,
         ["line 3", "measured_at", "'soon'"]),
        ("r.csv", HEAD + b"2020-07-25T14:46:23,1,40.1,-105.2\n", Misconfigured,
         ["line 2", "measured_at", "zone"]),
        ("r.csv", HEAD + b"1595688383,one,40.1,-105.2\n", Misconfigured, ["line 2", "bib"]),
        ("r.csv", HEAD + b"1595688383,,40.1,-105.2\n", Misconfigured, ["line 2", "bib", "empty"]),
        ("r.csv", HEAD + b"1595688383,1,40.1\n", Damaged, ["line 2", "expected 4 columns"]),
        ("r.csv", b"measured_at,bib,latitude_deg\n1,1,40.1\n", Misconfigured, ["'longitude_deg'"]),
        ("r.csv", b"time,who\n1,1\n", Misconfigured, ["no column"]),
        ("r.csv", HEAD, Misconfigured, ["no readings"]),
        ("r.parquet", b"PAR1 but no more", Damaged, ["no whole Parquet file"]),
        ("r.fit", b"no fit", Damaged, ["r.fit"]),
        ("r.xlsx", b"PK", Misconfigured, ["r.xlsx"]),
        ("r.csv", HEAD + b"1,1,40.1,-105.2\n300000,1,40.1,-105.2\n", Misconfigured, ["days"]),
    ],
)  # fmt: skip
def test_bad_readings_are_one_sentence_and_leave_nothing(
    stage: Path, tmp_path: Path, name: str, data: bytes, kind: type[TruckError], parts: list[str]
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(kind) as raised:
        replay(stage, [tmp_path / name], tmp_path / "out")
    sentence = str(raised.value)
    assert "\n" not in sentence
    for part in parts:
        assert part in sentence
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_missing_file_or_stage_is_one_sentence(stage: Path, tmp_path: Path) -> None:
    for name in ("none.csv", "none.parquet", "none.fit"):
        with pytest.raises(Misconfigured, match=f"cannot read .*{name}"):
            replay(stage, [tmp_path / name], tmp_path / "out")
    with pytest.raises(Misconfigured, match=r"no stage\.toml"):
        replay(tmp_path, [tmp_path / "none.csv"], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_else_is_left_alone_and_an_earlier_replay_replaced(
    stage: Path, readings: Readings, tmp_path: Path
) -> None:
    part = as_csv(readings, tmp_path / "part.csv", iso=True)
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter1.txt").write_text("mine")
    with pytest.raises(Misconfigured, match="something else"):
        replay(stage, [part], other)
    assert (other / "chapter1.txt").read_text() == "mine"
    told: list[tuple[int, int]] = []
    first = replay(stage, [part], tmp_path / "out", each=lambda done, of: told.append((done, of)))
    before = digests(tmp_path / "out")
    assert replay(stage, [part], tmp_path / "out") == first
    assert digests(tmp_path / "out") == before
    assert told[-1] == (first["frames"], first["frames"])
    begins = dt.datetime.fromisoformat(first["from"]).timestamp()
    assert begins == pytest.approx(START_US / 1e6, abs=1)


def test_strays_with_clocks_that_are_wrong_cost_no_days_of_frames(
    stage: Path, shared: Path, tmp_path: Path
) -> None:
    rows = read_readings([shared / RIDES])
    rows = rows.take(rows.measured_at_us <= START_US + 60_000_000)
    early, late = rows.take(slice(0, 1)), rows.take(slice(0, 1))
    # GNSS weeks roll over after 1,024 of them, and the next race is in a year
    early = early._replace(measured_at_us=early.measured_at_us - 1024 * 7 * 86_400_000_000)
    late = late._replace(measured_at_us=late.measured_at_us + 365 * 86_400_000_000)
    whole = Readings._make(np.concatenate(c) for c in zip(early, rows, late, strict=True))
    path = as_csv(whole, tmp_path / "strays.csv", iso=False)
    summary = replay(stage, [path], tmp_path / "out")
    assert summary["frames"] < 3600
    (tmp_path / "bare").mkdir()
    for name in ("route.gpx", "startlist.csv"):
        (tmp_path / "bare" / name).write_bytes((stage / name).read_bytes())
    (tmp_path / "bare" / "stage.toml").write_text('name = "Bare"\nkind = "road"\n')
    path = as_csv(whole.take(slice(0, -1)), tmp_path / "early.csv", iso=False)
    assert replay(tmp_path / "bare", [path], tmp_path / "again")["frames"] < 3600
