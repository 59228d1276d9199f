"""Where on the course each rider is: a beam of hypotheses over the passes of the road.

After Newson and Krumm (2009), with the lap in the hypothesis: a fix may belong to any pass of the
road near it, each costs its lateral offset, its heading and its distance from where the rider's
speed would put him, and a rider's next place is reached only from his last one. Each hypothesis
is a Kalman filter along the road, so a fix that jumps in a gorge hardly moves it. Hypotheses that
stay behind are dropped after a fixed lag, so a lap is decided once and never flips.
"""

import numpy as np
from numpy.typing import NDArray

from truck.race.beam import DECAY, Beam, keep_best, missed
from truck.race.course import Course, Floats
from truck.race.expectation import (
    FIX_M2,
    NEAR_S,
    OUTLYING,
    PRIOR_MOST,
    Expected,
    expected,
    filtered,
    first_prior,
    proven_m,
    way_since,
)
from truck.race.fixes import Fixes
from truck.race.passes import Candidates, Passes
from truck.race.riders import NEVER_US, Riders
from truck.race.speed import SENSED_US
from truck.race.strays import directions, follow_strays, keep_anchors, running

OFF_ROUTE_M = 60.0
OFF_ROUTE_US = 20_000_000
BACK_M = 18.0  # how far back a place may be published: a step of 20 m is too much
GOOD, DOUBTFUL, OFF_ROUTE, LATE, UNPLACED = range(5)

_GRACE_M = 25.0  # how far behind his furthest place a fix may lie
_SLACK_M = 30.0
_BURST_MPS, _BURST_S = 33.0, 30.0
_LASTING_MPS = 22.0  # a descent's mean
_NOISE_M, _LATERAL_MOST = 8.0, 9.0
_HEADING_COST = 3.0
_RIVAL = 10.0  # how near in cost another place makes the published one doubtful
_HOLE_S = 10.0
_STARTING_M = 1000.0  # how early the flag may have dropped, or how late it was written down
_LINE_M = 100.0  # nobody is first seen nearer to the line
_PLAIN_OFF_M, _PLAIN_AHEAD_M = 15.0, 30.0

_AGREED_M, _ALIGNED_M = 30.0, 15.0
_LIKELY = 1.5  # what runs along the road there is no other's


class Progress:
    """Follows riders along one course."""

    def __init__(self, course: Course, start_at_us: int | None) -> None:
        self._course = course
        self._passes = Passes(course)
        self._start_us = NEVER_US if start_at_us is None else start_at_us

    def follow(self, riders: Riders, fixes: Fixes) -> None:
        """Place one fix of each rider and update his beam, distance and quality in place."""
        plain = self._follow_plain(riders, fixes)
        if not plain.all():
            self._follow_any(riders, fixes.where(~plain))

    def among(
        self, x_m: Floats, y_m: Floats, low_m: Floats, high_m: Floats, about_m: Floats
    ) -> tuple[Floats, Floats]:
        """Distance and lateral offset of old fixes between two known places; NaN if none fits."""
        found = self._passes.near(x_m, y_m, low_m[:, None], high_m[:, None])
        inside = (found.distance_m >= low_m[found.fix]) & (found.distance_m <= high_m[found.fix])
        found = found.where(inside & (np.abs(found.lateral_m) <= OFF_ROUTE_M))
        width_m = 50.0 + (high_m - low_m) / 4.0
        astray = np.abs(found.distance_m - about_m[found.fix]) / width_m[found.fix]
        cost = np.rint((_lateral_cost(found.lateral_m) + astray) * 1e6)
        order = np.lexsort((found.distance_m, cost, found.fix))
        found = found.where(order)
        first = np.append(True, found.fix[1:] != found.fix[:-1])[: len(found.fix)]
        distance_m, lateral_m = np.full(len(x_m), np.nan), np.full(len(x_m), np.nan)
        distance_m[found.fix[first]] = found.distance_m[first]
        lateral_m[found.fix[first]] = found.lateral_m[first]
        return distance_m, lateral_m

    def _follow_plain(self, riders: Riders, fixes: Fixes) -> NDArray[np.bool_]:
        """Take the fixes of which there is no doubt: one hypothesis, one road, where expected."""
        row, at_us = fixes.row, fixes.at_us
        m, high_m = riders.beam_m[row, 0], riders.beam_high_m[row, 0]
        plain: NDArray[np.bool_] = (
            np.isfinite(riders.beam_cost[row, 0])
            & ~np.isfinite(riders.beam_cost[row, 1])
            & (riders.beam_placed_us[row, 0] == riders.beam_at_us[row, 0])
            & (at_us > self._start_us)
            & ~fixes.foreign
            & (riders.quality[row] == GOOD)
        )
        since_s = (at_us - riders.beam_at_us[row, 0]) / 1e6
        plain &= since_s <= NEAR_S
        if not plain.any():
            return plain
        likely_m, spread_m = way_since(riders, self._passes.stretch, row, at_us, since_s)
        about_m = np.where(plain, m + likely_m, 0.0)
        var_m2 = riders.beam_var_m2[row, 0] + spread_m * spread_m
        near = self._passes.about(fixes.x_m, fixes.y_m, about_m, since_s)
        east, north = directions(riders, fixes.row, at_us, fixes.x_m, fixes.y_m)
        along = east * near.east + north * near.north
        off_m = near.distance_m - about_m
        plain &= (np.abs(near.lateral_m) <= _PLAIN_OFF_M) & (np.abs(off_m) <= _PLAIN_AHEAD_M)
        place_m, var_m2, strange = filtered(off_m, near.lateral_m, about_m, var_m2, since_s)
        plain &= (strange <= OUTLYING) & ~(along < 0.5) & (place_m >= high_m - BACK_M)
        row, at_us = row[plain], at_us[plain]
        fit = _lateral_cost(near.lateral_m) + _HEADING_COST * np.where(
            np.isnan(along), 0.0, 1.0 - along
        )
        riders.beam_cost[row, 0] = (DECAY * riders.beam_cost[fixes.row, 0] + fit + strange)[plain]
        riders.beam_m[row, 0] = place_m[plain]
        riders.beam_high_m[row, 0] = np.maximum(proven_m(place_m, near.distance_m), high_m)[plain]
        riders.beam_var_m2[row, 0] = var_m2[plain]
        riders.beam_way_m[row, 0] = near.distance_m[plain] - riders.beam_fixed_m[row, 0]
        riders.beam_fixed_m[row, 0] = near.distance_m[plain]
        riders.beam_at_us[row, 0] = riders.beam_placed_us[row, 0] = at_us
        riders.placed_us[row] = at_us
        shown_m = np.maximum(place_m[plain], riders.distance_m[row] - BACK_M)
        riders.distance_m[row] = np.minimum(shown_m, self._course.length_m)
        riders.lateral_m[row] = near.lateral_m[plain]
        keep_anchors(riders, row, at_us, fixes.x_m[plain], fixes.y_m[plain])
        return plain

    def _follow_any(self, riders: Riders, fixes: Fixes) -> None:
        row = fixes.row
        foreign = fixes.foreign.copy()
        low_m, high_m = self._windows(riders, fixes)
        hoped = expected(riders, self._passes.stretch, fixes)
        near = self._passes.near(fixes.x_m, fixes.y_m, low_m, high_m)
        on_road = near.where(np.abs(near.lateral_m) <= OFF_ROUTE_M)
        off_m = np.abs(on_road.distance_m - hoped.m[on_road.fix, 0])
        spread_m = np.sqrt(hoped.var_m2[on_road.fix, 0])
        foreign[
            on_road.fix[(off_m <= _LIKELY * spread_m) & running(riders, fixes)[on_road.fix]]
        ] = False
        east, north = directions(riders, row, fixes.at_us, fixes.x_m, fixes.y_m)
        moved = self._moved(riders, fixes, on_road, hoped, low_m, high_m, east, north, foreign)
        coasting = np.zeros(len(row), np.bool_)
        coasting[near.fix] = True
        coasting &= fixes.at_us - riders.sensed_us[row] <= SENSED_US
        lost = missed(riders, fixes, hoped, coasting & ~foreign)
        beam = Beam._make(np.concatenate(pair) for pair in zip(moved, lost, strict=True))
        keep_best(riders, row, fixes.at_us, beam)
        self._publish(riders, fixes, near)
        agreed = riders.placed_us[row] == fixes.at_us
        agreed &= np.abs(riders.lateral_m[row]) <= _AGREED_M
        keep_anchors(riders, row[agreed], fixes.at_us[agreed], fixes.x_m[agreed], fixes.y_m[agreed])
        if not agreed.all():
            self._look_for_strays(riders, fixes.where(~agreed), foreign[~agreed])

    def _look_for_strays(self, riders: Riders, fixes: Fixes, foreign: NDArray[np.bool_]) -> None:
        """Begin anew with riders whose fixes run along the course somewhere else for long."""
        count = len(fixes.row)
        everywhere = np.full((count, 1), -np.inf), np.full((count, 1), np.inf)
        near = self._passes.near(fixes.x_m, fixes.y_m, *everywhere)
        east, north = directions(riders, fixes.row, fixes.at_us, fixes.x_m, fixes.y_m)
        aligned = np.zeros(count, np.bool_)
        along = east[near.fix] * near.east + north[near.fix] * near.north
        aligned[near.fix[(along >= 0.7) & (np.abs(near.lateral_m) <= _ALIGNED_M)]] = True
        anew = follow_strays(riders, fixes, foreign, aligned, ~np.isnan(east))
        riders.beam_cost[fixes.row[anew]] = np.inf
        riders.beam_m[fixes.row[anew]] = np.nan

    def _windows(self, riders: Riders, fixes: Fixes) -> tuple[Floats, Floats]:
        """How far back and forward each hypothesis may have got; empty ones low > high."""
        alive = np.isfinite(riders.beam_cost[fixes.row])
        since_s = (fixes.at_us[:, None] - riders.beam_placed_us[fixes.row]) / 1e6
        low_m = np.where(alive, riders.beam_high_m[fixes.row] - _GRACE_M, np.inf)
        high_m = np.where(alive, riders.beam_m[fixes.row] + _coverable_m(since_s), -np.inf)
        racing_s = np.maximum(fixes.at_us - fixes.begun_us, 0) / 1e6
        furthest_m = _STARTING_M + _coverable_m(racing_s)
        unplaced = ~alive[:, 0]
        low_m[unplaced, 0] = np.maximum(
            self._course.start_m - 1.0, riders.floor_m[fixes.row[unplaced]]
        )
        high_m[unplaced, 0] = self._course.length_m - _LINE_M
        # before the flag riders warm up to and fro, and nobody has passed it
        low_m[alive & (fixes.at_us <= self._start_us)[:, None]] = self._course.start_m - 1.0
        return low_m, np.minimum(high_m, furthest_m[:, None])

    def _moved(
        self,
        riders: Riders,
        fixes: Fixes,
        near: Candidates,
        expected: Expected,
        low_m: Floats,
        high_m: Floats,
        east: Floats,
        north: Floats,
        foreign: NDArray[np.bool_],
    ) -> Beam:
        """Each candidate with the hypothesis that leads to it at the least cost."""
        fix = near.fix
        row, at_us = fixes.row[fix], fixes.at_us[fix]
        off = 1.0 - (east[fix] * near.east + north[fix] * near.north)
        fit = _lateral_cost(near.lateral_m) + _HEADING_COST * np.where(np.isnan(off), 0.0, off)
        off_m = near.distance_m[:, None] - expected.m[fix]
        place_m, var_m2, strange = filtered(
            off_m, near.lateral_m[:, None], expected.m[fix], expected.var_m2[fix],
            expected.since_s[fix],
        )  # fmt: skip
        seed = ~np.isfinite(riders.beam_cost[row][:, 0])
        # what a way over a hole costs is not forgotten as a fix's misfit is
        hole = expected.since_s[fix] > _HOLE_S
        past = riders.beam_prior[row] + np.where(hole, np.fmin(strange, PRIOR_MOST), 0.0)
        strange = np.where(hole, 0.0, strange)
        cost = np.where(seed[:, None], np.inf, DECAY * riders.beam_cost[row] + strange)
        cost[foreign[fix]] = np.inf
        cost[seed, 0] = 0.0
        fixed_m = near.distance_m[:, None]
        cost[~((fixed_m >= low_m[fix]) & (fixed_m <= high_m[fix]))] = np.inf
        parent = np.argmin(np.rint((cost + past) * 1e6), axis=1)
        pick = np.arange(len(fix)), parent
        ways = np.isfinite(cost[pick])
        prior = past[pick]
        if seed.any():
            first = near.where(seed)
            prior[seed] = first_prior(riders, self._passes.stretch, row[seed], first, fixes)
        was_m = np.where(seed, -np.inf, riders.beam_high_m[row, parent])
        # before the flag a place may be taken back all the way
        was_m[at_us <= self._start_us] = -np.inf
        here_m = np.maximum(np.where(seed, near.distance_m, place_m[pick]), was_m - BACK_M)
        born_us = np.where(seed, at_us, riders.beam_born_us[row, parent])
        found = Beam(
            fix,
            here_m,
            np.where(seed, FIX_M2, var_m2[pick]),
            at_us,
            np.maximum(proven_m(here_m, near.distance_m), was_m),
            cost[pick] + fit,
            prior,
            at_us,
            born_us,
            near.distance_m,
            near.distance_m - np.where(seed, np.nan, riders.beam_fixed_m[row, parent]),
            (parent == 0) & ~seed,
        )
        # a hypothesis' best child carries it on, the others part from it now
        total = np.rint((found.cost + found.prior) * 1e6)
        order = np.lexsort((found.m, total, parent, fix))
        eldest = np.ones(len(order), np.bool_)
        eldest[1:] = (fix[order][1:] != fix[order][:-1]) | (parent[order][1:] != parent[order][:-1])
        younger = order[~eldest]
        found.born_us[younger] = at_us[younger]
        found.shown[younger] = False
        return Beam._make(column[ways] for column in found)

    def _publish(self, riders: Riders, fixes: Fixes, near: Candidates) -> None:
        row = fixes.row
        placed_us = riders.beam_placed_us[row, 0]
        placed = np.isfinite(riders.beam_cost[row, 0])
        matched = placed & (placed_us == fixes.at_us)
        first = matched & (riders.seeded_us[row] == NEVER_US)
        riders.seeded_us[row[first]] = fixes.at_us[first]
        was_m, now_m = riders.distance_m[row], riders.beam_m[row, 0]
        # the published place never steps back further, whatever the hypotheses do
        shown_m = np.where(np.isnan(was_m), now_m, np.maximum(now_m, was_m - BACK_M))
        riders.distance_m[row[placed]] = np.minimum(shown_m, self._course.length_m)[placed]
        riders.placed_us[row[placed]] = placed_us[placed]
        # the offset of the pass nearest to the place, or of the nearest road when off it
        lateral_m = np.full(len(row), np.nan)
        astray_m = np.where(
            matched[near.fix], np.abs(near.distance_m - now_m[near.fix]), np.abs(near.lateral_m)
        )
        order = np.lexsort((np.rint(astray_m * 1e3), near.fix))[::-1]
        lateral_m[near.fix[order]] = near.lateral_m[order]
        riders.lateral_m[row] = lateral_m
        total = riders.beam_cost[row, :2] + riders.beam_prior[row, :2]
        apart_m = np.abs(riders.beam_m[row, 1] - riders.beam_m[row, 0])
        rival = (total[:, 1] < total[:, 0] + _RIVAL) & (apart_m > OFF_ROUTE_M)
        sure = matched & ~rival & (np.abs(lateral_m) <= 30.0) & (shown_m < now_m + _GRACE_M)
        quality = np.where(sure, GOOD, DOUBTFUL)
        quality[placed & (fixes.at_us - placed_us > OFF_ROUTE_US)] = OFF_ROUTE
        quality[~placed] = UNPLACED
        riders.quality[row] = quality


def _lateral_cost(lateral_m: Floats) -> Floats:
    return np.minimum(0.5 * (lateral_m / _NOISE_M) ** 2, _LATERAL_MOST)


def _coverable_m(since_s: Floats) -> Floats:
    """What a rider can have covered: a burst at first, then a mean that nobody beats."""
    burst_s = np.minimum(since_s, _BURST_S)
    return _SLACK_M + _BURST_MPS * burst_s + _LASTING_MPS * (since_s - burst_s)
