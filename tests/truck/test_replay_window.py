"""What the window is told at once it knows as well as what it learnt packet by packet."""

import random

import numpy as np

from hardware.bundle import digest_of
from truck.replay_window import GROWTH_MAX, ReplayWindow, Seen, digests_of


def test_loading_columns_is_committing_each_whatever_was_known_before() -> None:
    draw = random.Random(5)
    known: dict[tuple[int, int, int], int] = {}
    learnt, loaded = ReplayWindow(), ReplayWindow()
    for _ in range(3):
        rows = [
            (
                draw.choice([1, 2, 2**63 + 5]), draw.choice([0, 1, 2**31]),
                draw.choice([draw.randrange(700), 2**32 - 1 - draw.randrange(300)]),
            )
            for _ in range(400)
        ]  # fmt: skip
        fresh = {row: draw.randrange(1, 2**64) for row in rows if row not in known}
        known |= fresh
        for row, digest in fresh.items():
            learnt.commit(*row, digest)
        columns = zip(*fresh, strict=True)
        kinds = (np.uint64, np.int64, np.int64)
        sender, boot, seq = (np.array(c, kind) for c, kind in zip(columns, kinds, strict=True))
        loaded.load(sender, boot, seq, np.array(list(fresh.values()), np.uint64))
    for row, digest in known.items():
        for window in (learnt, loaded):
            assert window.look(*row, digest) is Seen.SAME
            assert window.look(*row, digest ^ 1) is Seen.OTHER
    for sender in (1, 2, 3):
        for seq in range(800):
            row = (sender, 1, seq)
            if row not in known:
                assert learnt.look(*row, 7) is loaded.look(*row, 7) is Seen.NEW


def test_further_bytes_under_a_number_are_known_too_learnt_or_loaded() -> None:
    learnt, loaded = ReplayWindow(), ReplayWindow()
    rows = [(5, 1, 300, 10), (5, 1, 300, 11), (5, 1, 301, 12), (5, 1, 300, 13), (6, 1, 300, 11)]
    for row in rows:
        learnt.commit(*row)
    sender, boot, seq, digest = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    loaded.load(sender, boot, seq, digest.astype(np.uint64))
    for window in (learnt, loaded):
        assert all(window.look(*row) is Seen.SAME for row in rows)
        assert window.look(5, 1, 300, 14) is window.look(6, 1, 300, 10) is Seen.OTHER


def test_scattered_numbers_are_admitted_so_many_a_minute_and_rows_of_them_without_end() -> None:
    window = ReplayWindow()
    window.turn(0)
    admitted = [k for k in range(2 * GROWTH_MAX) if window.admits(1, 1, 1000 * k)]
    assert admitted == list(range(GROWTH_MAX))
    assert window.admits(1, 1, 1), "the same chunk again"
    assert window.admits(2, 1, 5), "another sender"
    assert not window.admits(1, 1, 0, other=7), "further bytes count too"
    window.commit(1, 1, 10**6, 9)
    assert window.admits(1, 1, 10**6 + 1), "what is there does not grow"
    window.turn(60_000_000)
    assert window.admits(1, 1, 0, other=7)
    assert all(window.admits(3, 1, seq) for seq in range(200 * GROWTH_MAX))


def test_loading_nothing_changes_nothing() -> None:
    window = ReplayWindow()
    none = np.zeros(0, np.int64)
    window.load(none, none, none, none.astype(np.uint64))
    assert window.look(0, 0, 0, 0) is Seen.NEW


def test_digests_of_many_are_those_of_each() -> None:
    packets = [bytes([k]) * k for k in range(50)]
    assert digests_of(packets).tolist() == [digest_of(raw) for raw in packets]
    assert digests_of([]).tolist() == []
