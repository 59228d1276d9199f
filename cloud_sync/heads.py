"""Heads on their way: the newest beat of each stream goes into a store, each under its number.

In the remote itself a beat waits until the batch it names is committed there, so that a beat above
the served head always means something is withheld. A second store hears of the head at once.
"""

import contextlib
import threading
from collections.abc import Iterator

from cloud_sync.batch import BatchName
from cloud_sync.beat import beat_key
from cloud_sync.outbox import SECOND, Outbox, State
from cloud_sync.put import put_proven
from cloud_sync.remote import Remote
from hardware.errors import Damaged, TruckError

_LOOK_S = 1.0
_DONE = (State.COMMITTED, State.RELEASED)


class Heads:
    """Sends beats from an outbox into one store."""

    def __init__(self, outbox: Outbox, remote: Remote, *, committed_only: bool) -> None:
        self._outbox, self._remote, self._committed_only = outbox, remote, committed_only
        self._sent: dict[str, int] = {}

    def send(self) -> None:
        """Send what is new.

        Raises:
            Unavailable, Misconfigured: when the store does not take it; the next beat will do.
            Damaged: when somebody squats on its number; the next has another.
        """
        for beat in self._outbox.beats():
            stream = beat.batch.stream
            if self._sent.get(stream, -1) >= beat.number or not self._may_go(beat.batch):
                continue
            key = beat_key(stream, beat.number)
            is_first = stream not in self._sent
            try:
                put_proven(self._remote, key, beat.envelope, perhaps_there=is_first)
            except Damaged:
                self._sent[stream] = beat.number
                raise
            self._sent[stream] = beat.number

    def _may_go(self, head: BatchName) -> bool:
        if not self._committed_only:
            return True
        entry = self._outbox.entry(head)
        return entry is not None and entry.state in _DONE


@contextlib.contextmanager
def send_heads(outbox: Outbox, second: Remote | None, *, watch: bool) -> Iterator[None]:
    """Send beats into a second store beside what the block does; without `watch` once, after it.

    What fails is noted for `status`, and hinders nobody.
    """
    if second is None:
        yield
        return
    heads, stop = Heads(outbox, second, committed_only=False), threading.Event()

    def run() -> None:
        while not stop.wait(_LOOK_S):
            _send_noted(heads, outbox)

    thread = threading.Thread(target=run, daemon=True)
    if watch:
        thread.start()
    try:
        yield
        if not watch:
            _send_noted(heads, outbox)
    finally:
        stop.set()


def _send_noted(heads: Heads, outbox: Outbox) -> None:
    error = ""
    try:
        heads.send()
    except TruckError as failed:
        error = str(failed)
    with contextlib.suppress(TruckError):
        outbox.note(SECOND, error)
