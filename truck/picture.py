"""What the operator's page shows: status, the race with everybody in it, machine, packs, audit."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from hardware import clock
from hardware.errors import TruckError
from truck.audit import Audit
from truck.config import TruckConfig, TruckHome
from truck.machine import disk, power
from truck.packs.depot import Depot
from truck.race.frame import Frame
from truck.store.export import Asked, query

SCHEMA = "truck.picture/1"
EVIDENCE_SCHEMA = "truck.evidence/1"
_PACKS_S = 10.0
_REASONS = (
    "SELECT reason, key, sum(count)::BIGINT AS count, max(judged_at) AS last_at FROM refusals "
    "GROUP BY ALL ORDER BY count DESC, reason, key LIMIT 50"
)
_SAMPLES = (
    "SELECT reason, key, relay, received_at, octet_length(data) AS bytes, "
    "left(hex(data), 96) AS begins FROM evidence ORDER BY record DESC LIMIT 20"
)


class Picture:
    """Asked once a second by each operator's page, on worker threads."""

    def __init__(
        self,
        home: TruckHome,
        config: TruckConfig,
        status: Callable[[], dict[str, Any]],
        whole: Callable[[], Frame | None],
        hidden: Callable[[], frozenset[int]],
        audit: Audit,
    ) -> None:
        self._home, self._config, self._status = home, config, status
        self._whole, self._hidden, self._audit = whole, hidden, audit
        self._packs: tuple[float, dict[str, Any]] = (-_PACKS_S, {})

    def now(self) -> dict[str, Any]:
        """The picture of this moment, schema truck.picture/1."""
        return {
            **self._status(),
            "schema": SCHEMA,
            "race": self._race(),
            "machine": {"disk": disk(self._home.folder), "power": power()},
            "packs": self._shelf(),
            "audit": [asdict(entry) for entry in list(self._audit.newest)[::-1]],
        }

    def called(self, bib: object) -> str:
        """A rider as people know him."""
        return f"Bib {bib} {self._names().get(bib, '')}".rstrip()

    def _names(self) -> dict[object, str]:
        frame = self._whole()
        if frame is None:
            return {}
        return dict(zip(frame.riders.bib.tolist(), frame.riders.name, strict=True))

    def _race(self) -> dict[str, Any]:
        frame, names = self._whole(), self._names()
        said = [] if frame is None else frame.open
        return {
            "hidden": [{"bib": bib, "name": names.get(bib, "")} for bib in sorted(self._hidden())],
            "incidents": [
                {
                    "incident": one.incident_id,
                    "kind": one.kind,
                    "probability": round(one.probability, 3),
                    "started_us": one.started_us,
                    "distance_m": round(one.distance_m, 1) if one.distance_m == one.distance_m
                    else None,
                    "riders": [{"bib": bib, "name": names.get(bib, "")} for bib in one.bibs],
                }
                for one in said
            ],
        }  # fmt: skip

    def _shelf(self) -> dict[str, Any]:
        """Packs that are staged and the one in force; looked at every 10 s."""
        at_s, found = self._packs
        if clock.monotonic_s() - at_s >= _PACKS_S:
            found = self._look_at_packs()
            self._packs = (clock.monotonic_s(), found)
        return found

    def _look_at_packs(self) -> dict[str, Any]:
        if self._config.team_public is None:
            return {"staged": [], "in_force": None, "problem": None}
        try:
            depot = Depot(self._home, self._config)
            now = depot.record.in_force
            return {
                "staged": depot.shelf.versions(),
                "in_force": now.version if now else None,
                "problem": None,
            }
        except TruckError as error:
            return {"staged": [], "in_force": None, "problem": str(error)}


def evidence(store: Asked) -> dict[str, Any]:
    """Refused packets by reason and key, and the newest of them as they came.

    Raises:
        TruckError: the view does not answer.
    """
    return {
        "schema": EVIDENCE_SCHEMA,
        "refused": query(store, _REASONS).to_pylist(),
        "samples": query(store, _SAMPLES).to_pylist(),
    }
