"""The live state: follows the journal record by record and makes a frame a second."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from truck.handover import Handed, Handover
from truck.journal import Journal
from truck.keeper import Keeper
from truck.latency import Latency
from truck.race.frame import Frame
from truck.race.rulings import Ruling
from truck.view import View


class Live:
    """`turn` is called from one thread.

    Attributes:
        packets, doubled: stored packets, and further hearings of them.
        refused: reason -> count.
    """

    def __init__(
        self,
        view: View,
        journal: Journal,
        handover: Handover,
        keeper: Keeper,
        latency: Latency,
        now_us: Callable[[], int],
    ) -> None:
        self._view, self._journal, self._handover = view, journal, handover
        self._keeper, self._latency, self._now_us = keeper, latency, now_us
        self.packets, self.doubled = keeper.store.counts()
        self.refused = keeper.store.refused()

    @property
    def behind_records(self) -> int:
        """How many durable records are not applied yet."""
        return self._handover.end - self._view.record

    def turn(self, wait_s: float) -> bool:
        """Apply the next record, if one comes within `wait_s`; whether it did."""
        number = self._view.record
        handed = self._handover.take(number, wait_s)
        if handed is None:
            if number >= self._handover.end:
                return False
            record = next(self._journal.read(number))
            handed = Handed(record, None, self._now_us())
        tables = self._view.apply(handed.record, handed.tick)
        readings = tables.get("readings")
        if readings is not None:
            self._measure(number, readings, handed.journalled_us)
        ticks = tables.get("ticks")
        self.packets += ticks["packets"][0].as_py() if ticks is not None else 0
        self.doubled += tables["hearings"].num_rows if "hearings" in tables else 0
        for row in tables["refusals"].to_pylist() if "refusals" in tables else []:
            self.refused[row["reason"]] = self.refused.get(row["reason"], 0) + row["count"]
        self._keeper.offer(number, tables)
        return True

    @property
    def hidden_bibs(self) -> frozenset[int]:
        """Who is to be in no public output."""
        return self._view.rulings.hidden_bibs

    def frame(self) -> Frame | None:
        """Every rider brought to this instant, or None before a stage is known."""
        return None if self._view.race is None else self._view.race.frame(self._now_us())

    def rulings(self) -> list[Ruling]:
        """What operators decided and holds, as far as records are applied."""
        return self._view.rulings.in_force()

    def _measure(self, number: int, readings: pa.Table, journalled_us: int) -> None:
        live = readings.filter(readings["live"])

        def instants(name: str) -> Any:
            return pc.cast(live[name], pa.int64()).to_numpy()

        self._latency.applied(
            number, instants("measured_at"), instants("heard_at"), instants("received_at"),
            journalled_us,
        )  # fmt: skip
