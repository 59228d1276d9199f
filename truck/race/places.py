"""Where on the road each rider is by now, also who has not been heard for a while.

A rider rides as those ahead of him did: between two fixes the time he is behind the front of the
race goes on as it did, not his speed, so bends and climbs do not move him. Without signal he gets
on as the heard riders of his group do. Silence is no abandonment, so a place is guessed for as
long as it lasts; whether it is shown is the status' business.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.front import Front, front_of
from truck.race.passes import Ints
from truck.race.riders import NEVER_US
from truck.race.rows import Rows, column
from truck.race.scene import Scene

HEARD_US = 10_000_000  # a rider's own fix says where he is
_STANDING_MPS = 1.0
_HOLDS_S = 60.0  # after as long a silent rider's speed is half that of now, half his minute's pace
_LASTS_S = 120.0  # of a gap's trend: after as long it has a quarter of its strength
_LEADS_ON_US = 600_000_000  # a break out of reach is the front still: so long a valley may be


@dataclass
class Places(Rows):
    """Where riders were thought to be at the last look.

    Attributes:
        place_m: after the flag, NaN for who was not in the race.
        at_us: when.
    """

    place_m: NDArray[np.float64] = column(np.float64, np.nan)
    at_us: NDArray[np.int64] = column(np.int64, NEVER_US)


def heard(scene: Scene) -> NDArray[np.bool_]:
    """Riders whom a recent fix put on the course."""
    return scene.at_us - scene.riders.placed_us <= HEARD_US


def follow_places(
    memory: Places,
    scene: Scene,
    racing: NDArray[np.bool_],
    group_id: NDArray[np.int32],
    trend: Floats,
    doubtful: NDArray[np.bool_],
) -> tuple[Floats, Front | None]:
    """Metres after the flag of the riders in the race, NaN for others, and the race's front.

    Args:
        memory: brought to the instant.
        scene: of the instant.
        racing: who is in the race and on the course, or was when last heard, however long ago.
        group_id: who rode with whom at the last look, -1 for nobody.
        trend: by how much each gap to the front grew when it was last measured, seconds a second.
        doubtful: who may sit in a car, and leads nobody.
    """
    recent = heard(scene)
    place_m = np.where(racing & recent, scene.distance_m, np.nan)
    dark = np.flatnonzero(racing & ~recent)
    led = recent & racing
    if len(dark):
        gone_m = np.maximum(place_m - memory.place_m, 0.0)
        way_m = group_median(group_id, gone_m, np.isfinite(gone_m))[dark]
        alone = np.isnan(way_m)
        last_us = _last_heard(scene, racing, group_id)[dark]
        fresh = scene.riders.placed_us[dark] >= np.maximum(
            last_us - HEARD_US, scene.at_us - _LEADS_ON_US
        )
        led[dark] = alone & fresh
        since_s = (scene.at_us - memory.at_us[dark]) / 1e6
        way_m = np.where(alone, _pace_mps(scene, dark) * since_s, way_m)
        way_m[_standing(scene)[dark]] = 0.0
        was_m = memory.place_m[dark]
        place_m[dark] = np.where(np.isnan(was_m), scene.distance_m[dark], was_m + way_m)
    place_m = np.minimum(place_m, scene.course.length_m)
    led &= np.isfinite(place_m)
    sure = led & ~doubtful
    front = front_of(scene, place_m, sure if sure.any() else led)
    if front is not None:
        _ride_as_the_front_did(memory, scene, front, place_m, led, trend)
    memory.place_m[:] = place_m
    memory.at_us[:] = scene.at_us
    return place_m, front


def _ride_as_the_front_did(
    memory: Places,
    scene: Scene,
    front: Front,
    place_m: Floats,
    who: NDArray[np.bool_],
    trend: Floats,
) -> None:
    """Bring riders from their last fix, or place, to now at the gap they had there, as it grew."""
    rows = np.flatnonzero(who & ~_standing(scene))
    by_fix = heard(scene)[rows]
    from_m = np.where(by_fix, scene.riders.distance_m[rows], memory.place_m[rows])
    from_us = np.where(by_fix, scene.riders.placed_us[rows], memory.at_us[rows])
    since_s = (scene.at_us - from_us) / 1e6
    behind_s = front.passed_s(from_m) - since_s
    aged = 1.0 + (scene.at_us - scene.riders.placed_us[rows]) / 1e6 / _LASTS_S
    grown_s = np.maximum(behind_s + trend[rows] * since_s / (aged * aged), 0.0)
    now_m = front.place_at(np.where(behind_s > 0.0, grown_s, np.nan))
    known = np.isfinite(now_m)
    place_m[rows[known]] = np.maximum(now_m, from_m)[known]


def _pace_mps(scene: Scene, rows: Ints) -> Floats:
    """How fast silent riders get on: at first as when last heard, then more and more at their pace.

    Who had just attacked, or begun to climb, goes on so for a while; a minute's mean knows neither.
    """
    pace_mps = np.where(np.isnan(scene.riders.pace_mps), 0.0, scene.riders.pace_mps)[rows]
    speed_mps = scene.riders.speed_mps[rows]
    speed_mps = np.where(np.isnan(speed_mps), pace_mps, speed_mps)
    since_s = (scene.at_us - scene.riders.placed_us[rows]) / 1e6
    return pace_mps + (speed_mps - pace_mps) * _HOLDS_S / (_HOLDS_S + since_s)


def _last_heard(
    scene: Scene, racing: NDArray[np.bool_], group_id: NDArray[np.int32]
) -> NDArray[np.int64]:
    """When anyone of each rider's group was last heard; himself if he has none."""
    latest_us = np.full(int(group_id.max(initial=0)) + 1, NEVER_US)
    inside = racing & (group_id >= 0)
    np.maximum.at(latest_us, group_id[inside], scene.riders.placed_us[inside])
    return np.where(group_id >= 0, latest_us[group_id], scene.riders.placed_us)


def _standing(scene: Scene) -> NDArray[np.bool_]:
    return scene.speed_mps < _STANDING_MPS


def group_median(group_id: NDArray[np.int32], values: Floats, which: NDArray[np.bool_]) -> Floats:
    """For each rider the middle one of the values of some riders of his group; NaN if none."""
    middle = np.full(len(values), np.nan)
    rows: Ints = np.flatnonzero(which & (group_id >= 0))
    if len(rows) == 0:
        return middle
    order = rows[np.lexsort((values[rows], group_id[rows]))]
    ids, first, count = np.unique(group_id[order], return_index=True, return_counts=True)
    found = np.minimum(np.searchsorted(ids, group_id), len(ids) - 1)
    inside = ids[found] == group_id
    middle[inside] = values[order[first + (count - 1) // 2]][found[inside]]
    return middle
