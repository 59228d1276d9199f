"""What just happened: crashes, mechanicals, stops and closed crossings, each with its odds.

A rider who comes to stand from speed on the road opens an incident or joins the one at that place;
its class is judged again while riders join and pass, and only what alters the picture is said.
Riders who are held up behind belong to it unnamed.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.classes import KINDS, Evidence, odds_of
from truck.race.course import Course
from truck.race.hazard import road_shut
from truck.race.passes import Ints
from truck.race.scene import Scene
from truck.race.silence import heard_again, lone_silences
from truck.race.stops import Incidents, enter, fell_first, let_go, opened
from truck.race.trackers import SUSPECT, Trackers, left_behind
from truck.race.trail import Trails

__all__ = [
    "KINDS",
    "Change",
    "Incident",
    "Incidents",
    "follow_incidents",
    "incidents_of",
    "judge",
    "open_incidents",
]

_FEED_M = 1000.0  # a feed zone's length, either way of its checkpoint
_BAR_M = (-250.0, 20.0)  # from where a closed crossing's queue begins to beyond it
_JUDGED_US = 60_000_000  # after its last rider an incident keeps its kind
# What is worth saying: another kind that leads by this, or odds that moved by that.
_LEADS, _MOVED = 0.1, 0.15
_GATHER_US = 2_000_000  # before the first saying: who falls takes others along within it
_BREATH_US = 3_000_000  # between two sayings that only name more riders
_SILENT_ODDS = 0.95
_FELT_US = 5_000_000, 45_000_000  # from an onset: devices go on saying it for a while


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
    memory: Incidents,
    scene: Scene,
    trails: Trails,
    trackers: Trackers,
    halted: Ints,
    racing: NDArray[np.bool_],
) -> list[Change]:
    """What is to be said at the scene's instant; `memory` is brought to it.

    Args:
        memory: changed.
        scene: of the instant.
        trails: the riders' last fixes.
        trackers: what tells of trackers in cars.
        halted: rows of the riders who have just come to stand.
        racing: who is on the start list, started, not finished, not out and not in a car.
    """
    incidents: list[dict[str, Any]] = memory.facts.setdefault("open", [])
    if len(halted):
        sound = racing & ~trails.torn & (trackers.points < SUSPECT)
        enter(memory, incidents, scene, trails, halted, sound)
    if not incidents and not memory.stands.any():
        return _silences(memory, incidents, scene, trails, racing)
    let_go(memory, scene, trails, racing)
    said = []
    for incident in [one for one in incidents if one["kind"] != "signal_lost"]:
        mine = memory.incident == incident["incident_id"]
        gathered = scene.at_us - incident["seen_us"] >= _GATHER_US
        recent = scene.at_us - incident["latest_us"] <= _JUDGED_US
        if gathered and recent and "judged" not in incident:
            rows = fell_first(memory, np.flatnonzero(mine & memory.named))
            left = left_behind(trackers, trails, rows)
            said += _judged(memory, incident, scene, trails, rows, left)
        if not (mine & memory.named & memory.stands).any():
            said += [_change(scene.at_us, incident, "cleared")] if incident["kind"] else []
            incidents.remove(incident)
            memory.incident[mine & ~memory.stands] = 0
    return said + _silences(memory, incidents, scene, trails, racing)


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


def open_incidents(memory: Incidents, at_us: int) -> list[Change]:
    """The open incidents of which something has been said, as last said, the oldest first."""
    incidents = memory.facts.get("open", [])
    return [_change(at_us, incident, "open") for incident in incidents if incident["kind"]]


def _judged(
    memory: Incidents,
    incident: dict[str, Any],
    scene: Scene,
    trails: Trails,
    rows: Ints,
    left: bool | None,
) -> list[Change]:
    """Class an incident anew; what is worth saying of it."""
    odds = odds_of(_evidence(memory, incident, scene, trails, rows, left))
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
    memory: Incidents,
    incident: dict[str, Any],
    scene: Scene,
    trails: Trails,
    rows: Ints,
    left: bool | None,
) -> Evidence:
    onset_us, place_m = memory.onset_us[rows], incident["distance_m"]
    at_least = bool(memory.at_least[rows].all())
    told = rows if at_least else rows[~memory.at_least[rows]]
    hardest = np.sort(memory.braking_mps2[told])[-max(3, len(told) // 3) :]
    return Evidence(
        riders=len(rows),
        braking_mps2=float(np.median(hardest)),
        at_least=at_least,
        from_mps=float(memory.from_mps[rows].max()),
        sparse_s=float(memory.sparse_s[rows].max()),
        together_s=float(onset_us[min(2, len(rows) - 1)] - onset_us[0]) / 1e6,
        shut=road_shut(trails, scene, place_m, incident["started_us"]),
        left=left,
        felt=_felt(scene, rows, onset_us),
        feeding=_is_at(scene.course, "feed", place_m, -_FEED_M, _FEED_M),
        crossing=_is_at(scene.course, "crossing", place_m, *_BAR_M),
    )


def _felt(scene: Scene, rows: Ints, onset_us: Ints) -> bool | None:
    """Whether a device felt an impact as its rider came to stand; None where none can tell."""
    tells = scene.riders.feels[rows]
    since_us = scene.riders.impact_us[rows] - onset_us
    felt = (since_us >= -_FELT_US[0]) & (since_us <= _FELT_US[1])
    return bool(felt.any()) if tells.any() else None


def _is_at(course: Course, kind: str, place_m: float, low_m: float, high_m: float) -> bool:
    return any(
        point.kind == kind and low_m <= place_m - point.km * 1000.0 <= high_m
        for point in course.checkpoints
    )


def _silences(
    memory: Incidents,
    incidents: list[dict[str, Any]],
    scene: Scene,
    trails: Trails,
    racing: NDArray[np.bool_],
) -> list[Change]:
    """Riders who alone fell silent, raised and cleared."""
    said = []
    lost = [one for one in incidents if one["kind"] == "signal_lost"]
    for incident in lost:
        if heard_again(scene, racing, incident["bibs"][0]):
            incidents.remove(incident)
            said.append(_change(scene.at_us, incident, "cleared"))
    known = {incident["bibs"][0] for incident in lost}
    for row in lone_silences(scene, trails, racing):
        if int(scene.riders.bib[row]) not in known:
            memory.facts["last"] = memory.facts.get("last", 0) + 1
            seen_us, place_m = int(scene.riders.seen_us[row]), float(scene.riders.distance_m[row])
            incident = opened(memory.facts["last"], seen_us, place_m)
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
