"""Wind on the rider, and alerts of echelons.

Rules.
- Headwind: mean of |published - true component| over riders on the road with sound devices who are
  published as racing; the baseline is still air. Published is the wind of the weather sheet, at
  10 m; the truth is at a rider's height, so it is brought up by what open country leaves of it.
  What hedges and woods take besides is ours to miss: no sheet tells of them.
- An alert is a stretch of frames in which a group bears the mark, holes of up to 60 s bridged; its
  riders are all who were in that group meanwhile. Groups part and take new numbers: stretches that
  meet in time and share a rider are one alert, ours and the baseline's. A true echelon is found by
  an alert that shares a rider and lies anywhere from 120 s before its start (an alert may warn) to
  its end; an alert is right when it finds one. F1 counts (echelons found + alerts right) /
  (echelons + alerts), pooled.
- The baseline marks a group while any of its riders has a crosswind over 5 m/s, by our own figure.
"""

import numpy as np
import pyarrow.compute as pc
from figure import Figure, Mean, Share
from scene import ECHELON, Bools, Event, Floats, Missing, Scene

BRIDGED_S = 60
WARNED_S = 120.0
CROSSWIND_MPS = 5.0
OPEN_COUNTRY = 0.6  # of the wind at 10 m is left at a rider's height
_EVERY_S = 10

Alert = tuple[float, float, frozenset[int]]  # from, to, bibs


def figures(scene: Scene) -> dict[str, tuple[Figure, Figure]]:
    """By name: ours and the baseline's."""
    rows = scene.racing & scene.shown & scene.sound
    true_mps = scene.truth("headwind_mps") / OPEN_COUNTRY
    off_mps = np.abs(scene.ours("headwind_mps") - true_mps)[rows]
    found: dict[str, tuple[Figure, Figure]] = {
        "wind, headwind error": (
            Mean(float(np.nanmean(off_mps)) if np.isfinite(off_mps).any() else np.nan),
            Mean(float(np.abs(true_mps)[rows].mean())),
        )
    }
    echelons = [event for event in scene.events if event.kind == ECHELON]
    ids = np.where(scene.shown_on, scene.ours("group_id"), np.nan)[::_EVERY_S]
    with np.errstate(invalid="ignore"):
        crosswind = np.abs(scene.ours("crosswind_mps"))[::_EVERY_S] > CROSSWIND_MPS
    ours, plain = (
        f1(alerts(marked, ids, scene), echelons) for marked in (_marked(scene, ids), crosswind)
    )
    return found | {"wind, echelon alert F1": (ours, plain)}


def _marked(scene: Scene, ids: Floats) -> Bools:
    """Riders of a group that bears the mark, frame by frame."""
    if "echelon" not in scene.groups.column_names:
        raise Missing("groups.echelon")
    marked = np.zeros(ids.shape, bool)
    table = scene.groups.filter(scene.groups["echelon"])
    at_s = pc.cast(table["measured_at"], "int64").to_numpy() // 1_000_000
    seconds = scene.seconds[::_EVERY_S]
    for second, group in zip(at_s.tolist(), table["group_id"].to_pylist(), strict=True):
        row = int(np.searchsorted(seconds, second))
        if row < len(seconds) and seconds[row] == second:
            marked[row] |= ids[row] == group
    return marked


def alerts(marked: Bools, ids: Floats, scene: Scene) -> list[Alert]:
    """Stretches in which a group has a marked rider."""
    seconds, found = scene.seconds[::_EVERY_S], []
    for group in np.unique(ids[marked & np.isfinite(ids)]).tolist():
        inside = ids == group
        rows = np.flatnonzero((inside & marked).any(axis=1))
        for part in np.split(rows, np.flatnonzero(np.diff(seconds[rows]) > BRIDGED_S) + 1):
            members = inside[part[0] : part[-1] + 1].any(axis=0)
            bibs = frozenset(scene.bibs[members].tolist())
            found.append((float(seconds[part[0]]), float(seconds[part[-1]]), bibs))
    return united(found)


def united(stretches: list[Alert]) -> list[Alert]:
    """Stretches that meet in time and share a rider, as one."""
    found: list[Alert] = []
    for begun, ended, bibs in sorted(stretches, key=lambda stretch: stretch[:2]):
        alert = (begun, ended, bibs)
        for other in [o for o in found if o[1] + BRIDGED_S >= begun and o[2] & bibs]:
            found.remove(other)
            alert = (min(alert[0], other[0]), max(alert[1], other[1]), alert[2] | other[2])
        found.append(alert)
    return found


def f1(given: list[Alert], echelons: list[Event]) -> Share:
    """Echelons found and alerts right, of both."""

    def meets(alert: Alert, event: Event) -> bool:
        in_time = alert[1] >= event.started_s - WARNED_S and alert[0] <= event.ended_s
        return in_time and bool(alert[2] & event.bibs)

    found = sum(any(meets(alert, event) for alert in given) for event in echelons)
    right = sum(any(meets(alert, event) for event in echelons) for alert in given)
    return Share(float(found + right), float(len(echelons) + len(given)))
