"""The wind on each rider: against him, across him, and what the riders ahead take of it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.passes import Ints
from truck.race.rows import Rows
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
_ALERT, _CALM = 0.45, 0.3  # of the risk's mean over the group: hysteresis
_FAST_MPS = 8.0
_STEEP_PCT = 3.5
_AHEAD_M = np.array([0.0, 250.0, 500.0, 750.0])  # the road that risk is looked for on
_BUNCH = 12  # riders; fewer find room in one diagonal line
_LASTS_US = 60_000_000


@dataclass
class Echelons(Rows):
    """Which groups crosswind is about to tear apart; `facts` holds group id -> alert since."""


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
    gradient_pct = np.nan_to_num(scene.course.gradient_at(scene.distance_m))
    slow = (scene.riders.pace_mps < _FAST_MPS) | (gradient_pct > _STEEP_PCT)
    return np.where(np.isfinite(scene.distance_m), np.where(slow, 0.0, risk), np.nan)


def _alerts(
    memory: Echelons, scene: Scene, risk: Floats, group_id: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Groups whose mean risk has passed the threshold, and has not fallen back for a minute."""
    inside: Ints = np.flatnonzero(group_id >= 0)
    ids, index, size = np.unique(group_id[inside], return_inverse=True, return_counts=True)
    mean = np.bincount(index, weights=risk[inside], minlength=len(ids)) / np.maximum(size, 1)
    since: dict[str, int] = memory.facts.get("since_us", {})
    alerts = {}
    for number, danger, riders in zip(ids.tolist(), mean.tolist(), size.tolist(), strict=True):
        begun_us = since.get(str(number))
        held = begun_us is not None and (danger > _CALM or scene.at_us - begun_us < _LASTS_US)
        if held or (danger >= _ALERT and riders >= _BUNCH):
            alerts[number] = scene.at_us if danger >= _ALERT or begun_us is None else begun_us
    memory.facts["since_us"] = {str(number): at_us for number, at_us in alerts.items()}
    return np.array(sorted(alerts), np.int32)
