"""Groups on the road: riders linked by the time between them at the same road point."""

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.passages import passed_s
from truck.race.passes import Ints
from truck.race.riders import Riders

_LINK_S = 2.0  # DESIGN 6: join under 2 s
_LINK_M = 15.0
_SLOWEST_MPS = 5.0


def link_groups(riders: Riders, rows: Ints, distance_m: Floats, at_us: int) -> NDArray[np.int32]:
    """Group numbers from 1, front first, of riders in standings order.

    A rider belongs to the group of the one before him when he passes the same point less than
    two seconds later, or is within a few metres; where the passage is not known, his own
    distance at no less than 5 m/s stands for it.
    """
    if len(rows) == 0:
        return np.zeros(0, np.int32)
    ahead = rows[:-1]
    now_us = np.full(len(ahead), at_us)
    behind_s = passed_s(riders, ahead, distance_m[1:], distance_m[:-1], now_us)
    apart_m = distance_m[:-1] - distance_m[1:]
    speed_mps = np.nan_to_num(riders.speed_mps[rows[1:]])
    behind_s = np.where(np.isnan(behind_s), apart_m / np.maximum(speed_mps, _SLOWEST_MPS), behind_s)
    apart = (behind_s > _LINK_S) & (apart_m > _LINK_M)
    return np.cumsum(np.concatenate([[1], apart])).astype(np.int32)
