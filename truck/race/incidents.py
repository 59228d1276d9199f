"""What just happened: crashes, mechanicals, stops and closed crossings, each with its odds.

A rider who comes to stand from speed on the road opens an incident or joins the one at that place;
its class is judged again while riders join and pass, and only what alters the picture is said.
Riders who are held up behind belong to it unnamed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.classes import KINDS, Evidence, odds_of
from truck.race.course import Course
from truck.race.hazard import Halts, halts_of, road_shut
from truck.race.passes import Ints
from truck.race.progress import DOUBTFUL, GOOD
from truck.race.riders import NEVER_US
from truck.race.rows import Rows, column
from truck.race.scene import Scene
from truck.race.silence import heard_again, lone_silences
from truck.race.trail import Trails

__all__ = ["KINDS", "Change", "Incident", "Incidents", "follow_incidents", "incidents_of", "judge"]

# One event: who stops at its place within a minute of its last. The queue behind grows with it.
_JOIN_US = 60_000_000
_SAME_M, _QUEUE_M_A_RIDER, _QUEUE_M = 60.0, 10.0, 300.0
_TOGETHER_US, _TOGETHER_M = 20_000_000, 50.0
_FEED_M = 1000.0  # a feed zone's length, either way of its checkpoint
_BAR_M = (-250.0, 20.0)  # from where a closed crossing's queue begins to beyond it
_ROLLING_M = 300.0  # after the flag the bunch may stand and wait
_LINE_M = 30.0  # before the line: who is placed there may stand behind it
_FOLLOWED_US = 60_000_000  # on the course this long, his place is no stray fix
_JUDGED_US = 60_000_000  # after its last rider an incident keeps its kind
_AGAIN_US = 15_000_000  # riding this long he has gone on
_GONE_US = 600_000_000  # silent this long nobody waits for him
# What is worth saying: another kind that leads by this, or odds that moved by that.
_LEADS, _MOVED = 0.1, 0.15
_BREATH_US = 5_000_000  # between two sayings that only name more riders
_SILENT_ODDS = 0.95


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
        sparse_s: between the fixes that saw it.
        halt_m: where he came to stand.
    """

    incident: NDArray[np.int32] = column(np.int32, 0)
    stands: NDArray[np.bool_] = column(np.bool_, False)
    named: NDArray[np.bool_] = column(np.bool_, False)
    onset_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    from_mps: NDArray[np.float64] = column(np.float64, np.nan)
    braking_mps2: NDArray[np.float64] = column(np.float64, 0.0)
    sparse_s: NDArray[np.float64] = column(np.float64, 0.0)
    halt_m: NDArray[np.float64] = column(np.float64, np.nan)


class Change(NamedTuple):
    """Something said about an incident: raised, changed or cleared; never taken back silently.

    Attributes:
        at_us: when it was said.
        incident_id: counts from 1.
        what: raised, changed or cleared.
        kind: one of `KINDS`.
        probability: that it is of this kind, 0 to 1.
        bibs: whom it concerns, ascending.
        started_us: its onset on the road.
        distance_m: where.
    """

    at_us: int
    incident_id: int
    what: str
    kind: str
    probability: float
    bibs: tuple[int, ...]
    started_us: int
    distance_m: float


def follow_incidents(
    memory: Incidents, scene: Scene, trails: Trails, halted: Ints, racing: NDArray[np.bool_]
) -> list[Change]:
    """What is to be said at the scene's instant; `memory` is brought to it.

    Args:
        memory: changed.
        scene: of the instant.
        trails: the riders' last fixes.
        halted: rows of the riders who have just come to stand.
        racing: who is on the start list, started, not finished, not out and not in a car.
    """
    incidents: list[dict[str, Any]] = memory.facts.setdefault("open", [])
    if len(halted):
        free = halted[_may_halt(scene, racing)[halted] & ~memory.stands[halted]]
        _enter(memory, incidents, scene, halts_of(trails, free))
    if not incidents and not memory.stands.any():
        return _silences(memory, incidents, scene, racing)
    _let_go(memory, scene, trails, racing)
    said = []
    for incident in [one for one in incidents if one["kind"] != "signal_lost"]:
        mine = memory.incident == incident["incident_id"]
        if scene.at_us - incident["latest_us"] <= _JUDGED_US and "judged" not in incident:
            said += _judged(memory, incident, scene, trails, np.flatnonzero(mine & memory.named))
        if not (mine & memory.named & memory.stands).any():
            said.append(_change(scene.at_us, incident, "cleared"))
            incidents.remove(incident)
            memory.incident[mine & ~memory.stands] = 0
    return said + _silences(memory, incidents, scene, racing)


def judge(memory: Incidents, incident_id: int, verdict: str, at_us: int) -> Change | None:
    """Take an operator's word on an open incident: "confirm" it as it stands, or "dismiss" it.

    Returns:
        What is said of it; None where no such incident is open.
    """
    incidents = memory.facts.get("open", [])
    for incident in [one for one in incidents if one["incident_id"] == incident_id]:
        incident["judged"] = verdict
        if verdict == "dismiss":
            # its riders keep standing in it, so that they raise no other
            incidents.remove(incident)
            incident["probability"] = 0.0
            return _change(at_us, incident, "cleared")
        incident["probability"] = 1.0
        return _change(at_us, incident, "changed")
    return None


def _may_halt(scene: Scene, racing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whose standing still means something: on the course, well after the flag, before the line."""
    riders = scene.riders
    placed = (riders.quality == GOOD) | (riders.quality == DOUBTFUL)
    followed = (riders.seeded_us != NEVER_US) & (scene.at_us - riders.seeded_us > _FOLLOWED_US)
    along_m = np.nan_to_num(riders.distance_m, nan=-np.inf)
    inside = (along_m > _ROLLING_M) & (along_m < scene.course.length_m - _LINE_M)
    may: NDArray[np.bool_] = racing & placed & followed & inside
    return may


def _enter(memory: Incidents, incidents: list[dict[str, Any]], scene: Scene, halts: Halts) -> None:
    """Each halt joins the incident at its place, or opens one; the earliest onset first."""
    rows = halts.row
    memory.stands[rows] = True
    memory.onset_us[rows], memory.halt_m[rows] = halts.onset_us, halts.along_m
    memory.from_mps[rows], memory.braking_mps2[rows] = halts.from_mps, halts.braking_mps2
    memory.sparse_s[rows] = halts.sparse_s
    for k in np.lexsort((rows, halts.onset_us)).tolist():
        row, onset_us = int(rows[k]), int(halts.onset_us[k])
        along_m, bib = float(halts.along_m[k]), int(scene.riders.bib[rows[k]])
        incident = _at(memory, incidents, along_m, onset_us)
        if incident is None:
            memory.facts["last"] = memory.facts.get("last", 0) + 1
            incident = _opened(memory.facts["last"], onset_us, along_m)
            incidents.append(incident)
        memory.incident[row] = incident["incident_id"]
        memory.named[row] = abs(along_m - incident["distance_m"]) <= _SAME_M
        if memory.named[row]:
            incident["latest_us"] = max(incident["latest_us"], onset_us)
            incident["started_us"] = min(incident["started_us"], onset_us)
            incident["bibs"] = sorted({*incident["bibs"], bib})


def _opened(number: int, onset_us: int, along_m: float) -> dict[str, Any]:
    return {
        "incident_id": number, "kind": "", "probability": 0.0, "bibs": [], "started_us": onset_us,
        "distance_m": along_m, "latest_us": onset_us, "told_us": NEVER_US, "told_bibs": 0,
    }  # fmt: skip


def _at(
    memory: Incidents, incidents: list[dict[str, Any]], along_m: float, onset_us: int
) -> dict[str, Any] | None:
    """The open incident that a halt belongs to: the nearest at its place, or whose queue it is."""
    near = []
    for incident in incidents:
        standing = np.count_nonzero(memory.incident == incident["incident_id"])
        queue_m = min(_SAME_M + _QUEUE_M_A_RIDER * standing, _QUEUE_M)
        ahead_m = incident["distance_m"] - along_m
        recent = onset_us - incident["latest_us"] <= _JOIN_US
        if recent and -_SAME_M <= ahead_m <= queue_m and incident["kind"] != "signal_lost":
            near.append((abs(ahead_m), incident["incident_id"], incident))
    return min(near)[2] if near else None


def _let_go(memory: Incidents, scene: Scene, trails: Trails, racing: NDArray[np.bool_]) -> None:
    """Riders who ride again, are out of the race or have long been silent stand no more."""
    again = (trails.still_us == NEVER_US) & (scene.riders.seen_us - trails.goes_us > _AGAIN_US)
    gone = scene.at_us - scene.riders.seen_us > _GONE_US
    leave = memory.stands & (again | gone | ~racing)
    memory.stands[leave] = False


def _judged(
    memory: Incidents, incident: dict[str, Any], scene: Scene, trails: Trails, rows: Ints
) -> list[Change]:
    """Class an incident anew; what is worth saying of it."""
    odds = odds_of(_evidence(memory, incident, scene, trails, rows))
    kind = max(odds, key=lambda name: odds[name])
    old = incident["kind"]
    if old and odds[kind] < odds[old] + _LEADS:
        kind = old
    moved = kind != old or abs(odds[kind] - incident["probability"]) >= _MOVED
    more = len(incident["bibs"]) > incident["told_bibs"]
    if not moved and not (more and scene.at_us - incident["told_us"] >= _BREATH_US):
        return []
    incident |= {
        "kind": kind, "probability": odds[kind], "told_us": scene.at_us,
        "told_bibs": len(incident["bibs"]),
    }  # fmt: skip
    return [_change(scene.at_us, incident, "changed" if old else "raised")]


def _evidence(
    memory: Incidents, incident: dict[str, Any], scene: Scene, trails: Trails, rows: Ints
) -> Evidence:
    onset_us = memory.onset_us[rows]
    first = int(np.argmin(onset_us))
    near = np.abs(memory.halt_m[rows] - memory.halt_m[rows[first]]) <= _TOGETHER_M
    rows = rows[near & (onset_us - onset_us[first] <= _TOGETHER_US)]
    rows = rows[np.argsort(memory.onset_us[rows], kind="stable")]
    hardest = np.sort(memory.braking_mps2[rows])[-3:]
    third = memory.onset_us[rows[min(2, len(rows) - 1)]]
    place_m = incident["distance_m"]
    return Evidence(
        riders=len(rows),
        braking_mps2=float(np.median(hardest)),
        from_mps=float(memory.from_mps[rows].max()),
        sparse_s=float(memory.sparse_s[rows].max()),
        together_s=float(third - memory.onset_us[rows[0]]) / 1e6,
        shut=road_shut(trails, scene, place_m, incident["started_us"]),
        feeding=_is_at(scene.course, "feed", place_m, -_FEED_M, _FEED_M),
        crossing=_is_at(scene.course, "crossing", place_m, *_BAR_M),
    )


def _is_at(course: Course, kind: str, place_m: float, low_m: float, high_m: float) -> bool:
    return any(
        point.kind == kind and low_m <= place_m - point.km * 1000.0 <= high_m
        for point in course.checkpoints
    )


def _silences(
    memory: Incidents, incidents: list[dict[str, Any]], scene: Scene, racing: NDArray[np.bool_]
) -> list[Change]:
    """Riders who alone fell silent, raised and cleared."""
    said = []
    lost = [one for one in incidents if one["kind"] == "signal_lost"]
    for incident in lost:
        if heard_again(scene, racing, incident["bibs"][0]):
            incidents.remove(incident)
            said.append(_change(scene.at_us, incident, "cleared"))
    known = {incident["bibs"][0] for incident in lost}
    for row in lone_silences(scene, racing):
        if int(scene.riders.bib[row]) not in known:
            memory.facts["last"] = memory.facts.get("last", 0) + 1
            seen_us, place_m = int(scene.riders.seen_us[row]), float(scene.riders.distance_m[row])
            incident = _opened(memory.facts["last"], seen_us, place_m)
            incident |= {
                "kind": "signal_lost", "probability": _SILENT_ODDS,
                "bibs": [int(scene.riders.bib[row])],
            }  # fmt: skip
            incidents.append(incident)
            said.append(_change(scene.at_us, incident, "raised"))
    return said


def _change(at_us: int, incident: dict[str, Any], what: str) -> Change:
    return Change(
        at_us, incident["incident_id"], what, incident["kind"], incident["probability"],
        tuple(incident["bibs"]), incident["started_us"], incident["distance_m"],
    )  # fmt: skip


class Incident(NamedTuple):
    """An incident as last said; `cleared_us` is None while it is open."""

    incident_id: int
    kind: str
    bibs: tuple[int, ...]
    started_us: int
    raised_us: int
    cleared_us: int | None
    probability: float
    distance_m: float


def incidents_of(changes: Iterable[Change]) -> list[Incident]:
    """The incidents that changes in order tell of, by id."""
    known: dict[int, Incident] = {}
    for change in changes:
        before = known.get(change.incident_id)
        known[change.incident_id] = Incident(
            change.incident_id,
            change.kind,
            change.bibs,
            change.started_us,
            change.at_us if before is None else before.raised_us,
            change.at_us if change.what == "cleared" else None,
            change.probability,
            change.distance_m,
        )
    return [known[number] for number in sorted(known)]
