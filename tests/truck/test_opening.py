"""Whatever happened to the view while the truck was down, it comes back the same."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from small_event import NOW_S
from truck_home import SmallTruck

from hardware.errors import Damaged, Misconfigured
from truck.opening import remember
from truck.store.append import TABLES, Store
from truck.store.export import Readings, query
from truck.store.rebuild import rebuild

SECONDS = 300  # more than two snapshots


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[SmallTruck, dict[str, tuple[int, int]]]:
    truck = SmallTruck(tmp_path_factory.mktemp("truck"))
    opened = truck.ride(SECONDS)
    digests = opened.store.digests()
    truck.close(opened)
    return truck, digests


def test_the_view_holds_every_packet_once_with_who_heard_it(
    whole: tuple[SmallTruck, dict[str, tuple[int, int]]],
) -> None:
    truck, digests = whole
    rows = {name: digests[name][0] for name in TABLES}
    assert rows["readings"] == rows["hearings"] == 3 * SECONDS
    assert rows["bundles"] == 2 * SECONDS
    assert rows["refusals"] == SECONDS
    assert rows["snapshots"] == 1  # the newest
    opened = truck.open()
    try:
        answer = query(
            opened.store,
            "SELECT count(*) FILTER (distance_m IS NULL) AS unplaced, min(bib) AS lo, "
            "max(bib) AS hi, max(distance_m) AS far FROM readings",
        ).to_pylist()[0]
    finally:
        truck.close(opened)
    assert (answer["lo"], answer["hi"]) == (11, 13)
    assert answer["unplaced"] < 12
    assert answer["far"] == pytest.approx(SECONDS * 10, abs=60)


def test_a_view_of_an_older_schema_is_made_again(tmp_path: Path) -> None:
    truck = SmallTruck(tmp_path)
    opened = truck.ride(3)
    digests = opened.store.digests()
    opened.store.cursor().execute("ALTER TABLE readings DROP COLUMN stage")
    truck.close(opened)
    opened = truck.open()
    assert "made again" in opened.notes[0]
    assert opened.store.digests() == digests
    truck.close(opened)


def delete(path: Path, _: random.Random) -> None:
    path.unlink()


def empty(path: Path, _: random.Random) -> None:
    path.write_bytes(b"")


def cut(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [delete, empty, *[cut] * 4, *[flip] * 12])
def test_a_harmed_view_is_made_again_the_same_and_the_operator_is_told(
    whole: tuple[SmallTruck, dict[str, tuple[int, int]]],
    harm: Callable[[Path, random.Random], None],
    request: pytest.FixtureRequest,
) -> None:
    truck, digests = whole
    harm(truck.home.view, random.Random(request.node.name))
    opened = truck.open()
    try:
        assert opened.store.digests() == digests
        assert any("made again from the journal" in note for note in opened.notes)
    finally:
        truck.close(opened)


def test_rebuild_makes_the_same_tables_whatever_the_way_there(
    whole: tuple[SmallTruck, dict[str, tuple[int, int]]],
) -> None:
    truck, digests = whole
    opened = truck.open()
    opened.store.close()
    rebuilt = rebuild(truck.home.view, truck.keys.store, opened.journal, truck.keys.new_view)
    opened.journal.close()
    assert rebuilt == digests


def test_the_live_state_after_a_restart_is_that_of_a_truck_that_never_stopped(
    tmp_path: Path,
) -> None:
    stopped = SmallTruck(tmp_path)
    stopped.close(stopped.ride(40))
    restarted = stopped.ride(60, from_s=40)
    never = stopped.keys.new_view()
    for record in restarted.journal.read():
        never.apply(record)
    assert never.snapshot() == restarted.view.snapshot()
    stopped.close(restarted)


def test_after_a_restart_the_windows_know_every_packet_and_bundle(
    whole: tuple[SmallTruck, dict[str, tuple[int, int]]],
) -> None:
    truck, _ = whole
    opened = truck.open()
    try:
        pipeline = truck.event.pipeline()
        now_us = round((NOW_S + SECONDS) * 1e6)
        remember(pipeline, opened.store, now_us)
        raw = truck.event.packet(2, 7, at_s=NOW_S + 7)
        tick = pipeline.accept([truck.event.message(raw)], now_us)
        assert tick.packets == []  # other bytes under a known number
        for device in (1, 2, 3):
            for seq in range(0, SECONDS, 10):
                raw = truck.event.packet(device, seq)
                assert not pipeline.accept([truck.event.message(raw)], now_us).packets
    finally:
        truck.close(opened)


def test_rows_for_replication_are_exactly_those_asked_for(
    whole: tuple[SmallTruck, dict[str, tuple[int, int]]],
) -> None:
    truck, _ = whole
    opened = truck.open()
    try:
        source = Readings(lambda: opened.store)
        assert source.row_end() == 3 * SECONDS
        assert source.rows(10, 20)["row_id"].to_pylist() == list(range(10, 20))
    finally:
        truck.close(opened)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE readings",
        "SELECT 1; SELECT 2",
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY readings TO '/tmp/out.csv'",
        "SELECT nonsense FROM readings",
        "ATTACH 'other.duckdb'",
        "",
    ],
)
def test_a_question_that_does_more_than_read_is_refused(
    whole: tuple[SmallTruck, dict[str, tuple[int, int]]], sql: str
) -> None:
    truck, digests = whole
    opened = truck.open()
    try:
        with pytest.raises(Misconfigured):
            query(opened.store, sql)
        assert opened.store.digests() == digests
    finally:
        truck.close(opened)


def test_a_second_process_on_the_view_is_told_to_ask_the_truck(
    whole: tuple[SmallTruck, dict[str, tuple[int, int]]], tmp_path: Path
) -> None:
    import subprocess
    import sys

    truck, _ = whole
    opened = truck.open()
    try:
        code = (
            "import sys; from pathlib import Path; from truck.store.append import Store\n"
            "from hardware.errors import Misconfigured\n"
            "try: Store(Path(sys.argv[1]), bytes(32))\n"
            "except Misconfigured as error: print(error)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(truck.home.view)], capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        assert "another process has the view" in done.stdout
    finally:
        truck.close(opened)


def test_a_journal_shorter_than_the_view_stops_the_truck(tmp_path: Path) -> None:
    truck = SmallTruck(tmp_path)
    truck.close(truck.ride(20))
    (segment,) = truck.home.journal.glob("*.journal")
    segment.write_bytes(segment.read_bytes()[:-40])
    with pytest.raises(Damaged, match="its tail is lost"):
        truck.open()


def test_a_view_of_another_key_is_made_again(tmp_path: Path) -> None:
    truck = SmallTruck(tmp_path)
    opened = truck.ride(5)
    digests = opened.store.digests()
    truck.close(opened)
    with pytest.raises(Damaged, match="Wrong encryption key"):
        Store(truck.home.view, bytes(32))
    truck.home.view.unlink()
    Store(truck.home.view, bytes(32)).close()
    opened = truck.open()
    assert opened.store.digests() == digests
    truck.close(opened)
