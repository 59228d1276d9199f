"""Which sheets a demo can be played with."""

from pathlib import Path

import pytest
from crew_event import sheet

from hardware.errors import Misconfigured
from truck.evening import read_demo_crew, starters_of


def test_riders_are_the_transponders_that_somebody_wears(tmp_path: Path, mosquitto: Path) -> None:
    path = tmp_path / "crew.csv"
    path.write_text(sheet(2, 3) + "spare,,T-900,,1,,,,\n")
    crew = read_demo_crew(path)
    assert [relay.name for relay in crew.relays] == ["moto-1", "moto-2"]
    assert [(s.bib, s.name) for s in starters_of(crew)] == [
        (1, "Rider 1"), (2, "Rider 2"), (3, "Rider 3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (sheet(1), "1 relays and 0 riders"),
        (sheet(0, 2), "0 relays and 2 riders"),
        (sheet(1, 1) + "relay,moto-1,R-9,,40,,,,\n", "stands on line 2 too"),
        (None, "Name the file that was saved as CSV"),
    ],
)
def test_another_sheet_is_one_sentence(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "crew.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Misconfigured, match=words):
        read_demo_crew(path)
