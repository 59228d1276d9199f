"""What is shown of the race at one instant, in standings order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Course, Floats
from truck.race.groups import group_table
from truck.race.incidents import Change
from truck.race.look import Look
from truck.race.passes import Ints
from truck.race.progress import OFF_ROUTE_M
from truck.race.riders import NEVER_US
from truck.race.status import ASTRAY, FINISHED, IN_CAR

QUALITIES = ("good", "doubtful", "off_route", "late", "unplaced")


@dataclass(frozen=True, eq=False)
class RiderColumns:
    """Riders in standings order, a row each.

    Distances are metres after the flag, ages and gaps seconds, NaN (or -1 for ids) where unknown.
    `status` and `quality` index `STATUSES` and `QUALITIES`. `gap_s` is brought to now over holes
    of the signal, `gap_measured_s` was measured with fixes of both at the road point `gap_at_m`.
    `ruled` says that an operator's word stands in it. `finished_us` is when the line was crossed,
    microseconds since 1970 UTC, `NEVER_US` before. Effort, wind and standings are as
    `EffortColumns`, `WindColumns` and `StandingColumns` say.
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
    gap_measured_s: Floats
    gap_at_m: Floats
    headwind_mps: Floats
    crosswind_mps: Floats
    shelter: Floats
    echelon_risk: Floats
    effort_w: Floats
    effort_low_w: Floats
    effort_high_w: Floats
    w_balance: Floats
    virtual_gap_s: Floats
    bonus_s: Floats
    ruled: NDArray[np.bool_]
    finished_us: Ints


@dataclass(frozen=True, eq=False)
class GroupColumns:
    """Groups on the road, front first; a group keeps its `group_id` while most of it stays.

    Gaps are those of its first rider; `echelon` is an alert that crosswind may split it.
    """

    group_id: NDArray[np.int32]
    size: NDArray[np.int32]
    first_bib: NDArray[np.int32]
    distance_m: Floats
    gap_s: Floats
    gap_m: Floats
    gap_measured_s: Floats
    gap_at_m: Floats
    speed_mps: Floats
    echelon: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Frame:
    """The race at one instant.

    Attributes:
        at_us: the instant, microseconds since 1970 UTC.
        changes: what is said of incidents since the last reading.
        open: incidents that are open now, each as last said.
    """

    at_us: int
    riders: RiderColumns
    groups: GroupColumns
    changes: list[Change]
    open: list[Change]


def make_frame(
    course: Course,
    called: NDArray[np.object_],
    seen: Look,
    ruled: NDArray[np.bool_],
    changes: list[Change],
    open_now: list[Change],
) -> Frame:
    """The frame of one look.

    Args:
        course: the stage's.
        called: names and teams, shape (2, n), in the rows of the riders.
        seen: the look at the race.
        ruled: whose row an operator's word has touched.
        changes: what is newly said of incidents.
        open_now: incidents as last said.
    """
    order, riders, scene = seen.order, seen.scene.riders, seen.scene
    bibs = riders.bib[order]
    distance_m = seen.shown_m[order]
    latitude_deg, longitude_deg = _place(course, seen)
    derived = (seen.gaps, seen.wind, seen.effort, seen.standings)
    return Frame(
        scene.at_us,
        RiderColumns(
            bib=bibs,
            name=tuple(called[0, order].tolist()),
            team=tuple(called[1, order].tolist()),
            distance_m=distance_m,
            to_go_m=course.length_m - distance_m,
            lap=course.lap_at(distance_m),
            speed_mps=scene.speed_mps[order],
            gradient_pct=course.gradient_at(distance_m),
            lateral_m=riders.lateral_m[order],
            group_id=seen.group_id[order],
            status=seen.status[order],
            quality=riders.quality[order],
            age_s=scene.age_s[order],
            latitude_deg=latitude_deg[order],
            longitude_deg=longitude_deg[order],
            power_w=riders.power_w[order],
            heart_rate_bpm=riders.heart_rate_bpm[order],
            ruled=ruled[order],
            finished_us=np.where(scene.finished, riders.finished_us, NEVER_US)[order],
            **{name: column[order] for of in derived for name, column in of._asdict().items()},
        ),
        _groups(seen),
        changes,
        open_now,
    )


def _groups(seen: Look) -> GroupColumns:
    front, ids, size = group_table(seen.group_id, seen.order)
    return GroupColumns(
        group_id=ids,
        size=size,
        first_bib=seen.scene.riders.bib[front],
        distance_m=seen.shown_m[front],
        gap_s=seen.gaps.gap_s[front],
        gap_m=seen.gaps.gap_m[front],
        gap_measured_s=seen.gaps.gap_measured_s[front],
        gap_at_m=seen.gaps.gap_at_m[front],
        speed_mps=seen.scene.speed_mps[front],
        echelon=(ids[:, None] == seen.echelons).any(axis=1),
    )


def _place(course: Course, seen: Look) -> tuple[Floats, Floats]:
    """On the road where the rider is on it, else his last fix."""
    riders, distance_m, status = seen.scene.riders, seen.shown_m, seen.status
    elsewhere = (status == ASTRAY) | (status == FINISHED) | (status == IN_CAR)
    with_road = np.isfinite(distance_m) & ~elsewhere
    on_lat, on_lon = course.place(np.where(with_road, distance_m, 0.0))
    on = with_road & ~(np.abs(riders.lateral_m) > OFF_ROUTE_M)
    return (
        np.where(on, on_lat, riders.latitude_deg),
        np.where(on, on_lon, riders.longitude_deg),
    )
