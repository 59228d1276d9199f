"""Passages: when riders passed the points of the road."""

import numpy as np
import pytest

from truck.race.passages import NODE_M, known_way, passed_s, record_passages
from truck.race.riders import NODES, Riders, new_riders

T0_US = 10**15
ROW = np.array([0])


def rode(riders: Riders, way: list[tuple[float, float]]) -> None:
    """Places (seconds, metres) one after the other."""
    was = (np.nan, 0)
    for at_s, to_m in way:
        at_us = T0_US + round(at_s * 1e6)
        record_passages(
            riders, ROW, np.array([was[0]]), np.array([was[1]]), np.array([to_m]), np.array([at_us])
        )
        riders.distance_m[0], riders.placed_us[0] = to_m, at_us
        was = (to_m, at_us)


def ago_s(riders: Riders, at_m: float, now_s: float) -> float:
    now_us = np.array([T0_US + round(now_s * 1e6)])
    return float(passed_s(riders, ROW, np.array([at_m]), riders.distance_m[ROW], now_us)[0])


@pytest.fixture
def riders() -> Riders:
    return new_riders(np.array([1], np.int32))


def test_a_point_was_passed_when_even_speed_between_fixes_says(riders: Riders) -> None:
    rode(riders, [(s, 12.0 * s) for s in range(100)])
    for at_m in (300.0, 433.0, 950.0, 1188.0):
        assert ago_s(riders, at_m, 99.0) == pytest.approx(99.0 - at_m / 12.0, abs=0.01)
    assert np.isnan(ago_s(riders, 1300.0, 99.0))


def test_a_step_back_within_the_grace_leaves_the_curve_as_it_was(riders: Riders) -> None:
    rode(riders, [(0, 0.0), (10, 120.0), (11, 105.0), (12, 118.0), (20, 220.0)])
    assert ago_s(riders, 100.0, 20.0) == pytest.approx(20.0 - 100.0 / 12.0, abs=0.01)


def test_a_jump_back_begins_the_curve_anew(riders: Riders) -> None:
    rode(riders, [(0, 3000.0), (10, 3120.0), (11, 400.0), (21, 520.0)])
    assert np.isnan(ago_s(riders, 3100.0, 21.0))
    assert ago_s(riders, 500.0, 21.0) == pytest.approx(20.0 / 12.0, abs=0.01)


def test_points_in_a_hole_are_marked_as_bridged(riders: Riders) -> None:
    rode(riders, [(0, 0.0), (5, 60.0), (65, 780.0), (70, 840.0)])
    node = int(400 // NODE_M)
    assert riders.node_bridged[0, node]
    assert not riders.node_bridged[0, int(800 // NODE_M)]
    low_m, high_m, about_m = known_way(riders, 0, np.array([T0_US + 30_000_000]))
    assert low_m[0] <= 360.0 <= high_m[0]
    assert about_m[0] == pytest.approx(360.0, abs=NODE_M)


def test_the_ring_forgets_the_oldest_and_keeps_the_newest(riders: Riders) -> None:
    last_m = (NODES + 500) * NODE_M
    rode(riders, [(s, s * 100.0) for s in range(0, int(last_m / 100) + 1, 5)])
    now_s = last_m / 100
    assert np.isnan(ago_s(riders, 400 * NODE_M, now_s))
    assert ago_s(riders, last_m - 1000.0, now_s) == pytest.approx(10.0, abs=0.1)
    assert riders.next_node[0] - riders.first_node[0] == NODES
