"""The order of sending, as pure logic."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.lanes import (
    BACKFILL_BYTES,
    FRESH_S,
    LIVE_BYTES,
    RETRY_MAX_S,
    RETRY_S,
    UNCOMMITTED_BYTES,
    Key,
    Lanes,
)


def sends(lanes, now_s):
    found = []
    while send := lanes.next(now_s):
        found.append(send)
    return found


def backlog(count, size=4096):
    lanes = Lanes()
    for number in range(count):
        lanes.add_backfill(Key(1, number), size)
    return lanes


def test_fresh_goes_before_back_fill_and_back_fill_newest_first():
    lanes = backlog(3)
    lanes.add_fresh(Key(2, 0), 100, 0.0)
    lanes.add_fresh(Key(2, 1), 100, 0.0)
    order = [(send.live, send.key) for send in sends(lanes, 0.1)]
    assert order == [
        (True, Key(2, 0)),
        (True, Key(2, 1)),
        (False, Key(1, 2)),
        (False, Key(1, 1)),
        (False, Key(1, 0)),
    ]


def test_back_fill_in_flight_is_bounded_and_a_puback_frees_the_window_only():
    lanes = backlog(10)
    assert len(sends(lanes, 0.0)) == 4
    assert lanes.in_flight_bytes == BACKFILL_BYTES
    lanes.taken(Key(1, 9))
    assert lanes.in_flight_bytes == BACKFILL_BYTES - 4096
    assert [send.key for send in sends(lanes, 0.0)] == [Key(1, 5)]
    assert len(lanes) == 10


def test_a_bundle_larger_than_the_window_goes_alone():
    lanes = backlog(2, size=BACKFILL_BYTES * 3)
    assert len(sends(lanes, 0.0)) == 1
    lanes.taken(Key(1, 1))
    assert len(sends(lanes, 0.0)) == 1


def test_without_a_commit_a_bundle_comes_again_and_waits_longer_each_time():
    lanes = Lanes()
    lanes.add_fresh(Key(1, 0), 100, 0.0)
    first = lanes.next(0.0)
    assert first.live
    assert not first.again
    lanes.taken(Key(1, 0))
    assert lanes.next(RETRY_S - 0.01) is None
    second = lanes.next(RETRY_S)
    assert not second.live
    assert second.again
    assert lanes.next(2 * RETRY_S) is None
    assert lanes.next(3 * RETRY_S).again


def test_a_silent_truck_is_not_sent_the_whole_spool():
    lanes = backlog(200)
    sent = 0
    while send := lanes.next(0.0):
        lanes.taken(send.key)
        sent += 1
    assert sent == UNCOMMITTED_BYTES // 4096
    lanes.forget(Key(1, 199))
    assert len(sends(lanes, 0.0)) == 1


def test_one_bundle_the_truck_never_takes_blocks_nobody():
    lanes = backlog(200)
    poison = {Key(1, number) for number in range(136, 200)}  # as many as fill the commit window
    committed, now_s = set(), 0.0
    while len(committed) < 136:
        assert now_s < 600
        for send in sends(lanes, now_s):
            lanes.taken(send.key)
            if send.key not in poison:
                lanes.forget(send.key)
                committed.add(send.key)
        now_s += 1.0
    assert committed.isdisjoint(poison)


def test_what_could_not_go_in_time_is_no_longer_live():
    lanes = Lanes()
    lanes.add_fresh(Key(1, 0), 100, 0.0)
    lanes.add_fresh(Key(1, 1), 100, FRESH_S)
    assert [send.live for send in sends(lanes, FRESH_S)] == [True, False]


def test_a_link_too_slow_for_live_holds_live_back_rather_than_queueing_it_in_memory():
    lanes = Lanes()
    for number in range(200):
        lanes.add_fresh(Key(1, number), 4096, 0.0)
    assert len(sends(lanes, 0.0)) == LIVE_BYTES // 4096
    assert lanes.oldest_fresh() == Key(1, 64)


def test_a_lost_link_makes_everything_on_its_way_go_again():
    lanes = backlog(3)
    lanes.add_fresh(Key(2, 0), 100, 0.0)
    assert len(sends(lanes, 0.0)) == 4
    lanes.disconnect()
    assert lanes.in_flight_bytes == 0
    again = sends(lanes, 0.1)
    assert [send.key for send in again] == [Key(2, 0), Key(1, 2), Key(1, 1), Key(1, 0)]
    assert all(send.again and not send.live for send in again)


def test_what_is_forgotten_is_never_sent():
    lanes = backlog(3)
    assert lanes.forget(Key(1, 1))
    assert not lanes.forget(Key(1, 1))
    assert Key(1, 1) not in {send.key for send in sends(lanes, 0.0)}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fresh"), st.integers(1, 40_000)),
        st.tuples(st.sampled_from(["taken", "forget"]), st.integers(0, 30)),
        st.tuples(st.just("pass"), st.floats(0.0, 10.0)),
        st.tuples(st.just("disconnect"), st.none()),
        st.tuples(st.just("send"), st.integers(1, 5)),
    ),
    max_size=80,
)


@settings(max_examples=100, deadline=None)
@given(old=st.lists(st.integers(1, 40_000), max_size=10), steps=STEPS)
def test_whatever_happens_the_bounds_hold_and_every_bundle_gets_its_turn(old, steps):
    lanes, now_s, numbers = Lanes(), 0.0, itertools.count()
    sizes = {Key(1, number): size for number, size in enumerate(old)}
    for key, size in sizes.items():
        lanes.add_backfill(key, size)
    flying: dict[Key, tuple[float, bool]] = {}  # sent, by when it may come again
    window: set[Key] = set()

    def send_one():
        send = lanes.next(now_s)
        if send is None:
            return None
        assert send.key in sizes
        assert send.key not in flying or flying[send.key][0] <= now_s
        flying[send.key] = (now_s + RETRY_S, send.live)
        window.discard(send.key)
        if not send.live:
            window.add(send.key)
            assert lanes.in_flight_bytes <= max(BACKFILL_BYTES, sizes[send.key])
        return send.key

    for step, value in steps:
        if step == "fresh":
            key = Key(2, next(numbers))
            sizes[key] = value
            lanes.add_fresh(key, value, now_s)
        elif step == "taken" and flying:
            lanes.taken(sorted(flying)[value % len(flying)])
        elif step == "forget" and sizes:
            key = sorted(sizes)[value % len(sizes)]
            lanes.forget(key)
            flying.pop(key, None)
            sizes.pop(key)
        elif step == "pass":
            now_s += value
        elif step == "disconnect":
            lanes.disconnect()
            assert lanes.in_flight_bytes == 0
            flying.clear()
        elif step == "send":
            for _ in range(value):
                send_one()
        assert lanes.in_flight_bytes >= 0
        assert len(lanes) == len(sizes)

    flying.clear()
    lanes.disconnect()
    turned = set()
    for _ in range(200):
        while key := send_one():
            lanes.taken(key)
            lanes.forget(key)
            sizes.pop(key)
            flying.pop(key)
            turned.add(key)
        now_s += RETRY_MAX_S
    assert not sizes
    assert len(lanes) == 0
