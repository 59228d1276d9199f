"""Where riders stand together: each halt joins the incident at its place, or opens one."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truck.race.hazard import Halts, halts_of
from truck.race.passes import Ints
from truck.race.progress import DOUBTFUL, GOOD
from truck.race.riders import NEVER_US
from truck.race.rows import Rows, column
from truck.race.scene import Scene
from truck.race.trail import Trails

# One event: who stops at its place within a minute of its last. The queue behind grows with it.
_JOIN_US = 60_000_000
_SAME_M, _QUEUE_M_A_RIDER, _QUEUE_M = 60.0, 10.0, 300.0
_TOGETHER_US, _TOGETHER_M = 20_000_000, 50.0
_ROLLING_M = 300.0  # after the flag the bunch may stand and wait
_LINE_M = 30.0  # before the line: who is placed there may stand behind it
_ASTRAY_M = 150.0  # a place is carried on for some seconds at the speed before a fall
_FOLLOWED_US = 60_000_000  # on the course this long, his place is no stray fix
_AGAIN_US = 15_000_000  # riding this long he has gone on
_GONE_US = 600_000_000  # silent this long nobody waits for him


@dataclass
class Incidents(Rows):
    """Each rider's last halt; `facts` holds the open incidents, by the columns of `Change`.

    Attributes:
        incident: id of the one he stands or stood in while it is open, 0 for none.
        stands: whether he has not gone on from it.
        named: whether he is one of its bibs, or held up behind.
        onset_us: when he began to brake.
        from_mps: his speed then.
        braking_mps2: his hardest.
        at_least: whether he braked that hard or harder.
        sparse_s: between the fixes that saw it.
        x_m: where he came to stand, eastward.
        y_m: northward.
    """

    incident: NDArray[np.int32] = column(np.int32, 0)
    stands: NDArray[np.bool_] = column(np.bool_, False)
    named: NDArray[np.bool_] = column(np.bool_, False)
    onset_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    from_mps: NDArray[np.float64] = column(np.float64, np.nan)
    braking_mps2: NDArray[np.float64] = column(np.float64, 0.0)
    at_least: NDArray[np.bool_] = column(np.bool_, False)
    sparse_s: NDArray[np.float64] = column(np.float64, 0.0)
    x_m: NDArray[np.float64] = column(np.float64, np.nan)
    y_m: NDArray[np.float64] = column(np.float64, np.nan)


def enter(
    memory: Incidents,
    incidents: list[dict[str, Any]],
    scene: Scene,
    trails: Trails,
    halted: Ints,
    racing: NDArray[np.bool_],
) -> None:
    """Each of the riders who just came to stand joins the incident at his place, or opens one.

    Args:
        memory: changed.
        incidents: the open ones, changed.
        scene: of the instant.
        trails: the riders' last fixes.
        halted: rows of those riders.
        racing: whose standing still means something.
    """
    free = halted[_may_halt(scene, racing)[halted] & ~memory.stands[halted]]
    halts = _on_course(scene, halts_of(trails, free))
    _join(memory, incidents, scene, halts)


def _may_halt(scene: Scene, racing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whose standing still means something: on the course, well after the flag, before the line."""
    riders = scene.riders
    placed = (riders.quality == GOOD) | (riders.quality == DOUBTFUL)
    followed = (riders.seeded_us != NEVER_US) & (scene.at_us - riders.seeded_us > _FOLLOWED_US)
    along_m = np.nan_to_num(riders.distance_m, nan=-np.inf)
    inside = (along_m > _ROLLING_M) & (along_m < scene.course.length_m - _LINE_M)
    may: NDArray[np.bool_] = racing & placed & followed & inside
    return may


def _on_course(scene: Scene, halts: Halts) -> Halts:
    """Without those who stand elsewhere than where they rode: fixes of yesterday, or strays."""
    course = scene.course
    east_m = halts.x_m - np.interp(halts.along_m, course.distance_m, course.x_m)
    north_m = halts.y_m - np.interp(halts.along_m, course.distance_m, course.y_m)
    there = np.hypot(east_m, north_m) <= _ASTRAY_M
    return Halts._make(column[there] for column in halts)


def _join(memory: Incidents, incidents: list[dict[str, Any]], scene: Scene, halts: Halts) -> None:
    """Each halt joins the incident at its place, or opens one; the earliest onset first."""
    rows = halts.row
    memory.stands[rows] = True
    memory.onset_us[rows] = halts.onset_us
    memory.x_m[rows], memory.y_m[rows] = halts.x_m, halts.y_m
    memory.from_mps[rows], memory.braking_mps2[rows] = halts.from_mps, halts.braking_mps2
    memory.at_least[rows], memory.sparse_s[rows] = halts.at_least, halts.sparse_s
    for k in np.lexsort((rows, halts.onset_us)).tolist():
        row, onset_us = int(rows[k]), int(halts.onset_us[k])
        along_m, bib = float(halts.along_m[k]), int(scene.riders.bib[rows[k]])
        place = float(halts.x_m[k]), float(halts.y_m[k])
        incident = _at(memory, incidents, place, along_m, onset_us)
        if incident is None:
            memory.facts["last"] = memory.facts.get("last", 0) + 1
            incident = opened(memory.facts["last"], onset_us, along_m)
            incident |= {"seen_us": scene.at_us, "x_m": place[0], "y_m": place[1]}
            incidents.append(incident)
        memory.incident[row] = incident["incident_id"]
        memory.named[row] = _apart_m(incident, place) <= _SAME_M
        if memory.named[row]:
            incident["latest_us"] = max(incident["latest_us"], onset_us)
            incident["started_us"] = min(incident["started_us"], onset_us)
            incident["bibs"] = sorted({*incident["bibs"], bib})


def opened(number: int, onset_us: int, along_m: float) -> dict[str, Any]:
    """An incident of which nothing has been said yet."""
    return {
        "incident_id": number, "kind": "", "probability": 0.0, "bibs": [], "started_us": onset_us,
        "distance_m": along_m, "latest_us": onset_us, "told_us": NEVER_US, "told_bibs": 0,
    }  # fmt: skip


def _at(
    memory: Incidents,
    incidents: list[dict[str, Any]],
    place: tuple[float, float],
    along_m: float,
    onset_us: int,
) -> dict[str, Any] | None:
    """The open incident that a halt belongs to: the nearest at its place, or whose queue it is."""
    near = []
    for incident in incidents:
        if incident["kind"] == "signal_lost" or onset_us - incident["latest_us"] > _JOIN_US:
            continue
        standing = np.count_nonzero(memory.incident == incident["incident_id"])
        queue_m = min(_SAME_M + _QUEUE_M_A_RIDER * standing, _QUEUE_M)
        apart_m, behind_m = _apart_m(incident, place), incident["distance_m"] - along_m
        if apart_m <= _SAME_M or -_SAME_M <= behind_m <= queue_m:
            near.append((apart_m, incident["incident_id"], incident))
    return min(near)[2] if near else None


def _apart_m(incident: dict[str, Any], place: tuple[float, float]) -> float:
    return math.hypot(place[0] - incident["x_m"], place[1] - incident["y_m"])


def let_go(memory: Incidents, scene: Scene, trails: Trails, racing: NDArray[np.bool_]) -> None:
    """Riders who ride again, are out of the race or have long been silent stand no more."""
    again = (trails.still_us == NEVER_US) & (scene.riders.seen_us - trails.goes_us > _AGAIN_US)
    gone = scene.at_us - scene.riders.seen_us > _GONE_US
    leave = memory.stands & (again | gone | ~racing)
    memory.stands[leave] = False


def fell_first(memory: Incidents, rows: Ints) -> Ints:
    """Rows of an incident that stopped with its first, by onset."""
    rows = rows[np.argsort(memory.onset_us[rows], kind="stable")]
    first = rows[0]
    apart_m = np.hypot(memory.x_m[rows] - memory.x_m[first], memory.y_m[rows] - memory.y_m[first])
    soon = memory.onset_us[rows] - memory.onset_us[first] <= _TOGETHER_US
    together: Ints = rows[soon & (apart_m <= _TOGETHER_M)]
    return together
