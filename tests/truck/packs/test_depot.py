"""A bad pack never becomes active: each is refused by its own sentence, and nothing of it stays."""

import json
import shutil
from pathlib import Path

import pytest
from packed_truck import OTHER_TEAM, TEAM, PackedTruck, without_team

from hardware.errors import Damaged, Misconfigured, Refused
from hardware.pack import open_pack
from truck.packs.depot import RECORD, Depot, raced_on


@pytest.fixture
def truck(packed: PackedTruck, tmp_path: Path) -> PackedTruck:
    return packed.copy(tmp_path)


@pytest.fixture(scope="module")
def pack_3_in_force(packed: PackedTruck, tmp_path_factory: pytest.TempPathFactory) -> PackedTruck:
    truck = packed.copy(tmp_path_factory.mktemp("racing"))
    for version in (2, 3):
        truck.take(version)
        truck.activate(version)
    return truck


@pytest.fixture
def racing(pack_3_in_force: PackedTruck, tmp_path: Path) -> PackedTruck:
    """Pack 3 is in force, and 2 was before."""
    return pack_3_in_force.copy(tmp_path)


def test_a_pack_is_staged_put_in_force_and_rolled_back(truck: PackedTruck) -> None:
    assert truck.state == ([], None)
    truck.take(1)
    assert truck.state == ([1], None)  # staging changes nothing
    truck.activate(1)
    truck.take(2)
    truck.activate(2)
    assert truck.state == ([1, 2], 2)
    _, pack = truck.depot().roll_back(by="ben", note="wrong finish", now_us=2)
    assert (truck.state, pack and pack.manifest.version) == (([1, 2], 1), 1)
    assert truck.depot().roll_back(by="ben", note="", now_us=3)[1] is None
    assert truck.state == ([1, 2], None)
    with pytest.raises(Misconfigured, match="nothing to go back from"):
        truck.depot().roll_back(by="ben", note="", now_us=4)
    said = [(line.number, line.what, line.version) for line in truck.depot().record.lines]
    assert said == [(1, "activate", 1), (2, "activate", 2), (3, "rollback", 1),
                    (4, "rollback", None)]  # fmt: skip


def test_the_truck_races_on_the_pack_in_force(racing: PackedTruck) -> None:
    config, (note,) = raced_on(racing.home, racing.config, None)
    assert config.stage == racing.home.packs / "000003"
    assert "pack 3 (stage 9, Loop 3) is in force, put so by anna" in note
    other, (note,) = raced_on(racing.home, racing.config, Path("elsewhere"))
    assert (other.stage, "left aside" in note) == (racing.config.stage, True)


def test_a_pack_sets_only_what_the_operator_has_not(truck: PackedTruck) -> None:
    truck.take(1, {"settings.toml": b"tick_s = 0.5\n"})
    truck.activate(1)
    assert raced_on(truck.home, truck.config, None)[0].tick_s == 0.5
    own = type(truck.config)(**truck.config.model_dump(exclude_unset=True) | {"tick_s": 0.1})
    assert raced_on(truck.home, own, None)[0].tick_s == 0.1


def test_packs_that_are_not_for_this_truck_are_refused(racing: PackedTruck) -> None:
    depot = racing.depot()
    with pytest.raises(Refused, match="signature"):
        open_pack(racing.pack_bytes(4, key=OTHER_TEAM), depot.team)
    with pytest.raises(Misconfigured, match=r"of the event vuelta-2027, this truck's is test-ev"):
        depot.take(racing.pack(4, event="vuelta-2027"), named=True)
    with pytest.raises(Misconfigured, match="older than pack 3"):
        depot.take(racing.pack(1), named=False)
    with pytest.raises(Misconfigured, match="no pack 7 is staged; there are 2, 3"):
        racing.activate(7)
    with pytest.raises(Misconfigured, match="truck pack rollback"):
        racing.activate(2)
    with pytest.raises(Misconfigured, match="trusts no team"):
        Depot(racing.home, without_team(racing))
    with pytest.raises(Damaged, match="two packs call themselves version 3"):
        depot.take(racing.pack(3, {"boards/more.sql": b"SELECT 1"}), named=False)
    assert racing.state == ([2, 3], 3)


def test_an_older_pack_is_taken_when_it_is_named(racing: PackedTruck) -> None:
    racing.depot().take(racing.pack(1), named=True)
    racing.depot().activate(1, older=True, by="anna", note="", now_us=5)
    assert racing.state == ([1, 2, 3], 1)


@pytest.mark.parametrize(("words", "files"), [
    ("stage.toml, line 1, kind", {"stage.toml": b'kind = "sprint"\nname = "x"\n'}),
    ("is only", {"route.gpx": b'<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/'
                 b'GPX/1/1"><trk><trkseg><trkpt lat="45" lon="6"/><trkpt lat="45.0001" lon="6"/>'
                 b"</trkseg></trk></gpx>"}),
    ("startlist.csv, line 1", {"startlist.csv": b"number;who\n1;x\n"}),
    ("settings.toml, credentials", {"settings.toml": b'credentials = "/tmp"\n'}),
    ("settings.toml, tick_s", {"settings.toml": b"tick_s = 9.0\n"}),
    ("settings.toml: ", {"settings.toml": b"tick_s = \xff\n"}),
    ("boards/x.sql: only one SELECT", {"boards/x.sql": b"SELECT 1; SELECT 2"}),
    ("boards/x.sql: only one SELECT", {"boards/x.sql": b"DELETE FROM states"}),
    ("boards/x.sql: only one SELECT", {"boards/x.sql": b"COPY states TO '/tmp/x.csv'"}),
    ("boards/x.sql: only one SELECT", {"boards/x.sql": b"ATTACH '/tmp/x.db' AS x"}),
    ("boards/x.sql: only one SELECT", {"boards/x.sql": b""}),
    ("boards/x.sql: Binder Error", {"boards/x.sql": b"SELECT nobody FROM states"}),
    ("boards/x.sql: Catalog Error", {"boards/x.sql": b"SELECT * FROM nothing"}),
    ("boards/x.sql: Parser Error", {"boards/x.sql": b"SELEKT 1"}),
    ("boards/x.sql: Permission Error", {"boards/x.sql": b"FROM read_csv('/etc/passwd')"}),
    ("boards/x.sql: Permission Error", {"boards/x.sql": b"FROM glob('/etc/*')"}),
    ("boards/x.sql: more than 500 rows", {"boards/x.sql": b"FROM range(100000000000)"}),
    ("boards/x.sql: it runs longer than 0.5 s", {
        "boards/x.sql": b"WITH RECURSIVE t AS (SELECT 1 a UNION ALL SELECT a + 1 FROM t) "
                        b"SELECT max(a) FROM t"}),
    ("boards/x.sql: not UTF-8", {"boards/x.sql": b"SELECT '\xff'"}),
])  # fmt: skip
def test_a_pack_that_cannot_be_raced_on_is_not_staged(
    racing: PackedTruck, words: str, files: dict[str, bytes]
) -> None:
    with pytest.raises(Damaged, match=r"pack 4 \(stage 9, Loop 4\) cannot be used") as told:
        racing.take(4, files)
    assert words in str(told.value)
    assert racing.state == ([2, 3], 3)
    assert not list(racing.home.packs.glob(".*.tmp"))


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(("words", "spoil"), [
    ("route.gpx is not the file", lambda p: change(p / "route.gpx")),
    ("route.gpx has 100 bytes", lambda p: (p / "route.gpx").write_bytes(b"x" * 100)),
    ("misses startlist.csv", lambda p: (p / "startlist.csv").unlink()),
    ("does not list: boards/more.sql", lambda p: (p / "boards" / "more.sql").write_text("x")),
    ("which the team did not sign", lambda p: (p / "run.sh").write_text("x")),
    ("misses route.gpx", lambda p: ((p / "route.gpx").rename(p.parent / "r"),
                                    (p / "route.gpx").symlink_to(p.parent / "r"))),
    ("is not what the team signed", lambda p: change(p / "pack.json")),
    ("cannot be read", lambda p: (p / "pack.json").unlink()),
    ("holds pack 2", lambda p: (shutil.rmtree(p), shutil.copytree(p.parent / "000002", p))),
    ("gone from the disk", shutil.rmtree),
])  # fmt: skip
def test_a_staged_pack_that_was_changed_is_never_raced_on_and_can_be_left(
    racing: PackedTruck, words: str, spoil: object
) -> None:
    assert callable(spoil)
    spoil(racing.home.packs / "000003")
    with pytest.raises(Damaged, match="truck pack rollback") as told:
        raced_on(racing.home, racing.config, None)
    assert words in str(told.value)
    depot = racing.depot()
    depot.roll_back(by="anna", note="", now_us=9)
    assert raced_on(racing.home, racing.config, None)[0].stage == racing.home.packs / "000002"


def test_a_validly_signed_pack_in_the_place_of_the_one_put_in_force_is_told(
    racing: PackedTruck,
) -> None:
    place = racing.home.packs / "000003"
    shutil.rmtree(place)
    racing.depot().shelf.put(racing.pack(3, {"boards/more.sql": b"SELECT 1"}))
    with pytest.raises(Damaged, match="is not the pack 3 that anna put in force"):
        raced_on(racing.home, racing.config, None)


def test_the_record_is_a_signed_chain_and_a_torn_line_was_never_said(racing: PackedTruck) -> None:
    path = racing.home.packs / RECORD
    whole = path.read_bytes()
    first, second, _ = whole.split(b"\n")
    for cut in range(len(first) + 1, len(whole), 29):
        path.write_bytes(whole[:cut])
        assert racing.depot().record.in_force == racing.depot().record.lines[0]
    racing.activate(3)  # and the torn line is overwritten
    assert racing.state == ([2, 3], 3)
    forged = json.loads(second)
    forged["signatures"][0]["sig"] = json.loads(first)["signatures"][0]["sig"]
    for lines, words in (
        ([second], "line 1 does not follow"),
        ([first, first], "line 2 does not follow"),
        ([first, json.dumps(forged).encode()], "line 2 is not what this truck wrote"),
        ([b"{}", second], "line 1 is not what this truck wrote"),
    ):
        path.write_bytes(b"\n".join(lines) + b"\n")
        with pytest.raises(Damaged, match=words):
            racing.depot()
    assert TEAM.public.hex() not in whole.decode()
