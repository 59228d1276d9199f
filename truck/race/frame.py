"""What the race looks like at one instant, every rider brought to it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Course, Floats
from truck.race.groups import link_groups
from truck.race.passages import passed_s
from truck.race.passes import Ints
from truck.race.progress import OFF_ROUTE, OFF_ROUTE_M, UNPLACED
from truck.race.riders import NEVER_US, Riders

STATUSES = ("racing", "signal_lost", "off_route", "stopped", "finished", "not_seen")
RACING, SIGNAL_LOST, ASTRAY, STOPPED, FINISHED, NOT_SEEN = range(6)
QUALITIES = ("good", "doubtful", "off_route", "late", "unplaced")

_LATEST_US = np.iinfo(np.int64).max
_LOST_US = 10_000_000
_STOPPED_US = 10_000_000
_AHEAD_S = 5.0  # how far a rider is carried on at his last speed
_RIDES_ON_US = 90_000_000  # without signal, in the standings


@dataclass(frozen=True, eq=False)
class RiderColumns:
    """Riders in standings order, a row each.

    Distances are metres after the flag, ages and gaps seconds, NaN (or -1 for ids) where unknown.
    `status` and `quality` index `STATUSES` and `QUALITIES`.
    """

    bib: NDArray[np.int32]
    name: tuple[str, ...]
    team: tuple[str, ...]
    distance_m: Floats
    to_go_m: Floats
    lap: NDArray[np.int16]
    speed_mps: Floats
    gradient_pct: Floats
    lateral_m: Floats
    group_id: NDArray[np.int32]
    gap_s: Floats
    gap_m: Floats
    status: NDArray[np.int8]
    quality: NDArray[np.int8]
    age_s: Floats
    latitude_deg: Floats
    longitude_deg: Floats
    power_w: Floats
    heart_rate_bpm: Floats


@dataclass(frozen=True, eq=False)
class GroupColumns:
    """Groups on the road, front first; `group_id` 1 leads."""

    group_id: NDArray[np.int32]
    size: NDArray[np.int32]
    first_bib: NDArray[np.int32]
    distance_m: Floats
    gap_s: Floats
    gap_m: Floats


@dataclass(frozen=True, eq=False)
class Frame:
    """The race at `at_us`, microseconds since 1970 UTC."""

    at_us: int
    riders: RiderColumns
    groups: GroupColumns


def make_frame(
    course: Course, riders: Riders, names: dict[int, tuple[str, str]], at_us: int
) -> Frame:
    """The frame of an instant, from the live state alone; nothing is changed.

    Args:
        course: the stage's.
        riders: live state.
        names: name and team by bib.
        at_us: the instant, not before the readings it is to show.
    """
    since_us = at_us - riders.seen_us
    status = _status(riders, at_us)
    distance_m = _brought_to(course, riders, status, at_us)
    out_us = at_us - riders.placed_us
    # those who are on the road count for gaps; the silent ride on unseen for a while
    on_road = np.isfinite(distance_m) & (
        (status == RACING)
        | (status == STOPPED)
        | ((status == SIGNAL_LOST) & (out_us <= _RIDES_ON_US))
    )
    gap_s, gap_m = _gaps(riders, distance_m, on_road | (status == FINISHED), at_us)
    order = _standings(riders, distance_m, status)
    racing = order[on_road[order]]
    group_id = np.full(len(order), -1, np.int32)
    group_id[racing] = link_groups(riders, racing, distance_m[racing], at_us)
    latitude_deg, longitude_deg = _place(course, riders, distance_m, status)
    age_s = np.where(riders.seen_us == NEVER_US, np.nan, since_us / 1e6)
    return Frame(
        at_us,
        RiderColumns(
            bib=riders.bib[order],
            name=tuple(names.get(bib, ("", ""))[0] for bib in riders.bib[order].tolist()),
            team=tuple(names.get(bib, ("", ""))[1] for bib in riders.bib[order].tolist()),
            distance_m=distance_m[order],
            to_go_m=course.length_m - distance_m[order],
            lap=course.lap_at(distance_m[order]),
            speed_mps=riders.speed_mps[order],
            gradient_pct=course.gradient_at(distance_m[order]),
            lateral_m=riders.lateral_m[order],
            group_id=group_id[order],
            gap_s=gap_s[order],
            gap_m=gap_m[order],
            status=status[order],
            quality=riders.quality[order],
            age_s=age_s[order],
            latitude_deg=latitude_deg[order],
            longitude_deg=longitude_deg[order],
            power_w=riders.power_w[order],
            heart_rate_bpm=riders.heart_rate_bpm[order],
        ),
        _groups(riders, racing, group_id[racing], distance_m, gap_s, gap_m),
    )


def _status(riders: Riders, at_us: int) -> NDArray[np.int8]:
    status = np.full(len(riders.bib), RACING, np.int8)
    status[at_us - riders.moving_us > _STOPPED_US] = STOPPED
    status[(riders.quality == OFF_ROUTE) | (riders.quality == UNPLACED)] = ASTRAY
    status[at_us - riders.seen_us > _LOST_US] = SIGNAL_LOST
    status[riders.finished_us != NEVER_US] = FINISHED
    status[riders.seen_us == NEVER_US] = NOT_SEEN
    return status


def _brought_to(course: Course, riders: Riders, status: NDArray[np.int8], at_us: int) -> Floats:
    """Distances carried on at each rider's speed, no further than the line and a few seconds."""
    carried_s: Floats = np.clip((at_us - riders.placed_us) / 1e6, 0.0, _AHEAD_S)
    moving = (status == RACING) | (status == SIGNAL_LOST)
    speed_mps = np.where(moving & np.isfinite(riders.speed_mps), riders.speed_mps, 0.0)
    return np.minimum(riders.distance_m + speed_mps * carried_s, course.length_m)


def _standings(riders: Riders, distance_m: Floats, status: NDArray[np.int8]) -> Ints:
    """Finished riders by time, then the others by distance, then those never placed by bib."""
    finished = status == FINISHED
    place_m = np.where(np.isfinite(distance_m), distance_m, -np.inf)
    finished_us = np.where(finished, riders.finished_us, 0)
    return np.lexsort((riders.bib, np.where(finished, 0.0, -place_m), finished_us, ~finished))


def _gaps(
    riders: Riders, distance_m: Floats, counted: NDArray[np.bool_], at_us: int
) -> tuple[Floats, Floats]:
    """Gap of every rider to the first: time at the same road point, and metres."""
    gap_s, gap_m = np.full(len(distance_m), np.nan), np.full(len(distance_m), np.nan)
    if not counted.any():
        return gap_s, gap_m
    rows = np.flatnonzero(counted)
    order = np.lexsort((riders.finished_us[rows], -distance_m[rows]))
    done = riders.finished_us[rows] != NEVER_US
    first = np.argmin(np.where(done, riders.finished_us[rows], _LATEST_US))
    leader = rows[first] if done.any() else rows[order[0]]
    behind = np.full(len(rows), leader)
    now_us = np.full(len(rows), at_us)
    # a finished leader's clock stopped at the line
    until_us = np.where(riders.finished_us[behind] != NEVER_US, riders.finished_us[behind], now_us)
    ago_s = passed_s(riders, behind, distance_m[rows], distance_m[behind], until_us)
    ago_s += (now_us - until_us) / 1e6
    finish_s = (riders.finished_us[rows] - riders.finished_us[leader]) / 1e6
    gap_s[rows] = np.where(done, finish_s, np.where(rows == leader, 0.0, ago_s))
    gap_m[rows] = distance_m[leader] - distance_m[rows]
    return gap_s, gap_m


def _groups(
    riders: Riders,
    racing: Ints,
    group_id: NDArray[np.int32],
    distance_m: Floats,
    gap_s: Floats,
    gap_m: Floats,
) -> GroupColumns:
    ids, first, size = np.unique(group_id, return_index=True, return_counts=True)
    front = racing[first]
    return GroupColumns(
        ids.astype(np.int32),
        size.astype(np.int32),
        riders.bib[front],
        distance_m[front],
        gap_s[front],
        gap_m[front],
    )


def _place(
    course: Course, riders: Riders, distance_m: Floats, status: NDArray[np.int8]
) -> tuple[Floats, Floats]:
    """On the road where the rider is on it, else his last fix."""
    with_road = np.isfinite(distance_m) & (status != ASTRAY) & (status != FINISHED)
    on_lat, on_lon = course.place(np.where(with_road, distance_m, 0.0))
    on = with_road & (np.abs(np.nan_to_num(riders.lateral_m)) <= OFF_ROUTE_M)
    return (
        np.where(on, on_lat, riders.latitude_deg),
        np.where(on, on_lon, riders.longitude_deg),
    )
