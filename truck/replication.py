"""The replicate thread: each stream of the cloud copy gets its turn at sealing.

A stream that cannot be sealed now is an alarm and waits; it stops neither the others nor the truck.
"""

import threading
from collections.abc import Callable, Sequence

from hardware.errors import Damaged, Misconfigured, Unavailable
from truck.alarms import Alarms

Turn = Callable[[float, bool], object]
"""Seals what is due at a time (seconds since 1970), or with True whatever is pending."""

_LOOK_S = 0.5


class Replication:
    """Turns at sealing, in their order; `run` is the thread's."""

    def __init__(self, turns: Sequence[Turn], alarms: Alarms, now_s: Callable[[], float]) -> None:
        self._turns, self._alarms, self._now_s = turns, alarms, now_s

    def run(self, end: threading.Event) -> None:
        """Seal what is due until `end`, then all that is pending."""
        while self._turns and not end.wait(_LOOK_S):
            self._seal(flush=False)
        self._seal(flush=True)

    def _seal(self, *, flush: bool) -> None:
        failed = False
        for turn in self._turns:
            try:
                turn(self._now_s(), flush)
            except (Unavailable, Damaged, Misconfigured) as error:
                failed = True
                self._alarms.set(
                    "cloud", str(error), "Free space in the outbox, or mend what it says."
                )
        if self._turns and not failed:
            self._alarms.clear("cloud")
