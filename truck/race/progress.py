"""Where on the course each rider is: a beam of hypotheses over the passes of the road.

After Newson and Krumm (2009), with the lap in the hypothesis: a fix may belong to any pass of the
road near it, each costs its lateral offset, its heading and its distance from where the rider's
speed would put him, and a rider's next place is reached only from his last one. Hypotheses that
stay behind are dropped after a fixed lag, so a lap is decided once and never flips.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Course, Floats
from truck.race.passes import Candidates, Ints, Passes
from truck.race.riders import BEAM, NEVER_US, Riders

OFF_ROUTE_M = 60.0
OFF_ROUTE_US = 20_000_000
GOOD, DOUBTFUL, OFF_ROUTE, LATE, UNPLACED = range(5)

_GRACE_M = 25.0  # how far behind his furthest place a fix may lie
_BACK_M = 20.0  # how far back a place may be published
_SLACK_M = 30.0
_BURST_MPS, _BURST_S = 33.0, 30.0
_LASTING_MPS = 22.0  # a descent's mean
_STAGE_MPS = 17.0  # a stage's mean, which no stage has reached
_NOISE_M = 12.0
_HEADING_COST = 3.0
_MISS_COST = 10.0  # a fix that no pass explains: as bad as one 54 m off the line
_DECAY = 0.9
_HOPELESS = 20.0
_FAVOUR = 6.0  # what another hypothesis must be better by than the published one
_LAG_US = 60_000_000
_APART_M = 15.0
_MOST = 16  # candidates a fix that are looked at further
_PRIOR_PER_M, _PRIOR_MOST = 1e-3, 10.0
_STARTING_M = 1000.0  # how early the flag may have dropped, or how late it was written down
_LINE_M = 100.0  # nobody is first seen nearer to the line


@dataclass(frozen=True)
class Fixes:
    """One new fix of each of some riders; `row` is the rider's, each once.

    Attributes:
        bearing_rad: from the rider's last fix, NaN where that is too near or too old to tell.
        begun_us: when the race began: the flag, or the first reading.
        field_m: where most of the race is, NaN when nobody is placed.
    """

    row: Ints
    at_us: Ints
    x_m: Floats
    y_m: Floats
    bearing_rad: Floats
    begun_us: int
    field_m: float


class Progress:
    """Follows riders along one course."""

    def __init__(self, course: Course, start_at_us: int | None) -> None:
        self._course = course
        self._passes = Passes(course)
        self._start_us = NEVER_US if start_at_us is None else start_at_us

    def follow(self, riders: Riders, fixes: Fixes) -> None:
        """Place one fix of each rider and update his beam, distance and quality in place."""
        low_m, high_m = self._windows(riders, fixes)
        near = self._passes.near(fixes.x_m, fixes.y_m, low_m, high_m)
        on_road = near.where(np.abs(near.lateral_m) <= OFF_ROUTE_M)
        beam = self._moved(riders, fixes, on_road, low_m, high_m)
        both = zip(beam, _missed(riders, fixes), strict=True)
        _keep_best(riders, fixes, _Beam._make(np.concatenate(pair) for pair in both))
        self._publish(riders, fixes, near)

    def among(
        self, x_m: Floats, y_m: Floats, low_m: Floats, high_m: Floats, about_m: Floats
    ) -> tuple[Floats, Floats]:
        """Distance and lateral offset of old fixes between two known places; NaN if none fits."""
        found = self._passes.near(x_m, y_m, low_m[:, None], high_m[:, None])
        inside = (found.distance_m >= low_m[found.fix]) & (found.distance_m <= high_m[found.fix])
        found = found.where(inside & (np.abs(found.lateral_m) <= OFF_ROUTE_M))
        width_m = 50.0 + (high_m - low_m) / 4.0
        astray = np.abs(found.distance_m - about_m[found.fix]) / width_m[found.fix]
        order = np.lexsort((found.distance_m, _lateral_cost(found.lateral_m) + astray, found.fix))
        found = found.where(order)
        first = np.append(True, found.fix[1:] != found.fix[:-1])[: len(found.fix)]
        distance_m, lateral_m = np.full(len(x_m), np.nan), np.full(len(x_m), np.nan)
        distance_m[found.fix[first]] = found.distance_m[first]
        lateral_m[found.fix[first]] = found.lateral_m[first]
        return distance_m, lateral_m

    def _windows(self, riders: Riders, fixes: Fixes) -> tuple[Floats, Floats]:
        """How far back and forward each hypothesis may have got; empty ones low > high."""
        alive = np.isfinite(riders.beam_cost[fixes.row])
        since_s = (fixes.at_us[:, None] - riders.beam_placed_us[fixes.row]) / 1e6
        low_m = np.where(alive, riders.beam_high_m[fixes.row] - _GRACE_M, np.inf)
        high_m = np.where(
            alive, riders.beam_m[fixes.row] + _coverable_m(since_s, _LASTING_MPS), -np.inf
        )
        racing_s = np.maximum(fixes.at_us - fixes.begun_us, 0) / 1e6
        furthest_m = _STARTING_M + _coverable_m(racing_s, _STAGE_MPS)
        unplaced = ~alive[:, 0]
        low_m[unplaced, 0] = self._course.start_m - 1.0
        high_m[unplaced, 0] = self._course.length_m - _LINE_M
        # before the flag riders warm up to and fro, and nobody has passed it
        low_m[alive & (fixes.at_us <= self._start_us)[:, None]] = self._course.start_m - 1.0
        return low_m, np.minimum(high_m, furthest_m[:, None])

    def _moved(
        self, riders: Riders, fixes: Fixes, near: Candidates, low_m: Floats, high_m: Floats
    ) -> "_Beam":
        """Each candidate with the hypothesis that leads to it at the least cost."""
        fix = near.fix
        row = fixes.row[fix]
        at_us = fixes.at_us[fix]
        off = 1.0 - np.cos(fixes.bearing_rad[fix] - near.heading_rad)
        fit = _lateral_cost(near.lateral_m) + _HEADING_COST * np.where(np.isnan(off), 0.0, off)
        since_s = (at_us[:, None] - riders.beam_placed_us[row]) / 1e6
        speed_mps = np.where(
            since_s <= 10.0, riders.speed_mps[row][:, None], riders.pace_mps[row][:, None]
        )
        likely_m = np.where(np.isnan(speed_mps), 0.0, speed_mps) * since_s
        ahead_m = near.distance_m[:, None] - riders.beam_m[row]
        way = np.abs(ahead_m - likely_m) / (8.0 + 0.4 * likely_m + 2.0 * since_s)
        seed = ~np.isfinite(riders.beam_cost[row][:, 0])
        cost = np.where(seed[:, None], np.inf, _DECAY * riders.beam_cost[row] + way)
        cost[seed, 0] = 0.0
        place_m = near.distance_m[:, None]
        cost[~((place_m >= low_m[fix]) & (place_m <= high_m[fix]))] = np.inf
        total = cost + riders.beam_prior[row]
        parent = np.argmin(total, axis=1)
        pick = np.arange(len(fix)), parent
        ways = np.isfinite(cost[pick])
        prior = np.where(seed, self._prior(near.distance_m, fixes), riders.beam_prior[row, parent])
        was_m = np.where(seed, -np.inf, riders.beam_high_m[row, parent])
        # before the flag a place may be taken back all the way
        was_m[at_us <= self._start_us] = -np.inf
        here_m = np.maximum(near.distance_m, was_m - _BACK_M)
        born_us = np.where(seed, at_us, riders.beam_born_us[row, parent])
        found = _Beam(
            fix,
            here_m,
            np.maximum(here_m, was_m),
            cost[pick] + fit,
            prior,
            at_us,
            born_us,
            (parent == 0) & ~seed,
        )
        # a hypothesis' best child carries it on, the others part from it now
        order = np.lexsort((found.distance_m, found.cost + found.prior, parent, fix))
        eldest = np.ones(len(order), np.bool_)
        eldest[1:] = (fix[order][1:] != fix[order][:-1]) | (parent[order][1:] != parent[order][:-1])
        younger = order[~eldest]
        found.born_us[younger] = at_us[younger]
        found.shown[younger] = False
        return _Beam._make(column[ways] for column in found)

    def _prior(self, distance_m: Floats, fixes: Fixes) -> Floats:
        """A first place is the likelier the nearer it is to the race, or to the start."""
        about_m = 0.0 if np.isnan(fixes.field_m) else fixes.field_m
        return np.minimum(np.abs(distance_m - about_m) * _PRIOR_PER_M, _PRIOR_MOST)

    def _publish(self, riders: Riders, fixes: Fixes, near: Candidates) -> None:
        row = fixes.row
        placed_us = riders.beam_placed_us[row, 0]
        placed = np.isfinite(riders.beam_cost[row, 0])
        matched = placed & (placed_us == fixes.at_us)
        first = matched & (riders.seeded_us[row] == NEVER_US)
        riders.seeded_us[row[first]] = fixes.at_us[first]
        riders.distance_m[row] = riders.beam_m[row, 0]
        riders.placed_us[row[placed]] = placed_us[placed]
        # the offset of the pass nearest to the place, or of the nearest road when off it
        lateral_m = np.full(len(row), np.nan)
        astray_m = np.where(
            matched[near.fix],
            np.abs(near.distance_m - riders.distance_m[row][near.fix]),
            np.abs(near.lateral_m),
        )
        order = np.lexsort((astray_m, near.fix))[::-1]
        lateral_m[near.fix[order]] = near.lateral_m[order]
        riders.lateral_m[row] = lateral_m
        rival = (
            (riders.beam_cost + riders.beam_prior)[row, 1]
            < (riders.beam_cost + riders.beam_prior)[row, 0] + 3.0
        ) & (np.abs(riders.beam_m[row, 1] - riders.beam_m[row, 0]) > OFF_ROUTE_M)
        quality = np.where(matched & ~rival & (np.abs(lateral_m) <= 30.0), GOOD, DOUBTFUL)
        quality[placed & (fixes.at_us - placed_us > OFF_ROUTE_US)] = OFF_ROUTE
        quality[~placed] = UNPLACED
        riders.quality[row] = quality


class _Beam(NamedTuple):
    """Hypotheses of many fixes in one list."""

    fix: Ints
    distance_m: Floats
    high_m: Floats
    cost: Floats
    prior: Floats
    placed_us: Ints
    born_us: Ints
    shown: NDArray[np.bool_]

    def total(self) -> Floats:
        """What hypotheses are ranked by."""
        return self.cost + self.prior - _FAVOUR * self.shown


def _missed(riders: Riders, fixes: Fixes) -> _Beam:
    """Every hypothesis as it is if this fix is wrong or off the road."""
    fix, slot = np.nonzero(np.isfinite(riders.beam_cost[fixes.row]))
    row = fixes.row[fix]
    return _Beam(
        fix,
        riders.beam_m[row, slot],
        riders.beam_high_m[row, slot],
        _DECAY * riders.beam_cost[row, slot] + _MISS_COST,
        riders.beam_prior[row, slot],
        riders.beam_placed_us[row, slot],
        riders.beam_born_us[row, slot],
        slot == 0,
    )


def _keep_best(riders: Riders, fixes: Fixes, beam: _Beam) -> None:
    """Write each rider's best hypotheses back, best first, those near a better one left out."""
    count = len(fixes.row)
    total = beam.total()
    order = np.lexsort((beam.distance_m, total, beam.fix))
    fix = beam.fix[order]
    begins = np.searchsorted(fix, np.arange(count))
    rank = np.arange(len(fix)) - begins[fix]
    order, fix, rank = order[rank < _MOST], fix[rank < _MOST], rank[rank < _MOST]
    place_m = np.full((count, _MOST), np.nan)
    place_m[fix, rank] = beam.distance_m[order]
    close = np.abs(place_m[:, :, None] - place_m[:, None, :]) < _APART_M
    shadowed = np.tril(close, -1).any(axis=2)[fix, rank]
    best = order[begins[fix]] if len(order) else order
    stale = (fixes.at_us[fix] - beam.born_us[order] > _LAG_US) & (rank > 0)
    hopeless = total[order] > total[best] + _HOPELESS
    keep = ~(shadowed | stale | hopeless)
    order, fix = order[keep], fix[keep]
    slot = np.arange(len(fix)) - np.searchsorted(fix, np.arange(count))[fix]
    order, fix, slot = order[slot < BEAM], fix[slot < BEAM], slot[slot < BEAM]
    riders.beam_cost[fixes.row] = np.inf
    riders.beam_m[fixes.row] = np.nan
    target = fixes.row[fix], slot
    riders.beam_m[target] = beam.distance_m[order]
    riders.beam_high_m[target] = beam.high_m[order]
    riders.beam_cost[target] = beam.cost[order]
    riders.beam_prior[target] = beam.prior[order]
    riders.beam_placed_us[target] = beam.placed_us[order]
    riders.beam_born_us[target] = beam.born_us[order]


def _lateral_cost(lateral_m: Floats) -> Floats:
    return 0.5 * (lateral_m / _NOISE_M) ** 2


def _coverable_m(since_s: Floats, lasting_mps: float) -> Floats:
    """What a rider can have covered: a burst at first, then a mean that nobody beats."""
    burst_s = np.minimum(since_s, _BURST_S)
    return _SLACK_M + _BURST_MPS * burst_s + lasting_mps * (since_s - burst_s)
