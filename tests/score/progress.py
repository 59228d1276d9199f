"""How far along the road a rider is: error, wrong laps or legs, steps back.

Rules.
- Error: |published distance - true distance| at every second at which a rider is on the road after
  the flag in truth, and published as racing or stopped with a distance.
- Wrong lap or leg: published, by a fix not older than 10 s, more than 250 m from the truth for five
  seconds on end. 250 m is longer than any error of a receiver and shorter than any lap; at the turn
  of an out and back both legs lie within it, and there nobody can tell them apart.
- Step back: a published distance more than 20 m below the one published before it, whatever the
  status of either and however long ago; a withdrawn distance in between does not excuse it.
- Retreat: a spell in which the published distance lies over 20 m below what it was in the last
  10 s, so that a step back does not vanish by being taken in small ones.
- Placed: of the seconds at which a rider on the road was heard in the last 10 s, those at which he
  is published as racing or stopped with a distance. It keeps the error honest.
- Sound devices are those that mislead nobody all day; the others (in cars, wrong bindings, clocks
  3 s off, fixes of yesterday) are in "all devices" as well.
"""

import naive
import numpy as np
from figure import Figure, Mean, Share
from scene import Bools, Floats, Scene

WRONG_M = 250.0
WRONG_S = 5
BACK_M = 20.0
RETREAT_S = 10
_HEARD_S = 10.0


def figures(scene: Scene) -> dict[str, tuple[Figure, Figure]]:
    """By name: ours and the baseline's."""
    ours_m, naive_m = scene.ours("distance_m"), naive.nearest_m(scene)
    found: dict[str, tuple[Figure, Figure]] = {}
    for whose, riders in (("sound devices", scene.sound), ("all devices", scene.sound | True)):
        pair = [
            _figures(scene, distance_m, riders & scene.racing & shown, riders)
            for distance_m, shown in (
                (ours_m, scene.shown), (naive_m, scene.shown & np.isfinite(naive_m))
            )
        ]  # fmt: skip
        found |= {f"progress, {whose}, {n}": (pair[0][n], pair[1][n]) for n in pair[0]}
    heard = scene.racing & np.isfinite(scene.held(scene.readings["at_s"]))
    placed = Share(float((heard & scene.shown).sum()), float(heard.sum()))
    found["progress, share of heard riders placed"] = (placed, Share(heard.sum(), heard.sum()))
    return found


def _figures(scene: Scene, distance_m: Floats, rows: Bools, riders: Bools) -> dict[str, Figure]:
    off_m = np.abs(distance_m - scene.truth("distance_m"))
    error_m = off_m[rows]
    fresh = rows & (scene.ours("age_s") <= _HEARD_S)
    return {
        "median": Mean(float(np.median(error_m)) if len(error_m) else np.nan),
        "p95": Mean(float(np.quantile(error_m, 0.95)) if len(error_m) else np.nan),
        "wrong laps or legs": Mean(float(wrong_episodes(off_m, fresh).sum())),
        "steps back": Mean(float(steps_back(np.where(riders, distance_m, np.nan)).sum())),
        "retreats": Mean(float(retreats(np.where(riders, distance_m, np.nan)).sum())),
    }


def wrong_episodes(off_m: Floats, counted: Bools) -> Floats:
    """How often each rider is over 250 m off for five seconds on end, of those counted."""
    wrong = counted & (off_m > WRONG_M)
    length = np.zeros(wrong.shape, np.int64)
    run = np.zeros(wrong.shape[1], np.int64)
    for row in range(len(wrong)):
        run = np.where(wrong[row], run + 1, 0)
        length[row] = run
    return (length == WRONG_S).sum(axis=0).astype(np.float64)


def steps_back(distance_m: Floats) -> Floats:
    """Each rider's steps of over 20 m backwards, against what was last published of him."""
    count = np.zeros(distance_m.shape[1])
    last = np.full(distance_m.shape[1], -np.inf)
    for row in distance_m:
        known = np.isfinite(row)
        count += known & (np.where(known, row, 0.0) < last - BACK_M)
        last = np.where(known, row, last)
    return count


def retreats(distance_m: Floats) -> Floats:
    """Each rider's spells of being published over 20 m below a place of the last 10 s."""
    back = np.zeros((len(distance_m) + 1, distance_m.shape[1]), bool)
    with np.errstate(invalid="ignore"):
        for lag in range(1, RETREAT_S + 1):
            back[1 + lag :] |= distance_m[:-lag] - distance_m[lag:] > BACK_M
    return (back[1:] & ~back[:-1]).sum(axis=0).astype(np.float64)
