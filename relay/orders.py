"""What others tell this relay to be: configurations offered to it, and the truck's word on them.

The heartbeat that names the running configuration is made here too, for the truck's answer to it
is what ends a trial.
"""

import structlog

from hardware.errors import Misconfigured, Refused
from hardware.heartbeat import Seen
from relay.slots import Slots, read_offered
from relay.troubles import Troubles

HEARTBEAT_S = 5.0
TRIAL_HEARTBEAT_S = 1.0


class Orders:
    """One relay's configurations while it runs; times are any monotonic clock's."""

    def __init__(
        self, slots: Slots, boot: int, trial_s: float, troubles: Troubles, now_s: float
    ) -> None:
        self._slots, self._boot, self._troubles = slots, boot, troubles
        self._trial_ends_s = now_s + trial_s
        self._trial_s = trial_s
        self._beat_due_s = now_s
        self._beats = 0
        self.restart = False
        """Whether the relay is to end and start again, with another configuration."""

    def look(self, now_s: float) -> None:
        """Once a second: take what was laid for us, and end a trial that took too long."""
        try:
            envelope = read_offered(self._slots.offered)
            if envelope is not None:
                self.offer(envelope)
                self._slots.offered.unlink(missing_ok=True)
            if self._slots.on_trial and now_s >= self._trial_ends_s and self._slots.may_return:
                self._slots.give_up(f"not confirmed by the truck within {self._trial_s:g} s")
                self.restart = True
        except (Misconfigured, OSError) as error:
            trouble = error if isinstance(error, Misconfigured) else Misconfigured(str(error))
            self._troubles.set("slots", trouble)
        else:
            self._troubles.clear("slots")

    def offer(self, envelope: bytes) -> None:
        """Judge a configuration; a good one is tried by a new start.

        Raises:
            Misconfigured: the folder cannot be written.
        """
        try:
            self.restart |= self._slots.offer(envelope)
        except Refused as error:
            self._troubles.set("configuration", error)
        else:
            self._troubles.clear("configuration")

    def beat(self, now_s: float) -> int | None:
        """The number of the next heartbeat, if one is due."""
        if now_s < self._beat_due_s:
            return None
        self._beat_due_s = now_s + (TRIAL_HEARTBEAT_S if self._slots.on_trial else HEARTBEAT_S)
        self._beats += 1
        return self._beats

    def seen(self, seen: Seen) -> None:
        """The truck's answer; one to a heartbeat of an earlier start confirms nothing.

        Raises:
            Misconfigured: the folder cannot be written.
        """
        if seen.boot == self._boot and 0 < seen.number <= self._beats:
            self._slots.confirm(seen.digest)


def take_offered(slots: Slots) -> None:
    """Before a start: take what was laid for us while nobody ran; a refused one is logged.

    Raises:
        Misconfigured: the folder cannot be read or written.
    """
    envelope = read_offered(slots.offered)
    if envelope is None:
        return
    try:
        slots.offer(envelope)
    except Refused as error:
        structlog.get_logger().error("configuration refused", error=str(error))
    slots.offered.unlink(missing_ok=True)
