"""What the window is told at once it knows as well as what it learnt packet by packet."""

import random

import numpy as np

from truck.replay_window import ReplayWindow, Seen, digest_of, digests_of


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


def test_loading_nothing_changes_nothing() -> None:
    window = ReplayWindow()
    none = np.zeros(0, np.int64)
    window.load(none, none, none, none.astype(np.uint64))
    assert window.look(0, 0, 0, 0) is Seen.NEW


def test_digests_of_many_are_those_of_each() -> None:
    packets = [bytes([k]) * k for k in range(50)]
    assert digests_of(packets).tolist() == [digest_of(raw) for raw in packets]
    assert digests_of([]).tolist() == []
