"""What is true of a simulated ride: gaps, groups, moments of the race, and the standings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.stage import Checkpoint
from hardware.virtual import linkage
from hardware.virtual.ride import Event, Floats, Ride, Status
from hardware.virtual.riders import Field

_SLOWEST_MPS = 5.0
_GRID_M = 10.0
# UCI regulations, chapter 2.6 (stage races); at bonus points those of the Tour since 2019
_FINISH_BONUS_S = (10.0, 6.0, 4.0)
_POINT_BONUS_S = (8.0, 5.0, 2.0)
_MOMENT_SIZE = 3  # of the smaller side of a split or catch


@dataclass(frozen=True, eq=False)
class Standings:
    """The stage's outcome, columns in order of the ride's bibs.

    Attributes:
        finish_s: epoch seconds at the line, NaN for who did not finish.
        virtual_gap_s: behind the best of the general classification, NaN for the same.
        bonus_s: seconds taken off.
    """

    finish_s: Floats
    virtual_gap_s: Floats
    bonus_s: Floats


def distance_of(ride: Ride) -> Floats:
    """Truth's distance: never falling, and not beyond the line."""
    capped = np.minimum(ride.distance_m, ride.length_m)
    return np.asarray(np.maximum.accumulate(capped, axis=0))


def groups_of(ride: Ride) -> NDArray[np.int32]:
    """Group ids [seconds, riders], kept over time; -1 for riders who are not on the road."""
    return linkage.link(ride, distance_of(ride))


def gaps_of(ride: Ride) -> Floats:
    """Seconds behind the race's first rider at the same point [seconds, riders].

    In a time trial: behind the best time at that point so far. After the line it stays at what
    it was there. NaN for riders who have not started, gave up or sit in a car.
    """
    distance_m = distance_of(ride)
    gap_s = _clocked(ride, distance_m) if ride.time_trial else _behind(ride, distance_m)
    known = np.isin(ride.status, (Status.RACING, Status.STOPPED, Status.FINISHED))
    return np.where(known, gap_s, np.nan)


def group_gaps_of(groups: NDArray[np.int32], gap_s: Floats) -> Floats:
    """Each rider's group's front rider behind the race's first; NaN without a group."""
    inside = (groups >= 0) & np.isfinite(gap_s)
    order = np.lexsort((gap_s, groups), axis=1)
    group = np.take_along_axis(np.where(inside, groups, -1), order, 1)
    gap = np.take_along_axis(np.where(inside, gap_s, np.inf), order, 1)
    begins = np.ones(group.shape, np.bool_)
    begins[:, 1:] = group[:, 1:] != group[:, :-1]
    first = np.flatnonzero(begins)
    front = np.minimum.reduceat(gap.ravel(), first)
    size = np.diff(np.append(first, gap.size))
    result = np.empty(groups.shape)
    np.put_along_axis(result, order, np.repeat(front, size).reshape(groups.shape), 1)
    return np.where(inside, result, np.nan)


def finishes_of(ride: Ride) -> Floats:
    """Seconds after the ride's start at which each rider crossed the line, NaN if he did not."""
    finished = ride.status == Status.FINISHED
    finish_s = np.full(len(ride.bibs), np.nan)
    for rider in np.flatnonzero(finished.any(0)).tolist():
        row = int(np.argmax(finished[:, rider]))
        before, after = ride.distance_m[row - 1, rider], ride.distance_m[row, rider]
        finish_s[rider] = row - 1 + (ride.length_m - before) / max(after - before, 1e-6)
    return finish_s


def standings_of(ride: Ride, field: Field, checkpoints: Sequence[Checkpoint]) -> Standings:
    """The general classification after the stage: gap before, time behind the winner, bonuses."""
    finish_s = finishes_of(ride)
    elapsed_s = finish_s - ride.departs_s
    bonus_s = np.zeros(len(finish_s))
    if not ride.time_trial:
        _award(bonus_s, finish_s, _FINISH_BONUS_S)
        distance_m = distance_of(ride)
        for checkpoint in checkpoints:
            if checkpoint.kind == "bonus":
                _award(bonus_s, _passed_s(ride, distance_m, checkpoint.km * 1000), _POINT_BONUS_S)
    total_s = field.gc_gap_s + elapsed_s - bonus_s
    done = np.isfinite(total_s)
    best_s = total_s[done].min() if done.any() else 0.0
    return Standings(ride.start_s + finish_s, total_s - best_s, bonus_s)


def moments_of(ride: Ride, groups: NDArray[np.int32]) -> list[Event]:
    """Splits and catches of three riders or more on either side, read from the true groups."""
    found: list[Event] = []
    changed = np.flatnonzero((groups[1:] != groups[:-1]).any(1)) + 1
    for second in changed.tolist():
        before, after = groups[second - 1], groups[second]
        stayed = (before >= 0) & (after >= 0) & (before != after)
        pairs = np.unique(np.stack([before[stayed], after[stayed]]), axis=1)
        for old, new in pairs.T.tolist():
            moved = stayed & (before == old) & (after == new)
            kind = "catch" if (before == new).any() else "split"
            rest = (after == new) & ~moved if kind == "catch" else after == old
            if min(moved.sum(), rest.sum()) >= _MOMENT_SIZE:
                bibs = tuple(int(bib) for bib in ride.bibs[moved])
                at_m = float(ride.distance_m[second][moved].max())
                share = float(moved.sum() / len(moved))
                found.append(Event(kind, bibs, second, second, at_m, share))
    return found


def _behind(ride: Ride, distance_m: Floats) -> Floats:
    """Now less the time at which the race's first rider passed each rider's place."""
    on_road = np.isin(ride.status, (Status.RACING, Status.STOPPED, Status.FINISHED))
    finish_s = finishes_of(ride)
    # of those at the line the winner leads
    ahead_m = np.where(on_road, distance_m, -np.inf)
    ahead_m -= np.where(distance_m >= ride.length_m, np.nan_to_num(finish_s), 0.0) * 1e-9
    leader = np.argmax(ahead_m, axis=1)
    gap_s = np.full(distance_m.shape, np.nan)
    for rider in np.unique(leader).tolist():
        at_s = np.flatnonzero(leader == rider)
        point_m = distance_m[at_s]
        behind_m = distance_m[at_s, rider][:, None] - point_m
        speed_mps = np.maximum(ride.speed_mps[at_s], _SLOWEST_MPS)
        gap_s[at_s] = linkage.ago_s(
            distance_m[:, rider], at_s[:, None], point_m, behind_m, speed_mps
        )
    done = np.isfinite(finish_s)
    if done.any():
        at_line_s = finish_s - finish_s[done].min()
        gap_s = np.where(ride.status == Status.FINISHED, at_line_s, gap_s)
    return gap_s


def _clocked(ride: Ride, distance_m: Floats) -> Floats:
    """Each rider's time less the best until he came to the same point."""
    points_m = np.arange(0.0, ride.length_m, _GRID_M)
    riders = range(len(ride.bibs))
    seconds = np.arange(ride.seconds, dtype=np.float64)
    passed_s = np.stack([_passages(distance_m[:, k], seconds, points_m) for k in riders])
    elapsed_s = passed_s - ride.departs_s[:, None]
    order = np.argsort(passed_s, axis=0, kind="stable")
    best = np.minimum.accumulate(np.take_along_axis(elapsed_s, order, 0), axis=0)
    best_s = np.empty_like(best)
    np.put_along_axis(best_s, order, best, 0)
    lost_s = np.zeros_like(best_s)
    np.subtract(elapsed_s, best_s, out=lost_s, where=np.isfinite(elapsed_s))
    gap_s = np.stack([np.interp(distance_m[:, k], points_m, lost_s[k]) for k in riders], axis=1)
    finish_s = finishes_of(ride)
    elapsed_s = finish_s - ride.departs_s
    for second in np.flatnonzero((ride.status == Status.FINISHED).any(1)).tolist():
        done = ride.status[second] == Status.FINISHED
        gap_s[second, done] = elapsed_s[done] - elapsed_s[done].min()
    return gap_s


def _passages(track_m: Floats, seconds: Floats, points_m: Floats) -> Floats:
    passed_s = np.interp(points_m, track_m, seconds)
    return np.where(points_m <= track_m[-1], passed_s, np.inf)


def _passed_s(ride: Ride, distance_m: Floats, point_m: float) -> Floats:
    """When each rider passed a point, NaN if he did not on his bike."""
    raced = ride.status != Status.IN_CAR
    reached_m = np.where(raced, distance_m, -np.inf).max(0)
    seconds = np.arange(ride.seconds, dtype=np.float64)
    passed = [np.interp(point_m, distance_m[:, k], seconds) for k in range(len(reached_m))]
    return np.where(reached_m >= point_m, np.array(passed), np.nan)


def _award(bonus_s: Floats, passed_s: Floats, seconds: tuple[float, ...]) -> None:
    order = np.argsort(np.where(np.isfinite(passed_s), passed_s, np.inf), kind="stable")
    for rider, bonus in zip(order.tolist(), seconds, strict=False):
        if np.isfinite(passed_s[rider]):
            bonus_s[rider] += bonus
