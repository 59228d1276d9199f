"""`truck boards`: what a running truck shows, and whether a pack's boards may go on air."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from board_race import OnAir
from typer.testing import CliRunner

from hardware import home
from hardware.errors import Misconfigured, Unavailable
from truck.boards_cli import app


@pytest.fixture
def air(tmp_path: Path) -> Iterator[OnAir]:
    shown = OnAir(tmp_path, 30)
    (tmp_path / "home").mkdir()
    home.write_status(tmp_path / "home", {"schema": "truck.status/1", "page": f"{shown.url}/"})
    yield shown
    shown.stop()


def run(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_list_and_show_say_what_goes_on_air(air: OnAir, tmp_path: Path) -> None:
    at = tmp_path / "home"
    air.boards.freeze("gap", True, "anna")
    listed = json.loads(run("list", at, "--json"))
    assert listed["schema"] == "truck.boards/1"
    assert {row["board"]: row["frozen_by"] for row in listed["boards"]}["gap"] == "anna"
    assert "climb-times" in run("list", at)
    assert run("show", at, "rider-card", "--bib", 2, "--as", "csv").splitlines()[1].startswith("2,")
    assert "2026-07-16T10:35:29Z" in run("show", at, "leaders")
    assert "Pogačar" in run("show", at, "leaders", "--as", "xml")
    with pytest.raises(Misconfigured, match=r"404.*no board nothing"):
        run("show", at, "nothing")
    air.stop()
    with pytest.raises(Unavailable, match="no truck answers"):
        run("list", at)


def test_check_says_what_a_board_shows_or_why_it_may_not(tmp_path: Path) -> None:
    (tmp_path / "boards").mkdir()
    fine = tmp_path / "boards" / "sprinters.sql"
    fine.write_text("-- title: Sprinters\n-- rows: 5\nSELECT bib, name FROM riders LIMIT 5")
    document = json.loads(run("check", tmp_path, "--json"))
    assert document == {
        "schema": "truck.boards.check/1",
        "boards": {"sprinters": {"title": "Sprinters", "rows": 5, "columns": ["bib", "name"]}},
    }
    assert run("check", fine) == "sprinters: Sprinters, 5 rows of bib, name\n"
    fine.write_text("DELETE FROM riders")
    with pytest.raises(Misconfigured, match=r"boards/sprinters\.sql: only one SELECT"):
        run("check", fine)
    other = fine.rename(fine.with_name("Not A Name.sql"))
    with pytest.raises(Misconfigured, match="holds no board"):
        run("check", other)
