"""Groups on the road: riders linked by the time between them at the same road point."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truck.race.passages import passed_s
from truck.race.passes import Ints
from truck.race.rows import Rows, column
from truck.race.scene import Scene

_LINK_S = 2.0  # DESIGN 6: join under 2 s
_LINK_M = 15.0
_SLOWEST_MPS = 5.0


@dataclass
class Groups(Rows):
    """Who rides with whom.

    Attributes:
        group_id: of each rider, -1 for none.
    """

    group_id: NDArray[np.int32] = column(np.int32, -1)


def follow_groups(memory: Groups, scene: Scene, order: Ints) -> None:
    """Bring `memory` to the scene's instant.

    Args:
        memory: changed.
        scene: of the instant.
        order: rows of the riders on the road, the first one first.

    A rider belongs to the group of the one before him when he passes the same point less than
    two seconds later, or is within a few metres; where the passage is not known, his own
    distance at no less than 5 m/s stands for it.
    """
    memory.group_id[:] = -1
    if len(order) == 0:
        return
    distance_m, ahead = scene.distance_m[order], order[:-1]
    now_us = np.full(len(ahead), scene.at_us)
    behind_s = passed_s(scene.riders, ahead, distance_m[1:], distance_m[:-1], now_us)
    apart_m = distance_m[:-1] - distance_m[1:]
    speed_mps = np.nan_to_num(scene.speed_mps[order[1:]])
    behind_s = np.where(np.isnan(behind_s), apart_m / np.maximum(speed_mps, _SLOWEST_MPS), behind_s)
    apart = (behind_s > _LINK_S) & (apart_m > _LINK_M)
    memory.group_id[order] = np.cumsum(np.concatenate([[1], apart])).astype(np.int32)


def group_table(
    group_id: NDArray[np.int32], order: Ints
) -> tuple[Ints, NDArray[np.int32], NDArray[np.int32]]:
    """Each group's first rider's row, id and size, front first; `order` is the standings'."""
    inside = order[group_id[order] >= 0]
    ids, first, size = np.unique(group_id[inside], return_index=True, return_counts=True)
    by_front = np.argsort(first)
    return inside[first[by_front]], ids[by_front].astype(np.int32), size[by_front].astype(np.int32)
