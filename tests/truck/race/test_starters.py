"""Who counts as a starter."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hardware.stage import Stage, Starter, load_stage
from truck.race.starters import starters_of


@pytest.fixture
def two(stage: Path) -> Stage:
    return replace(load_stage(stage), startlist=(Starter(1, "A", ""), Starter(2, "B", "")))


def started(stage: Stage, *bibs: int) -> list[bool]:
    return starters_of(stage, np.array(bibs, np.int32)).tolist()


def test_a_stranger_beside_the_starters_is_no_starter(two: Stage) -> None:
    assert started(two, 1, 2, 901) == [True, True, False]


def test_a_list_that_names_fewer_than_ride_unnamed_is_of_another_race(two: Stage) -> None:
    assert started(two, 1, 2, 11, 12) == [True] * 4


def test_without_a_list_everybody_is_a_starter(two: Stage) -> None:
    assert started(replace(two, startlist=()), 7, 8) == [True, True]
