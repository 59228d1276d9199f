"""From custody to the live state: a bounded memory of the latest ticks.

It is only a shortcut. Whoever falls behind it reads the journal instead, so a slow reader costs
custody nothing and loses nothing.
"""

import threading
from typing import NamedTuple

from truck.journal import Record
from truck.tick import Tick

TICKS_MAX = 64


class Handed(NamedTuple):
    """A durable record; `tick` is None where it is none, or was dropped from memory."""

    record: Record
    tick: Tick | None
    journalled_us: int


class Handover:
    """One writer, one reader."""

    def __init__(self, end: int) -> None:
        """Start at `end`, the journal's next record."""
        self._ticks: dict[int, Handed] = {}
        self._condition = threading.Condition()
        self._end = end

    @property
    def end(self) -> int:
        """All records below are durable."""
        return self._end

    def give(self, handed: Handed) -> None:
        """Hand over a record that is durable."""
        with self._condition:
            self._ticks[handed.record.number] = handed
            while len(self._ticks) > TICKS_MAX:
                self._ticks.pop(next(iter(self._ticks)))
            self._end = handed.record.number + 1
            self._condition.notify_all()

    def take(self, number: int, wait_s: float) -> Handed | None:
        """Record `number` if it is there within `wait_s` and still remembered."""
        with self._condition:
            if number >= self._end:
                self._condition.wait_for(lambda: number < self._end, wait_s)
            return self._ticks.pop(number, None)
