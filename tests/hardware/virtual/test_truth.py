"""Truth of a ride: gaps and groups of rides made by hand, where every number is known."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hardware.stage import Checkpoint
from hardware.virtual.ride import Ride, Status
from hardware.virtual.riders import field_of
from hardware.virtual.truth import (
    finishes_of,
    gaps_of,
    group_gaps_of,
    groups_of,
    moments_of,
    standings_of,
)
from tests.hardware.virtual.stages import straight_stage

LENGTH_M = 10_000.0


def ride_of(
    tracks: Sequence[NDArray[np.float64]],
    status: NDArray[np.int8] | None = None,
    departs_s: Sequence[float] | None = None,
) -> Ride:
    """A ride of riders 1, 2, 3, ... from where each of them is, second by second."""
    distance = np.stack(tracks, axis=1)
    speed = np.abs(np.diff(distance, axis=0, prepend=distance[:1])).astype(np.float32)
    if status is None:
        status = np.full(distance.shape, Status.RACING, np.int8)
        status[distance >= LENGTH_M] = Status.FINISHED
    nothing = np.zeros(distance.shape, np.float32)
    return Ride(
        start_s=0.0,
        bibs=np.arange(1, len(tracks) + 1, dtype=np.int32),
        length_m=LENGTH_M,
        time_trial=departs_s is not None,
        departs_s=np.zeros(len(tracks)) if departs_s is None else np.array(departs_s),
        distance_m=distance,
        lateral_m=nothing,
        speed_mps=speed,
        power_w=nothing,
        heart_rate_bpm=nothing,
        cadence_rpm=nothing,
        shelter=nothing,
        w_balance_j=nothing,
        headwind_mps=nothing,
        crosswind_mps=nothing,
        status=status,
        events=(),
    )


def steady(behind_m: float, seconds: int = 300, speed_mps: float = 10.0) -> NDArray[np.float64]:
    return 500.0 - behind_m + speed_mps * np.arange(seconds)


def behind_by(gap_m: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(steady(0.0, len(gap_m)) - gap_m)


def test_a_gap_is_the_time_since_the_first_rider_was_at_the_same_point() -> None:
    climb = np.concatenate([10.0 * np.arange(100), 1_000.0 + 5.0 * np.arange(200)])
    gaps = gaps_of(ride_of([climb, np.maximum(climb - 50.0, 0.0)]))
    assert (gaps[:, 0] == 0.0).all()
    # 50 m are 5 s where the first rode 10 m/s and 10 s where he rode 5
    assert gaps[90, 1] == pytest.approx(5.0)
    assert gaps[250, 1] == pytest.approx(10.0)


def test_gaps_are_measured_from_whoever_leads_now() -> None:
    fast = 400.0 + 12.0 * np.arange(300)
    gaps = gaps_of(ride_of([steady(0.0), fast]))
    assert gaps[20, 0] == 0.0
    assert gaps[20, 1] == pytest.approx(6.0)
    assert gaps[200, 1] == 0.0
    # 300 m behind one who does 12 m/s
    assert gaps[200, 0] == pytest.approx(25.0)


def test_a_group_is_left_after_15_seconds_over_3_seconds_and_30_metres() -> None:
    def groups_while_away(seconds: int) -> NDArray[np.int32]:
        gap = np.full(120, 5.0)
        gap[40 : 40 + seconds] = 45.0
        return groups_of(ride_of([steady(0.0, 120), behind_by(gap)]))

    short, long = groups_while_away(14), groups_while_away(40)
    assert (short == short[0, 0]).all()
    assert (long[:40] == long[0, 0]).all()
    assert len(np.unique(long[60])) == 2
    assert (long[-1] == long[-1, 0]).all()


def test_whoever_is_3_seconds_behind_neither_joins_nor_leaves() -> None:
    apart = np.concatenate([np.full(60, 60.0), np.full(60, 25.0)])
    joined = np.concatenate([np.full(60, 5.0), np.full(60, 28.0)])
    assert len(np.unique(groups_of(ride_of([steady(0.0, 120), behind_by(apart)]))[-1])) == 2
    assert len(np.unique(groups_of(ride_of([steady(0.0, 120), behind_by(joined)]))[-1])) == 1


def test_the_larger_part_keeps_the_number() -> None:
    gap = np.where(np.arange(150) < 50, 5.0, 80.0)
    tracks = [steady(0.0, 150), steady(3.0, 150)] + [behind_by(gap + k) for k in range(5)]
    groups = groups_of(ride_of(tracks))
    assert (groups[:50] == groups[0, 0]).all()
    assert (groups[-1, 2:] == groups[0, 0]).all()
    assert (groups[-1, :2] == groups[-1, 0]).all()
    assert groups[-1, 0] != groups[0, 0]


def test_riders_who_take_turns_at_the_head_of_a_dropped_part_are_still_dropped() -> None:
    turns = 3.0 * (np.arange(100) // 4 % 2)
    tracks = [steady(0.0, 100), behind_by(60.0 + turns), behind_by(63.0 - turns)]
    close = [track.copy() for track in tracks]
    for track in close[1:]:
        track[:20] = steady(4.0, 100)[:20]
    groups = groups_of(ride_of(close))
    assert (groups[:30] == groups[0, 0]).all()
    assert (groups[40:, 1] == groups[40:, 2]).all()
    assert (groups[40:, 0] != groups[40:, 1]).all()


def test_a_rider_who_stands_leaves_his_group_and_joins_none_that_passes() -> None:
    stops = np.minimum(steady(2.0, 200), 900.0)
    status = np.full((200, 4), Status.RACING, np.int8)
    status[41:, 1] = Status.STOPPED
    second = [steady(600.0, 200), steady(603.0, 200)]
    groups = groups_of(ride_of([steady(0.0, 200), stops, *second], status))
    assert groups[45, 1] == groups[45, 0]
    assert groups[70, 1] != groups[70, 0]
    alone = groups[70:, 1]
    assert (alone == alone[0]).all()
    assert (groups[70:, 2] != alone[0]).all()
    assert (groups[:, 2] == groups[:, 3]).all()


def test_a_group_that_passes_one_who_stands_is_not_cut_by_him() -> None:
    still = np.full(120, 1_000.0)
    status = np.full((120, 21), Status.RACING, np.int8)
    status[:, 0] = Status.STOPPED
    groups = groups_of(ride_of([still] + [steady(2.0 * k, 120) for k in range(20)], status))
    assert (groups[:, 1:] == groups[0, 1]).all()


def test_who_is_not_on_the_road_has_neither_group_nor_gap() -> None:
    status = np.full((100, 3), Status.RACING, np.int8)
    status[50:, 1], status[50:, 2] = Status.IN_CAR, Status.ABANDONED
    ride = ride_of([steady(0.0, 100), steady(5.0, 100), steady(9.0, 100)], status)
    groups, gaps = groups_of(ride), gaps_of(ride)
    assert (groups[50:, 1:] == -1).all()
    assert np.isnan(gaps[50:, 1:]).all()
    assert np.isnan(group_gaps_of(groups, gaps)[50:, 1:]).all()


def test_a_group_is_as_far_behind_as_its_first_rider() -> None:
    ride = ride_of([steady(0.0), steady(300.0), steady(310.0), steady(800.0)])
    front = group_gaps_of(groups_of(ride), gaps_of(ride))
    assert front[250] == pytest.approx([0.0, 30.0, 30.0, 80.0])


def test_a_split_and_a_catch_are_told_with_who_and_when() -> None:
    gap = np.full(300, 6.0)
    gap[50:200] = 90.0
    ride = ride_of(
        [steady(float(k), 300) for k in range(4)] + [behind_by(gap + k) for k in range(3)]
    )
    split, catch = moments_of(ride, groups_of(ride))
    assert (split.kind, split.bibs, catch.kind) == ("split", (5, 6, 7), "catch")
    assert 60 <= split.from_s <= 70
    assert 200 <= catch.from_s <= 202


def test_the_line_is_crossed_between_two_seconds_and_gaps_stay_as_they_were_there() -> None:
    ride = ride_of([steady(0.0, 1_000), steady(23.0, 1_000)])
    finish_s = finishes_of(ride)
    assert finish_s == pytest.approx([950.0, 952.3])
    assert gaps_of(ride)[-1] == pytest.approx([0.0, 2.3])


def test_standings_are_gap_before_and_time_lost_less_bonuses() -> None:
    field = field_of(straight_stage(10_000.0), 0, riders=4)
    tracks = [steady(20.0 * k, 1_000) for k in range(4)]
    tracks[3][400:] = tracks[3][400]
    ride = ride_of(tracks)
    points = (Checkpoint(3.0, "bonus", ""), Checkpoint(4.0, "sprint", ""))
    standings = standings_of(ride, field, points)
    assert standings.bonus_s.tolist() == [18.0, 11.0, 6.0, 0.0]
    total_s = field.gc_gap_s[:3] + np.array([0.0, 2.0, 4.0]) - np.array([18.0, 11.0, 6.0])
    assert standings.virtual_gap_s[:3] == pytest.approx(total_s - total_s.min())
    assert np.isnan(standings.virtual_gap_s[3])


def test_against_the_clock_a_gap_is_to_the_best_so_far() -> None:
    late = np.maximum(0.0, 12.0 * (np.arange(1_300) - 60.0))
    first = np.maximum(0.0, 10.0 * np.arange(1_300.0))
    status = np.where(np.stack([first, late], 1) >= LENGTH_M, Status.FINISHED, Status.RACING)
    status[:60, 1] = Status.NOT_STARTED
    ride = ride_of([first, late], status.astype(np.int8), departs_s=[0.0, 60.0])
    gaps = gaps_of(ride)
    assert (gaps[:350, 0] == 0.0).all()
    # at 6 km he is 600 s on his way, where the other was 500 s on his
    assert gaps[600, 0] == pytest.approx(100.0, abs=0.1)
    assert np.nanmax(gaps[:, 1]) == pytest.approx(0.0, abs=1e-6)
    # 10 km at 10 and at 12 m/s
    assert gaps[-1, 0] == pytest.approx(1_000.0 - 10_000.0 / 12.0, abs=0.1)
    cut = gaps_of(ride_of([first[:700], late[:700]], ride.status[:700], departs_s=[0.0, 60.0]))
    assert np.array_equal(cut, gaps[:700], equal_nan=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_groups_conserve_their_riders_whatever_they_do(seed: int) -> None:
    draw = np.random.default_rng(seed)
    steps = draw.choice([0.0, 8.0, 10.0, 14.0], (120, 8), p=[0.05, 0.25, 0.5, 0.2])
    tracks = [500.0 + 4.0 * k + np.cumsum(steps[:, k]) for k in range(8)]
    status = np.where(steps == 0.0, Status.STOPPED, Status.RACING).astype(np.int8)
    status[90:, 7] = Status.ABANDONED
    ride = ride_of(tracks, status)
    groups, gaps = groups_of(ride), gaps_of(ride)
    assert (groups[:90] >= 0).all()
    assert (groups[90:, 7] == -1).all()
    assert (gaps[:, :7] >= 0.0).all()
    assert (np.nanmin(gaps, axis=1) == 0.0).all()
