"""Hypotheses of where riders may be: a few each, weighed against one another."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.expectation import OPENING, Expected
from truck.race.fixes import Fixes
from truck.race.passes import Ints
from truck.race.riders import BEAM, Riders

# what another hypothesis must be better by than the published one: more than one missed fix, so
# that two trackers that speak in turn for one rider do not make him jump to and fro
FAVOUR = 12.0
DECAY = 0.9
MISS_COST = 10.0  # a fix that no pass explains

_COAST_US = 20_000_000
_HOPELESS = 25.0
_LAG_US = 60_000_000
_APART_M = 15.0
_MOST = 16  # candidates a fix that are looked at further
_BETTER = np.tril(np.ones((_MOST, _MOST), np.bool_), -1)  # which of them come before each


class Beam(NamedTuple):
    """Hypotheses of many fixes in one list.

    Attributes:
        fix: index of the fix each belongs to.
        m: the place.
        var_m2: its variance along the road.
        at_us: the instant the place speaks of.
        high_m: the furthest that fixes have proven.
        cost: decaying cost of its fits.
        prior: how unlikely its first place was.
        placed_us: when a fix last agreed with it.
        born_us: when it parted from a better one.
        fixed_m: where the last agreeing fix lay on the road.
        way_m: how far along the road it came to that fix from the one before.
        shown: whether it carries the published one on.
    """

    fix: Ints
    m: Floats
    var_m2: Floats
    at_us: Ints
    high_m: Floats
    cost: Floats
    prior: Floats
    placed_us: Ints
    born_us: Ints
    fixed_m: Floats
    way_m: Floats
    shown: NDArray[np.bool_]


_COLUMNS = Beam._fields[1:-1]


def keep_best(riders: Riders, rows: Ints, at_us: Ints, beam: Beam) -> None:
    """Write each rider's best hypotheses back, best first, those near a better one left out.

    Args:
        riders: changed in place.
        rows: of the fixes' riders.
        at_us: of the fixes.
        beam: all hypotheses there are; a rider without any is left with none.
    """
    count = len(rows)
    total = np.rint((beam.cost + beam.prior - FAVOUR * beam.shown) * 1e6)
    order = np.lexsort((beam.m, total, beam.fix))
    fix = beam.fix[order]
    begins = np.searchsorted(fix, np.arange(count))
    rank = np.arange(len(fix)) - begins[fix]
    order, fix, rank = order[rank < _MOST], fix[rank < _MOST], rank[rank < _MOST]
    place_m = np.full((count, int(rank.max(initial=0)) + 1), np.nan)
    place_m[fix, rank] = beam.m[order]
    close = np.abs(place_m[:, :, None] - place_m[:, None, :]) < _APART_M
    width = close.shape[1]
    shadowed = (close & _BETTER[:width, :width]).any(axis=2)[fix, rank]
    best = order[np.searchsorted(fix, fix)] if len(order) else order
    stale = (at_us[fix] - beam.born_us[order] > _LAG_US) & (rank > 0)
    hopeless = total[order] > total[best] + _HOPELESS * 1e6
    keep = ~(shadowed | stale | hopeless)
    order, fix = order[keep], fix[keep]
    slot = np.arange(len(fix)) - np.searchsorted(fix, np.arange(count))[fix]
    order, fix, slot = order[slot < BEAM], fix[slot < BEAM], slot[slot < BEAM]
    riders.beam_cost[rows] = np.inf
    riders.beam_m[rows] = np.nan
    target = rows[fix], slot
    for name in _COLUMNS:
        getattr(riders, f"beam_{name}")[target] = getattr(beam, name)[order]
    riders.beam_prior[rows] -= riders.beam_prior[rows, :1]  # only differences count


def missed(riders: Riders, fixes: Fixes, expected: Expected, coasting: NDArray[np.bool_]) -> Beam:
    """Every hypothesis as it is if this fix is wrong or off the road.

    Near the road it coasts on at the sensor's speed for a while, and elsewhere it stays.
    """
    fix, slot = np.nonzero(np.isfinite(riders.beam_cost[fixes.row]))
    row, at_us = fixes.row[fix], fixes.at_us[fix]
    since_us = at_us - riders.beam_placed_us[row, slot]
    on = coasting[fix] & (since_us <= _COAST_US)
    m = np.where(on, expected.m[fix, slot], riders.beam_m[row, slot])
    opening = 1.0 + OPENING * np.minimum(expected.since_s[fix, slot], 5.0)
    return Beam(
        fix,
        m,
        np.where(on, expected.var_m2[fix, slot] * opening, riders.beam_var_m2[row, slot]),
        np.where(on, at_us, riders.beam_at_us[row, slot]),
        riders.beam_high_m[row, slot],
        DECAY * riders.beam_cost[row, slot] + MISS_COST,
        riders.beam_prior[row, slot],
        riders.beam_placed_us[row, slot],
        riders.beam_born_us[row, slot],
        riders.beam_fixed_m[row, slot],
        riders.beam_way_m[row, slot],
        slot == 0,
    )
