"""What each rider is doing, as far as his signal tells."""

import numpy as np
from numpy.typing import NDArray

from truck.race.progress import OFF_ROUTE, UNPLACED
from truck.race.riders import NEVER_US
from truck.race.scene import Scene
from truck.race.trail import Trails

STATUSES = (
    "racing", "signal_lost", "off_route", "stopped", "in_car", "finished", "abandoned", "not_seen",
)  # fmt: skip
RACING, SIGNAL_LOST, ASTRAY, STOPPED, IN_CAR, FINISHED, ABANDONED, NOT_SEEN = range(8)

_LOST_US = 10_000_000
_STOPPED_US = 10_000_000
_RIDES_ON_US = 90_000_000  # without signal, in the standings


def status_at(
    scene: Scene, trails: Trails, in_car: NDArray[np.bool_], out: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """Each rider's status, an index of `STATUSES`; silence is never abandonment.

    Args:
        scene: of the instant.
        trails: the riders' last fixes.
        in_car: whose tracker rides in a car.
        out: who is out of the race by the start list or an operator's word.
    """
    riders, at_us = scene.riders, scene.at_us
    status = np.full(len(riders.bib), RACING, np.int8)
    stands = trails.still_us != NEVER_US
    status[stands & (riders.seen_us - trails.still_us > _STOPPED_US)] = STOPPED
    status[(riders.quality == OFF_ROUTE) | (riders.quality == UNPLACED)] = ASTRAY
    status[at_us - riders.seen_us > _LOST_US] = SIGNAL_LOST
    status[in_car] = IN_CAR
    status[scene.finished] = FINISHED
    status[riders.seen_us == NEVER_US] = NOT_SEEN
    status[out] = ABANDONED
    return status


def counted_at(
    scene: Scene, status: NDArray[np.int8], starters: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Who counts for groups and gaps: starters on the road, for 90 s also those without signal."""
    rides_on = scene.at_us - scene.riders.placed_us <= _RIDES_ON_US
    there = (status == RACING) | (status == STOPPED) | ((status == SIGNAL_LOST) & rides_on)
    counted: NDArray[np.bool_] = starters & there & np.isfinite(scene.distance_m)
    return counted
