"""What each rider is doing, as far as his signal tells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truck.race.progress import OFF_ROUTE, UNPLACED
from truck.race.riders import NEVER_US
from truck.race.rows import Rows
from truck.race.scene import Scene

STATUSES = (
    "racing", "signal_lost", "off_route", "stopped", "in_car", "finished", "abandoned", "not_seen",
)  # fmt: skip
RACING, SIGNAL_LOST, ASTRAY, STOPPED, IN_CAR, FINISHED, ABANDONED, NOT_SEEN = range(8)

_LOST_US = 10_000_000
_STOPPED_US = 10_000_000
_RIDES_ON_US = 90_000_000  # without signal, in the standings


@dataclass
class Statuses(Rows):
    """What is remembered for telling them."""


def follow_status(
    memory: Statuses, scene: Scene, out: NDArray[np.bool_]
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Each rider's status, an index of `STATUSES`, and whether he counts for groups and gaps.

    Args:
        memory: changed.
        scene: of the instant.
        out: who is out of the race by the start list or an operator's word.
    """
    riders, at_us = scene.riders, scene.at_us
    status = np.full(len(riders.bib), RACING, np.int8)
    status[riders.seen_us - riders.moving_us > _STOPPED_US] = STOPPED
    status[(riders.quality == OFF_ROUTE) | (riders.quality == UNPLACED)] = ASTRAY
    status[at_us - riders.seen_us > _LOST_US] = SIGNAL_LOST
    status[scene.finished] = FINISHED
    status[riders.seen_us == NEVER_US] = NOT_SEEN
    status[out] = ABANDONED
    rides_on = at_us - riders.placed_us <= _RIDES_ON_US
    on_road = np.isfinite(scene.distance_m) & (
        (status == RACING) | (status == STOPPED) | ((status == SIGNAL_LOST) & rides_on)
    )
    return status, on_road
