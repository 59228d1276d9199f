"""Who has crossed the line, and when: for good, whatever his tracker does afterwards."""

import numpy as np

from truck.race.course import Floats
from truck.race.passes import Ints
from truck.race.riders import NEVER_US, Riders

_SURE_US = 30_000_000  # nobody finishes who has only just appeared
_HOLE_US = 5_000_000
_BEYOND_S = 3.0  # how far past the line he should be to be thought to have crossed it unseen
_LAST_S = 120.0
_WAIT_US = 30_000_000
_RIDING_MPS = 3.0


def latch_finish(
    riders: Riders, line_m: float, rows: Ints, from_m: Floats, from_us: Ints, at_us: Ints
) -> None:
    """Mark riders who crossed the line at the interpolated instant, or did so in a hole.

    A rider who should be past the line after a hole, and does not come riding towards it soon,
    has crossed it when he was due.

    Args:
        riders: placed by their fixes; changed in place.
        line_m: where the line is.
        rows: of riders who have not finished, each once.
        from_m: where they were before, NaN if unknown.
        from_us: when.
        at_us: of their fixes.
    """
    to_m = riders.beam_m[rows, 0]
    placed = np.isfinite(to_m) & (riders.placed_us[rows] == at_us)
    sure = at_us - riders.seeded_us[rows] >= _SURE_US
    crossed = placed & sure & (to_m >= line_m)
    before = crossed & (from_m < line_m)
    way_m = np.where(before, to_m - from_m, 1.0)
    share = np.where(before, (line_m - from_m) / way_m, 1.0)
    begun_us = np.where(before, from_us, at_us)
    even_s = share * (at_us - begun_us) / 1e6
    to_go_s = np.where(before, _to_go_s(riders, line_m, rows, from_m), 0.0)
    # who is slower now than on the way let it roll behind the line, and was not so slow before it
    with np.errstate(invalid="ignore"):
        rolls = riders.speed_mps[rows] * (at_us - begun_us) / 1e6 < way_m
    rolls &= before & (at_us - begun_us >= _HOLE_US)
    reached_s = np.where(rolls, np.minimum(even_s, to_go_s), even_s)
    when_us = begun_us + np.rint(reached_s * 1e6).astype(np.int64)
    unseen = ~crossed & sure & _overdue(riders, line_m, rows, from_m, from_us, at_us, placed)
    when_us = np.where(unseen, riders.due_us[rows], when_us)
    done = crossed | unseen
    riders.finished_us[rows[done]] = when_us[done]
    riders.distance_m[rows[done]] = line_m


def _to_go_s(riders: Riders, line_m: float, rows: Ints, from_m: Floats) -> Floats:
    """How long it is to the line at a rider's pace."""
    return (line_m - from_m) / np.fmax(riders.pace_mps[rows], _RIDING_MPS)


def _overdue(
    riders: Riders,
    line_m: float,
    rows: Ints,
    from_m: Floats,
    from_us: Ints,
    at_us: Ints,
    placed: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Riders who were due at the line in a hole and have not come to it since."""
    to_go_s = _to_go_s(riders, line_m, rows, from_m)
    late_s = (at_us - from_us) / 1e6 - to_go_s
    with np.errstate(invalid="ignore"):
        due = (at_us - from_us >= _HOLE_US) & (late_s >= _BEYOND_S) & (to_go_s <= _LAST_S)
    due &= riders.due_us[rows] == NEVER_US
    due_us = from_us + np.rint(np.where(due, to_go_s, 0.0) * 1e6).astype(np.int64)
    riders.due_us[rows[due]] = due_us[due]
    riders.due_from_us[rows[due]] = at_us[due]
    waited = at_us - riders.due_from_us[rows] >= _WAIT_US
    coming = placed & (riders.speed_mps[rows] >= _RIDING_MPS)
    expected = riders.due_us[rows] != NEVER_US
    # who rides on towards the line long after is a rider who had been slower
    forget = expected & waited & coming
    riders.due_us[rows[forget]] = NEVER_US
    return np.asarray(expected & waited & ~coming, np.bool_)
