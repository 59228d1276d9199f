"""Pushing: sealed batches go to the remote, objects in parallel, manifests strictly in order.

Nothing counts as done on the word of a put, see `put`. What waits is looked at anew after every
batch, so that a stream that began later goes first: today's race before the end of yesterday's.
A stream whose place in the remote is taken is closed with an alarm, and the others go on.
"""

import contextlib
import hashlib
import queue
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import SystemRandom
from typing import TypeVar

from cloud_sync.batch import BatchName, data_prefix, manifest_prefix
from cloud_sync.heads import Heads
from cloud_sync.manifest import ENVELOPE_BYTES_MAX
from cloud_sync.outbox import PAUSED, Entry, Outbox, State
from cloud_sync.pace import Cap
from cloud_sync.put import Forked, name_fork, put_proven
from cloud_sync.release import Releaser
from cloud_sync.remote import NotThere, Remote
from hardware import clock
from hardware.clock import Clock
from hardware.errors import Damaged, Misconfigured, TruckError, Unavailable

_THREADS = 6
_SENDING = 2  # at once; others read back meanwhile, so that neither way of the link is idle
_WINDOW = 64
_NUMBERED = re.compile(r"/[0-9]{12}\.json$")
_ONCE_ATTEMPTS = 4
_BACKOFF_MIN_S = 0.5
_BACKOFF_MAX_S = 30.0
_IDLE_S = 0.5
_IDLE_NOTE_S = 5.0

Progress = Callable[[Entry], None]
_Work = TypeVar("_Work")


@dataclass(frozen=True)
class Orders:
    """How to push.

    `watch` is to go on until stopped, however long the remote is away; `cloud` the cloud team's
    public key, without whose ack no local file goes; `cap` the most bytes a second, 0 for no cap.
    """

    watch: bool = False
    cloud: bytes | None = None
    cap_bytes_per_s: float = 0.0


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
        orders: Orders,
    ) -> None:
        self._spool, self._outbox, self._remote = spool, outbox, remote
        self._clock, self._stop, self._progress = clock, stop, progress
        self._watch, self._cap = orders.watch, Cap(orders.cap_bytes_per_s)
        self._releaser = Releaser(spool, outbox, remote, orders.cloud)
        self._heads = Heads(outbox, remote, committed_only=True)
        self._perhaps_there: dict[str, set[str]] = {}
        self._slots = threading.Semaphore(_SENDING)
        self._random = SystemRandom()
        self._has_committed = False

    def push(self) -> None:
        """Commit what waits.

        Raises:
            Unavailable: without `watch`, when the remote does not answer a few times.
            Misconfigured: a remote that never took a batch in this run.
            Damaged: without `watch`, after all else went, an alarm that a retry does not cure.
        """
        failures, closed = 0, self._closed()
        try:
            while not self._stop.is_set():
                try:
                    if self._push_waiting():
                        failures = 0
                    elif not self._watch:
                        break
                    else:
                        self._idle()
                except (Unavailable, Misconfigured) as error:
                    failures += 1
                    if not self._is_worth_waiting(error, failures):
                        raise
                    self._note("waiting", str(error))
                    self._stop.wait(self._backoff_s(failures))
            if new := [why for stream, why in self._closed().items() if stream not in closed]:
                raise Damaged("; ".join(new))
        except TruckError as error:
            self._note("failed", str(error))
            raise
        self._note("stopped" if self._stop.is_set() else "done")

    def _closed(self) -> dict[str, str]:
        return {
            name: known.closed for name, known in self._outbox.streams().items() if known.closed
        }

    def _is_worth_waiting(self, error: TruckError, failures: int) -> bool:
        """Whether the remote may come back; one that took a batch of ours was configured well."""
        if isinstance(error, Misconfigured):
            return self._watch and self._has_committed
        return self._watch or failures < _ONCE_ATTEMPTS

    def _push_waiting(self) -> bool:
        """Commit the next few of what waits now; whether there was any."""
        self._releaser.release()
        with contextlib.suppress(Damaged):  # a beat's place was taken; the next has another
            self._heads.send()
        if self._outbox.noted(PAUSED):
            return False
        waiting = self._outbox.waiting(_WINDOW)
        stream = waiting[0].batch.stream if waiting else self._with_documents()
        if not stream:
            return False
        self._note("pushing")
        try:
            self._look_ahead(stream)
            # looked for after what waits: a batch's keys were there before it
            for document in _in_order(self._store_document, self._documents(stream), self._stop):
                document.unlink(missing_ok=True)
            self._push_stream(stream, [e for e in waiting if e.batch.stream == stream])
        except Damaged as error:
            self._outbox.close_stream(stream, self._named(stream, error), self._clock.now_s())
        return True

    def _push_stream(self, stream: str, entries: Sequence[Entry]) -> None:
        for entry in _in_order(self._store, entries, self._stop):
            self._outbox.move(entry.batch, State.STORED)
            self._put(entry.batch, entry.batch.manifest_key(), entry.manifest)
            self._outbox.move(entry.batch, State.COMMITTED)
            self._has_committed = True
            self._progress(entry)
            self._releaser.release()
            first = self._outbox.waiting(1)
            if self._outbox.noted(PAUSED) or (first and first[0].batch.stream != stream):
                return

    def _look_ahead(self, stream: str) -> None:
        """Once in this run: what of a stream is there already, and that none is of later days.

        Raises:
            Forked: when the remote's head is ahead of ours.
        """
        if stream in self._perhaps_there:
            return
        manifests = self._remote.keys(manifest_prefix(stream))
        objects = self._remote.keys(data_prefix(stream))
        head = self._outbox.head(stream)
        last = head.batch.manifest_key() if head else ""
        if ahead := [key for key in manifests if key > last and _NUMBERED.search(key)]:
            what = f"{self._remote.name}/{ahead[-1]} is ahead of all this truck has sealed"
            try:
                raise Forked(what, self._remote.get(ahead[-1], ENVELOPE_BYTES_MAX))
            except NotThere as error:
                raise Unavailable(f"{what}, and is not served now") from error
        self._perhaps_there[stream] = {*manifests, *objects}

    def _named(self, stream: str, error: Damaged) -> str:
        truck = self._outbox.streams()[stream].truck
        return name_fork(error, truck) if isinstance(error, Forked) and truck else str(error)

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
        self._stop.wait(self._cap.wait_s(len(data), clock.monotonic_s()))
        self._put(entry.batch, entry.key, data)

    def _put(self, batch: BatchName, key: str, data: bytes) -> None:
        known = self._perhaps_there[batch.stream]
        there = key in known
        known.add(key)  # whatever becomes of it, the next time it may be there
        slot = self._slots if key.startswith(data_prefix(batch.stream)) else None
        put_proven(self._remote, key, data, perhaps_there=there, slot=slot)

    def _with_documents(self) -> str:
        """A stream that has key documents and is not closed, or nothing."""
        closed = self._closed()
        streams = {path.relative_to(self._spool).parts[0] for path in self._documents("*")}
        return next((stream for stream in sorted(streams) if stream not in closed), "")

    def _documents(self, stream: str) -> list[Path]:
        """Key documents that no batch may go before: `<stream>/keys/...` of the spool."""
        return sorted(self._spool.glob(f"{stream}/keys/**/*.json"))

    def _store_document(self, path: Path) -> None:
        """Bring one key document into the remote, proven; runs beside others."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return  # it was erased meanwhile
        except OSError as error:
            raise Damaged(f"the key document {path} cannot be read: {error.strerror}") from error
        put_proven(self._remote, path.relative_to(self._spool).as_posix(), data)

    def _idle(self) -> None:
        last, state = self._outbox.pusher(), "paused" if self._outbox.noted(PAUSED) else "idle"
        if last["state"] != state or self._clock.now_s() - last["at_s"] >= _IDLE_NOTE_S:
            self._note(state)
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
    whatever is in flight can be lost at any time. Without a stop they are waited for, so that
    nothing is sent twice at once.
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

    threads = [
        threading.Thread(target=run, daemon=True) for _ in range(min(_THREADS, len(entries)))
    ]
    for thread in threads:
        thread.start()
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
        for thread in threads:
            while thread.is_alive() and not stop.is_set():
                thread.join(0.1)
