"""The operators' commands against a desk over a real journal: what is said is journalled."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_event import NOW_S
from truck_home import SmallTruck
from typer.testing import CliRunner

from hardware import home
from hardware.errors import TruckError
from truck.cli import app
from truck.desk import Desk, Known
from truck.handover import Handover
from truck.questions import Questions
from truck.race.rulings import Ruling, open_ruling
from truck.segment import Kind
from truck.store.export import query
from truck.store.rebuild import catch_up


class Office:
    """The part of a running truck that answers commands."""

    def __init__(self, folder: Path) -> None:
        self.truck = SmallTruck(folder)
        self.opened = opened = self.truck.ride(1)
        self.folder = self.truck.home.folder
        self._held = home.lock(self.folder, "truck")
        known = Known(
            frozenset({11, 12, 13}), lambda: self.truck.event.roster, lambda number: number == 4
        )
        self.desk = Desk(
            opened.view.rulings, known, opened.journal, Handover(opened.journal.next_record),
            self.truck.keys.signing, lambda: round(NOW_S * 1e6),
        )  # fmt: skip
        self.truck.home.run.mkdir()
        self._questions = Questions(
            self.truck.home.socket,
            {"sql": lambda sql: query(opened.store, sql), "ruling": self.desk.ask},
        )
        self._end = threading.Event()
        self._writing = threading.Thread(target=self._write)
        self._writing.start()

    def _write(self) -> None:
        while not self._end.wait(0.01):
            self.desk.turn()

    def say(self, command: str, *words: object) -> str:
        """What a command prints; {} stands for the home."""
        done = CliRunner().invoke(app, [*command.format(self.folder).split(), *map(str, words)])
        if isinstance(done.exception, TruckError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    def journalled(self) -> list[Ruling]:
        public = self.truck.event.roster.truck_sign_public
        records = [r for r in self.opened.journal.read() if r.kind == Kind.RULING]
        return [open_ruling(record.payload, public) for record in records]

    def close(self) -> None:
        self._end.set()
        self._writing.join()
        self._questions.close()
        self.truck.close(self.opened)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.close()


def test_every_command_makes_its_ruling_and_prints_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUCK_OPERATOR", "anna")
    at_us = round(NOW_S * 1e6)
    commands: dict[str, dict[str, Any]] = {
        "swap {} 12 3 --note puncture": {
            "kind": "swap", "bib": 12, "device": 3, "note": "puncture",
        },
        "abandon {} 13 --by ben": {"kind": "abandon", "bib": 13, "by": "ben"},
        "reinstate {} 13": {"kind": "reinstate", "bib": 13},
        "gap {} 11 95.5 --with 12 --minutes 1.5": {
            "kind": "gap", "bibs": (11, 12), "gap_s": 95.5, "until_us": at_us + 90_000_000,
        },
        "group {} 11 12": {"kind": "group", "bibs": (11, 12)},
        "incident confirm {} 4": {"kind": "confirm", "incident": 4},
        "incident dismiss {} 4": {"kind": "dismiss", "incident": 4},
        "withdraw {} 4": {"kind": "withdraw", "withdraws": 4},
    }  # fmt: skip
    said = [office.say(command) for command in commands]
    assert office.journalled() == [
        Ruling(**{"number": number, "at_us": at_us, "by": "anna"} | fields)
        for number, fields in enumerate(commands.values(), 1)
    ]
    for number, line in enumerate(said, 1):
        assert re.fullmatch(rf"ruling {number}: .* \((anna|ben), \d\d:\d\d:\d\d UTC\)\n", line)
    catch_up(office.opened.store, office.opened.journal, office.opened.view)
    listed = json.loads(office.say("rulings {} --json"))
    assert listed["schema"] == "truck.rulings/1"
    assert [row["number"] for row in listed["rulings"] if row["withdrawn"]] == [4]
    assert [row["said"] for row in listed["rulings"]] == [
        line.split(": ", 1)[1].rpartition(" (")[0] for line in said
    ]


def test_a_ruling_as_json_has_its_schema_and_whether_it_changed_anything(office: Office) -> None:
    first = json.loads(office.say("abandon {} 13 --by ben --json"))
    assert first["schema"] == "truck.ruling/1"
    assert (first["number"], first["by"], first["changed"]) == (1, "ben", True)
    assert json.loads(office.say("abandon {} 13 --by anna --json"))["changed"] is False


WRONG = {
    "gap {} 11 inf": "gap_s is no number of seconds",
    "gap {} 11 1e300": "gap_s is more than",
    "group {} 11 11": "a bib twice",
    "withdraw {} 9": "ruling 9 is not in force",
    "swap {} 12 3 --by a\x07b": "by is no line",
    "abandon {} 99999999999999999999": "bib 99999999999999999999 is below 1 or too large",
}


def test_what_the_desk_refuses_is_said_with_its_exit_code(office: Office) -> None:
    for command, sentence in WRONG.items():
        with pytest.raises(TruckError, match=re.escape(sentence)) as refusal:
            office.say(command)
        assert refusal.value.exit_code == 78
    assert office.journalled() == []


def test_a_home_that_is_none_and_a_truck_that_does_not_run_have_their_codes(
    tmp_path: Path,
) -> None:
    truck = SmallTruck(tmp_path)
    for folder, code in ((tmp_path / "nothing", 10), (truck.home.folder, 75)):
        done = CliRunner().invoke(app, ["swap", str(folder), "12", "3"])
        assert isinstance(done.exception, TruckError)
        assert done.exception.exit_code == code
