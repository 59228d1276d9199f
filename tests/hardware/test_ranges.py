"""Ranges against plain sets of numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hardware.ranges import Ranges, minus, neighbours, none, overlap, ranges, runs, sweep

PACKETS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(0, 12)))
Packet = tuple[int, int, int]


def of(packets: list[Packet]) -> Ranges:
    return runs(*np.array(packets, np.int64).reshape(-1, 3).T)


def numbers(found: Ranges) -> list[Packet]:
    return [
        (device, boot, seq)
        for device, boot, lo, hi in zip(*(column.tolist() for column in found), strict=True)
        for seq in range(lo, hi)
    ]


@given(PACKETS)
def test_runs_hold_each_number_once_and_are_as_few_as_can_be(packets: list[Packet]) -> None:
    found = of(packets)
    assert numbers(found) == sorted(set(packets))
    ends = set(zip(*(c.tolist() for c in (found.device, found.boot, found.hi)), strict=True))
    assert not ends & set(numbers(found))
    assert found.total == len(set(packets))


@given(PACKETS, PACKETS, PACKETS)
def test_minus_and_overlap_are_those_of_sets(
    one: list[Packet], two: list[Packet], three: list[Packet]
) -> None:
    assert numbers(minus(of(one), of(two), of(three))) == sorted({*one} - {*two} - {*three})
    assert numbers(overlap(of(one), of(two))) == sorted({*one} & {*two})


@given(PACKETS, PACKETS)
def test_a_sweep_says_which_sets_hold_each_range(one: list[Packet], two: list[Packet]) -> None:
    found, held = sweep(of(one), of(two))
    for at, (in_one, in_two) in zip(range(len(found.lo)), held.T.tolist(), strict=True):
        for packet in numbers(found.take(np.array([at]))):
            assert (packet in one, packet in two) == (in_one, in_two)
    assert numbers(found) == sorted({*one} | {*two})


@given(PACKETS)
def test_a_hole_knows_the_ranges_beside_it(packets: list[Packet]) -> None:
    stored = of(packets)
    holes = minus(ranges([1, 2, 3], [1, 1, 1], [0, 0, 0], [13, 13, 13]), stored)
    for hole, (before, after) in enumerate(zip(*neighbours(holes, stored), strict=True)):
        boot = (holes.device[hole], holes.boot[hole])
        same = [i for i in range(len(stored.lo)) if (stored.device[i], stored.boot[i]) == boot]
        assert before == max((i for i in same if stored.hi[i] <= holes.lo[hole]), default=-1)
        assert after == min((i for i in same if stored.lo[i] >= holes.hi[hole]), default=-1)


def test_the_highest_numbers_there_are_hold_too() -> None:
    top = (1 << 32) - 1
    found = runs([(1 << 24) - 1] * 2, [65535] * 2, [top - 2, top])
    assert found.hi.tolist() == [top - 1, top + 1]
    holes = minus(ranges([(1 << 24) - 1], [65535], [0], [top + 1]), found)
    assert (holes.total, len(holes.lo)) == (top - 1, 2)
    assert neighbours(holes, found)[0].tolist() == [-1, 0]
    assert neighbours(holes, none())[1].tolist() == [-1, -1]
