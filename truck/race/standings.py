"""The virtual general classification: gaps before the stage, on the road, and bonuses."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hardware.stage import Stage
from truck.race.course import Floats
from truck.race.gaps import GapColumns
from truck.race.rows import Rows
from truck.race.scene import Scene


@dataclass
class Bonuses(Rows):
    """What is remembered of who took which bonus."""


class StandingColumns(NamedTuple):
    """A row a rider: seconds behind the best of the virtual classification, and bonuses taken."""

    virtual_gap_s: Floats
    bonus_s: Floats


def follow_standings(
    memory: Bonuses, scene: Scene, stage: Stage, gaps: GapColumns
) -> StandingColumns:
    """The virtual classification at the scene's instant; `memory` is brought to it."""
    unknown = np.full(len(scene.distance_m), np.nan)
    return StandingColumns(unknown, unknown)
