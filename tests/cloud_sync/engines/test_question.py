"""One SELECT over what was proven: nothing else is read, nothing is written, nothing runs on."""

import json
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from odd_rows import odd_rows

from cloud_sync.engines.question import QUERY_ROWS_MAX, ask
from cloud_sync.folder import Folder
from cloud_sync.pull import pull_stream
from cloud_sync.sealed_parquet import is_same
from hardware.errors import Misconfigured


@pytest.fixture
def pulled(odd_pulled: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(odd_pulled, tmp_path / "out"))


def test_the_answer_is_the_rows_bit_by_bit(odd_pulled: Path) -> None:
    rows = ask(odd_pulled, "SELECT * FROM readings ORDER BY stream, row_id")
    assert rows["stream"].value_counts().to_pylist() == [
        {"values": "truck-1", "counts": 300}, {"values": "truck-2", "counts": 40},
    ]  # fmt: skip
    expected = pa.concat_tables([odd_rows(0, 300), odd_rows(0, 40)])
    assert is_same(rows.select(expected.column_names).cast(expected.schema), expected)


def test_one_streams_own_folder_is_asked_alone(odd_pulled: Path) -> None:
    assert ask(odd_pulled / "stream=truck-2", "SELECT count(*) n FROM readings")[
        "n"
    ].to_pylist() == [40]


def test_of_epochs_only_the_last_is_asked(cli, epochs_pulled: Path) -> None:
    counted = "SELECT stream, count(*)::INT AS n FROM readings GROUP BY stream ORDER BY stream"
    rows = cli("sql", counted, epochs_pulled, "--json").json()["rows"]
    assert rows == [{"stream": "truck-1.e2", "n": 30}, {"stream": "truck-2", "n": 30}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2", "", "DROP VIEW readings", "COPY readings TO 'x.csv'",
        "ATTACH 'x.db'", "SET memory_limit = '9GB'", "INSTALL httpfs", "PRAGMA database_list",
        "CREATE TABLE t AS SELECT 1",
    ],
)  # fmt: skip
def test_only_one_select_is_taken(odd_pulled: Path, sql: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    if sql.startswith("PRAGMA"):  # DuckDB turns it into a SELECT of its own catalogue
        assert ask(odd_pulled, sql)["file"].to_pylist() == [None]
    else:
        with pytest.raises(Misconfigured, match="only one SELECT at a time"):
            ask(odd_pulled, sql)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "place", ["read_csv('{}')", "'{}'", "read_text('{}')", "glob('{}')", "read_parquet('{}')"]
)
def test_no_other_file_of_this_machine_is_read(
    odd_pulled: Path, tmp_path: Path, place: str
) -> None:
    other = tmp_path / "other.parquet"
    shutil.copy(next(odd_pulled.rglob("*.parquet")), other)
    with pytest.raises(Misconfigured, match="disabled by configuration"):
        ask(odd_pulled, f"SELECT * FROM {place.format(other)}")


def test_a_question_without_end_is_ended(odd_pulled: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(Misconfigured, match=r"more than 0\.3 s"):
        ask(odd_pulled, "SELECT count(*) FROM range(100000000000) a, range(1000) b", 0.3)
    assert time.monotonic() - begun < 20.0


def test_an_answer_without_end_is_refused(odd_pulled: Path) -> None:
    with pytest.raises(Misconfigured, match=f"more than {QUERY_ROWS_MAX} rows"):
        ask(odd_pulled, f"SELECT * FROM range({QUERY_ROWS_MAX + 1})")


def test_what_was_not_proven_is_not_answered_from(cli, pulled: Path) -> None:
    path = pulled / "stream=truck-2" / "_pull.json"
    summary = json.loads(path.read_text())
    for spoilt, sentence in (
        (summary | {"verified": False}, "does not say that stream truck-2 was verified"),
        (summary | {"stream": "a' OR '"}, "cannot name a stream"),
        (summary | {"files": [summary["files"][0] | {"file": "../../x"}]}, "is not what a pull"),
        ({}, "is not what a pull"),
        ([], "is not what a pull"),
    ):
        path.write_text(json.dumps(spoilt))
        done = cli("sql", "SELECT 1", pulled)
        assert (done.code, done.out) == (78, "")
        assert sentence in done.err
    path.unlink()
    (pulled / "stream=truck-1" / "_pull.json").unlink()
    done = cli("sql", "SELECT 1", pulled)
    assert (done.code, "holds no pulled stream" in done.err) == (78, True)


def test_sealed_files_that_a_pull_kept_are_not_asked(
    crew, cli, odd_copy: Path, tmp_path: Path
) -> None:
    done = pull_stream(
        Folder(odd_copy), "truck-2", tmp_path, crew.truck.public, None, lambda *_: None
    )  # fmt: skip
    assert not done.failures
    refused = cli("sql", "SELECT 1", tmp_path)
    assert (refused.code, "holds sealed files. Pull with --key" in refused.err) == (78, True)


def test_a_file_that_is_not_as_the_pull_left_it_is_named(cli, pulled: Path) -> None:
    file = next((pulled / "stream=truck-1").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])
    done = cli("sql", "SELECT 1", pulled)
    assert (done.code, file.name in done.err) == (65, True)


def test_the_command_prints_a_table_json_csv_and_parquet(
    cli, odd_pulled: Path, tmp_path: Path
) -> None:
    sql = "SELECT row_id, ratio, measured_at, '[red]' AS word FROM readings WHERE row_id IN (3, 4)"
    one = f"{sql} AND stream = 'truck-1' ORDER BY row_id"
    shown = cli("sql", one, odd_pulled)
    assert shown.code == 0
    assert {"measured_at", "[red]", "nan"} <= set(
        shown.out.replace("│", " ").replace("┃", " ").split()
    )
    answer = cli("sql", one, odd_pulled, "--json").json()
    assert answer["schema"] == "cloud-sync.sql/1"
    assert answer["rows"][0] == {
        "row_id": 3, "ratio": "nan", "measured_at": "2023-11-14 22:13:20.003000+00:00",
        "word": "[red]",
    }  # fmt: skip
    for name in ("answer.csv", "answer.parquet"):
        assert cli("sql", one, odd_pulled, "--to", tmp_path / name).code == 0
    assert pq.read_table(tmp_path / "answer.parquet")["row_id"].to_pylist() == [3, 4]
    assert pyarrow.csv.read_csv(tmp_path / "answer.csv")["row_id"].to_pylist() == [3, 4]
    refused = cli("sql", one, odd_pulled, "--to", tmp_path / "answer.xls")
    assert (refused.code, "no ending we write" in refused.err) == (78, True)
    nested = cli("sql", "SELECT [1] AS a", odd_pulled, "--to", tmp_path / "nested.csv")
    assert (nested.code, "does not fit into .csv" in nested.err) == (78, True)
    assert not (tmp_path / "nested.csv").exists()
    wrong = cli("sql", "SELECT nothing_of FROM readings", odd_pulled)
    assert (wrong.code, len(wrong.err.strip().splitlines())) == (78, 1)
