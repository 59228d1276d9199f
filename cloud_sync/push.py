"""Pushing: sealed batches go to the remote, objects in parallel, manifests strictly in order.

Nothing counts as done on the word of a put. Whatever a put answered, or whether its answer was
lost, the key is read back: the same bytes is success, other bytes is a fork, nothing is a retry
with the same bytes. A local file is removed only after its object and its manifest were read back.
"""

import contextlib
import hashlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from secrets import SystemRandom
from typing import TypeVar

from cloud_sync.outbox import Entry, Outbox, State
from cloud_sync.put import put_proven
from cloud_sync.remote import Remote
from hardware.clock import Clock
from hardware.errors import Damaged, Misconfigured, TruckError, Unavailable

_THREADS = 4
_ONCE_ATTEMPTS = 4
_BACKOFF_MIN_S = 0.5
_BACKOFF_MAX_S = 30.0
_IDLE_S = 0.5
_IDLE_NOTE_S = 5.0

Progress = Callable[[Entry], None]
_Work = TypeVar("_Work")


class Pusher:
    """Moves the batches of one spool into one remote; one pusher at a time.

    Args:
        spool: Folder of the outbox.
        outbox: Its outbox.
        remote: Where to.
        clock: For the notes that `status` shows.
        stop: Set it, and the pusher returns between two steps.
        progress: Called with every batch committed.
    """

    def __init__(
        self,
        spool: Path,
        outbox: Outbox,
        remote: Remote,
        clock: Clock,
        stop: threading.Event,
        progress: Progress,
    ) -> None:
        self._spool, self._outbox, self._remote = spool, outbox, remote
        self._clock, self._stop, self._progress = clock, stop, progress
        self._random = SystemRandom()
        self._has_committed = False

    def push(self, *, watch: bool) -> None:
        """Commit what waits; with `watch`, go on until stopped, however long the remote is away.

        Raises:
            Unavailable: without `watch`, when the remote does not answer a few times.
            Misconfigured: a remote that never took a batch in this run.
            Damaged: an alarm that a retry does not cure.
        """
        failures = 0
        try:
            while not self._stop.is_set():
                try:
                    if self._push_waiting():
                        failures = 0
                    elif not watch:
                        break
                    else:
                        self._idle()
                except (Unavailable, Misconfigured) as error:
                    failures += 1
                    if not self._is_worth_waiting(error, failures, watch=watch):
                        raise
                    self._note("waiting", str(error))
                    self._stop.wait(self._backoff_s(failures))
        except TruckError as error:
            self._note("failed", str(error))
            raise
        self._note("stopped" if self._stop.is_set() else "done")

    def _is_worth_waiting(self, error: TruckError, failures: int, *, watch: bool) -> bool:
        """Whether the remote may come back; one that took a batch of ours was configured well."""
        if isinstance(error, Misconfigured):
            return watch and self._has_committed
        return watch or failures < _ONCE_ATTEMPTS

    def _push_waiting(self) -> bool:
        """Commit all that waits now; whether there was any."""
        self._release()
        waiting = self._outbox.waiting()
        documents = self._documents()  # looked for after: a batch's keys were there before it
        if not waiting and not documents:
            return False
        self._note("pushing")
        for document in _in_order(self._store_document, documents, self._stop):
            self._remove(document)
        for entry in _in_order(self._store, waiting, self._stop):
            self._outbox.move(entry.batch, State.STORED)
            put_proven(self._remote, entry.batch.manifest_key(), entry.manifest)
            self._outbox.move(entry.batch, State.COMMITTED)
            self._has_committed = True
            self._release()
            self._progress(entry)
        return True

    def _store(self, entry: Entry) -> None:
        """Bring one object into the remote, proven; runs beside others."""
        if entry.state is State.STORED:
            return
        path = self._spool / entry.key
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Damaged(
                f"the sealed file of batch {entry.batch} cannot be read at {path}: {error.strerror}"
            ) from error
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise Damaged(f"the sealed file of batch {entry.batch} has changed on disk: {path}")
        put_proven(self._remote, entry.key, data)

    def _documents(self) -> list[Path]:
        """Key documents that no batch may go before: `<stream>/keys/...` of the spool."""
        return sorted(self._spool.glob("*/keys/**/*.json"))

    def _store_document(self, path: Path) -> None:
        """Bring one key document into the remote, proven; runs beside others."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return  # it was erased meanwhile
        except OSError as error:
            raise Damaged(f"the key document {path} cannot be read: {error.strerror}") from error
        put_proven(self._remote, path.relative_to(self._spool).as_posix(), data)

    def _release(self) -> None:
        """Remove local files of committed batches."""
        for entry in self._outbox.releasable():
            self._remove(self._spool / entry.key)
            self._outbox.move(entry.batch, State.RELEASED)

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"cannot remove {path}: {error.strerror}") from error

    def _idle(self) -> None:
        last = self._outbox.pusher()
        if last["state"] != "idle" or self._clock.now_s() - last["at_s"] >= _IDLE_NOTE_S:
            self._note("idle")
        self._stop.wait(_IDLE_S)

    def _note(self, state: str, error: str = "") -> None:
        """Tell `status`; where the spool's disk is full, that must wait."""
        with contextlib.suppress(Unavailable):
            self._outbox.note_pusher(self._remote.name, state, error, self._clock.now_s())

    def _backoff_s(self, failures: int) -> float:
        """Exponential with full jitter, so that trucks do not come back in step."""
        ceiling_s = min(_BACKOFF_MAX_S, _BACKOFF_MIN_S * 2.0 ** min(failures, 10))
        return self._random.uniform(_BACKOFF_MIN_S / 2, ceiling_s)


def _in_order(
    work: Callable[[_Work], None], entries: Sequence[_Work], stop: threading.Event
) -> Iterator[_Work]:
    """Run `work` on a few entries at a time; yield each when it and all before it are done.

    The threads are daemons: an upload that hangs in a dead link must not hold up the exit, and
    whatever is in flight can be lost at any time.
    """
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    results: list[queue.SimpleQueue[Exception | None]] = [queue.SimpleQueue() for _ in entries]
    for place in range(len(entries)):
        todo.put(place)
    cancelled = threading.Event()

    def run() -> None:
        while not cancelled.is_set() and not stop.is_set():
            try:
                place = todo.get_nowait()
            except queue.Empty:
                return
            try:
                work(entries[place])
            except Exception as error:  # noqa: BLE001  # handed over to the caller's thread
                results[place].put(error)
            else:
                results[place].put(None)

    for _ in range(min(_THREADS, len(entries))):
        threading.Thread(target=run, daemon=True).start()
    try:
        for entry, result in zip(entries, results, strict=True):
            while True:
                if stop.is_set():
                    return
                try:
                    error = result.get(timeout=0.2)
                    break
                except queue.Empty:
                    continue
            if error is not None:
                raise error
            yield entry
    finally:
        cancelled.set()
