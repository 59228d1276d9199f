"""The view made again from the journal: after damage, after a loss, or to prove it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from truck.journal import Journal, Record
from truck.segment import Kind
from truck.store.append import Store, remove
from truck.view import Tables, View

_RECORDS_AT_ONCE = 512


def catch_up(
    store: Store,
    journal: Journal,
    view: View,
    each: Callable[[int, Tables], None] | None = None,
) -> None:
    """Bring the view from its last snapshot to the journal's end, committing what is missing.

    One transaction: DuckDB then writes full row groups once and leaves no holes in its file.

    Args:
        store: as far as it got.
        journal: proven.
        view: fresh, or at an earlier record; holds the live state afterwards.
        each: told, now and then, the last record number applied and the rows since the last time.

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
    store.commit(_folded(journal, view, committed, each))


def _folded(
    journal: Journal, view: View, committed: int, each: Callable[[int, Tables], None] | None
) -> Iterator[Tables]:
    """The rows that the store lacks, as the fold goes."""
    for records in _parts(journal.read(view.record), committed):
        tables = view.apply_all(records)
        if each is not None:
            each(records[-1].number, tables)
        if records[0].number >= committed:
            yield tables


def _parts(records: Iterator[Record], committed: int) -> Iterator[list[Record]]:
    """Some hundred records at a time, those the view has never together with those it lacks."""
    part: list[Record] = []
    for record in records:
        if part and (record.number == committed or len(part) == _RECORDS_AT_ONCE):
            yield part
            part = []
        part.append(record)
    if part:
        yield part


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
