"""The keeper of the view, while the disk does not let it write."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from small_event import NOW_S
from truck_home import SmallTruck

from truck.alarms import Alarms
from truck.keeper import Keeper
from truck.segment import Kind
from truck.store.rebuild import rebuild


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """For this process every file is full at `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_view_that_cannot_be_written_is_tried_again_in_peace_and_catches_up(
    tmp_path: Path,
) -> None:
    truck = SmallTruck(tmp_path)
    opened = truck.ride(3)
    alarms, committed = Alarms(), []
    keeper = Keeper(opened.store, opened.journal, truck.home, truck.keys, alarms, committed.append)
    message = truck.event.message(truck.event.packet(1, 100))
    tick = truck.event.pipeline().accept([message], round(NOW_S * 1e6))
    opened.journal.append(Kind.TICK, tick.encode())
    opened.journal.sync()
    (record,) = opened.journal.read(opened.view.record)
    tables = opened.view.apply(record)
    with files_end_at(truck.home.view.with_name("view.duckdb.wal").stat().st_size):
        keeper.offer(record.number, tables)
        began_s = time.monotonic()
        for _ in range(3):
            keeper.turn(0.0)
            assert [(row["name"], row["cure"]) for row in alarms.rows()] == [
                ("view", "Check the disk; it is tried again.")
            ]
        assert time.monotonic() - began_s > 2.0  # it does not spin
    keeper.turn(0.0)
    assert alarms.rows() == []
    assert keeper.store.records() == opened.journal.next_record
    kept = keeper.store.digests()
    keeper.store.close()
    path = tmp_path / "again.duckdb"
    assert rebuild(path, truck.keys.store, opened.journal, truck.keys.new_view) == kept
    opened.journal.close()
