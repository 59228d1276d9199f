"""Moments of a stage: what a viewer should not miss, in the order in which it began.

Incidents, who came first over each climb, sprint and time check, the finish, and what an operator
ruled that concerns everybody. They are followed from frame to frame; what came before the first
frame is handed in, as the view tells it.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware.checkpoints import Checkpoint
from truck.race.course import Floats
from truck.race.frame import Frame
from truck.race.incidents import Change
from truck.race.riders import NEVER_US
from truck.race.rulings import Ruling
from truck.race.status import ABANDONED, FINISHED, IN_CAR

FIRST = 10  # riders named at a point of the road
POINTS = ("climb", "sprint", "bonus", "intermediate")
_PUBLIC = ("abandon", "reinstate")
_FAST_MPS = 40.0  # a place that moved faster than any rider did not pass what lies between
_SLACK_M = 100.0


class Moment(NamedTuple):
    """One moment.

    Attributes:
        moment_id: what and which, as "incident-7"; it stays.
        kind: an incident's, "climb", "sprint", "bonus", "intermediate", "finish", "abandon" or
            "reinstate".
        at_us: when it began, microseconds since 1970 UTC.
        bibs: whom it concerns; at a point of the road in the order of passing, `FIRST` at most.
        distance_m: where, NaN where that is not known.
        name: of the point of the road.
        probability: of an incident's kind, NaN for all else.
        is_open: whether it goes on.
    """

    moment_id: str
    kind: str
    at_us: int
    bibs: tuple[int, ...]
    distance_m: float = np.nan
    name: str = ""
    probability: float = np.nan
    is_open: bool = False


class Passed(NamedTuple):
    """Who passed a point of the road before anything was followed: bibs in order, the first's time.

    Attributes:
        point: counts the stage's checkpoints from 0.
    """

    point: int
    bibs: tuple[int, ...]
    at_us: int


class Moments:
    """The moments so far; `follow` takes one frame after the other."""

    def __init__(
        self,
        checkpoints: Iterable[Checkpoint],
        passed: Iterable[Passed] = (),
        incidents: Iterable[Change] = (),
    ) -> None:
        """`passed` and `incidents` (each as last said) are what happened before the first frame."""
        self._checkpoints = tuple(checkpoints)
        self._points = [n for n, c in enumerate(self._checkpoints) if c.kind in POINTS]
        self._at_m = np.array([self._checkpoints[n].km * 1000.0 for n in self._points])
        self._passages = {
            one.point: (list(one.bibs), one.at_us) for one in passed if one.point in self._points
        }
        self._incidents = {one.incident_id: one for one in incidents}
        self._was_m: Floats = np.zeros(0)
        self._bibs: NDArray[np.int32] = np.zeros(0, np.int32)
        self._was_us = NEVER_US

    def follow(self, frame: Frame, rulings: Iterable[Ruling]) -> list[Moment]:
        """All moments at a frame's instant.

        Args:
            frame: later than the one before.
            rulings: in force.
        """
        self._pass(frame)
        self._incidents |= {change.incident_id: change for change in frame.open}
        open_now = {change.incident_id for change in frame.open}
        in_force = list(rulings)
        dismissed = {r.incident for r in in_force if r.kind == "dismiss"}
        moments = [
            _of_incident(change, change.incident_id in open_now)
            for number, change in self._incidents.items()
            if number not in dismissed
        ]
        for number, (bibs, at_us) in self._passages.items():
            point = self._checkpoints[number]
            place_m = point.km * 1000.0
            moments.append(
                Moment(f"point-{number}", point.kind, at_us, tuple(bibs), place_m, point.name)
            )
        moments += _finish(frame)
        moments += [
            Moment(f"ruling-{r.number}", r.kind, r.at_us, () if r.bib is None else (r.bib,))
            for r in in_force
            if r.kind in _PUBLIC
        ]
        return sorted(moments, key=lambda moment: (moment.at_us, moment.moment_id))

    def _pass(self, frame: Frame) -> None:
        """Note who has passed which point since the frame before."""
        riders = frame.riders
        counted = ~np.isin(riders.status, (IN_CAR, ABANDONED))
        order = np.argsort(riders.bib, kind="stable")
        bibs, now_m = riders.bib[order], np.where(counted, riders.distance_m, np.nan)[order]
        at = np.minimum(np.searchsorted(self._bibs, bibs), max(len(self._bibs) - 1, 0))
        was_m = np.full(len(bibs), np.nan)
        if len(self._bibs):
            was_m = np.where(self._bibs[at] == bibs, self._was_m[at], np.nan)
        span_us = frame.at_us - self._was_us if self._was_us != NEVER_US else 0
        with np.errstate(invalid="ignore"):
            rode = now_m - was_m <= _FAST_MPS * span_us / 1e6 + _SLACK_M
            over = rode & (was_m < self._at_m[:, None]) & (now_m >= self._at_m[:, None])
        for row in np.flatnonzero(over.any(axis=1)).tolist():
            who = np.flatnonzero(over[row])
            share = (self._at_m[row] - was_m[who]) / (now_m[who] - was_m[who])
            first = who[np.argsort(share, kind="stable")]
            at_us = self._was_us + round(float(share.min()) * span_us)
            known, _ = self._passages.setdefault(self._points[row], ([], at_us))
            fresh = [bib for bib in bibs[first].tolist() if bib not in known]
            known += fresh[: FIRST - len(known)]
        # who was not placed in this frame passes from where he was last
        self._was_m = np.where(np.isfinite(now_m), np.fmax(now_m, was_m), was_m)
        self._bibs, self._was_us = bibs, frame.at_us


def _of_incident(change: Change, is_open: bool) -> Moment:
    return Moment(
        f"incident-{change.incident_id}", change.kind, change.started_us, change.bibs,
        change.distance_m, "", change.probability, is_open,
    )  # fmt: skip


def _finish(frame: Frame) -> list[Moment]:
    riders = frame.riders
    done = np.flatnonzero(riders.status == FINISHED)
    if not len(done):
        return []
    done = done[np.argsort(riders.finished_us[done], kind="stable")]
    bibs = tuple(riders.bib[done][:FIRST].tolist())
    place_m = float(riders.distance_m[done[0]])
    return [Moment("finish", "finish", int(riders.finished_us[done[0]]), bibs, place_m)]
