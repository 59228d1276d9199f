"""The measures themselves, on tables small enough to be judged by hand."""

import math

import effort
import gaps
import groups
import incidents
import judge
import naive
import numpy as np
import progress
import pytest
import real
import wind
from aims import SEEDS, Aim, rows_of
from figure import Mean, Quantile, Share, interval, pooled
from scene import Alarm, Event

NAN = float("nan")


# --- pooling and intervals


def test_stages_weigh_the_same_in_a_mean_and_by_their_size_in_a_share() -> None:
    assert pooled([Mean(1.0), Mean(3.0), Mean(NAN)]) == 2.0
    assert pooled([Share(9, 9), Share(0, 1)]) == pytest.approx(0.9)
    assert pooled([Quantile((1.0, 2.0), 0.5), Quantile((30.0,), 0.5)]) == 2.0
    for empty in ([], [Mean(NAN)], [Share(0, 0)], [Quantile((), 0.5)]):
        assert math.isnan(pooled(empty))


def test_the_interval_is_that_of_resampled_stages_and_the_same_each_time() -> None:
    stages = [Mean(float(k)) for k in range(8)]
    low, high = interval(stages)
    assert (low, high) == interval(stages)
    # eight stages of sd 2.29: the mean has a standard error of 0.81
    assert low == pytest.approx(3.5 - 1.96 * 0.81, abs=0.15)
    assert high == pytest.approx(3.5 + 1.96 * 0.81, abs=0.15)
    # one stage of very many frames is still one stage
    assert all(math.isnan(end) for end in interval([Share(9e6, 1e7)]))


# --- aims


def test_an_aim_is_met_within_its_bounds_and_not_judged_without_a_value() -> None:
    assert Aim("a", "m", "", most=3.0).is_met(3.0) is True
    assert Aim("a", "m", "", most=3.0).is_met(3.01) is False
    assert Aim("a", "", "", least=0.85, most=0.95).is_met(0.99) is False
    assert Aim("a", "", "", least=0.85).is_met(NAN) is None
    assert Aim("a", "", "").is_met(1.0) is None


def test_a_figure_that_no_stage_has_is_a_row_that_says_so() -> None:
    aim = Aim("a", "m", "other", most=3.0)
    (row,) = rows_of([aim], [{"a": (Mean(1.0), Mean(9.0))}, {"a": (Mean(2.0), Mean(7.0))}], "")
    assert (row["value"], row["baseline"], row["met"], row["note"]) == (1.5, 8.0, True, "")
    (row,) = rows_of([aim], [{}], "states.gap_s")
    assert (row["value"], row["met"], row["note"]) == (None, None, "missing: states.gap_s")


def test_every_aim_has_a_name_of_its_own() -> None:
    assert len({aim.name for aim in SEEDS}) == len(SEEDS)


# --- progress


def test_a_wrong_lap_is_five_seconds_over_250_m_off_and_counts_once() -> None:
    off_m = np.zeros((30, 3))
    off_m[5:9, 0] = 300.0  # four seconds
    off_m[5:15, 1] = 300.0  # one spell
    off_m[5:15, 2] = off_m[20:25, 2] = 251.0  # two
    assert progress.wrong_episodes(off_m, np.ones(off_m.shape, bool)).tolist() == [0, 1, 2]
    assert progress.wrong_episodes(off_m, np.zeros(off_m.shape, bool)).tolist() == [0, 0, 0]


def test_a_step_back_is_against_what_was_last_published_however_long_ago() -> None:
    published = np.array([
        [100.0, 100.0, NAN],
        [80.0, NAN, 50.0],  # 20 m back is not over 20 m
        [59.0, NAN, 60.0],  # 21 m
        [90.0, 70.0, NAN],  # 30 m, through a hole
        [60.0, 71.0, 61.0],  # 30 m
    ])  # fmt: skip
    assert progress.steps_back(published).tolist() == [2, 1, 0]


def test_a_retreat_is_seen_though_it_is_taken_in_small_steps() -> None:
    back_m = np.concatenate([np.arange(0.0, 100.0, 10.0), np.arange(82.0, 0.0, -8.0)])
    published = np.column_stack([back_m, np.full(len(back_m), 5.0)])
    assert progress.steps_back(published).tolist() == [0, 0]
    assert progress.retreats(published).tolist() == [1, 0]
    assert progress.retreats(back_m[::-1][:, None])[0] == 1
    assert progress.retreats(np.array([[30.0], [NAN], [5.0]])).tolist() == [1]


# --- groups


def test_agreement_is_the_adjusted_rand_index_and_the_f1_of_pairs() -> None:
    same = np.array([1.0, 1.0, 2.0, 2.0])
    assert groups.compare(same, np.array([7.0, 7.0, 3.0, 3.0])) == (1.0, 1.0)
    # Hubert and Arabie: pairs 1 together, 2 in truth, 3 in ours, 6 in all; by chance 2 * 3 / 6
    ari, f1 = groups.compare(same, np.array([1.0, 1.0, 1.0, 2.0]))
    assert ari == pytest.approx((1 - 1) / (2.5 - 1))
    assert f1 == pytest.approx(2 * 1 / (2 + 3))
    assert groups.compare(np.arange(3.0), np.arange(3.0)) == (1.0, 1.0)


def test_agreement_is_over_the_riders_both_have() -> None:
    truth = np.array([[1.0, 1.0, 2.0, NAN], [NAN, NAN, NAN, 1.0]])
    ours = np.array([[5.0, 5.0, NAN, 5.0], [1.0, 1.0, 1.0, 1.0]])
    assert [figure.value for figure in groups.agreement(truth, ours)] == [1.0, 1.0]


def test_an_id_switch_needs_both_ids_to_last_a_minute() -> None:
    truth = np.ones((40, 3))
    ours = np.full((40, 3), 5.0)
    ours[10:14] = 6.0  # 40 s: a flicker
    assert groups.id_switches(truth, ours) == 0
    ours[20:] = 8.0
    assert groups.id_switches(truth, ours) == 1
    # one of three riders is not most of them
    ours[30:, 0] = 9.0
    assert groups.id_switches(truth, ours) == 1
    # a group that ends while another begins has not switched
    truth[20:] = 2.0
    assert groups.id_switches(truth, ours) == 0


def test_the_baseline_of_groups_cuts_where_three_seconds_are_between() -> None:
    distance_m = np.array([[100.0, 71.0, 40.0, NAN]])
    ids = naive.groups(distance_m, np.full((1, 4), 10.0), np.isfinite(distance_m))
    assert ids[0, :3].tolist() == [1.0, 1.0, 2.0]
    assert math.isnan(ids[0, 3])


# --- gaps


def test_the_error_of_gaps_leaves_out_who_has_none() -> None:
    ours, truth = np.array([[0.0, 11.0, NAN]]), np.array([[0.0, 10.0, 20.0]])
    mean, p95 = gaps.errors(ours, truth, np.ones((1, 3), bool))
    assert mean.value == 0.5
    assert p95.value == pytest.approx(0.95)


# --- incidents


def crash(*bibs: int, at: float, distance_m: float = 1000.0) -> Event:
    return Event("crash", frozenset(bibs), at, at + 60.0, distance_m)


def alarm(number: int, *bibs: int, at: float, distance_m: float = 5000.0, p: float = 0.9) -> Alarm:
    return Alarm(number, "crash", frozenset(bibs), at, p, distance_m)


def judged(alarms: list[Alarm], crashes: list[Event]) -> dict[str, float]:
    found = incidents.judge(alarms, crashes)
    return {name.removeprefix("incidents, "): pooled([f]) for name, f in found.items()}


def test_an_alarm_finds_a_crash_by_a_bib_from_5_s_before_to_120_s_after() -> None:
    crashes = [crash(1, 2, 3, at=100.0), crash(9, at=500.0, distance_m=9000.0)]
    found = judged([alarm(1, 3, at=108.0), alarm(2, 9, at=620.0)], crashes)
    assert found["recall of crashes of 3 or more"] == 1.0
    assert found["recall of crashes of 1 or 2"] == 1.0
    assert found["precision"] == 1.0
    assert found["false alarms"] == 0.0
    assert found["first warning p50"] == pytest.approx((8.0 + 120.0) / 2)
    found = judged([alarm(1, 3, at=94.0), alarm(2, 9, at=621.0)], crashes)
    assert found["recall of crashes of 3 or more"] == 0.0
    assert found["false alarms"] == 2.0
    assert found["precision"] == 0.0


def test_several_alarms_of_one_crash_count_once_and_riders_held_up_find_nothing() -> None:
    crashes = [crash(1, 2, 3, at=100.0)]
    held_up = alarm(2, 50, at=110.0, distance_m=900.0)
    found = judged([alarm(1, 1, at=105.0), alarm(3, 2, at=110.0), held_up], crashes)
    assert (found["precision"], found["false alarms"]) == (1.0, 0.0)
    assert judged([held_up], crashes)["recall of crashes of 3 or more"] == 0.0
    assert judged([held_up], crashes)["false alarms"] == 0.0
    assert judged([alarm(4, 50, at=110.0, distance_m=5000.0)], crashes)["false alarms"] == 1.0


def test_only_what_was_said_to_be_a_crash_rather_than_not_is_an_alarm() -> None:
    said = [
        alarm(1, 7, at=10.0, p=0.3),
        Alarm(1, "mechanical", frozenset({7}), 12.0, 0.9, 0.0),
        alarm(1, 7, 8, at=20.0, p=0.6),
        Alarm(1, "comfort_stop", frozenset({7}), 60.0, 0.9, 0.0),
        alarm(2, 9, at=15.0, p=0.49),
    ]
    (counted,) = incidents.crash_alarms(said)
    assert (counted.raised_s, counted.bibs) == (20.0, {7, 8})


def test_a_crash_is_found_when_a_later_saying_names_a_rider_who_crashed() -> None:
    crashes = [crash(1, 2, 3, at=100.0)]
    found = judged([alarm(1, 50, at=104.0), alarm(1, 50, 2, at=109.0)], crashes)
    assert found["recall of crashes of 3 or more"] == 1.0
    assert found["first warning p50"] == 9.0
    assert (found["precision"], found["false alarms"]) == (1.0, 0.0)
    found = judged([alarm(1, 50, at=104.0), alarm(1, 50, 2, at=300.0)], crashes)
    assert (found["recall of crashes of 3 or more"], found["false alarms"]) == (0.0, 1.0)


# --- effort, echelons


def test_a_window_is_five_whole_minutes_and_begins_every_minute() -> None:
    values = np.concatenate([np.full((300, 1), 200.0), np.full((300, 1), 300.0), np.ones((50, 1))])
    values[600] = NAN
    means = effort.windows(values, whole=1.0)
    assert means[:, 0].tolist() == pytest.approx([200.0, 220.0, 240.0, 260.0, 280.0, 300.0])
    values[299] = NAN
    found = effort.windows(values, whole=1.0)[:, 0]
    assert np.isnan(found).tolist() == [True] * 5 + [False]
    values[:200] = NAN
    found = effort.windows(values)[:, 0]
    assert np.isnan(found).tolist() == [True] + [False] * 5
    assert found[1] == pytest.approx((99 * 200 + 60 * 300) / 159)


def test_the_f1_of_echelons_counts_those_found_and_the_alerts_that_were_right() -> None:
    echelons = [
        Event("echelon", frozenset({1, 2}), 1000.0, 1300.0, 0.0),
        Event("echelon", frozenset({3}), 5000.0, 5300.0, 0.0),
    ]
    right = (900.0, 950.0, frozenset({2, 9}))
    assert pooled([wind.f1([right], echelons)]) == pytest.approx(2 / 3)
    assert pooled([wind.f1([(800.0, 850.0, frozenset({2}))], echelons)]) == 0.0
    assert pooled([wind.f1([(1000.0, 1001.0, frozenset({8}))], echelons)]) == 0.0
    assert math.isnan(pooled([wind.f1([], [])]))


def test_an_alert_that_passes_to_another_number_of_the_same_riders_is_one() -> None:
    first, then = (0.0, 100.0, frozenset({1, 2, 3})), (150.0, 300.0, frozenset({3}))
    others, later = (120.0, 200.0, frozenset({8})), (400.0, 500.0, frozenset({3}))
    whole = (0.0, 300.0, frozenset({1, 2, 3}))
    assert sorted(wind.united([then, first, later, others])) == [whole, others, later]


# --- real rides


def test_the_judge_knows_both_legs_of_an_out_and_back_and_where_he_is_not_sure() -> None:
    out = np.column_stack([np.arange(0.0, 5000.0, 10.0), np.zeros(500)])
    road = np.concatenate([out, out[::-1]])
    x = np.concatenate([np.arange(0.0, 4990.0, 45.0), np.arange(4990.0, 0.0, -45.0)])
    wander = 3.0 * np.sin(np.arange(len(x)) / 5.0)
    place_m, sure = judge.places(road, x, wander)
    outward = len(np.arange(0.0, 4990.0, 45.0))
    assert np.abs(place_m[:outward] - x[:outward]).max() < 40
    assert np.abs(place_m[outward:] - (9990.0 - x[outward:])).max() < 40
    assert sure.mean() > 0.95
    _, sure = judge.places(road, x, wander + 500.0)
    assert not sure.any()


def test_the_largest_step_back_and_spells_of_two() -> None:
    assert real.largest_step_back(np.array([NAN, 5.0, 9.0, NAN, 2.0, 8.0])) == 7.0
    assert real.largest_step_back(np.array([1.0, 2.0, NAN])) == 0.0
    assert real.twice_on_end(np.array([True, False, True, True, False, True, True, True])) == 2


def test_the_baseline_is_beaten_in_the_direction_of_the_aim() -> None:
    assert Aim("a", "m", "", most=3.0).beats(5.0, 6.0) is True
    assert Aim("a", "m", "", most=3.0).beats(5.0, 5.0) is False
    assert Aim("a", "m", "", most=3.0).beats(0.0, 0.0) is True
    assert Aim("a", "", "", least=0.9).beats(0.5, 0.6) is False
    assert Aim("a", "", "", least=0.85, most=0.95).beats(0.9, 0.99) is True
    assert Aim("a", "", "").beats(1.0, 2.0) is None


def test_the_word_that_comes_first_may_be_of_any_kind() -> None:
    said = [Alarm(1, "mechanical", frozenset({3}), 104.0, 0.2, 0.0), alarm(1, 3, at=130.0)]
    assert incidents.delays(said, [crash(3, at=100.0)]) == (4.0,)
    assert incidents.delays(said, [crash(4, at=100.0), crash(3, at=900.0)]) == ()
