"""Riders who alone fell silent: while those around them are heard."""

import numpy as np
from numpy.typing import NDArray

from truck.race.passes import Ints
from truck.race.progress import OFF_ROUTE
from truck.race.riders import NEVER_US
from truck.race.scene import Scene
from truck.race.trail import Trails

_SILENT_S = 120.0
_HEARD_S = 10.0
# Where nobody is heard it is the road or the relays: most of those around must be heard.
_SAME_M, _SAME_US = 300.0, 60_000_000
_AROUND_M, _LEAST, _MOST_HEARD = 1000.0, 2, 0.8


def lone_silences(scene: Scene, trails: Trails, racing: NDArray[np.bool_]) -> Ints:
    """Rows of riders silent for two minutes while most of those within a kilometre were heard.

    A silent rider is looked for where his pace of the last minute would have brought him.
    """
    riders = scene.riders
    placed = racing & np.isfinite(riders.distance_m) & (riders.quality != OFF_ROUTE)
    silent = placed & (scene.age_s > _SILENT_S) & (riders.seeded_us != NEVER_US)
    if not silent.any():
        return np.zeros(0, np.int64)
    pace_mps = np.nan_to_num(riders.pace_mps)
    along_m = np.where(placed, riders.distance_m + pace_mps * scene.age_s, np.nan)
    rows = np.flatnonzero(silent & (trails.still_us == NEVER_US))
    # several who fall silent together, or whoever was in the dark with him, make it the place's
    all_along = trails.heard_us[None, :] <= riders.seen_us[rows, None]
    heard = placed & (scene.age_s <= _HEARD_S) & all_along
    around = np.abs(along_m[rows, None] - along_m[None, :]) <= _AROUND_M
    around[np.arange(len(rows)), rows] = False
    heard_there = np.count_nonzero(around & heard, axis=1)
    there = np.count_nonzero(around, axis=1)
    same = np.abs(riders.distance_m[rows, None] - riders.distance_m[None, :]) <= _SAME_M
    same &= np.abs(riders.seen_us[rows, None] - riders.seen_us[None, :]) <= _SAME_US
    alone = np.count_nonzero(same & placed & (scene.age_s > _HEARD_S), axis=1) <= 1
    lone: Ints = rows[alone & (heard_there >= _LEAST) & (heard_there >= _MOST_HEARD * there)]
    return lone


def heard_again(scene: Scene, racing: NDArray[np.bool_], bib: int) -> bool:
    """Whether a silent rider is heard, or no longer expected to be."""
    mine = scene.riders.bib == bib
    return not (mine & racing & (scene.age_s > _HEARD_S)).any()
