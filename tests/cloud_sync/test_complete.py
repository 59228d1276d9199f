"""Is it complete? The cloud's answer from what it was sent, held against the truck's own."""

import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from ledger_road import Road

from cloud_sync.ack import Ack, ack_key, sign_ack
from cloud_sync.batch import ledger_of
from cloud_sync.folder import Folder
from cloud_sync.outbox import Outbox
from cloud_sync.push import Orders, Pusher
from cloud_sync.status import rows_reached
from hardware.clock import Clock
from hardware.completeness import exit_code
from hardware.signing import SigningKey
from truck.complete import answer_complete
from truck.editions import EDITION_S, Editions
from truck.opening import begin
from truck.store.export import Readings
from truck.store.stored import Reached

STREAM = "truck-1"
NOW_S = 1_800_000_000.0
ENDS_OWN = ("schema", "stream", "rows", "bundles_missing", "relays", "told_at", "disagreements")


class Copy:
    """A truck's view, its spool and the folder that stands for the cloud."""

    def __init__(self, folder: Path, crew: Any, cli: Any) -> None:
        self.road, self.crew, self.cli = Road(folder / "road"), crew, cli
        self.spool, self.cloud = folder / "spool", folder / "cloud"

    def seal(self) -> None:
        self.road.ledger()  # brings the view up to date
        sealer = self.crew.sealer(self.spool, STREAM)
        sealer.seal_due(Readings(lambda: self.road.opened.store), NOW_S, flush=True)
        sealer.close()

    def tell(self) -> None:
        self.road.ledger()
        teller = self.crew.sealer(self.spool, ledger_of(STREAM))
        Editions(lambda: self.road.opened.store, teller).turn(NOW_S, True)
        teller.close()

    def push(self, cloud: bytes | None = None) -> None:
        with Outbox(self.spool) as outbox:
            Pusher(
                self.spool, outbox, Folder(self.cloud), Clock(), threading.Event(),
                lambda _: None, Orders(cloud=cloud),
            ).push()  # fmt: skip

    def acknowledge(self, key: SigningKey) -> None:
        """As the cloud team does once it has proven the stream."""
        with Outbox(self.spool) as outbox:
            head = outbox.head(STREAM)
            assert head is not None
            ack = Ack(STREAM, head.batch.seq, head.digest, head.hi, NOW_S)
        Folder(self.cloud).put_new(ack_key(STREAM, head.batch.seq), sign_ack(ack, key))

    def at_truck(self, stage: str | None = None) -> dict[str, Any]:
        reached = Reached(*rows_reached(self.spool, STREAM))
        return answer_complete(self.road.opened.store, STREAM, stage, reached)

    def at_cloud(self, *more: str) -> Any:
        truck = self.crew.truck.public.hex()
        return self.cli(
            "complete", self.cloud, "--key", self.crew.key_file, "--truck", truck, "--json", *more
        )


@pytest.fixture
def copy(tmp_path: Path, crew: Any, cli: Any) -> Copy:
    made = Copy(tmp_path, crew, cli)
    made.road.hear(*made.road.packets(1, [0, 3]), *made.road.packets(2, [0]), at_s=4)
    made.road.hear(*made.road.packets(1, [4, 5], ahead_s=60), at_s=5)
    made.road.hear(*made.road.packets(1, [9]), *made.road.packets(2, [1]), at_s=10)
    return made


def core(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in ENDS_OWN}


def test_both_ends_say_the_same_of_every_packet(copy: Copy) -> None:
    copy.seal()
    copy.tell()
    copy.push()
    run = copy.at_cloud()
    assert run.code == exit_code(copy.at_truck()) == 0
    assert core(run.json()) == core(copy.at_truck())
    assert run.json()["totals"]["never_heard"] == 5
    assert run.json()["totals"]["refused_by_reason"] == {"future": 2}
    assert run.json()["disagreements"] == []


def test_verify_gives_the_same_answer_and_without_a_key_says_that_it_cannot(copy: Copy) -> None:
    copy.seal()
    copy.tell()
    copy.push()
    whose = ("--truck", copy.crew.truck.public.hex(), "--json")
    run = copy.cli("verify", copy.cloud, "--key", copy.crew.key_file, *whose)
    assert run.json()["complete"] == [copy.at_cloud().json()]
    run = copy.cli("verify", copy.cloud, *whose)
    assert (run.code, run.json()["complete"]) == (0, [])
    assert f"{STREAM}: whether it is complete was not checked" in run.err


def test_what_waits_is_named_at_both_ends_until_it_has_come(copy: Copy) -> None:
    copy.seal()
    copy.push()
    copy.road.hear(*copy.road.packets(1, [10, 11]), at_s=12)
    copy.tell()
    assert copy.at_truck()["totals"]["unsealed"] == 2
    copy.push()
    run = copy.at_cloud()
    assert run.code == exit_code(copy.at_truck()) == 75
    assert run.json()["totals"]["on_the_way"] == 2
    copy.seal()
    assert copy.at_truck()["totals"]["sealed"] == 2
    copy.push()
    assert copy.at_cloud().code == exit_code(copy.at_truck()) == 0
    assert core(copy.at_cloud().json()) == core(copy.at_truck())


def test_where_the_cloud_acknowledges_nothing_else_counts(copy: Copy) -> None:
    cloud = SigningKey(bytes(range(32, 64)))
    copy.seal()
    copy.tell()
    copy.push(cloud.public)
    assert exit_code(copy.at_truck()) == 75
    assert copy.at_truck()["totals"]["uploaded"] == copy.at_truck()["totals"]["stored"] == 5
    copy.acknowledge(cloud)
    copy.push(cloud.public)
    assert exit_code(copy.at_truck()) == 0
    assert core(copy.at_cloud().json()) == core(copy.at_truck())


def test_before_the_truck_has_told_its_ledger_the_cloud_cannot_say(copy: Copy) -> None:
    copy.seal()
    copy.push()
    run = copy.at_cloud("--stream", STREAM)
    assert run.code == 65
    assert "has no manifest" in run.err
    run = copy.at_cloud()
    assert run.code == 78
    assert "every five minutes" in run.err


def test_an_edition_that_a_kill_cut_short_is_not_taken_for_whole(copy: Copy) -> None:
    copy.seal()
    copy.tell()
    copy.push()
    whole = copy.at_truck()
    copy.road.hear(*copy.road.packets(1, [12]), at_s=13)
    teller = copy.crew.sealer(copy.spool, ledger_of(STREAM))
    editions = Editions(lambda: copy.road.opened.store, teller)
    copy.road.ledger()
    editions._say()
    editions._waiting = editions._waiting.slice(0, 2)
    teller.seal_due(editions, NOW_S, flush=True)
    teller.close()
    copy.push()
    assert core(copy.at_cloud().json()) == core(whole)


def test_back_fill_of_the_stage_before_is_told_again(copy: Copy) -> None:
    road = copy.road
    teller = copy.crew.sealer(copy.spool, ledger_of(STREAM))
    editions = Editions(lambda: road.opened.store, teller)
    copy.road.ledger()
    editions.turn(NOW_S, True)
    path = road.truck.config.stage / "stage.toml"
    path.write_text(path.read_text().replace("Loop", "Stage 12: Pau - Hautacam"))
    begin(road.opened, road.truck.config, road.truck.event.truck)
    road.hear(*road.packets(1, [12, 14]), at_s=15)
    road.hear(*road.packets(1, [2, 6]), at_s=16)  # the day before's, late
    copy.seal()
    editions.turn(NOW_S, True)
    told = editions.row_end()
    editions.turn(NOW_S, True)
    assert editions.row_end() == told  # nothing new to say
    teller.close()
    copy.push()
    for stage in ("loop", "12"):
        run = copy.at_cloud("--stage", stage)
        assert run.code == 0, run.err
        assert core(run.json()) == core(copy.at_truck(stage))
    assert core(copy.at_cloud().json()) == core(copy.at_truck("12"))
    assert copy.at_truck("loop")["totals"]["never_heard"] == 3
    run = copy.at_cloud("--stage", "13")
    assert run.code == 78
    assert "There are: loop, stage-12-pau-hautacam" in run.err


def test_the_ledger_is_told_every_five_minutes_and_at_the_end(copy: Copy) -> None:
    copy.road.ledger()
    teller = copy.crew.sealer(copy.spool, ledger_of(STREAM))
    editions = Editions(lambda: copy.road.opened.store, teller)
    ends = []
    for at_s, flush in ((0, False), (EDITION_S - 1, False), (EDITION_S, False), (EDITION_S, True)):
        editions.turn(NOW_S + at_s, flush)
        ends.append(editions.row_end())
    teller.close()
    assert ends[:2] == [0, 0]
    assert ends[2] == ends[3] == 2 + len(copy.road.holes())


class Lying:
    """A ledger's stream that says something else than the view."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def row_end(self) -> int:
        return self.table.num_rows

    def rows(self, lo: int, hi: int) -> pa.Table:
        return self.table.slice(lo, hi - lo)


@pytest.mark.parametrize(
    ("column", "row", "value", "says"),
    [
        ("lo", 2, 2, "device 1 boot 1 packets 1 to 1: the truck says it is stored"),
        ("hi", 2, 5, "packets 3 to 3: the truck names a hole, and the cloud holds it"),
        ("hi", 0, 9, "device 1 boot 1 packets 9 to 9: the cloud holds it, and the truck's ledger"),
        ("device", 1, 3, "device 2 boot 1 packets 0 to 1: the cloud holds it"),
        ("hi", 1, 4, "device 2 boot 1 packets 2 to 3: the truck says it is stored"),
    ],
)
def test_where_the_two_ends_disagree_each_number_is_named(
    copy: Copy, column: str, row: int, value: int, says: str
) -> None:
    copy.seal()
    teller = copy.crew.sealer(copy.spool, ledger_of(STREAM))
    editions = Editions(lambda: copy.road.opened.store, teller)
    editions._say()
    table = editions._waiting
    place = table.schema.get_field_index(column)
    changed = table.column(place).to_pylist()
    changed[row] = value
    field = table.schema.field(place)
    lie = table.set_column(place, field, pa.array(changed, field.type))
    teller.seal_due(Lying(lie), NOW_S, flush=True)
    teller.close()
    copy.push()
    run = copy.at_cloud()
    assert run.code == 65
    assert says in run.err, run.err
