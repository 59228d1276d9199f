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
from truck.race.places import group_median, heard
from truck.race.riders import NEVER_US
from truck.race.rows import Rows, column
from truck.race.scene import Scene

# DESIGN 6: join under 2 s; split when over 3 s and over 30 m for 15 s
_JOIN_S = 2.0
_SPLIT_S, _SPLIT_M, _SPLIT_US = 3.0, 30.0, 15_000_000
_ASTRAY_M, _ASTRAY_US = 15.0, 20_000_000  # a wide road and two receivers; a gorge's echo
_STANDING_MPS = 1.0
_JOIN_US = 5_000_000  # so long, because one rider misplaced for a moment would unite two groups
_TOUCH_M = 15.0  # side by side, whatever the time says: DESIGN 6, at walking pace up a climb
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
        fitted_us: when he was last where his group rides, across the road.
    """

    group_id: Labels = column(np.int32, -1)
    part_id: Labels = column(np.int32, -1)
    parted_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    fitted_us: NDArray[np.int64] = column(np.int64, NEVER_US)


def follow_groups(
    memory: Groups, scene: Scene, place_m: Floats, on_road: NDArray[np.bool_]
) -> Labels:
    """Each rider's group at the scene's instant, -1 for who is not on the road.

    Args:
        memory: brought to the instant.
        scene: of the instant.
        place_m: where each rider is now.
        on_road: who counts.

    Riders of whom nothing was heard lately, or something odd, neither link nor part: each stays
    with the nearest rider of his group. So does a part until it has been away for long enough.
    """
    seen = on_road & heard(scene) & _believed(memory, scene)
    rows = np.flatnonzero(seen)
    if len(rows):
        rows = rows[np.lexsort((scene.riders.bib[rows], -place_m[rows]))]
        block = _blocks(memory, scene, place_m, rows)
        _part(memory, rows, block, scene.at_us)
        parting = scene.at_us - memory.parted_us[rows] < _SPLIT_US
        followers = np.append(rows[parting], np.flatnonzero(on_road & ~seen))
        mates = _mates(memory.group_id, place_m, followers, rows[~parting])
        _group(memory, rows, block, followers, mates)
    return np.where(on_road, memory.group_id, np.int32(-1))


def _believed(memory: Groups, scene: Scene) -> NDArray[np.bool_]:
    """Whose fix is not beside the road his group is on, or has been there for long.

    Echoes of rock and walls throw a fix any way: half of what they do along the road shows across.
    """
    lateral_m = np.nan_to_num(scene.riders.lateral_m)
    typical_m = group_median(memory.group_id, lateral_m, heard(scene))
    fits = ~(np.abs(lateral_m - typical_m) > _ASTRAY_M)
    memory.fitted_us[fits] = scene.at_us
    return fits | (scene.at_us - memory.fitted_us > _ASTRAY_US)


def _blocks(memory: Groups, scene: Scene, place_m: Floats, rows: Ints) -> Ints:
    """Numbers of the parts that these riders, front first, are in, counting from 0.

    Riders who move are linked along the road, within each group and then from group to group. Who
    stands is in the part of a rider of his own group as long as one is near, and joins none that
    passes him.
    """
    stands = scene.speed_mps[rows] < _STANDING_MPS
    # group by group, the riders who move before those who stand
    group_id = memory.group_id[rows]
    order = np.lexsort((stands, group_id))
    ahead, behind = order[:-1], order[1:]
    behind_s, behind_m = _compare(scene, place_m, rows[ahead], rows[behind])
    apart = (behind_m > _SPLIT_M) & ((behind_s > _SPLIT_S) | stands[behind])
    apart = np.where(group_id[ahead] >= 0, apart, ~_close(behind_s, behind_m))
    others = (group_id[ahead] != group_id[behind]) | (stands[ahead] != stands[behind])
    block = np.empty(len(rows), np.int64)
    block[order] = np.cumsum(np.append(0, apart | others))
    pairs = [_closing(memory, scene, place_m, rows, stands, block)]
    if stands.any():
        pairs.append(_beside(group_id, place_m[rows], stands, block))
    return np.unique(_united(block, np.concatenate(pairs, axis=1)), return_inverse=True)[1]


def _beside(group_id: Labels, place_m: Floats, stands: NDArray[np.bool_], block: Ints) -> Ints:
    """Pairs of parts that are one because a rider who stands is near one of his group."""
    still, moving = np.flatnonzero(stands), np.flatnonzero(~stands)
    mate = _mates(group_id, place_m, still, moving)
    near = (mate >= 0) & (np.abs(place_m[mate] - place_m[still]) <= _SPLIT_M)
    return np.stack([block[still[near]], block[mate[near]]])


def _closing(
    memory: Groups,
    scene: Scene,
    place_m: Floats,
    rows: Ints,
    stands: NDArray[np.bool_],
    block: Ints,
) -> Ints:
    """Pairs of parts of different groups that have come together, for more than a moment."""
    ahead, behind = rows[:-1], rows[1:]
    behind_s, behind_m = _compare(scene, place_m, ahead, behind)
    one, other = memory.group_id[ahead], memory.group_id[behind]
    new, ride = (one < 0) | (other < 0), ~stands[:-1] & ~stands[1:]
    close = (new | ((one != other) & ride)) & _close(behind_s, behind_m)
    both = zip(one[close].tolist(), other[close].tolist(), strict=True)
    names = [f"{min(pair)} {max(pair)}" for pair in both]
    before = memory.facts.get("closing", {})
    memory.facts["closing"] = {name: before.get(name, scene.at_us) for name in names}
    lasts = [
        name.startswith("-1 ") or scene.at_us - memory.facts["closing"][name] >= _JOIN_US
        for name in names
    ]
    joined = np.flatnonzero(close)[np.array(lasts, np.bool_)]
    return np.stack([block[joined + 1], block[joined]])


def _united(block: Ints, pairs: Ints) -> Ints:
    """Blocks of which each pair is one."""
    name = np.arange(int(block.max()) + 1)
    for one, other in np.unique(pairs, axis=1).T.tolist():
        name[name == name[one]] = name[other]
    return name[block]


def _group(memory: Groups, rows: Ints, block: Ints, followers: Ints, mates: Ints) -> None:
    """Make groups of the parts; `followers` go with their `mates`, if they have any."""
    of_row = np.full(len(memory.group_id), -1)
    of_row[rows] = block
    led = mates >= 0
    of_row[followers[led]] = of_row[mates[led]]
    everyone = np.flatnonzero(of_row >= 0)
    block = np.unique(of_row[everyone], return_inverse=True)[1]
    ids = _names(block, memory.group_id[everyone], memory.facts, "groups")
    memory.group_id[everyone] = ids[block]


def _compare(scene: Scene, place_m: Floats, ahead: Ints, behind: Ints) -> tuple[Floats, Floats]:
    """Seconds and metres from riders to the ones behind them."""
    now_us = np.full(len(ahead), scene.at_us)
    behind_s = passed_s(scene.riders, ahead, place_m[behind], place_m[ahead], now_us)
    behind_m = place_m[ahead] - place_m[behind]
    speed_mps = np.fmax(scene.speed_mps[behind], _SLOWEST_MPS)
    return np.where(np.isnan(behind_s), behind_m / speed_mps, behind_s), behind_m


def _close(behind_s: Floats, behind_m: Floats) -> NDArray[np.bool_]:
    return (behind_s < _JOIN_S) | (behind_m < _TOUCH_M)


def _part(memory: Groups, rows: Ints, part: Ints, at_us: int) -> None:
    """Name the parts that these riders are in, and date those that are new."""
    ids = _names(part, memory.part_id[rows], memory.facts, "parts")
    parted_us = np.full(len(ids), at_us)
    bears = memory.part_id[rows] == ids[part]
    parted_us[part[bears]] = memory.parted_us[rows[bears]]
    memory.part_id[rows] = ids[part]
    memory.parted_us[rows] = parted_us[part]


def _mates(group_id: Labels, place_m: Floats, rows: Ints, others: Ints) -> Ints:
    """For each rider the nearest of `others` of his group, -1 where there is none."""
    if len(others) == 0:
        return np.full(len(rows), -1)
    away_m = np.abs(place_m[rows][:, None] - place_m[others])
    away_m[(group_id[rows][:, None] != group_id[others]) | (group_id[rows] < 0)[:, None]] = np.inf
    nearest = np.argmin(away_m, axis=1)
    return np.where(np.isfinite(away_m[np.arange(len(rows)), nearest]), others[nearest], -1)


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
