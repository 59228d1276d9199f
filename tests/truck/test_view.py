"""The fold gives the same rows and state however many records it is handed at once."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from small_event import NOW_S
from truck_home import SmallTruck

from hardware.errors import Damaged
from truck.happenings import change_rows
from truck.journal import Record
from truck.race.incidents import Change
from truck.race.rulings import Ruling, sign_ruling
from truck.segment import Kind
from truck.store.append import TABLES, Store
from truck.tick import Tick
from truck.view import SNAPSHOT_EVERY_RECORDS, Tables, View

SECONDS = SNAPSHOT_EVERY_RECORDS * 2 + 20


@pytest.fixture(scope="module")
def ridden(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallTruck, list[Record]]:
    truck = SmallTruck(tmp_path_factory.mktemp("truck"))
    opened = truck.ride(SECONDS)
    records = list(opened.journal.read())
    truck.close(opened)
    decided = [
        (60, {"kind": "swap", "bib": 12, "device": 3}),
        (130, {"kind": "abandon", "bib": 11}),
        (200, {"kind": "withdraw", "withdraws": 1}),
        (230, {"kind": "swap", "bib": 11, "device": 2}),
    ]
    for number, (at, fields) in enumerate(decided, 1):
        ruling = Ruling(number, round((NOW_S + at - 2) * 1e6), "anna", **fields)
        records.insert(at, Record(at, Kind.RULING, sign_ruling(ruling, truck.keys.signing)))
    return truck, [record._replace(number=number) for number, record in enumerate(records)]


def stored(truck: SmallTruck, batches: list[Tables], path: Path) -> dict[str, tuple[int, int]]:
    store = Store(path, truck.keys.store)
    for batch in batches:
        store.commit([batch])
    digests = store.digests()
    store.close()
    return digests


def one_by_one(truck: SmallTruck, records: list[Record]) -> tuple[View, list[Tables]]:
    view = truck.keys.new_view()
    return view, [view.apply(record) for record in records]


@pytest.mark.parametrize("most", [9, 1000])
def test_records_at_once_give_what_one_by_one_gives(
    ridden: tuple[SmallTruck, list[Record]], tmp_path: Path, most: int
) -> None:
    truck, records = ridden
    view, tables = one_by_one(truck, records)
    draw, at = random.Random(most), 0
    together, parts = truck.keys.new_view(), []
    while at < len(records):
        size = draw.randint(1, most)
        parts.append(together.apply_all(records[at : at + size]))
        at += size
    assert together.snapshot() == view.snapshot()
    digests = stored(truck, tables, tmp_path / "one.duckdb")
    assert (digests["snapshots"][0], digests["rulings"][0]) == (1, 4)
    assert stored(truck, parts, tmp_path / "many.duckdb") == digests
    for name in TABLES[:-1]:
        one, many = (
            pa.concat_tables([t[name] for t in found if name in t]) for found in (tables, parts)
        ) if digests[name][0] else (None, None)  # fmt: skip
        assert one == many


def test_the_newest_snapshot_carries_on_as_the_whole_journal_does(
    ridden: tuple[SmallTruck, list[Record]],
) -> None:
    truck, records = ridden
    view, tables = one_by_one(truck, records)
    snapshots = [t["snapshots"] for t in tables if "snapshots" in t]
    assert len(snapshots) == 2
    state = snapshots[-1]["state"][0].as_py()
    resumed = truck.keys.new_view()
    resumed.restore(state, *(next(r for r in records if r.kind == kind)
                             for kind in (Kind.ROSTER, Kind.STAGE)))  # fmt: skip
    rows = resumed.apply_all(records[View.record_of(state) :])["readings"]
    assert resumed.snapshot() == view.snapshot()
    everything = pa.concat_tables([t["readings"] for t in tables if "readings" in t])
    assert rows == everything.slice(everything.num_rows - rows.num_rows)


def test_ticks_without_packets_make_rows_of_ticks_alone(
    ridden: tuple[SmallTruck, list[Record]],
) -> None:
    truck, records = ridden
    view = truck.keys.new_view()
    head = [r for r in records if r.kind in (Kind.ROSTER, Kind.STAGE)]
    idle = [Record(len(head) + k, Kind.TICK, Tick(at_us=k).encode()) for k in range(3)]
    tables = view.apply_all([*head, *idle])
    assert set(tables) == {"ticks"}
    assert tables["ticks"]["packets"].to_pylist() == [0, 0, 0]
    assert tables["ticks"]["row_end"].to_pylist() == [0, 0, 0]


def test_what_a_device_felt_gets_to_the_race(ridden: tuple[SmallTruck, list[Record]]) -> None:
    truck, records = ridden
    view = truck.keys.new_view()
    view.apply_all(records[:40])
    assert view.race is not None
    riders = view.race._riders
    assert riders.feels.all()
    assert riders.impact_us[riders.bib == 12].tolist() == [round((NOW_S + 5) * 1e6)]
    assert (riders.impact_us[riders.bib != 12] < 0).all()


def test_packets_before_any_roster_are_damage(ridden: tuple[SmallTruck, list[Record]]) -> None:
    truck, records = ridden
    tick = next(r for r in records if r.kind == Kind.TICK)
    with pytest.raises(Damaged, match="record 0 holds packets before any roster"):
        truck.keys.new_view().apply_all([tick._replace(number=0)])
    with pytest.raises(Damaged, match="expects journal record 0, not 2"):
        truck.keys.new_view().apply_all([tick])


def test_a_batch_that_breaks_half_way_leaves_nothing_and_the_store_goes_on(
    ridden: tuple[SmallTruck, list[Record]], tmp_path: Path
) -> None:
    truck, records = ridden
    _, tables = one_by_one(truck, records)
    store = Store(tmp_path / "view.duckdb", truck.keys.store)
    empty = store.digests()

    def broken():
        yield from tables[:100]
        raise Damaged("the journal")

    with pytest.raises(Damaged):
        store.commit(broken())
    assert store.digests() == empty
    store.commit(tables)
    assert store.digests()["readings"][0] == 3 * SECONDS == store.row_end()
    assert np.array_equal(np.sort(store.packet_digests(0)[2]), np.repeat(np.arange(SECONDS), 3))
    store.close()


def test_what_is_said_of_incidents_is_a_row_each_of_the_record_it_came_of(
    ridden: tuple[SmallTruck, list[Record]], tmp_path: Path
) -> None:
    truck, _ = ridden
    raised = Change(1_000_000, 1, "raised", "crash", 0.5, (11, 12), 900_000, 1234.5)
    cleared = raised._replace(at_us=2_000_000, what="cleared", distance_m=float("nan"))
    store = Store(tmp_path / "view.duckdb", truck.keys.store)
    rows = change_rows(np.array([7, 9]), [(0, raised), (1, cleared)])
    store.commit([{"incidents": rows}])
    found = store.cursor().execute(
        "SELECT record, incident, epoch_us(said_at), what, kind, probability, bibs, "
        "epoch_us(started_at), distance_m FROM incidents ORDER BY record"
    )
    assert found.fetchall() == [
        (7, 1, 1_000_000, "raised", "crash", 0.5, [11, 12], 900_000, 1234.5),
        (9, 1, 2_000_000, "cleared", "crash", 0.5, [11, 12], 900_000, None),
    ]
    store.close()
