"""Boards: constant rows, the same cells in every format, nothing old shown as fresh."""

from collections.abc import Mapping
from typing import Any
from xml.parsers import expat

import polars as pl
import pytest
from board_race import RIDERS, board_race, frames

from hardware.errors import Misconfigured
from truck.serve.boards import DELAY_S_MAX, Boards
from truck.serve.hidden import without
from truck.serve.race_boards import OWN
from truck.serve.sheet import FORMATS, Sheet, text_of
from truck.serve.wording import gap_text, time_text


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


class Air:
    """Boards of a race that has run for so many seconds, and what was audited."""

    def __init__(self, seconds: int, **silent: int) -> None:
        self.race, self.clock, self.audited = board_race(), Clock(), list[Any]()
        self.boards = Boards(self.race.course, self.clock, self.audit)
        self.frames = frames(self.race, 10**6, **silent)
        self.run(seconds)

    def audit(self, by: str, what: Mapping[str, Any]) -> None:
        if by == "nobody":
            raise Misconfigured("the log cannot be written", "Free some space.")
        self.audited.append((by, dict(what)))

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.boards.take(next(self.frames))
            self.clock.s += 1.0

    def rows(self, name: str, bib: int | None = None) -> list[dict[str, str]]:
        sheet = self.boards.sheet(name, bib)
        return [dict(zip(sheet.columns, row, strict=True)) for row in sheet.rows]


@pytest.fixture(scope="module")
def running() -> Air:
    return Air(220)


def cells_of(sheet: Sheet) -> dict[str, list[list[str]]]:
    """Each format read back by another library than the one that wrote it."""
    sent = {name: encode(sheet) for name, (encode, _) in FORMATS.items()}
    found = pl.read_json(sent["json"])
    lines = pl.read_csv(sent["csv"], infer_schema=False).fill_null("")
    listed, count = _xml_cells(sent["xml"]), len(sheet.columns)
    return {
        "json": [list(row) for row in found.rows()],
        "csv": [list(row) for row in lines.rows()],
        "xml": [[text for _, text in listed[k : k + count]] for k in range(0, len(listed), count)],
        "names": [found.columns, lines.columns, [name for name, _ in listed[:count]]],
    }


def _xml_cells(data: bytes) -> list[tuple[str, str]]:
    """Every cell's name and text, as expat tells of them."""
    cells: list[tuple[str, str]] = []
    open_now: list[str] = []

    def start(name: str, _: Any) -> None:
        open_now.append(name)
        if len(open_now) == 3:
            cells.append((name, ""))

    def text(part: str) -> None:
        if len(open_now) == 3:
            cells[-1] = (cells[-1][0], cells[-1][1] + part)

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler = start, text
    parser.EndElementHandler = lambda _: open_now.pop()
    parser.Parse(data, True)
    return cells


@pytest.mark.parametrize("name", [*OWN])
def test_every_board_has_the_same_cells_as_json_xml_and_csv(running: Air, name: str) -> None:
    sheet = running.boards.sheet(name, 3)
    cells = cells_of(sheet)
    assert cells["json"] == cells["csv"] == cells["xml"] == [list(row) for row in sheet.rows]
    assert cells["names"] == [list(sheet.columns)] * 3
    assert len(sheet.rows) == OWN[name].rows
    assert any(row[0] for row in sheet.rows), "nothing is on it"
    assert all(isinstance(cell, str) for row in sheet.rows for cell in row)


@pytest.mark.parametrize("name", [*OWN])
def test_rows_and_columns_are_constant_and_empty_before_the_first_frame(
    running: Air, name: str
) -> None:
    before = Air(0).boards.sheet(name, 3)
    assert before.columns == running.boards.sheet(name, 3).columns
    assert before.rows == (("",) * len(before.columns),) * OWN[name].rows
    assert (before.at, before.quality) == ("", "none")
    cells = cells_of(before)
    assert cells["json"] == cells["csv"] == cells["xml"]


def test_leaders_and_groups_say_what_the_frame_says(running: Air) -> None:
    leaders, groups = running.rows("leaders"), running.rows("groups")
    assert [row["bib"] for row in leaders[:7]] == ["1", "2", "3", "4", "5", "6", "7"]
    assert leaders[0]["gap"] == "0:00"
    assert leaders[1]["group"] == "Leaders"
    assert leaders[2]["gap"] == "+0:40"
    assert leaders[2]["speed_kmh"] == "43"
    assert leaders[6]["group"] == "Peloton"
    assert leaders[6]["gap"] in ("+1:40", "+1:41")
    assert leaders[0]["at"] == "2026-07-16T10:38:39Z"
    assert (leaders[0]["age_s"], leaders[0]["quality"]) == ("0.0", "good")
    assert [row["group"] for row in groups] == ["Leaders", "Chasers", "Peloton", *[""] * 5]
    assert [row["size"] for row in groups[:3]] == ["2", "4", str(RIDERS - 6)]
    (gap,) = running.rows("gap")
    assert (gap["front"], gap["chase"], gap["gap"]) == ("Leaders", "Peloton", groups[2]["gap"])


def test_names_come_out_as_text_that_no_spreadsheet_computes(running: Air) -> None:
    names = [row["name"] for row in running.rows("leaders")]
    assert names[:6] == [
        "'=SUM(A1:A9)", "Tadej Pogačar", "O'Brien & <Sons>", "'@home", "'-1+1", 'Ann, "Annie" Lee',
    ]  # fmt: skip


def test_a_rider_card_is_his_and_nobodys_is_empty(running: Air) -> None:
    (card,) = running.rows("rider-card", 3)
    assert (card["name"], card["rank"], card["group"]) == ("O'Brien & <Sons>", "3", "Chasers")
    assert (card["status"], card["gap"], card["top_speed_kmh"]) == ("racing", "+0:40", "43.2")
    for nobody in (None, 99):
        (row,) = running.rows("rider-card", nobody)
        assert not any(row.values())


def test_top_speeds_and_climb_times_are_kept_from_frame_to_frame(running: Air) -> None:
    tops = running.rows("top-speeds")
    assert [row["rank"] for row in tops] == [str(k) for k in range(1, 11)]
    assert all(42.5 < float(row["speed_kmh"]) < 44 for row in tops)
    times = running.rows("climb-times")
    assert {row["climb"] for row in times if row["bib"]} == {"Col du Mur"}
    listed = [row for row in times if row["bib"]]
    assert 1 <= len(listed) <= 10
    for row in listed:  # 500 m at 12 m/s
        assert 41.0 <= float(row["time"].removeprefix("0:")) <= 42.4


def test_who_is_hidden_is_on_no_board() -> None:
    air = Air(130)
    name = "Tadej Pogačar"
    assert any(row["name"] == name for row in air.rows("climb-times"))
    air.frames = (without(frame, frozenset([1, 2])) for frame in air.frames)
    air.run(1)
    for board in OWN:
        rows = air.rows(board, 2)
        assert not any(name in row.values() for row in rows), board
    assert air.rows("leaders")[0]["bib"] == "3"
    assert not any(air.rows("rider-card", 2)[0].values())


def test_the_virtual_classification_adds_the_gap_on_the_road_to_the_one_before(
    running: Air,
) -> None:
    rows = running.rows("standings")
    assert [row["bib"] for row in rows[:2]] == ["1", "2"]
    assert rows[0]["virtual_gap"] == "0:00"
    assert rows[2]["bib"] == "3"
    assert rows[2]["virtual_gap"] == "+0:46"  # 40 s on the road, 6 s before


def test_a_riders_values_are_bracketed_once_old_and_gone_once_lost() -> None:
    air = Air(215, silent=3, silent_from=200)
    row = next(row for row in air.rows("leaders") if row["bib"] == "3")
    assert row["quality"] == "old"
    assert row["gap"].startswith("(+0:")
    assert row["speed_kmh"].startswith("(")
    assert row["name"] == "O'Brien & <Sons>"
    assert 10 < float(row["age_s"]) <= 16
    air.run(90)
    (card,) = air.rows("rider-card", 3)
    assert (card["quality"], card["gap"], card["speed_kmh"]) == ("lost", "", "")
    assert card["name"] == "O'Brien & <Sons>"


def test_a_board_without_new_frames_says_so_and_empties() -> None:
    air = Air(60)
    fresh = air.rows("leaders")[0]
    air.clock.s += 1.5
    assert air.rows("leaders")[0] == fresh
    air.clock.s += 18.0
    sheet = air.boards.sheet("leaders")
    assert sheet.quality == "stale"
    assert air.rows("leaders")[0]["to_go_km"] == f"({fresh['to_go_km']})"
    assert air.rows("leaders")[0]["quality"] == "old"
    assert sheet.at == fresh["at"]
    air.clock.s += 100.0
    assert air.rows("leaders")[0]["to_go_km"] == ""
    assert air.rows("leaders")[0]["quality"] == "lost"


def test_a_frozen_board_holds_and_says_so_and_the_others_go_on() -> None:
    air = Air(60)
    held = air.rows("leaders")
    air.boards.freeze("leaders", True, "anna")
    air.run(30)
    now = air.rows("leaders")
    assert [{**row, "quality": ""} for row in now] == [{**row, "quality": ""} for row in held]
    assert {row["quality"] for row in now} == {"frozen"}
    assert air.boards.sheet("leaders").quality == "frozen"
    assert air.rows("groups")[0]["at"] > now[0]["at"]
    assert air.boards.listed()[0]["frozen_by"] == "anna"
    air.boards.freeze("leaders", False, "ben")
    assert air.rows("leaders")[0]["quality"] == "good"
    assert air.rows("leaders")[0]["at"] > held[0]["at"]
    air.boards.freeze(None, True, "anna")
    assert {air.boards.sheet(name).quality for name in OWN} == {"frozen"}
    assert air.audited == [
        ("anna", {"what": "freeze", "board": "leaders"}),
        ("ben", {"what": "unfreeze", "board": "leaders"}),
        ("anna", {"what": "freeze", "board": "all"}),
    ]


def test_freezing_makes_nothing_old_look_fresh() -> None:
    air = Air(60)
    air.clock.s += 20.0
    stale = air.rows("leaders")[0]["to_go_km"]
    assert stale.startswith("(")
    air.boards.freeze("leaders", True, "anna")
    assert air.rows("leaders")[0]["to_go_km"] == stale


def test_a_manual_value_stands_in_its_cell_until_it_is_given_back() -> None:
    air = Air(60)
    measured = air.rows("leaders")[2]
    air.boards.override("leaders", 3, "gap", "+1:30", "anna")
    air.boards.override("leaders", 10, "name", "=1+1", "anna")
    row = air.rows("leaders")[2]
    assert row == measured | {"gap": "+1:30", "quality": "manual"}
    assert air.rows("leaders")[9]["name"] == "'=1+1"
    air.boards.override("rider-card", 3, "team", "Home team", "ben")
    assert air.rows("rider-card", 3)[0]["team"] == "Home team"
    assert air.rows("rider-card", 4)[0]["team"] == "Team 0"
    air.boards.override("leaders", 3, "gap", None, "ben")
    assert air.rows("leaders")[2] == measured
    assert air.audited[-1] == (
        "ben",
        {"what": "override", "board": "leaders", "row": 3, "column": "gap", "value": None},
    )


def test_a_delayed_board_shows_what_was_and_only_once_there_is_so_much_past() -> None:
    air = Air(60)
    live_at = air.rows("groups")[0]["at"]
    air.boards.delay("leaders", 20.0, "anna")
    late = air.rows("leaders")[0]
    assert (live_at, late["at"]) == ("2026-07-16T10:35:59Z", "2026-07-16T10:35:40Z")
    assert late["quality"] == "good"
    assert late["to_go_km"].startswith("1")
    assert air.boards.sheet("leaders").quality == "live"
    air.boards.delay("leaders", DELAY_S_MAX, "anna")
    air.boards.delay("groups", 1.5, "anna")
    assert air.rows("groups")[0]["at"] == "2026-07-16T10:35:58Z"
    young = Air(5)
    young.boards.delay("leaders", 20.0, "anna")
    assert young.boards.sheet("leaders").quality == "none"
    assert air.audited[0] == ("anna", {"what": "delay", "board": "leaders", "delay_s": 20.0})


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (lambda b: b.freeze("nothing", True, "anna"), "no board nothing. There are leaders,"),
        (lambda b: b.freeze("leaders", True, " "), "Say who"),
        (lambda b: b.override("leaders", 11, "gap", "x", "anna"), "no cell gap in row 11"),
        (lambda b: b.override("leaders", 0, "gap", "x", "anna"), "no cell gap in row 0"),
        (lambda b: b.override("leaders", 1, "quality", "x", "anna"), "no cell quality"),
        (lambda b: b.override("leaders", 1, "gap", "a\nb", "anna"), "one line"),
        (lambda b: b.override("leaders", 1, "gap", "x" * 121, "anna"), "120 characters"),
        (lambda b: b.delay("leaders", 61.0, "anna"), "0 to 60 s"),
        (lambda b: b.delay("leaders", float("nan"), "anna"), "0 to 60 s"),
        (lambda b: b.freeze("leaders", True, "nobody"), "the log cannot be written"),
        (lambda b: b.override("leaders", 1, "gap", "x", "nobody"), "the log cannot be written"),
    ],
)
def test_a_change_that_is_refused_or_cannot_be_audited_changes_nothing(
    running: Air, wish: Any, why: str
) -> None:
    before, said = running.boards.sheet("leaders").rows, len(running.audited)
    with pytest.raises(Misconfigured, match=why):
        wish(running.boards)
    assert running.boards.sheet("leaders").rows == before
    assert len(running.audited) == said
    assert not any(row["frozen_by"] or row["manual"] for row in running.boards.listed())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (float("nan"), ""), (1.25, "1.2"), (True, "yes"), (3, "3"),
        ("+1:02:03", "+1:02:03"), ("-0.5", "-0.5"), ("\t=1", "'=1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("a\x00b\x08c\ufffe\ud800", "a b c"), (" \r\n", ""), ("x" * 200, "x" * 120),
    ],
)  # fmt: skip
def test_any_value_is_one_plain_line_of_text(value: object, text: str) -> None:
    assert text_of(value) == text


def test_gaps_and_times_read_as_on_air() -> None:
    assert [gap_text(s) for s in (0.2, 0.6, 83.4, 3723.0)] == ["0:00", "+0:01", "+1:23", "+1:02:03"]
    assert [time_text(s) for s in (59.96, 1294.54, 3723.0)] == ["1:00.0", "21:34.5", "1:02:03.0"]
