"""Turns: a stretch of fixes cut so that each rider comes at most once in each."""

import numpy as np

from truck.race.passes import Ints


def turns_of(rows: Ints) -> list[Ints]:
    """Positions in `rows`, turn by turn, each in order."""
    order = np.argsort(rows, kind="stable")
    grouped = rows[order]
    begins = np.flatnonzero(np.append(True, grouped[1:] != grouped[:-1]))
    rank = np.arange(len(rows)) - np.repeat(begins, np.diff(np.append(begins, len(rows))))
    return [np.sort(order[rank == turn]) for turn in range(int(rank.max(initial=-1)) + 1)]
