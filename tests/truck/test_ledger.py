"""The truck's completeness ledger: each hole with the reason that is true, and no other."""

import io
from pathlib import Path

import pytest
from ledger_road import Road
from rich.console import Console

from hardware.completeness import sentence
from hardware.errors import Damaged, Misconfigured
from truck.complete import answer_complete
from truck.opening import begin
from truck.store.stored import Reached
from truck.tables import print_complete


@pytest.fixture
def road(tmp_path: Path) -> Road:
    return Road(tmp_path)


def test_what_no_relay_had_was_never_heard(road: Road) -> None:
    road.hear(*road.packets(1, [2, 3]), *road.packets(2, [0, 1]), at_s=4)
    road.hear(*road.packets(1, [9]), at_s=10)
    assert road.holes() == [(1, 0, 2, "never_heard", ""), (1, 4, 9, "never_heard", "")]
    found = road.ledger()
    assert found["complete"]
    assert found["totals"]["sent"] == 12
    assert found["totals"]["stored"] == found["totals"]["in_cloud"] == 5
    assert [bike["bib"] for bike in found["bikes"]] == [11, 12]


def test_back_fill_closes_a_hole(road: Road) -> None:
    road.hear(*road.packets(1, [0, 5]), at_s=6)
    road.hear(*road.packets(1, [1, 2, 4]), at_s=8)
    assert road.holes() == [(1, 3, 4, "never_heard", "")]


def test_a_hole_is_refused_only_where_the_evidence_names_it(road: Road) -> None:
    road.hear(*road.packets(1, [0]), *road.packets(2, [0]), at_s=1)
    road.hear(*road.packets(1, [3, 4], ahead_s=60), at_s=4)
    road.hear(*road.packets(1, [7]), *road.packets(2, [5]), at_s=8)
    assert road.holes() == [
        (1, 1, 3, "never_heard", ""), (1, 3, 5, "refused", "future"),
        (1, 5, 7, "never_heard", ""), (2, 1, 5, "never_heard", ""),
    ]  # fmt: skip
    assert road.ledger()["totals"]["refused_by_reason"] == {"future": 2}


def test_more_refused_than_evidence_was_kept_of_leaves_the_rest_open(road: Road) -> None:
    road.hear(*road.packets(1, [0]), *road.packets(2, [0]), at_s=1)
    road.hear(*road.packets(1, range(1, 20), ahead_s=60), at_s=19)
    road.hear(*road.packets(1, [20]), *road.packets(2, [20]), at_s=21)
    assert road.holes() == [
        (1, 1, 9, "refused", "future"), (1, 9, 20, "never_heard_or_refused", ""),
        (2, 1, 20, "never_heard", ""),
    ]  # fmt: skip


def test_a_refused_packet_that_came_again_and_was_stored_is_no_hole(road: Road) -> None:
    early = road.packets(1, [1], ahead_s=10)
    road.hear(*road.packets(1, [0]), at_s=1)
    road.hear(*early, at_s=2)
    road.hear(*early, *road.packets(1, [2]), at_s=12)
    assert road.holes() == []


def test_bundles_that_have_not_come_may_hold_what_is_missing_of_their_time(road: Road) -> None:
    road.hear(*road.packets(1, [0, 2]), *road.packets(2, [0]), at_s=3)
    road.hear(*road.packets(2, [30]), at_s=31, relay="heli")
    road.numbers["moto-1"] += 4  # made during an outage, still in its spool
    road.hear(*road.packets(1, [60, 90]), at_s=91)
    assert road.holes() == [
        (1, 1, 2, "at_relay", "moto-1"),  # as near as two relays' clocks may be apart
        (1, 3, 60, "at_relay", "moto-1"),
        (1, 61, 90, "at_relay", "moto-1"),
        (2, 1, 30, "at_relay", "moto-1"),
    ]
    found = road.ledger()
    assert not found["complete"]
    assert found["totals"]["waiting"] == found["totals"]["at_relay"] == 116
    for number in range(1, 5):
        road.hear(*road.packets(1, [10 * number]), at_s=100 + number, number=number)
    assert {hole[3] for hole in road.holes()} == {"never_heard"}


def test_a_hole_of_another_time_does_not_wait_for_a_relay(road: Road) -> None:
    road.hear(*road.packets(1, [0]), at_s=1)
    road.hear(*road.packets(1, [4]), at_s=5)
    road.hear(*road.packets(2, [100]), at_s=101)
    road.numbers["moto-1"] += 1
    road.hear(*road.packets(2, [110]), at_s=111)
    assert (1, 1, 4, "never_heard", "") in road.holes()
    assert (2, 101, 110, "at_relay", "moto-1") in road.holes()


def test_a_relay_that_has_delivered_nothing_for_a_while_is_named(road: Road) -> None:
    road.hear(*road.packets(1, [0]), at_s=1, relay="heli")
    road.hear(*road.packets(1, [90]), at_s=91)
    road.ledger()
    found = answer_complete(road.opened.store, "truck-1", None, Reached(2, 2, 2))
    assert [(relay["relay"], relay["behind_s"]) for relay in found["relays"]] == [
        ("heli", 90.0), ("moto-1", 0.0),
    ]  # fmt: skip
    said = Console(width=400, record=True, file=io.StringIO())
    print_complete(said, found)
    text = said.export_text()
    assert "relay heli: nothing it heard since" in text
    assert "relay moto-1" not in text


def test_more_sealed_than_is_stored_is_a_restored_disk(road: Road) -> None:
    road.hear(*road.packets(1, [0]), at_s=1)
    road.ledger()
    with pytest.raises(Damaged, match="sealed 2 rows and the view holds 1: its disk was restored"):
        answer_complete(road.opened.store, "truck-1", None, Reached(2, 2, 2))


def test_what_is_stored_waits_where_its_rows_are(road: Road) -> None:
    for seq in range(8):
        road.hear(*road.packets(1, [seq]), at_s=seq + 1)
    assert road.holes(reached=Reached(6, 4, 2)) == [
        (1, 2, 4, "uploaded", ""), (1, 4, 6, "sealed", ""), (1, 6, 8, "unsealed", ""),
    ]  # fmt: skip
    found = road.ledger(reached=Reached(6, 4, 2))
    assert (found["totals"]["in_cloud"], found["totals"]["waiting"]) == (2, 6)
    assert not found["complete"]


def test_a_boot_that_lasts_over_two_stages_is_cut_where_the_stage_changed(road: Road) -> None:
    road.hear(*road.packets(1, [0, 1, 4]), at_s=5)
    path = road.truck.config.stage / "stage.toml"
    path.write_text(path.read_text().replace("Loop", "Stage 12: Pau - Hautacam"))
    begin(road.opened, road.truck.config, road.truck.event.truck)
    road.hear(*road.packets(1, [2]), at_s=6)  # late, still the day before's
    road.hear(*road.packets(1, [6, 8]), at_s=9)
    assert road.holes("loop") == [(1, 3, 4, "never_heard", "")]
    for name in ("12", "Hautacam", "Stage 12: Pau - Hautacam", None):
        assert road.holes(name) == [
            (1, 5, 6, "never_heard", ""), (1, 7, 8, "never_heard", ""),
        ]  # fmt: skip
    with pytest.raises(Misconfigured, match="There are: loop, stage-12-pau-hautacam"):
        road.holes("13")


def test_before_any_packet_there_is_no_stage_to_ask_for(road: Road) -> None:
    with pytest.raises(Misconfigured, match="no packet of any stage"):
        road.ledger()


def test_the_answer_in_words_says_where_and_how_many(road: Road) -> None:
    road.hear(*road.packets(1, [0, 9]), *road.packets(2, [0]), at_s=10)
    words = sentence(road.ledger())
    assert words.startswith("loop is complete in the cloud: 3 of 3 stored packets are there")
    assert "1 of 2 bikes without a hole" in words
    assert "1 with holes never heard (" in words
    assert "8 packets), 0 waiting" in words
