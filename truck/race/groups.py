"""Groups on the road: riders linked by the time between them, who stay together until they part.

Riders are linked into parts along the road at once: who is within 2 s of the rider ahead belongs to
him, who is more than 3 s and 30 m behind does not, and in between it stays as it was. Groups are
parts that have been apart for 15 s. Both keep their identity by their members: the part or group
that has most of them inherits it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.passages import passed_s
from truck.race.passes import Ints
from truck.race.places import heard
from truck.race.riders import NEVER_US
from truck.race.rows import Rows, column
from truck.race.scene import Scene

# DESIGN 6: join under 2 s; split when over 3 s and over 30 m for 15 s
_JOIN_S = 2.0
_SPLIT_S, _SPLIT_M, _SPLIT_US = 3.0, 30.0, 15_000_000
_TOUCH_M = 5.0  # side by side, whatever the time says: riders who stand have none between them
_SLOWEST_MPS = 3.0  # where the rider ahead was not seen to pass: metres at no less than that

Labels = NDArray[np.int32]


@dataclass
class Groups(Rows):
    """Who rides with whom, and rode with whom for riders who are not on the road now.

    `facts` holds how many groups and parts there have been.

    Attributes:
        group_id: of each rider, -1 before the first.
        part_id: of the riders whom nothing parts at the moment.
        parted_us: when that part came off another one.
    """

    group_id: Labels = column(np.int32, -1)
    part_id: Labels = column(np.int32, -1)
    parted_us: NDArray[np.int64] = column(np.int64, NEVER_US)


def follow_groups(
    memory: Groups, scene: Scene, place_m: Floats, on_road: NDArray[np.bool_]
) -> Labels:
    """Each rider's group at the scene's instant, -1 for who is not on the road.

    Args:
        memory: brought to the instant.
        scene: of the instant.
        place_m: where each rider is now.
        on_road: who counts.

    Only riders heard of lately link and part; the others stay with the group they were in, with
    the rider of it nearest to where they should be.
    """
    seen = on_road & heard(scene)
    rows = np.flatnonzero(seen)
    if len(rows):
        rows = rows[np.lexsort((scene.riders.bib[rows], -place_m[rows]))]
        dark = np.flatnonzero(on_road & ~seen & (memory.group_id >= 0))
        mates = _mates(memory.group_id, place_m, rows, dark)
        _link(memory, scene, place_m, rows, dark[mates >= 0], mates[mates >= 0])
    return np.where(on_road, memory.group_id, np.int32(-1))


def _link(
    memory: Groups, scene: Scene, place_m: Floats, rows: Ints, dark: Ints, mates: Ints
) -> None:
    """Link the riders heard, front first, into parts and groups; the dark go with their mates."""
    ahead, behind = rows[:-1], rows[1:]
    close, wide = _compare(scene, place_m, ahead, behind)
    linked = close | (_shared(memory.part_id, ahead, behind) & ~wide)
    _part(memory, rows, np.cumsum(np.append(0, ~linked)), scene.at_us)
    memory.part_id[dark] = memory.part_id[mates]
    memory.parted_us[dark] = memory.parted_us[mates]

    apart_us = scene.at_us - np.maximum(memory.parted_us[ahead], memory.parted_us[behind])
    waiting = _shared(memory.group_id, ahead, behind) & (apart_us < _SPLIT_US)
    block = np.zeros(len(place_m), np.int64)
    block[rows] = np.cumsum(np.append(0, ~(linked | waiting)))
    block[dark] = block[mates]
    everyone = np.append(rows, dark)
    ids = _names(block[everyone], memory.group_id[everyone], memory.facts, "groups")
    memory.group_id[everyone] = ids[block[everyone]]


def _compare(
    scene: Scene, place_m: Floats, ahead: Ints, behind: Ints
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which riders are on the wheel of the one ahead, and which have lost it."""
    now_us = np.full(len(ahead), scene.at_us)
    behind_s = passed_s(scene.riders, ahead, place_m[behind], place_m[ahead], now_us)
    apart_m = place_m[ahead] - place_m[behind]
    speed_mps = np.maximum(np.nan_to_num(scene.speed_mps[behind]), _SLOWEST_MPS)
    behind_s = np.where(np.isnan(behind_s), apart_m / speed_mps, behind_s)
    close = (behind_s < _JOIN_S) | (apart_m < _TOUCH_M)
    return close, (behind_s > _SPLIT_S) & (apart_m > _SPLIT_M)


def _shared(label: Labels, ahead: Ints, behind: Ints) -> NDArray[np.bool_]:
    shared: NDArray[np.bool_] = (label[ahead] == label[behind]) & (label[ahead] >= 0)
    return shared


def _part(memory: Groups, rows: Ints, part: Ints, at_us: int) -> None:
    """Name the parts that these riders are in, and date those that are new."""
    ids = _names(part, memory.part_id[rows], memory.facts, "parts")
    parted_us = np.full(len(ids), at_us)
    bears = memory.part_id[rows] == ids[part]
    parted_us[part[bears]] = memory.parted_us[rows[bears]]
    memory.part_id[rows] = ids[part]
    memory.parted_us[rows] = parted_us[part]


def _mates(group_id: Labels, place_m: Floats, rows: Ints, dark: Ints) -> Ints:
    """For each rider without signal the nearest one heard of his group, -1 where there is none."""
    away_m = np.abs(place_m[dark][:, None] - place_m[rows])
    away_m[group_id[dark][:, None] != group_id[rows]] = np.inf
    nearest = np.argmin(away_m, axis=1)
    return np.where(np.isfinite(away_m[np.arange(len(dark)), nearest]), rows[nearest], -1)


def _names(block: Ints, before: Labels, facts: dict[str, Any], counter: str) -> Labels:
    """An id for each block of riders: the one most of them had, no id twice, else a new one.

    Args:
        block: of each rider, counting from 0 without a gap.
        before: the id he had, -1 for none.
        facts: holds the ids given so far under `counter`.
        counter: which.
    """
    ids = np.full(int(block.max()) + 1, -1, np.int32)
    had = before >= 0
    pair, count = np.unique(block[had] << 32 | before[had], return_counts=True)
    # the largest share first, of equal ones the foremost
    order = np.lexsort((pair, -count))
    taken: set[int] = set()
    for index, old in zip(
        (pair[order] >> 32).tolist(), (pair[order] & 0xFFFFFFFF).tolist(), strict=True
    ):
        if ids[index] < 0 and old not in taken:
            ids[index] = old
            taken.add(old)
    new = np.flatnonzero(ids < 0)
    begun = facts.get(counter, 0)
    ids[new] = begun + 1 + np.arange(len(new))
    facts[counter] = begun + len(new)
    return ids


def group_table(group_id: Labels, order: Ints) -> tuple[Ints, Labels, Labels]:
    """Each group's first rider's row, id and size, front first; `order` is the standings'."""
    inside = order[group_id[order] >= 0]
    ids, first, size = np.unique(group_id[inside], return_index=True, return_counts=True)
    by_front = np.argsort(first)
    return inside[first[by_front]], ids[by_front].astype(np.int32), size[by_front].astype(np.int32)
