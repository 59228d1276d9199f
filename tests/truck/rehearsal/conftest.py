"""Today on a real route, and the pack of the night in which the finish moved 6 km."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hardware.stage import load_stage
from truck.cli import main
from truck.race.course import Course
from truck.stage.folder import Particulars, import_stage

START_S = 1_800_000_000
STARTS_M = -7_000.0  # where the leader is when today's readings begin, before today's line
SECONDS = 690
BOARD = """
SELECT t.name, round(s.to_go_m / 1000, 1) AS to_go_km, round(s.gap_s) AS gap_s
FROM states s JOIN starters t USING (bib)
WHERE s.measured_at = (SELECT max(measured_at) FROM states) ORDER BY s.distance_m DESC
"""


@dataclass
class Night:
    """Folders of today's and tomorrow's stage, and today's readings."""

    today: Path
    moved: Path
    readings: Path


def ride(course: Course, path: Path, at_s: float, seconds: int, from_m: float) -> None:
    """Three riders at 14 m/s, 20 s and 60 s behind; the third is dropped 3.5 km before the line."""
    at = np.arange(seconds)
    parts = []
    for bib, behind_s in ((1, 0.0), (2, 20.0), (3, 60.0)):
        place_m = course.length_m + from_m + 14.0 * (at - behind_s)
        if bib == 3:
            place_m -= 0.3 * np.maximum(0.0, place_m - (course.length_m - 3500.0))
        place_m = np.minimum(place_m, course.length_m + 150.0)
        lat, lon = course.place(place_m)
        parts.append(pa.table({
            "measured_at": at_s + at.astype(float), "bib": np.full(seconds, bib, np.int32),
            "latitude_deg": lat, "longitude_deg": lon,
        }))  # fmt: skip
    pq.write_table(pa.concat_tables(parts), path)


@pytest.fixture(scope="session")
def night(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("night")
    route = shared / "routes" / "TDF2026_Stage09_gneeek.gpx.gz"
    about = {"start_at": "2027-01-15T08:00:00Z", "name": "Stage 9"}
    import_stage(route, folder / "today", Particulars(**about, length_km=185.0))
    course = Course(load_stage(folder / "today"))
    lat, lon = course.place(np.array([course.length_m - 6000.0]))
    import_stage(
        route, folder / "moved",
        Particulars(**about | {"start_at": "2027-01-16T09:30:00Z"}, length_km=179.0,
                    finish=(float(lat[0]), float(lon[0]))),
    )  # fmt: skip
    for name, starters in (("today", "1,Anna,X\n2,Ben,X\n3,Cleo,Y\n"),
                           ("moved", "1,Anna,X\n2,Ben,X\n3,Clea,Y\n4,Dora,Y\n")):  # fmt: skip
        (folder / name / "startlist.csv").write_text("bib,name,team\n" + starters)
        (folder / name / "boards").mkdir()
        (folder / name / "boards" / "leaders.sql").write_text(BOARD)
        (folder / name / "boards" / "riders.sql").write_text("SELECT count(*) AS n FROM states")
    began_s = START_S + 4 * 3600  # after 174 km of the race
    ride(course, folder / "readings.parquet", began_s, SECONDS, STARTS_M)
    return Night(folder / "today", folder / "moved", folder / "readings.parquet")


@dataclass
class Run:
    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """`truck`, in this process."""

    def run(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["truck", *map(str, arguments)])
        monkeypatch.setenv("NO_COLOR", "1")
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Run(int(ended.value.code or 0), printed.out, printed.err)

    return run
