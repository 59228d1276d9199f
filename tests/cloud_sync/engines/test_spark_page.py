"""Every block of docs/SPARK.md runs as it stands, and says what pyarrow says."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.timeout(1800)  # Spark starts in 10 s alone, in minutes in a crowd


def test_the_commands_make_both_tables(tables: Path) -> None:
    for name in ("riders", "groups"):
        assert (tables / name / "_SUCCESS").exists()


def test_pulled_files_answer_as_the_page_asks(spark: dict, races) -> None:
    rows = races.rows["race-1"]
    told = (
        rows.filter(pc.greater(rows["bib"], 0)).group_by("bib").aggregate([("distance_m", "max")])
    )
    columns = (told[name].to_pylist() for name in ("bib", "distance_m_max"))
    assert spark["shown-0"] == sorted(zip(*columns, strict=True))


def test_the_notebook_sees_the_jobs_own_sums(spark: dict, tables: Path) -> None:
    for race, km in spark["shown-1"]:
        made = [
            pq.ParquetFile(f).read(["distance_km"])
            for f in tables.glob(f"riders/race={race}/**/*.parquet")
        ]
        assert km == pytest.approx(pc.sum(pa.concat_tables(made)["distance_km"]).as_py())
    assert [race for race, _ in spark["shown-1"]] == ["race-1", "race-2"]
