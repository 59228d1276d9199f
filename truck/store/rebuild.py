"""The view made again from the journal: after damage, after a loss, or to prove it."""

from collections.abc import Callable
from pathlib import Path

from truck.journal import Journal
from truck.segment import Kind
from truck.store.append import Store, remove
from truck.view import Tables, View

_RECORDS_PER_COMMIT = 256


def catch_up(
    store: Store,
    journal: Journal,
    view: View,
    each: Callable[[int, Tables], None] | None = None,
) -> int:
    """Bring the view from its last snapshot to the journal's end, committing what is missing.

    Args:
        store: as far as it got.
        journal: proven.
        view: fresh, or at an earlier record; holds the live state afterwards.
        each: told of every record number applied and its rows.

    Returns:
        How many records were committed that the store did not have.

    Raises:
        Damaged: from the journal.
        duckdb.Error: from the store.
    """
    committed, snapshot = store.records(), store.snapshot()
    if snapshot is not None and view.record == 0:
        from_record = View.record_of(snapshot)
        view.restore(
            snapshot,
            journal.last(Kind.ROSTER, from_record),
            journal.last(Kind.STAGE, from_record),
        )
    pending: list[Tables] = []
    added = 0
    for record in journal.read(view.record):
        tables = view.apply(record)
        if each is not None:
            each(record.number, tables)
        if record.number < committed:
            continue
        added += 1
        pending.append(tables)
        if len(pending) >= _RECORDS_PER_COMMIT:
            store.commit(pending)
            pending.clear()
    if pending:
        store.commit(pending)
    return added


def rebuild(
    path: Path,
    key: bytes,
    journal: Journal,
    new_view: Callable[[], View],
    each: Callable[[int, Tables], None] | None = None,
) -> dict[str, tuple[int, int]]:
    """Make the view again beside the old one, then put it in its place.

    Returns:
        The digest of every table, see `Store.digests`.
    """
    beside = path.with_name(path.name + ".rebuilding")
    remove(beside)
    store = Store(beside, key)
    try:
        catch_up(store, journal, new_view(), each)
        digests = store.digests()
    finally:
        store.close()
    remove(path)
    beside.replace(path)
    wal = beside.with_name(beside.name + ".wal")
    if wal.exists():
        wal.replace(path.with_name(path.name + ".wal"))
    return digests
