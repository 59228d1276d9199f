"""Boards that are SQL: they read the frame, and take no more of the truck than they may."""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import pytest
from board_race import board_race, frames

from hardware.errors import Misconfigured
from truck.race.race import Race
from truck.serve.asked_boards import AskedBoards, checked
from truck.serve.board_tables import (
    SCHEMAS,
    course_tables,
    empty_tables,
    moment_tables,
    papers_of,
)
from truck.serve.boards import Boards
from truck.serve.race_boards import Moment
from truck.store.board import named
from truck.store.board_room import BoardRoom

FAST = b"""-- title: The fastest now
-- rows: 3
SELECT bib, name, speed_mps * 3.6 AS speed_kmh, age_s, quality FROM riders
WHERE speed_mps IS NOT NULL ORDER BY speed_mps DESC, bib LIMIT 5
"""
LOOPS = b"WITH RECURSIVE t AS (SELECT 1 a UNION ALL SELECT a + 1 FROM t) SELECT max(a) AS a FROM t"
PRODUCT = (
    b"SELECT count(*) AS n FROM riders a, riders b, riders c, riders d "
    b"WHERE a.speed_mps + b.speed_mps + c.speed_mps + d.speed_mps = 1"
)
# neither heeds DuckDB's interrupt nor counts as its memory
HUGE = b"SELECT length(repeat('a', 1500000000)) AS n"
REDUCES = b"SELECT list_reduce(range(10000000), (x, y) -> x + y) AS n"


@pytest.fixture(scope="module")
def race() -> Race:
    return board_race()


@pytest.fixture(scope="module")
def moment(race: Race) -> Moment:
    boards = Boards(race.course, lambda: 0.0, lambda by, what: None)
    return [boards.take(frame) for frame in islice(frames(race, 60), 60)][-1]


class Asked:
    def __init__(self, race: Race, boards: Mapping[str, bytes]) -> None:
        self.said: list[tuple[str, str | None]] = []
        self.asked = AskedBoards(
            boards, race.stage, race.course, lambda name, why: self.said.append((name, why))
        )
        self.boards = Boards(race.course, time.monotonic, _silent, self.asked.shapes)


def _silent(by: str, what: Mapping[str, Any]) -> None:
    pass


@pytest.fixture
def of(race: Race) -> Iterator[Any]:
    made: list[Asked] = []

    def make(boards: Mapping[str, bytes]) -> Asked:
        made.append(Asked(race, boards))
        return made[-1]

    yield make
    for asked in made:
        asked.asked.close()


def test_a_board_is_asked_over_each_frame_and_shown_with_its_age(of: Any, moment: Moment) -> None:
    asked = of({"fastest": FAST})
    asked.asked.offer(asked.boards.take(moment.frame))
    until_s = time.monotonic() + 20
    while asked.boards.sheet("fastest").quality == "none" and time.monotonic() < until_s:
        time.sleep(0.02)
    sheet = asked.boards.sheet("fastest")
    assert (sheet.title, len(sheet.rows)) == ("The fastest now", 3)
    assert sheet.columns == ("bib", "name", "speed_kmh", "at", "age_s", "quality")
    assert sheet.rows[0][2] == "43.2"
    assert sheet.rows[0][3:] == ("2026-07-16T10:35:59Z", "0.0", "good")
    assert "fastest" in asked.boards.names()
    assert asked.said == []


def test_the_tables_of_a_moment_are_those_a_check_is_made_over(race: Race, moment: Moment) -> None:
    made = moment_tables(moment) | papers_of(race.stage) | course_tables(race.stage, race.course)
    assert all(table.schema == SCHEMAS[name] for name, table in made.items())
    assert set(SCHEMAS) - set(made) == {"incident_changes", "predictions"}
    assert made["riders"].num_rows == 24
    assert made["course"].to_pylist()[0]["length_m"] == pytest.approx(20_000, abs=50)
    assert made["top_speeds"].num_rows > 0
    assert made["climbs"].to_pylist()[0]["climb"] == "Col du Mur"


REFUSED = [
    (b"INSERT INTO riders SELECT * FROM riders", "only one SELECT"),
    (b"DROP TABLE riders", "only one SELECT"),
    (b"COPY riders TO '/tmp/out.csv'", "only one SELECT"),
    (b"SELECT 1 AS a; DELETE FROM riders", "only one SELECT"),
    (b"SET memory_limit = '8GB'", "only one SELECT"),
    (b"INSTALL httpfs", "only one SELECT"),
    (b"LOAD httpfs", "only one SELECT"),
    (b"ATTACH '/tmp/x.db' AS x", "only one SELECT"),
    (b"SELECT * FROM read_csv('/etc/passwd')", "Permission Error"),
    (b"SELECT * FROM 'https://example.org/x.parquet'", "Error"),
    (LOOPS, "runs longer than 0.5 s"),
    (REDUCES, "runs longer than 0.5 s"),
    (HUGE, "more memory|more than 256 MiB"),
    (b"SELECT * FROM range(501)", "more than 500 rows"),
    (b"SELECT " + b", ".join(b"1 AS c%d" % k for k in range(41)), "41 columns"),
    (b"SELECT repeat('x', 2000) AS a", "text of more than 1000"),
    (b"SELECT 1 AS a -- " + b"x" * 20_000, "longer than 16 KiB"),
    (b"SELECT nobody FROM riders", "Binder Error"),
    (b"SELEKT", "Parser Error"),
]


def test_a_board_that_writes_loops_or_takes_too_much_is_refused_with_the_reason() -> None:
    boards = {f"b{k}": sql.decode() for k, (sql, _) in enumerate(REFUSED)}
    began_s = time.monotonic()
    with BoardRoom() as room:
        found = room.ask(empty_tables(), boards | {"fine": "SELECT count(*) AS n FROM riders"})
    assert found["fine"] == {"columns": ["n"], "rows": [[0]]}
    for k, (sql, why) in enumerate(REFUSED):
        assert re.search(why, found[f"b{k}"]["refused"]), (sql[:60], found[f"b{k}"])
    assert time.monotonic() - began_s < 60


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        (b"DELETE FROM riders", "only one SELECT: a board reads"),
        (LOOPS, "it runs longer than 0.5 s"),
        (b"SELECT '\xff'", "not UTF-8"),
        (b"-- rows: 51\nSELECT 1 AS a", "Write -- rows: 1 to 50"),
    ],
)
def test_a_check_names_the_board_and_says_why(sql: bytes, why: str) -> None:
    with pytest.raises(Misconfigured, match=f"^boards/bad.sql: .*{why}"):
        checked({"bad": sql})


def test_what_only_costs_with_a_full_field_is_found_before_there_is_one() -> None:
    assert checked({"fine": b"SELECT count(*) AS n FROM riders a, riders b"})["fine"].rows == 10
    with pytest.raises(Misconfigured, match="runs longer"):
        checked({"product": PRODUCT})


def test_a_board_that_goes_wrong_on_air_is_refused_and_the_others_answer(
    of: Any, moment: Moment
) -> None:
    turns = (  # no end only where more than five race: not so in the check's made-up field
        b"WITH RECURSIVE t AS (SELECT count(*) AS a FROM riders WHERE status = 'racing' "
        b"UNION ALL SELECT a + 1 FROM t WHERE a > 5) SELECT max(a) AS a FROM t"
    )
    asked = of({"turns": turns, "fastest": FAST})
    assert asked.asked.refused == {}
    for _ in range(4):
        asked.asked.ask(moment)
    assert "fastest" in moment.answers
    assert "turns" not in moment.answers
    why = [why for name, why in asked.said if name == "turns"]
    assert len(why) == 3, "after three it is not asked again"
    assert why[0] == "it runs longer than 0.5 s"
    assert "out until the next start" in str(why[-1])


def test_a_frame_never_waits_for_a_board(of: Any, moment: Moment) -> None:
    asked = of({"fastest": FAST})
    gate = threading.Event()
    ask = asked.asked.ask
    seen: list[int] = []

    def slow(which: Moment) -> None:
        seen.append(which.frame.at_us)
        gate.wait(10)
        ask(which)

    asked.asked.ask = slow
    began_s = time.monotonic()
    for _ in range(1000):
        asked.asked.offer(moment)
    assert time.monotonic() - began_s < 1.0
    gate.set()
    time.sleep(0.2)
    assert len(seen) <= 3, "moments that waited were passed over"


def test_columns_get_names_that_every_format_can_carry() -> None:
    assert named(["bib", "count_star()", "1", "Größe (m)", "bib", "", "a b"]) == [
        "bib", "count_star", "c3_1", "gr_e_m", "c5_bib", "c6", "a_b",
    ]  # fmt: skip
