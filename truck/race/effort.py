"""How hard each rider works, as a range."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from truck.race.course import Floats
from truck.race.rows import Rows
from truck.race.scene import Scene
from truck.race.wind import WindColumns


@dataclass
class Efforts(Rows):
    """What is remembered of every rider's work."""


class EffortColumns(NamedTuple):
    """A row a rider, NaN where unknown.

    Attributes:
        effort_w: the likeliest power.
        effort_low_w: the 5 % quantile.
        effort_high_w: the 95 % quantile.
        w_balance: what is left of the work above critical power, a relative index of 0 to 1.
    """

    effort_w: Floats
    effort_low_w: Floats
    effort_high_w: Floats
    w_balance: Floats


def follow_effort(memory: Efforts, scene: Scene, wind: WindColumns) -> EffortColumns:
    """Each rider's effort at the scene's instant; `memory` is brought to it."""
    unknown = np.full(len(scene.distance_m), np.nan)
    return EffortColumns(unknown, unknown, unknown, unknown)
