"""The wind on each rider: against him, across him, and what the riders ahead take of it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.passes import Ints
from truck.race.rows import Rows, column
from truck.race.scene import Scene
from truck.race.winds import Winds

# Shelter after Blocken et al. 2018 (J Wind Eng Ind Aerodyn 179:319): 5 to 10 % of a lone rider's
# drag deep in a peloton; about two thirds behind one wheel, half behind several (Blocken 2013).
_DEEPEST = 0.06
_SHIELD = 0.5
_NEAR_M, _MIDDLE_M, _FAR_M = 4.0, 12.0, 30.0
_MIDDLE_WEIGHT, _FAR_WEIGHT = 0.5, 0.15

# Across the road, at 10 m: teams ride for echelons from about 25 km/h and few bunches stay whole
# at 40 km/h, on roads where they ride fast; uphill and slowly shelter matters little.
_BREEZE_MPS, _GALE_MPS = 5.0, 11.0
_STRONG, _CALM = 0.5, 0.25  # of the risk's mean over the group: 8 m/s across, and 6.5 to end it
_FAST_MPS = 8.0
_STEEP_PCT = 3.5
_AHEAD_M = np.array([0.0, 500.0, 1000.0, 1500.0])  # a turn of a few hundred metres tears nothing
_BUNCH = 15  # riders; fewer find room in one diagonal line on six metres of road
# A bicycle and the gap to the next are 2 m. A bunch rides three to six abreast; once each rider
# takes three quarters of a bicycle's place, most of them ride one behind the other in the gutter.
_STRETCHED_M = 1.5
_MIDDLE = 0.9  # of the group, without its stragglers and escapers
_HEARD_S = 10.0
_SAME_M = 1000.0  # groups so near each other ride in the same wind: one alert is enough
_LASTS_US = 180_000_000  # echelons are ridden for minutes beyond the bend that ends them


@dataclass
class Echelons(Rows):
    """Which groups crosswind is tearing apart.

    `facts` holds when each alert ends, by the group it was raised for.

    Attributes:
        family: the alert of the group that a rider was in, wherever he is now; -1 for none.
    """

    family: NDArray[np.int32] = column(np.int32, -1)


class WindColumns(NamedTuple):
    """A row a rider, NaN where unknown.

    Attributes:
        headwind_mps: against him, of the wind the weather sheet gives.
        crosswind_mps: positive from the left.
        shelter: share of the drag of a rider alone that he feels, 0 to 1.
        echelon_risk: 0 to 1.
    """

    headwind_mps: Floats
    crosswind_mps: Floats
    shelter: Floats
    echelon_risk: Floats


def follow_wind(
    memory: Echelons, scene: Scene, winds: Winds, group_id: NDArray[np.int32]
) -> tuple[WindColumns, NDArray[np.int32]]:
    """The wind on each rider at the scene's instant, and the groups under an echelon alert."""
    head_mps, cross_mps = winds.against(scene.distance_m, scene.at_us)
    order = np.flatnonzero(group_id >= 0)
    order = order[np.lexsort((-scene.distance_m[order], group_id[order]))]
    shelter = np.where(np.isfinite(scene.distance_m), 1.0, np.nan)
    shelter[order] = shelter_of(scene.distance_m[order], group_id[order])
    risk = _risk(scene, winds) if winds.known else np.full(len(group_id), np.nan)
    alerts = _alerts(memory, scene, risk, group_id) if winds.known else np.zeros(0, np.int32)
    return WindColumns(head_mps, cross_mps, shelter, risk), alerts


def shelter_of(distance_m: Floats, group_id: NDArray[np.int32]) -> Floats:
    """Each rider's share of a lone rider's drag; rows sorted by group, each front first."""
    # one axis for all groups, far apart from each other
    behind_m = group_id * 1e7 - distance_m
    rank = np.arange(len(behind_m))
    near, middle, far = (
        rank - np.searchsorted(behind_m, behind_m - span_m)
        for span_m in (_NEAR_M, _MIDDLE_M, _FAR_M)
    )
    ahead = near + _MIDDLE_WEIGHT * (middle - near) + _FAR_WEIGHT * (far - middle)
    return _DEEPEST + (1.0 - _DEEPEST) / (1.0 + _SHIELD * ahead)


def _risk(scene: Scene, winds: Winds) -> Floats:
    """How near the crosswind on the next kilometre comes to tearing a fast bunch apart."""
    ahead_m = scene.distance_m[:, None] + _AHEAD_M
    _, cross_mps = winds.against(ahead_m.ravel(), scene.at_us)
    across_mps = np.abs(cross_mps).reshape(ahead_m.shape).mean(axis=1)
    risk = np.clip((across_mps - _BREEZE_MPS) / (_GALE_MPS - _BREEZE_MPS), 0.0, 1.0)
    steep = scene.course.gradient_at(scene.distance_m) > _STEEP_PCT
    slow = (scene.riders.pace_mps < _FAST_MPS) | steep
    return np.where(np.isfinite(scene.distance_m), np.where(slow, 0.0, risk), np.nan)


def _alerts(
    memory: Echelons, scene: Scene, risk: Floats, group_id: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Groups in a strong wind that stretch out, or in one that few stay whole in.

    One alert holds for all the parts of a group, and for groups close by; it is shown on the one
    that kept the group's number, or else on the largest, so long as that is a bunch.
    """
    inside: Ints = np.flatnonzero(group_id >= 0)
    ids, index, size = np.unique(group_id[inside], return_inverse=True, return_counts=True)
    danger = np.bincount(index, weights=risk[inside], minlength=len(ids)) / np.maximum(size, 1)
    torn = (danger >= _STRONG) & (_room_m(scene, group_id, ids) >= _STRETCHED_M)
    begins = (size >= _BUNCH) & (torn | (danger >= 1.0))
    middle_m = np.bincount(index, weights=scene.distance_m[inside], minlength=len(ids)) / size
    ends_us: dict[str, int] = memory.facts.get("ends_us", {})
    later_us = scene.at_us + _LASTS_US
    for number, at_m in zip(ids[begins].tolist(), middle_m[begins].tolist(), strict=True):
        near = np.isin(group_id, ids[np.abs(middle_m - at_m) <= _SAME_M])
        members = group_id == number
        family = _most(memory.family[members], _most(memory.family[near], number))
        memory.family[members] = family
        ends_us[str(family)] = later_us
    shown = []
    for family in [int(name) for name in ends_us]:
        place = _shown_on(family, group_id, memory.family)
        at = int(np.searchsorted(ids, place))
        if place >= 0 and danger[at] >= _CALM:
            ends_us[str(family)] = later_us
        if ends_us[str(family)] <= scene.at_us:
            del ends_us[str(family)]
            memory.family[memory.family == family] = -1
        elif place >= 0 and size[at] >= _BUNCH:
            shown.append(place)
    memory.facts["ends_us"] = ends_us
    return np.array(sorted(set(shown)), np.int32)


def _room_m(scene: Scene, group_id: NDArray[np.int32], ids: NDArray[np.int32]) -> Floats:
    """Metres of road for each rider of the groups, but for the first and the last of them."""
    rows = np.flatnonzero((group_id >= 0) & (scene.age_s <= _HEARD_S))
    rows = rows[np.lexsort((scene.distance_m[rows], group_id[rows]))]
    first = np.searchsorted(group_id[rows], ids)
    count = np.searchsorted(group_id[rows], ids, side="right") - first
    left_out = ((1.0 - _MIDDLE) / 2.0 * count).astype(np.int64)
    at_m = np.append(scene.distance_m[rows], 0.0)
    low_m, high_m = at_m[first + left_out], at_m[np.maximum(first + count - 1 - left_out, 0)]
    between = np.maximum(count - 1 - 2 * left_out, 1)
    return np.where(count >= _BUNCH, (high_m - low_m) / between, 0.0)


def _shown_on(family: int, group_id: NDArray[np.int32], families: NDArray[np.int32]) -> int:
    """The group that stands for those of an alert, -1 once nobody of them is on the road."""
    if np.count_nonzero(group_id == family) >= _BUNCH:
        return family
    return _most(group_id[families == family], -1)


def _most(numbers: NDArray[np.int32], otherwise: int) -> int:
    """The number that is there most often, negative ones apart."""
    found, count = np.unique(numbers[numbers >= 0], return_counts=True)
    return int(found[np.argmax(count)]) if len(found) else otherwise
