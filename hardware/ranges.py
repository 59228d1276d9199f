"""Ranges of packets' numbers, by device and boot, as columns; pure.

Every question (what is in one and not in another, where do they overlap) is one sweep over the
ends of all ranges at once, so a stage of 3.6 million packets costs a sort.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_SEQ_BITS = 33


class Ranges(NamedTuple):
    """Numbers [lo, hi) of a device's boot; columns of one length."""

    device: Ints
    boot: Ints
    lo: Ints
    hi: Ints

    @property
    def total(self) -> int:
        """How many numbers they hold, where none overlap."""
        return int((self.hi - self.lo).sum())

    def take(self, which: Ints | Bools) -> "Ranges":
        """Some of them."""
        return Ranges._make(column[which] for column in self)


def ranges(
    device: npt.ArrayLike, boot: npt.ArrayLike, lo: npt.ArrayLike, hi: npt.ArrayLike
) -> Ranges:
    """Columns of any integers as ranges."""
    return Ranges._make(np.asarray(c, np.int64).reshape(-1) for c in (device, boot, lo, hi))


def none() -> Ranges:
    """No range at all."""
    return ranges([], [], [], [])


def runs(device: npt.ArrayLike, boot: npt.ArrayLike, seq: npt.ArrayLike) -> Ranges:
    """The ranges of single numbers, in any order and as often as they come."""
    order = np.lexsort([np.asarray(column) for column in (seq, boot, device)])
    of = ranges(device, boot, seq, seq).take(order)
    ends = (np.diff(of.device) != 0) | (np.diff(of.boot) != 0) | (np.diff(of.lo) > 1)
    some = np.full(min(1, len(order)), fill_value=True)
    first, last = np.concatenate([some, ends]), np.concatenate([ends, some])
    return Ranges(of.device[first], of.boot[first], of.lo[first], of.lo[last] + 1)


def sweep(*sets: Ranges) -> tuple[Ranges, Bools]:
    """Where any of some sets of ranges is, cut wherever one of them begins or ends.

    Returns:
        Ranges in order of device, boot and number, none empty and none to be joined with the
        next, and which of the sets hold each, shape [sets, ranges].
    """
    every = Ranges._make(np.concatenate(columns) for columns in zip(*sets, strict=True))
    device, boot = np.tile(every.device, 2), np.tile(every.boot, 2)
    at = np.concatenate([every.lo, every.hi])
    of = np.repeat(np.arange(len(sets)), [len(one.lo) for one in sets])
    step = np.zeros((len(sets), len(at)), np.int32)
    step[np.tile(of, 2), np.arange(len(at))] = np.repeat([1, -1], len(of))
    order = np.lexsort((at, boot, device))
    device, boot, at = device[order], boot[order], at[order]
    held = np.cumsum(step[:, order], axis=1)[:, :-1] > 0
    one_boot = (device[1:] == device[:-1]) & (boot[1:] == boot[:-1])
    kept = one_boot & (at[1:] > at[:-1]) & held.any(axis=0)
    cut = Ranges(device[:-1][kept], boot[:-1][kept], at[:-1][kept], at[1:][kept])
    return _joined(cut, held[:, kept])


def _joined(cut: Ranges, held: Bools) -> tuple[Ranges, Bools]:
    """Neighbours that the same sets hold, as one range."""
    if not len(cut.lo):
        return cut, held
    goes_on = (
        (cut.device[1:] == cut.device[:-1])
        & (cut.boot[1:] == cut.boot[:-1])
        & (cut.lo[1:] == cut.hi[:-1])
        & (held[:, 1:] == held[:, :-1]).all(axis=0)
    )
    first = np.concatenate([[True], ~goes_on])
    last = np.concatenate([~goes_on, [True]])
    whole = Ranges(cut.device[first], cut.boot[first], cut.lo[first], cut.hi[last])
    return whole, held[:, first]


def minus(one: Ranges, *others: Ranges) -> Ranges:
    """What is in `one` and in none of the others."""
    found, held = sweep(one, *others)
    return found.take(held[0] & ~held[1:].any(axis=0))


def overlap(one: Ranges, other: Ranges) -> Ranges:
    """What is in both."""
    found, held = sweep(one, other)
    return found.take(held[0] & held[1])


def neighbours(holes: Ranges, among: Ranges) -> tuple[Ints, Ints]:
    """For each hole the range just before it and the one just after, in its boot; -1 for none.

    Args:
        holes: overlap none of the ranges.
        among: in order of device, boot and number, none overlapping.
    """
    _, boots = np.unique(
        np.concatenate([(r.device << 16) | r.boot for r in (among, holes)]), return_inverse=True
    )
    known, asked = boots[: len(among.lo)], boots[len(among.lo) :]
    place = np.searchsorted(
        (known << _SEQ_BITS) | among.lo, (asked << _SEQ_BITS) | holes.lo, side="left"
    )
    before, after = place - 1, place.copy()
    before[(before < 0) | (np.append(known, -1)[before] != asked)] = -1
    after[np.append(known, -1)[np.minimum(after, len(known))] != asked] = -1
    return before, after
