"""Custody on disk: bounds, damage, kills, and a disk that refuses."""

import itertools
import random
import resource
import sqlite3
import subprocess
import sys
import time

import pytest

from hardware.errors import Misconfigured
from relay import quarantine, spool
from relay.home import RelayHome
from relay.lanes import Key
from relay.ledger import PacketId
from relay.spool import Row, Spool, read_heard

MIB = 1 << 20


def row(number, size=1000, boot=1):
    message = random.Random(number).randbytes(size)
    return Row(Key(boot, number), message, (PacketId(0x101, 1, number), PacketId(0x201, 1, number)))


def filled(folder, count, bytes_max=MIB):
    made = Spool(folder, bytes_max)
    for number in range(count):
        made.commit([row(number)])
    return made


def test_what_was_committed_is_there_after_a_restart(tmp_path):
    filled(tmp_path, 5).close()
    again = Spool(tmp_path, MIB)
    assert again.sizes() == [(Key(1, number), 1000) for number in range(5)]
    assert again.read(Key(1, 3)) == row(3).message
    assert (again.counts.bundles, again.counts.bytes) == (5, 5000)
    assert again.newest_boot() == 1
    again.commit(deleted=[Key(1, 3), Key(9, 9)])
    assert again.read(Key(1, 3)) is None
    assert again.counts.bundles == 4
    again.close()


def test_the_ledger_remembers_when_the_bundles_are_gone(tmp_path):
    made = filled(tmp_path, 1030)
    made.commit([row(2000)], deleted=[Key(1, number) for number in range(1030)])
    assert made.counts.bundles == 1
    assert made.counts.heard_distinct == 2 * 1031
    made.close()
    assert read_heard(tmp_path) == {
        (0x101, 1): [(0, 1029), (2000, 2000)],
        (0x201, 1): [(0, 1029), (2000, 2000)],
    }


def test_a_packet_heard_twice_is_in_the_ledger_once(tmp_path):
    made = filled(tmp_path, 1)
    made.commit([Row(Key(1, 1), b"again", row(0).packets)])
    assert made.counts.heard_distinct == 2
    made.close()


def test_when_full_the_oldest_goes_and_is_counted(tmp_path):
    made = Spool(tmp_path, 10_000)
    dropped = [key for number in range(15) for key in made.commit([row(number)])]
    assert dropped == [Key(1, number) for number in range(5)]
    assert [key for key, _ in made.sizes()] == [Key(1, number) for number in range(5, 15)]
    assert (made.counts.dropped, made.counts.dropped_packets) == (5, 10)
    assert made.counts.bytes == 10_000
    made.close()
    again = Spool(tmp_path, 10_000)
    assert again.counts.dropped == 5
    again.close()


def test_when_full_what_is_live_never_goes(tmp_path):
    made = filled(tmp_path, 10, bytes_max=10_000)
    assert made.commit([row(10, 4000)], live_from=Key(1, 2)) == [Key(1, 0), Key(1, 1)]
    assert made.counts.bytes == 12_000
    assert made.commit([row(11)]) == [Key(1, 2), Key(1, 3), Key(1, 4)]
    made.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"not a database at all\n" * 1000,
        lambda data: data[: len(data) // 2],
        lambda data: data[:50],
        lambda data: bytes(4096) + data[4096:],
        lambda data: data[:8192] + bytes(8192) + data[16384:],
        lambda data: data[:100] + random.Random(1).randbytes(len(data) - 100),
    ],
    ids=["emptied", "garbage", "halved", "50 bytes", "no header", "zeroed pages", "noise"],
)
def test_a_damaged_file_never_stops_it_from_starting(tmp_path, damage):
    made = filled(tmp_path, 60)
    made.close()
    path = quarantine.database_path(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    again = Spool(tmp_path, MIB)
    assert again.error == ""
    assert again.commit([row(7, boot=2)]) == []
    assert again.read(Key(2, 7)) == row(7).message
    for key, _ in again.sizes():
        assert again.read(key) == row(key.number).message
    assert again.counts.bundles == len(again.sizes())
    again.close()
    once_more = Spool(tmp_path, MIB)
    assert once_more.read(Key(2, 7)) == row(7).message
    once_more.close()


def test_a_damaged_file_is_kept_aside_counted_and_its_readable_part_saved(tmp_path):
    filled(tmp_path, 200).close()
    path = quarantine.database_path(tmp_path)
    data = bytearray(path.read_bytes())
    data[-8192:] = bytes(8192)
    path.write_bytes(data)
    again = Spool(tmp_path, MIB)
    assert again.counts.quarantined == 1
    assert (tmp_path / "damaged" / "1" / "spool.db").exists()
    assert again.counts.bundles > 100
    assert again.counts.heard_distinct > 0
    again.close()


def test_somebody_elses_database_is_moved_aside(tmp_path):
    path = quarantine.database_path(tmp_path)
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bundles (a)")
    other.commit()
    other.close()
    made = Spool(tmp_path, MIB)
    assert made.counts.quarantined == 1
    made.close()


def test_a_kill_while_a_damaged_spool_is_replaced_is_taken_up_again(tmp_path):
    filled(tmp_path, 3).close()
    (tmp_path / "spool").rename(tmp_path / "spool.new")
    again = Spool(tmp_path, MIB)
    assert again.counts.bundles == 3
    assert not (tmp_path / "spool.new").exists()
    again.close()


def test_a_flipped_byte_in_a_bundle_is_found_when_it_is_read(tmp_path):
    filled(tmp_path, 3).close()
    path = quarantine.database_path(tmp_path)
    data = path.read_bytes()
    at = data.index(row(1).message) + 500
    path.write_bytes(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
    again = Spool(tmp_path, MIB)
    assert again.read(Key(1, 1)) is None
    assert again.counts.damaged == 1
    assert again.read(Key(1, 2)) == row(2).message
    again.close()


WRITER = """
import pathlib, random, sys
from relay.lanes import Key
from relay.ledger import PacketId
from relay.spool import Row, Spool
spool = Spool(pathlib.Path(sys.argv[1]), 1 << 30)
for number in range(100000):
    packets = (PacketId(0x101, 1, number),)
    spool.commit([Row(Key(1, number), random.Random(number).randbytes(1000), packets)])
    print(number, flush=True)
"""


def test_killed_at_any_moment_it_holds_all_it_had_committed_even_with_a_torn_log(tmp_path):
    chance = random.Random(7)
    for turn in range(3):
        folder = tmp_path / str(turn)
        folder.mkdir()
        command = [sys.executable, "-c", WRITER, str(folder)]
        committed, stop_at = -1, chance.randrange(20, 200)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            for line in writer.stdout:
                committed = int(line)
                if committed == stop_at:
                    writer.kill()
        log = quarantine.database_path(folder).with_name("spool.db-wal")
        with log.open("ab") as tail:
            tail.write(chance.randbytes(3000))
        again = Spool(folder, 1 << 30)
        assert again.counts.bundles >= committed + 1
        assert again.counts.quarantined == 0
        assert again.read(Key(1, committed)) == row(committed).message
        assert read_heard(folder)[0x101, 1][0][1] >= committed
        again.close()


def test_a_boot_number_is_never_used_twice(tmp_path):
    home = RelayHome(tmp_path)
    boots = [home.next_boot(None, 500.0) for _ in range(3)]
    assert boots == [501, 502, 503]
    assert home.next_boot(900, 500.0) == 901
    (tmp_path / "boot").write_bytes(b"\xff\x00garbage")
    assert home.next_boot(901, 500.0) == 902
    (tmp_path / "boot").unlink()
    assert home.next_boot(None, 5000.0) == 5001


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "spool").write_text("a file where the folder should be")
    with pytest.raises(Misconfigured, match="cannot keep a spool in"):
        Spool(tmp_path, MIB)


def test_a_disk_that_refuses_is_said_and_nothing_is_lost_when_it_lets_us_again(event, truck, relay):
    relay.start()
    relay.wait_for(lambda s: s["connected"], "connected")
    resource.prlimit(relay.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    truck.acks = False
    sent, seq = set(), 0
    while (status := relay.status())["spool"]["held"] <= 3:  # a busy machine makes fewer bundles
        sent |= relay.hear(*(event.packet(device, seq) for device in (1, 2, 3)))
        seq += 1
        assert seq < 100, "nothing is held in memory"
        time.sleep(0.15)
    assert status["spool"]["error"]
    assert status["errors"]["spool"].startswith("cannot spool: ")
    assert relay.command("status", relay.home).returncode == 1
    truck.wait_for(sent)
    resource.prlimit(
        relay.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )
    status = relay.wait_for(lambda s: s["spool"]["held"] == 0, "written at last")
    assert status["errors"] == {}
    assert status["spool"]["bundles"] > 3
    assert status["spool"]["unspooled"] == 0
    assert status["heard_distinct"] == len(sent) >= 12
    truck.ack(*truck.stored())
    relay.wait_for(lambda s: s["spool"]["bundles"] == 0, "committed")


def test_what_waits_in_memory_for_the_disk_is_bounded_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "HELD_BYTES", 3000)
    made = filled(tmp_path, 2)
    pages = made._database.execute("PRAGMA page_count").fetchone()[0]
    made._database.execute(f"PRAGMA max_page_count = {pages}")
    lost = list(itertools.chain(*(made.commit([row(number, 1000)]) for number in range(2, 12))))
    assert "full" in made.error
    held = made.status()["held"]
    assert held == 3
    assert made.counts.unspooled == len(lost) > 0
    assert all(made.read(key) is None for key in lost)
    assert made.read(Key(1, 11)) == row(11).message
    made._database.execute("PRAGMA max_page_count = 1000000")
    assert made.commit([row(12)]) == []
    assert made.error == ""
    assert made.status()["held"] == 0
    assert made.counts.bundles == 13 - len(lost)
    made.close()
