"""Who leaves all the others standing on the same road."""

import numpy as np
import pytest

from truck.race.outrun import outrunning
from truck.race.passages import record_passages
from truck.race.riders import Riders, new_riders

CLIMB_MPS = 5.0
COUNT = 8


def ridden(speed_mps: list[float], seconds: int = 120) -> Riders:
    """Riders at even speeds from the flag, a fix a second."""
    riders = new_riders(np.arange(1, len(speed_mps) + 1, dtype=np.int32))
    rows, pace = np.arange(len(speed_mps)), np.array(speed_mps)
    before_m = np.full(len(rows), np.nan)
    for second in range(seconds):
        now_m, at_us = pace * second, np.full(len(rows), second * 1_000_000)
        record_passages(riders, rows, before_m, at_us - 1_000_000, now_m, at_us)
        before_m = now_m
    return riders


@pytest.mark.parametrize(("speed_mps", "is_car"), [(12.5, True), (7.0, False), (4.0, False)])
def test_a_car_leaves_all_the_others_standing_and_an_attack_does_not(
    speed_mps: float, is_car: bool
) -> None:
    riders = ridden([CLIMB_MPS] * (COUNT - 1) + [speed_mps])
    rows = np.arange(COUNT)
    found = outrunning(riders, rows, np.full(COUNT, 60.0), np.full(COUNT, 420.0))
    assert found.tolist() == [False] * (COUNT - 1) + [is_car]


def test_nobody_is_held_against_a_few_or_over_a_short_way_or_an_unknown_one() -> None:
    riders = ridden([CLIMB_MPS] * 4 + [12.5])
    assert not outrunning(riders, np.array([4]), np.array([60.0]), np.array([420.0])).any()
    riders = ridden([CLIMB_MPS] * (COUNT - 1) + [12.5])
    last = np.array([COUNT - 1])
    assert not outrunning(riders, last, np.array([60.0]), np.array([300.0])).any()
    assert not outrunning(riders, last, np.array([np.nan]), np.array([420.0])).any()
    # where nobody else has been yet
    assert not outrunning(riders, last, np.array([1000.0]), np.array([1400.0])).any()
