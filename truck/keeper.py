"""The keeper of the view: commits rows behind a bounded queue, mends the view when it fails.

No live output waits for it. When it falls too far behind, or DuckDB fails, it catches up from
the journal by a fold of its own and then goes on with the queue.
"""

import queue
from collections.abc import Callable

import duckdb

from hardware import clock
from hardware.errors import Damaged, Misconfigured
from truck.alarms import Alarms
from truck.config import TruckHome
from truck.journal import Journal
from truck.opening import TruckKeys
from truck.store.append import Store
from truck.store.rebuild import catch_up, rebuild
from truck.view import Tables

RECORDS_MAX = 1024
_RECORDS_PER_COMMIT = 64
_RETRY_S = 1.0


class Keeper:
    """`offer` from the live thread, `turn` from the keeper's own."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        home: TruckHome,
        truck_keys: TruckKeys,
        alarms: Alarms,
        committed: Callable[[int], None],
    ) -> None:
        self.store = store
        self._journal, self._home, self._keys = journal, home, truck_keys
        self._alarms, self._committed = alarms, committed
        self._queue: queue.Queue[tuple[int, Tables]] = queue.Queue(RECORDS_MAX)
        self._must_catch_up = False
        self._failing = False
        self._next = journal.next_record

    @property
    def behind_records(self) -> int:
        """How many records wait to be committed."""
        return self._queue.qsize()

    def offer(self, record: int, tables: Tables) -> None:
        """Hand over a record's rows; never waits."""
        try:
            self._queue.put_nowait((record, tables))
        except queue.Full:
            self._must_catch_up = True

    def turn(self, wait_s: float) -> None:
        """Commit what waits; mend what failed."""
        if self._must_catch_up:
            self._mend("it fell behind")
            return
        batch = self._take(wait_s)
        if not batch:
            return
        try:
            fresh = [(record, tables) for record, tables in batch if record >= self._next]
            if fresh and fresh[0][0] != self._next:
                self._mend(f"it lacks record {self._next}")
                return
            self.store.commit([tables for _, tables in fresh])
        except duckdb.Error as error:
            self._mend(str(error).splitlines()[0])
            return
        for record, _ in fresh:
            self._next = record + 1
            self._committed(record)

    def _take(self, wait_s: float) -> list[tuple[int, Tables]]:
        batch: list[tuple[int, Tables]] = []
        try:
            batch.append(self._queue.get(timeout=wait_s))
            while len(batch) < _RECORDS_PER_COMMIT:
                batch.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return batch

    def _mend(self, why: str) -> None:
        """Reopen the view, or make it again, and bring it to the journal's end."""
        if not self._failing:
            self._alarms.set(
                "view", f"the view is being mended: {why}", "Nothing to do; live goes on."
            )
        self._must_catch_up = self._failing = False
        while self._take(0.0):
            pass
        self.store.close()
        try:
            try:
                self.store = Store(self._home.view, self._keys.store)
            except (Damaged, duckdb.Error):
                self.store.close()
                rebuild(self._home.view, self._keys.store, self._journal, self._keys.new_view)
                self.store = Store(self._home.view, self._keys.store)
            view = self._keys.new_view()
            catch_up(self.store, self._journal, view)
            self._next = view.record
        except (Damaged, Misconfigured, duckdb.Error, OSError) as error:
            self._alarms.set(
                "view", f"the view cannot be written: {error}", "Check the disk; it is tried again."
            )
            self._must_catch_up = self._failing = True
            clock.sleep_s(_RETRY_S)
            return
        self._alarms.clear("view")
