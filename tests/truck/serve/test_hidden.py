"""A hidden rider is in no public output, and nobody else's place or gap is another for it."""

import dataclasses

import numpy as np
import pytest
from bunch_race import FALLS, bunch, road_race, stopped, watched

from truck.race.frame import Frame
from truck.serve.feed import encode_frame
from truck.serve.hidden import seen_of, without
from truck.serve.moments import Moment

FALLEN = (8, 9, 10)


@pytest.fixture(scope="module")
def frame() -> Frame:
    race = road_race()
    _, frames = watched(race, bunch(race, {bib: stopped(150, FALLS, 60) for bib in FALLEN}))
    return next(frame for frame in frames if frame.open and len(frame.groups.size) > 1)


def test_nobody_hidden_is_the_very_frame(frame: Frame) -> None:
    assert without(frame, frozenset()) is frame
    assert without(frame, frozenset({99})) is frame


def test_his_row_goes_and_the_others_stay_as_they_are(frame: Frame) -> None:
    first = int(frame.groups.first_bib[0])
    shown = without(frame, frozenset({first, 9}))
    keep = ~np.isin(frame.riders.bib, [first, 9])
    for field in dataclasses.fields(frame.riders):
        before = np.asarray(getattr(frame.riders, field.name))[keep]
        after = np.asarray(getattr(shown.riders, field.name))
        np.testing.assert_array_equal(after, before)
    assert shown.groups.first_bib[0] == frame.riders.bib[1], "a group is named by who is seen"
    assert shown.groups.size.sum() == frame.groups.size.sum() - 2
    np.testing.assert_array_equal(shown.groups.gap_s, frame.groups.gap_s)


def test_an_incident_is_told_without_him_and_not_at_all_where_only_he_is_in_it(
    frame: Frame,
) -> None:
    (crash,) = frame.open
    assert set(crash.bibs) >= set(FALLEN)
    rest = tuple(bib for bib in crash.bibs if bib != 9)
    assert without(frame, frozenset({9})).open == [crash._replace(bibs=rest)]
    assert without(frame, frozenset(crash.bibs)).open == []


def test_a_group_of_hidden_riders_is_gone(frame: Frame) -> None:
    behind = frame.riders.bib[frame.riders.group_id == frame.groups.group_id[-1]]
    shown = without(frame, frozenset(behind.tolist()))
    assert frame.groups.group_id[-1] not in shown.groups.group_id
    assert len(shown.groups.size) == len(frame.groups.size) - 1
    everybody = without(frame, frozenset(range(1, 21)))
    assert len(everybody.riders.bib) == len(everybody.groups.size) == 0
    assert b'"bib":[]' in encode_frame(everybody, {})


def test_what_he_did_before_is_told_without_him() -> None:
    climb = Moment("point-1", "climb", 1, (7, 9, 8))
    moments = [climb, Moment("ruling-3", "abandon", 2, (9,)), Moment("split", "split", 3, ())]
    assert seen_of(moments, frozenset({9})) == [climb._replace(bibs=(7, 8)), moments[2]]
    assert seen_of(moments, frozenset()) == moments
