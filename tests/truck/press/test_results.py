"""Results: times in whole seconds, one time a bunch, and nothing a spreadsheet would run."""

import csv
import io

import pytest

from hardware.startlist import Starter
from truck.press.results import COLUMNS, UCI_COLUMNS, live_csv, parted_name, results_csv, results_of

STARTERS = [
    Starter(1, "Tadej POGAČAR", "UAE"), Starter(2, "Wout VAN AERT", "Visma"),
    Starter(3, "=cmd|calc", "@team"), Starter(4, "Primož Roglič", "Red Bull"),
    Starter(5, "A. Nobody", "UAE", status="dns"), Starter(6, "B. Silent", "UAE"),
]  # fmt: skip


def row(bib: int, status: str = "finished", gap_s: float | None = None) -> dict[str, object]:
    return {"bib": bib, "status": status, "gap_s": gap_s}


def test_a_bunch_has_the_time_of_its_first_and_a_second_parts_it() -> None:
    last = [row(1, gap_s=0.0), row(2, gap_s=0.9), row(3, gap_s=1.8), row(4, gap_s=2.9)]
    found = results_of(last, STARTERS[:4], 3600)
    assert [(one.rank, one.time_s, one.gap_s, one.same_time) for one in found] == [
        (1, 3600, 0, False), (2, 3600, 0, True), (3, 3600, 0, True), (4, 3602, 2, False),
    ]  # fmt: skip


def test_against_the_clock_everybody_keeps_his_own_time() -> None:
    last = [row(1, gap_s=0.0), row(2, gap_s=0.9), row(3, gap_s=1.8)]
    found = results_of(last, STARTERS[:3], 1000, against_the_clock=True)
    assert [(one.time_s, one.same_time) for one in found] == [
        (1000, False), (1000, False), (1001, False),
    ]  # fmt: skip


def test_who_is_silent_is_not_called_abandoned() -> None:
    last = [row(1, gap_s=0.0), row(2, "abandoned"), row(4, "signal_lost", 12.0)]
    found = {one.bib: one for one in results_of(last, STARTERS, 3600)}
    assert {bib: one.irm for bib, one in found.items()} == {
        1: "", 2: "DNF", 3: "", 4: "", 5: "DNS", 6: "",
    }  # fmt: skip
    assert found[4].rank is None
    assert found[4].time_s is None


def test_nobody_has_a_time_before_the_winner_has() -> None:
    assert [one.rank for one in results_of([row(1, gap_s=0.0)], STARTERS[:1], None)] == [None]


def test_the_sheet_has_the_columns_and_runs_no_formula() -> None:
    last = [row(1, gap_s=0.0), row(3, gap_s=65.2)]
    text = results_csv(results_of(last, STARTERS[:3], 3600)).decode("utf-8-sig")
    first, *lines = csv.reader(io.StringIO(text))
    assert tuple(first) == COLUMNS
    assert tuple(first[: len(UCI_COLUMNS)]) == UCI_COLUMNS
    by_name = [dict(zip(first, line, strict=True)) for line in lines]
    assert [one["Last Name"] for one in by_name] == ["POGAČAR", "'=cmd|calc", "VAN AERT"]
    assert [one["Result"] for one in by_name] == ["1:00:00", "1:01:05", ""]
    assert by_name[1]["Gap"] == "+1:05"
    assert by_name[1]["Team"] == "'@team"
    assert {one["Official"] for one in by_name} == {"no"}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Tadej POGAČAR", ("Tadej", "POGAČAR")), ("Wout VAN AERT", ("Wout", "VAN AERT")),
        ("VAN DER POEL Mathieu", ("Mathieu", "VAN DER POEL")), ("G. Lodu", ("G.", "Lodu")),
        ("J.J. Smith", ("J.J.", "Smith")), ("Prince", ("", "Prince")), ("", ("", "")),
        ("POGAČAR", ("", "POGAČAR")),
    ],
)  # fmt: skip
def test_the_last_name_is_what_stands_in_capitals_or_at_the_end(
    name: str, parts: tuple[str, str]
) -> None:
    assert parted_name(name) == parts


def test_live_standings_give_no_time() -> None:
    riders = {
        "bib": [4, 1], "name": ["Primož Roglič", "x"], "team": ["a", "b"], "gap_s": [0.0, None],
        "to_go_m": [1234.0, None], "status": ["racing", "signal_lost"],
    }  # fmt: skip
    text = live_csv({"at": "2027-07-16T12:00:00Z", "riders": riders}).decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [(one["Rank"], one["Result"], one["Km to go"], one["Status"]) for one in lines] == [
        ("1", "", "1.2", "racing"), ("", "", "", "signal_lost"),
    ]  # fmt: skip
