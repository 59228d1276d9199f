"""What a start journals: a roster and a stage that every later start can use."""

import dataclasses
import re
from pathlib import Path

import pytest
from truck_home import SmallTruck

from hardware.errors import Misconfigured
from hardware.roster import Roster
from truck.opening import begin
from truck.segment import Kind


@pytest.fixture
def truck(tmp_path: Path) -> SmallTruck:
    truck = SmallTruck(tmp_path)
    truck.close(truck.ride(3))
    return truck


def start(truck: SmallTruck) -> tuple[list[str], int, Roster]:
    """One start; its notes, how many rosters and stages the journal holds, the roster in force."""
    opened = truck.open()
    try:
        begin(opened, truck.config, truck.event.truck)
        kept = [r for r in opened.journal.read() if r.kind in (Kind.ROSTER, Kind.STAGE)]
        assert opened.view.roster is not None
        return opened.notes, len(kept), opened.view.roster
    finally:
        truck.close(opened)


def test_a_start_with_nothing_new_journals_nothing(truck: SmallTruck) -> None:
    notes, kept, _ = start(truck)
    assert notes == []
    assert kept == 2


def test_a_broken_roster_is_told_and_the_one_in_force_stays(truck: SmallTruck) -> None:
    path = truck.event.truck.folder / "roster.json"
    whole = path.read_bytes()
    for broken in (whole[:-50], b"", whole.replace(b"a", b"b", 5)):
        path.write_bytes(broken)
        (note,), kept, roster = start(truck)
        assert "is no roster of this event" in note
        assert "stays in force" in note
        assert (kept, roster) == (2, truck.event.roster)
    path.write_bytes(whole)
    assert start(truck)[0] == []


def test_an_older_roster_does_not_undo_a_revocation(truck: SmallTruck) -> None:
    path = truck.event.truck.folder / "roster.json"
    older = path.read_bytes()
    path.write_bytes(truck.event.signed(truck.event.revoking(1)))
    assert start(truck)[2].version == 2
    path.write_bytes(older)
    (note,), kept, roster = start(truck)
    assert "older" in note
    assert (kept, roster) == (3, truck.event.revoking(1))


def test_a_first_start_needs_a_sound_roster(tmp_path: Path) -> None:
    truck = SmallTruck(tmp_path)
    (truck.event.truck.folder / "roster.json").write_bytes(b"{}")
    with pytest.raises(Misconfigured, match="is no roster of this event"):
        start(truck)


@pytest.mark.parametrize("name", ["event", "truck"])
def test_keys_of_another_event_stop_the_truck_before_it_refuses_every_packet(
    truck: SmallTruck, name: str
) -> None:
    (truck.event.truck.folder / f"{name}.key").write_text("11" * 32)
    with pytest.raises(Misconfigured, match=rf"{name}\.key is not the key"):
        start(truck)


def test_a_stage_that_makes_no_course_is_not_journalled(truck: SmallTruck) -> None:
    path = truck.config.stage / "stage.toml"
    sound = path.read_text()
    path.write_text(re.sub(r"length_km = [0-9.]+", "length_km = 900.0", sound))
    with pytest.raises(Misconfigured, match="km long"):
        start(truck)
    path.write_text(sound)
    assert start(truck)[1] == 2
    path.write_text(sound.replace("Loop", "Another loop"))
    assert start(truck)[1] == 3


def test_every_row_names_the_stage_in_force_also_in_a_view_made_again(truck: SmallTruck) -> None:
    path = truck.config.stage / "stage.toml"
    path.write_text(path.read_text().replace("Loop", "Pau - Hautacam"))
    opened = truck.ride(70, from_s=3)
    for _ in range(2):
        rows = opened.store.cursor().execute(
            "SELECT stage, min(row_id), count(*) FROM readings GROUP BY ALL ORDER BY min(row_id)"
        )
        assert rows.fetchall() == [("loop", 0, 9), ("pau-hautacam", 9, 210)]
        truck.close(opened)
        truck.home.view.unlink()
        opened = truck.open()
    truck.close(opened)


def test_packets_of_a_device_revoked_later_stay_readable(truck: SmallTruck) -> None:
    path = truck.event.truck.folder / "roster.json"
    bound = dataclasses.replace(truck.event.revoking(1), bindings=())
    path.write_bytes(truck.event.signed(bound))
    truck.event.roster = bound
    opened = truck.ride(70, from_s=3)  # over a snapshot
    digests = opened.store.digests()
    rows = opened.store.cursor().execute(
        "SELECT device, bib, count(*) FROM readings GROUP BY ALL ORDER BY ALL"
    )
    assert rows.fetchall() == [(1, 11, 3), (2, 0, 70), (2, 12, 3), (3, 0, 70), (3, 13, 3)]
    assert opened.store.refused()["revoked"] == 2 * 70
    state = opened.view.snapshot()
    truck.close(opened)
    truck.home.view.unlink()
    opened = truck.open()
    assert opened.store.digests() == digests
    assert opened.view.snapshot() == state
    truck.close(opened)
