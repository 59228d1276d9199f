"""Groups as they truly are: riders linked in time at the same point, with memory.

Riders join under 2 s; they part when over 3 s and over 30 m for 15 s (DESIGN 6). One who stands
keeps his group until it has left him by the same rule, and joins none that passes him.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.ride import Floats, Ride, Status

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

JOIN_S, PART_S, PART_M, PART_FOR_S = 2.0, 3.0, 30.0, 15
NOWHERE = -1
_SLOWEST_MPS = 5.0  # stands for a passage that was before the ride's first second


class Chain(NamedTuple):
    """Riders who move, front first, in every second; rows [seconds, riders].

    Attributes:
        order: riders, those who do not move last.
        movers: how many move [seconds].
        behind_s: each one's gap in time to the one before, at the same point; inf at the front.
        behind_m: the same in metres.
    """

    order: Ints
    movers: Ints
    behind_s: Floats
    behind_m: Floats


def chain_of(ride: Ride, distance_m: Floats) -> Chain:
    """Who is behind whom and how far; `distance_m` must never fall."""
    moving = (ride.status == Status.RACING) & np.isfinite(distance_m)
    key = np.where(moving, -distance_m, np.inf)
    order = np.argsort(key, axis=1, kind="stable")
    sorted_m = np.take_along_axis(distance_m, order, 1)
    count = moving.sum(1)
    behind_s = np.full(order.shape, np.inf)
    behind_m = np.full(order.shape, np.inf)
    behind_m[:, 1:] = sorted_m[:, :-1] - sorted_m[:, 1:]
    inside = np.arange(order.shape[1])[None, 1:] < count[:, None]
    for rider in range(order.shape[1]):
        at_s, place = np.nonzero((order[:, :-1] == rider) & inside)
        point_m = sorted_m[at_s, place + 1]
        ahead_m = behind_m[at_s, place + 1]
        speed_mps = np.maximum(ride.speed_mps[at_s, order[at_s, place + 1]], _SLOWEST_MPS)
        behind_s[at_s, place + 1] = ago_s(distance_m[:, rider], at_s, point_m, ahead_m, speed_mps)
    return Chain(order, count, behind_s, behind_m)


def ago_s(
    track_m: Floats, at_s: Ints, point_m: Floats, ahead_m: Floats, speed_mps: Floats
) -> Floats:
    """How long ago a rider with `track_m`, one place a second, was at points behind him."""
    passed_s = np.interp(point_m, track_m, np.arange(len(track_m), dtype=np.float64))
    before = point_m < track_m[0]
    return np.maximum(np.where(before, ahead_m / speed_mps, at_s - passed_s), 0.0)


def link(ride: Ride, distance_m: Floats) -> NDArray[np.int32]:
    """Group numbers [seconds, riders] that keep their identity; `NOWHERE` when not on the road."""
    chain = chain_of(ride, distance_m)
    links = _Links(distance_m.shape[1])
    standing = (ride.status == Status.STOPPED) & np.isfinite(distance_m)
    groups = np.full(distance_m.shape, NOWHERE, np.int32)
    stands = standing.any(1)
    for second in range(len(groups)):
        still = np.flatnonzero(standing[second]) if stands[second] else _NOBODY
        links.step(
            chain.order[second, : chain.movers[second]],
            chain.behind_s[second, : chain.movers[second]],
            chain.behind_m[second, : chain.movers[second]],
            still,
            distance_m[second],
        )
        groups[second] = links.group
    return groups


_NOBODY = np.zeros(0, np.int64)


class _Links:
    """Each rider's group, and for how long the first of a part has been apart from the rest."""

    def __init__(self, riders: int) -> None:
        self.group = np.full(riders, NOWHERE, np.int32)
        self._apart_s = np.zeros(riders, np.int64)
        self._next = 1

    def step(
        self, rows: Ints, behind_s: Floats, behind_m: Floats, still: Ints, at_m: Floats
    ) -> None:
        """One second: movers `rows`, front first, and riders who stand `still`."""
        before = self.group[rows]
        same = np.zeros(len(rows), np.bool_)
        same[1:] = (before[1:] == before[:-1]) & (before[1:] != NOWHERE)
        wide = (behind_s > PART_S) & (behind_m > PART_M)
        self._count_apart(rows, wide, still)
        linked = np.where(same, ~wide | (self._apart_s[rows] < PART_FOR_S), behind_s < JOIN_S)
        part = np.cumsum(~linked)
        if len(still):
            rows, part = self._with_still(rows, part, still, at_m)
            before = self.group[rows]
        elif np.array_equal(linked[1:], same[1:]) and self._settled(before, ~linked):
            if (self.group != NOWHERE).sum() != len(rows):
                self._only(rows, before)
            return
        self._only(rows, self._named(before, part))

    def _settled(self, before: NDArray[np.int32], begins: Bools) -> bool:
        """Whether every part is known by a number of its own."""
        heads = before[begins]
        return bool(NOWHERE not in heads and len(np.unique(heads)) == len(heads))

    def _only(self, rows: Ints, groups: NDArray[np.int32]) -> None:
        self.group[:] = NOWHERE
        self.group[rows] = groups

    def _count_apart(self, rows: Ints, wide: Bools, still: Ints) -> None:
        """Seconds apart belong to a part's first rider; its riders take turns in that place."""
        if len(rows):
            first = np.flatnonzero(wide)
            first = first if len(first) and first[0] == 0 else np.append(0, first)
            apart_s = np.maximum.reduceat(self._apart_s[rows], first) + 1
            self._apart_s[rows] = 0
            self._apart_s[rows[first]] = np.where(wide[first], apart_s, 0)
        gone = np.ones(len(self._apart_s), np.bool_)
        gone[rows] = False
        gone[still] = False
        self._apart_s[gone] = 0

    def _with_still(self, rows: Ints, part: Ints, still: Ints, at_m: Floats) -> tuple[Ints, Ints]:
        """Add those who stand to the parts their groups are in, or to parts of their own."""
        part_of = np.full(len(self.group), NOWHERE, np.int64)
        part_of[rows] = part
        new = int(part[-1]) + 1 if len(part) else 0
        for row in still[np.argsort(-at_m[still], kind="stable")].tolist():
            mates = (self.group == self.group[row]) & (part_of != NOWHERE)
            if self.group[row] == NOWHERE or not mates.any():
                part_of[row], new = new, new + 1
                continue
            ahead = np.flatnonzero(mates & (at_m >= at_m[row]))
            nearest = ahead[np.argmin(at_m[ahead])] if len(ahead) else np.argmax(mates)
            left = at_m[nearest] - at_m[row] > PART_M
            self._apart_s[row] = self._apart_s[row] + 1 if left else 0
            if self._apart_s[row] < PART_FOR_S:
                part_of[row] = part_of[nearest]
            else:
                part_of[row], new = new, new + 1
        everybody = np.concatenate([rows, still])
        return everybody, part_of[everybody]

    def _named(self, before: NDArray[np.int32], part: Ints) -> NDArray[np.int32]:
        """Each part keeps the number that most of its riders had, if no larger part has it."""
        known = before != NOWHERE
        pairs, count = np.unique(np.stack([part[known], before[known]]), axis=1, return_counts=True)
        name: dict[int, int] = {}
        for k in np.argsort(-count, kind="stable").tolist():
            number, old = int(pairs[0, k]), int(pairs[1, k])
            if number not in name and old not in name.values():
                name[number] = old
        for number in np.unique(part).tolist():
            if number not in name:
                name[number], self._next = self._next, self._next + 1
        return np.array([name[int(number)] for number in part], np.int32)
