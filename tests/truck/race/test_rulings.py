"""Rulings: what an operator may decide, and what holds of it."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.errors import Refused
from truck.race.rulings import KINDS, Ruling, Rulings, document_of, ruling_of, said

SWAP = Ruling(1, 1_000, "anna", "swap", bib=12, device=7, note="front wheel")
OF_EACH = {
    "confirm": Ruling(3, 1_000, "anna", "confirm", incident=4),
    "dismiss": Ruling(3, 1_000, "anna", "dismiss", incident=4),
    "gap": Ruling(3, 1_000, "anna", "gap", gap_s=0.0, bibs=(11, 12), until_us=2_000),
    "group": Ruling(3, 1_000, "anna", "group", bibs=(11,)),
    "abandon": Ruling(3, 1_000, "anna", "abandon", bib=12),
    "reinstate": Ruling(3, 1_000, "anna", "reinstate", bib=12),
    "swap": SWAP,
    "hide": Ruling(3, 1_000, "anna", "hide", bib=12),
    "show": Ruling(3, 1_000, "anna", "show", bib=12),
    "withdraw": Ruling(3, 1_000, "anna", "withdraw", withdraws=2),
}


def taken(*rulings: Ruling) -> Rulings:
    """Numbered in the order they are given."""
    state = Rulings()
    for number, ruling in enumerate(rulings, 1):
        state.take(ruling._replace(number=number))
    return state


def test_a_ruling_of_every_kind_comes_back_as_it_was_and_says_what_it_is() -> None:
    assert set(OF_EACH) == set(KINDS)
    for ruling in OF_EACH.values():
        assert ruling_of(json.loads(json.dumps(document_of(ruling)))) == ruling
    sentences = {said(ruling) for ruling in OF_EACH.values()}
    assert len(sentences) == len(KINDS)
    assert said(SWAP) == "bib 12 rides device 7"
    assert said(OF_EACH["group"]) == "bib 11 rides alone"


def test_who_is_hidden_stays_so_until_he_is_shown_and_on_another_stage_too() -> None:
    hide, show = OF_EACH["hide"], OF_EACH["show"]
    assert taken(hide).hidden_bibs == {12}
    assert taken(hide).carried().hidden_bibs == {12}
    assert taken(hide, show).hidden_bibs == frozenset()
    assert taken(hide, show, hide).hidden_bibs == {12}
    assert document_of(hide)["schema"] == "truck.ruling/2", "who knows no hiding must not go on"
    assert document_of(SWAP)["schema"] == "truck.ruling/1"


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("swap", {"device": None}, "swap needs device"),
        ("swap", {"incident": 3}, "swap has no incident"),
        ("swap", {"bib": 0}, "bib 0 is below 1"),
        ("swap", {"bib": "12"}, "bib is no whole number"),
        ("swap", {"bib": True}, "bib is no whole number"),
        ("swap", {"until_us": 5_000}, "cannot end"),
        ("swap", {"kind": "promote"}, "no ruling is of kind 'promote'"),
        ("swap", {"by": ""}, "who decided"),
        ("swap", {"by": "a\nb"}, "by is no line"),
        ("swap", {"note": "x" * 201}, "note is no line"),
        ("swap", {"colour": "red"}, "no ruling has a field 'colour'"),
        ("swap", {"schema": "truck.ruling/2"}, "ruling schema 'truck.ruling/2'"),
        ("swap", {"number": 0}, "number 0 is below 1"),
        ("swap", {"at_us": 1 << 63}, "at_us"),
        ("gap", {"gap_s": -1}, "nobody is ahead of the first"),
        ("gap", {"gap_s": 10**400}, "gap_s is more than"),
        ("gap", {"gap_s": math.inf}, "gap_s is no number"),
        ("gap", {"gap_s": math.nan}, "gap_s is no number"),
        ("gap", {"until_us": 1_000}, "cannot end"),
        ("gap", {"bibs": []}, "gap needs bibs"),
        ("group", {"bibs": [4, 4]}, "a bib twice"),
        ("group", {"bibs": 4}, "bibs is no list"),
        ("withdraw", {"withdraws": None}, "withdraw needs withdraws"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    kind: str, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(Refused) as refusal:
        ruling_of(document_of(OF_EACH[kind]) | changes)
    assert words in str(refusal.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(["schema", *Ruling._fields, "x"]), json_values, max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_any_document_is_a_ruling_that_comes_back_or_is_refused(
    kind: str, changes: dict[str, object]
) -> None:
    try:
        ruling = ruling_of(document_of(OF_EACH[kind]) | changes)
    except Refused:
        return
    assert ruling_of(document_of(ruling)) == ruling
    assert said(ruling)


def test_who_abandoned_is_out_until_reinstated_or_the_ruling_is_withdrawn() -> None:
    out, back = OF_EACH["abandon"], OF_EACH["reinstate"]
    assert taken(out, out._replace(bib=13)).abandoned_bibs == {12, 13}
    assert taken(out, back).abandoned_bibs == set()
    assert taken(out, back, out).abandoned_bibs == {12}
    withdrawn = OF_EACH["withdraw"]
    assert taken(out, withdrawn._replace(withdraws=1)).abandoned_bibs == set()
    assert taken(out, back, withdrawn._replace(withdraws=2)).abandoned_bibs == {12}
    assert taken(withdrawn._replace(withdraws=9), out).abandoned_bibs == {12}


def test_a_gap_holds_from_its_time_until_its_end_and_the_later_one_outweighs() -> None:
    first = Ruling(1, 1_000, "anna", "gap", gap_s=30.0, bibs=(11, 12), until_us=5_000)
    later = Ruling(2, 2_000, "anna", "gap", gap_s=45.5, bibs=(12,))
    state = taken(first, later)
    assert state.gap_overrides(999) == {}
    assert state.gap_overrides(1_000) == {11: 30.0, 12: 30.0}
    assert state.gap_overrides(2_000) == {11: 30.0, 12: 45.5}
    assert state.gap_overrides(5_000) == {12: 45.5}
    state.take(Ruling(3, 3_000, "anna", "withdraw", withdraws=2))
    assert state.gap_overrides(4_000) == {11: 30.0, 12: 30.0}


def test_groups_are_by_the_last_ruling_on_each_bib() -> None:
    together = Ruling(1, 1_000, "anna", "group", bibs=(11, 12, 13))
    alone = Ruling(2, 1_000, "anna", "group", bibs=(12,))
    assert taken(together, alone).group_overrides(1_000) == {11: 1, 12: 2, 13: 1}
    assert taken(together, alone).group_overrides(999) == {}


def test_an_incident_has_the_last_judgement_with_who_and_when() -> None:
    state = taken(OF_EACH["dismiss"], OF_EACH["confirm"]._replace(by="ben", at_us=2_000))
    judged = state.judgement_of(4)
    assert judged is not None
    assert (judged.kind, judged.by, judged.at_us) == ("confirm", "ben", 2_000)
    assert state.judgement_of(5) is None


def test_the_state_comes_back_from_its_facts_and_goes_on_counting() -> None:
    state = taken(*OF_EACH.values(), SWAP._replace(bib=13))
    facts = json.loads(json.dumps(state.facts()))
    again = Rulings.of(facts)
    assert again.in_force() == state.in_force()
    assert again.end == state.end == len(OF_EACH) + 2
    assert again.facts() == facts
    state.take(Ruling(state.end, 9, "anna", "withdraw", withdraws=state.end - 1))
    assert Rulings.of(state.facts()).end == state.end


def test_another_stage_keeps_who_is_out_and_who_rides_what_and_no_more() -> None:
    state = taken(*OF_EACH.values())
    carried = state.carried()
    assert {ruling.kind for ruling in carried.in_force()} == {
        "abandon",
        "reinstate",
        "swap",
        "hide",
        "show",
    }
    assert carried.swaps == state.swaps
    assert carried.end == state.end
