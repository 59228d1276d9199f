"""What just happened: crashes, mechanicals, stops and closed crossings, each with its odds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.rows import Rows
from truck.race.scene import Scene

KINDS = (
    "crash", "mechanical", "comfort_stop", "feed_zone", "level_crossing", "signal_lost",
    "abandoned",
)  # fmt: skip


@dataclass
class Incidents(Rows):
    """What is remembered of every rider's last minutes, and the incidents that are open."""


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
    status: NDArray[np.int8],
    group_id: NDArray[np.int32],
) -> list[Change]:
    """What is to be said at the scene's instant; `memory` is brought to it."""
    return []


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
