"""Rulings: asked at the desk, kept in the journal, and the same after a restart and a rebuild."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from small_event import NOW_S
from truck_home import SmallTruck

from hardware.errors import Damaged, Misconfigured, Unavailable
from hardware.keys import new_secret
from hardware.signing import SigningKey
from truck.desk import Desk, Known
from truck.handover import Handover
from truck.journal import Record
from truck.opening import Opened
from truck.race.rulings import Ruling, Rulings, open_ruling, sign_ruling
from truck.race.status import STATUSES
from truck.segment import Kind
from truck.store.rebuild import catch_up, rebuild


class Office:
    """A desk over a small truck's journal; `ask` writes at once, as custody's thread would."""

    def __init__(self, truck: SmallTruck, opened: Opened, at_s: float) -> None:
        self.truck, self.opened = truck, opened
        known = Known(
            frozenset({11, 12, 13}), lambda: truck.event.roster, lambda number: number == 4
        )
        self.handover = Handover(opened.journal.next_record)
        self.now_us = round((NOW_S + at_s) * 1e6)
        self.desk = Desk(
            opened.view.rulings, known, opened.journal, self.handover, truck.keys.signing,
            lambda: self.now_us,
        )  # fmt: skip

    def ask(self, **wish: Any) -> dict[str, Any]:
        """One wish, answered."""
        answers: list[Any] = []

        def run() -> None:
            try:
                answers.append(self.desk.ask({"by": "anna", **wish}))
            except (Misconfigured, Unavailable) as error:
                answers.append(error)

        asking = threading.Thread(target=run)
        asking.start()
        while asking.is_alive():
            self.desk.turn()
            asking.join(0.01)
        if isinstance(answers[0], Exception):
            raise answers[0]
        return dict(answers[0])

    def kinds(self) -> list[int]:
        return [record.kind for record in self.opened.journal.read()]


@pytest.fixture
def truck(tmp_path: Path) -> SmallTruck:
    return SmallTruck(tmp_path)


@pytest.fixture
def office(truck: SmallTruck) -> Office:
    return Office(truck, truck.ride(3), 2.5)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """For what makes no record."""
    made = SmallTruck(tmp_path_factory.mktemp("truck"))
    return Office(made, made.ride(1), 0.5)


def shown(opened: Opened, at_s: float) -> dict[int, str]:
    """Each bib's status in the frame of that second."""
    race = opened.view.race
    assert race is not None
    riders = race.frame(round((NOW_S + at_s) * 1e6)).riders
    status = [STATUSES[status] for status in riders.status.tolist()]
    return dict(zip(riders.bib.tolist(), status, strict=True))


def bibs(opened: Opened) -> dict[int, list[int]]:
    """By device, the bib of each of its readings in order of their time."""
    rows = opened.store.cursor().execute(
        "SELECT device, list(bib ORDER BY measured_at) FROM readings GROUP BY device"
    )
    return dict(rows.fetchall())


def test_a_swap_holds_from_its_time_on_and_again_after_restart_and_rebuild(
    truck: SmallTruck, office: Office
) -> None:
    answer = office.ask(kind="swap", bib=12, device=3, note="puncture")
    assert (answer["number"], answer["said"]) == (1, "bib 12 rides device 3")
    assert answer["changed"] is True
    catch_up(office.opened.store, office.opened.journal, office.opened.view)
    truck.close(office.opened)
    opened = truck.ride(3, from_s=3)  # opened again: from the snapshot and the journal
    assert bibs(opened) == {1: [11] * 6, 2: [12] * 3 + [0] * 3, 3: [13] * 3 + [12] * 3}
    held = opened.view.rulings.in_force()
    assert [(r.kind, r.bib, r.device, r.by, r.at_us, r.note) for r in held] == [
        ("swap", 12, 3, "anna", office.now_us, "puncture")
    ]
    office = Office(truck, opened, 6.0)
    office.ask(kind="withdraw", withdraws=1)
    catch_up(opened.store, opened.journal, opened.view)
    truck.close(opened)
    opened = truck.ride(1, from_s=6)
    assert {device: seen[-1] for device, seen in bibs(opened).items()} == {1: 11, 2: 12, 3: 13}
    rows = opened.store.cursor().execute("SELECT number, kind, decided_by, said FROM rulings")
    assert rows.fetchall() == [
        (1, "swap", "anna", "bib 12 rides device 3"),
        (2, "withdraw", "anna", "ruling 1 is withdrawn"),
    ]
    before = opened.store.digests()
    opened.store.close()
    made = rebuild(truck.home.view, truck.keys.store, opened.journal, truck.keys.new_view)
    assert made == before
    opened.journal.close()


def test_a_ruling_not_yet_followed_by_a_tick_is_one_row_after_a_restart(
    truck: SmallTruck, office: Office
) -> None:
    office.ask(kind="abandon", bib=13)
    catch_up(office.opened.store, office.opened.journal, office.opened.view)
    for _ in range(2):
        truck.close(office.opened)
        office.opened = truck.open()
        assert office.opened.store.digests()["rulings"][0] == 1
        assert office.opened.view.rulings.abandoned_bibs == {13}
        assert shown(office.opened, 3.0)[13] == "abandoned"
    truck.close(office.opened)


def test_the_frame_shows_what_was_ruled_until_it_ends(truck: SmallTruck, office: Office) -> None:
    for wish in (
        {"kind": "abandon", "bib": 13},
        {"kind": "gap", "bibs": [12], "gap_s": 47.5, "minutes": 0.05},
        {"kind": "group", "bibs": [11]},
    ):
        office.ask(**wish)
    catch_up(office.opened.store, office.opened.journal, office.opened.view)
    truck.close(office.opened)
    opened = truck.ride(2, from_s=3)
    race = opened.view.race
    assert race is not None
    frame = race.frame(round((NOW_S + 5) * 1e6))
    row = {bib: k for k, bib in enumerate(frame.riders.bib.tolist())}
    assert shown(opened, 5.0) == {11: "racing", 12: "racing", 13: "abandoned"}
    assert frame.riders.gap_s[row[12]] == 47.5
    assert frame.riders.group_id[row[11]] not in (-1, frame.riders.group_id[row[12]])
    later = race.frame(round((NOW_S + 6) * 1e6))
    assert later.riders.gap_s[row[12]] != 47.5
    truck.close(opened)


def test_to_say_again_what_holds_makes_no_new_ruling(office: Office) -> None:
    first = office.ask(kind="abandon", bib=13)
    again = office.ask(kind="abandon", bib=13, by="ben")
    assert (again["number"], again["by"], again["changed"]) == (first["number"], "anna", False)
    office.ask(kind="reinstate", bib=13)
    assert office.ask(kind="abandon", bib=13)["number"] == 3
    office.ask(kind="swap", bib=12, device=3)
    assert office.ask(kind="swap", bib=12, device=3)["changed"] is False
    office.ask(kind="swap", bib=11, device=3)
    assert office.ask(kind="swap", bib=12, device=3)["number"] == 6
    office.ask(kind="confirm", incident=4)
    assert office.ask(kind="confirm", incident=4)["changed"] is False
    assert office.ask(kind="dismiss", incident=4)["number"] == 8
    assert office.kinds().count(Kind.RULING) == 8
    assert [row["number"] for row in office.desk.in_force()] == list(range(1, 9))


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"kind": "swap", "bib": 99, "device": 3}, "nobody rides with bib 99"),
        ({"kind": "group", "bibs": [11, 98]}, "nobody rides with bib 98"),
        ({"kind": "swap", "bib": 12, "device": 77}, "device 77 is not in roster version 1"),
        ({"kind": "confirm", "incident": 5}, "no incident 5 was raised"),
        ({"kind": "withdraw", "withdraws": 1}, "ruling 1 is not in force"),
        ({"kind": "reinstate", "bib": 12}, "bib 12 has not abandoned"),
        ({"kind": "swap", "bib": 12}, "swap needs device"),
        ({"kind": "gap", "bibs": [11], "gap_s": 5, "minutes": 1e9}, "cannot hold for"),
        ({"kind": "gap", "bibs": [11], "gap_s": 5, "minutes": "x"}, "cannot hold for"),
        ({"kind": "abandon", "bib": 11, "by": ""}, "who decided"),
        ({"kind": "abandon", "bib": 11, "colour": 1}, "no ruling has a field 'colour'"),
    ],
)
def test_what_cannot_be_decided_is_one_sentence_and_no_record(
    untouched: Office, wish: dict[str, Any], words: str
) -> None:
    before = untouched.kinds()
    with pytest.raises(Misconfigured) as refusal:
        untouched.ask(**wish)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert untouched.kinds() == before


def test_a_gap_may_end_by_itself(office: Office) -> None:
    office.ask(kind="gap", bibs=[11], gap_s=62.5, minutes=2)
    (held,) = office.desk.in_force()
    assert held["until_us"] == office.now_us + 120_000_000


def test_a_disk_that_fails_makes_no_ruling(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(Unavailable, match="nothing changed"):
            office.ask(kind="abandon", bib=11)
    assert office.desk.in_force() == []
    assert office.ask(kind="abandon", bib=12)["number"] == 1
    assert [r.kind for r in office.opened.journal.read()].count(Kind.RULING) == 1


def test_a_ruling_nobody_signed_for_the_truck_is_damage(office: Office) -> None:
    view, number = office.opened.view, office.opened.view.record
    ruling = Ruling(1, 5, "anna", "abandon", bib=12)
    forged = sign_ruling(ruling, SigningKey(new_secret()))
    for payload in (forged, b"", b"{}", forged.replace(b"payload", b"playoad")):
        with pytest.raises(Damaged, match=f"record {number} holds no ruling"):
            view.apply(Record(number, Kind.RULING, payload))
    assert view.rulings.in_force() == []
    true = sign_ruling(ruling, office.truck.keys.signing)
    assert open_ruling(true, office.truck.event.roster.truck_sign_public) == ruling
    view.apply(Record(number, Kind.RULING, true))
    assert view.rulings.abandoned_bibs == {12}


def test_another_stage_keeps_swaps_and_who_is_out(office: Office) -> None:
    for wish in (
        {"kind": "abandon", "bib": 13},
        {"kind": "gap", "bibs": [11], "gap_s": 5},
        {"kind": "swap", "bib": 12, "device": 3},
    ):
        office.ask(**wish)
    opened = office.opened
    catch_up(opened.store, opened.journal, opened.view)
    stage = opened.journal.last(Kind.STAGE)
    assert stage is not None
    opened.journal.append(Kind.STAGE, stage.payload)
    opened.journal.sync()
    catch_up(opened.store, opened.journal, opened.view)
    assert [r.kind for r in opened.view.rulings.in_force()] == ["abandon", "swap"]
    assert opened.view.rulings.end == 4
    assert isinstance(opened.view.rulings, Rulings)
