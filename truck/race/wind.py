"""The wind on each rider, from the weather along the road."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware.stage import Stage
from truck.race.course import Floats
from truck.race.rows import Rows
from truck.race.scene import Scene


@dataclass
class Echelons(Rows):
    """What is remembered for telling when a group is about to be torn apart by crosswind."""


class WindColumns(NamedTuple):
    """A row a rider, NaN where unknown.

    Attributes:
        headwind_mps: against him.
        crosswind_mps: positive from the left.
        shelter: share of the drag of a rider alone that he feels, 0 to 1.
        echelon_risk: 0 to 1.
    """

    headwind_mps: Floats
    crosswind_mps: Floats
    shelter: Floats
    echelon_risk: Floats


def follow_wind(
    memory: Echelons, scene: Scene, stage: Stage, group_id: NDArray[np.int32]
) -> tuple[WindColumns, NDArray[np.int32]]:
    """The wind on each rider at the scene's instant, and the groups under an echelon alert."""
    unknown = np.full(len(group_id), np.nan)
    return WindColumns(unknown, unknown, unknown, unknown), np.zeros(0, np.int32)
