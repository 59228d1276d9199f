"""The virtual general classification: gaps before the stage, on the road, and bonuses."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware.stage import Stage
from truck.race.course import Floats
from truck.race.gaps import GapColumns
from truck.race.passages import passed_s
from truck.race.passes import Ints
from truck.race.rows import Rows, column
from truck.race.scene import Scene

# UCI regulations, chapter 2.6 (stage races): time bonuses of a road stage's finish, none against
# the clock; at bonus points on the way those of the Tour de France's rules since 2019
_FINISH_S = (10.0, 6.0, 4.0)
_BONUS_POINT_S = (8.0, 5.0, 2.0)
_SETTLED_S = 90.0  # by then whoever was first there without signal has been heard


@dataclass
class Bonuses(Rows):
    """The bonuses of points that are settled; `facts` names these points.

    Attributes:
        settled_s: taken at them.
    """

    settled_s: Floats = column(np.float64, 0.0)


class StandingColumns(NamedTuple):
    """A row a rider: seconds behind the best of the virtual classification, and bonuses taken."""

    virtual_gap_s: Floats
    bonus_s: Floats


def follow_standings(
    memory: Bonuses, scene: Scene, stage: Stage, gaps: GapColumns, likely_s: Floats
) -> StandingColumns:
    """The virtual classification at the scene's instant; `memory` is brought to it.

    The general classification before the stage, the gap on the road and bonuses, relative to the
    best; NaN for riders of whom one of the first two is not known. The best may be one who has been
    silent for long: `likely_s` are the gaps of such riders too. At the finish each rider's own
    time counts: that several get one time is the commissaires' ruling.
    """
    before_s = np.full(len(gaps.gap_s), np.nan)
    known = [np.nan if s.gc_gap_s is None else s.gc_gap_s for s in stage.startlist]
    before_s[: len(known)] = known  # rows begin with the start list
    bonus_s = np.zeros(len(before_s))
    if stage.kind == "road":
        bonus_s = _on_the_way(memory, scene, stage, np.isfinite(gaps.gap_s))
        done = np.flatnonzero(scene.finished)
        bonus_s += _shared_out(_FINISH_S, done, scene.riders.finished_us[done], len(bonus_s))
    total_s = before_s - bonus_s
    best_s = np.fmin.reduce(total_s + likely_s, initial=np.inf)
    return StandingColumns(total_s + gaps.gap_s - best_s, bonus_s)


def _on_the_way(memory: Bonuses, scene: Scene, stage: Stage, counted: NDArray[np.bool_]) -> Floats:
    """Bonuses taken at bonus points so far."""
    settled = memory.facts.setdefault("settled", [])
    bonus_s = memory.settled_s.copy()
    riders = scene.riders
    for number, checkpoint in enumerate(stage.checkpoints):
        if checkpoint.kind != "bonus" or number in settled:
            continue
        at_m = checkpoint.km * 1000.0
        rows = np.flatnonzero(counted & (riders.distance_m >= at_m))
        ago_s = passed_s(
            riders, rows, np.full(len(rows), at_m), riders.distance_m[rows], riders.placed_us[rows]
        )
        ago_s += (scene.at_us - riders.placed_us[rows]) / 1e6
        rows, ago_s = rows[np.isfinite(ago_s)], ago_s[np.isfinite(ago_s)]
        bonus_s += _shared_out(_BONUS_POINT_S, rows, -ago_s, len(bonus_s))
        if (ago_s > _SETTLED_S).sum() >= len(_BONUS_POINT_S):
            memory.settled_s[:] = bonus_s
            settled.append(number)
    return bonus_s


def _shared_out(prizes_s: tuple[float, ...], rows: Ints, when: Floats | Ints, count: int) -> Floats:
    """Prizes for the first of some riders, in a column of `count` rows."""
    prize_s = np.zeros(count)
    first = rows[np.lexsort((rows, when))][: len(prizes_s)]
    prize_s[first] = prizes_s[: len(first)]
    return prize_s
