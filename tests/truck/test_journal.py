"""The journal: what it keeps through crashes, and what it refuses to believe."""

import random
from pathlib import Path

import pytest

from hardware.errors import Damaged, Misconfigured
from truck.journal import Journal
from truck.segment import Kind

KEY = bytes(range(32))


def open_journal(folder: Path, **options: int) -> Journal:
    return Journal(folder, KEY, "truck-1", lambda chain: b"seal" + chain, **options)


def filled(folder: Path, records: int = 12, segment_bytes_max: int = 4000) -> list[bytes]:
    random.seed(7)
    payloads = [random.randbytes(random.randrange(1, 900)) for _ in range(records)]
    journal = open_journal(folder, segment_bytes_max=segment_bytes_max)
    for payload in payloads:
        journal.append(Kind.TICK, payload)
        journal.sync()
    journal.close()
    return payloads


def ticks(journal: Journal) -> list[bytes]:
    return [record.payload for record in journal.read() if record.kind == Kind.TICK]


def test_what_was_appended_is_read_back_over_many_segments(tmp_path: Path) -> None:
    payloads = filled(tmp_path)
    assert len(list(tmp_path.glob("*.journal"))) > 1
    journal = open_journal(tmp_path)
    assert ticks(journal) == payloads
    assert [r.number for r in journal.read()] == list(range(journal.next_record))


def test_a_full_segment_ends_with_the_trucks_seal_over_its_chain(tmp_path: Path) -> None:
    filled(tmp_path)
    seals = [r for r in open_journal(tmp_path).read() if r.kind == Kind.SEAL]
    assert seals
    assert all(seal.payload.startswith(b"seal") for seal in seals)


def test_reading_from_the_middle_and_the_last_of_a_kind(tmp_path: Path) -> None:
    payloads = filled(tmp_path, segment_bytes_max=10**6)
    journal = open_journal(tmp_path)
    assert [r.payload for r in journal.read(5)] == payloads[5:]
    last = journal.last(Kind.TICK, before=5)
    assert last is not None
    assert last.payload == payloads[4]
    assert journal.last(Kind.ROSTER) is None


def test_nothing_of_a_payload_stands_in_the_file_in_clear(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append(Kind.TICK, b"the yellow jersey is here" * 10)
    journal.close()
    assert b"yellow" not in b"".join(p.read_bytes() for p in tmp_path.iterdir())


def test_a_tail_torn_at_any_byte_loses_only_the_last_record_and_says_so(tmp_path: Path) -> None:
    filled(tmp_path / "whole", segment_bytes_max=10**6)
    (segment,) = (tmp_path / "whole").glob("*.journal")
    data = segment.read_bytes()
    journal = open_journal(tmp_path / "whole")
    payloads, last = ticks(journal), journal.places[-1]
    for cut in range(last.offset - 20 + 1, len(data), 7):
        folder = tmp_path / f"cut-{cut}"
        folder.mkdir()
        (folder / segment.name).write_bytes(data[:cut])
        reopened = open_journal(folder)
        assert ticks(reopened) == payloads[:-1]
        assert reopened.torn is not None
        assert reopened.torn.kept_in.read_bytes() == data[last.offset - 20 : cut]
        reopened.append(Kind.TICK, b"after")
        reopened.sync()
        reopened.close()
        assert ticks(open_journal(folder)) == [*payloads[:-1], b"after"]


def test_a_tail_of_zeros_or_junk_is_torn_not_damaged(tmp_path: Path) -> None:
    payloads = filled(tmp_path, segment_bytes_max=10**6)
    (segment,) = tmp_path.glob("*.journal")
    for junk in (bytes(4096), b"\xff" * 100):
        with segment.open("ab") as file:
            file.write(junk)
        journal = open_journal(tmp_path)
        assert ticks(journal) == payloads
        assert journal.torn is not None


def test_a_changed_byte_anywhere_before_the_last_record_is_named_and_repairs_nothing(
    tmp_path: Path,
) -> None:
    filled(tmp_path, segment_bytes_max=2500)
    segments = sorted(tmp_path.glob("*.journal"))
    random.seed(1)
    for segment in segments[:-1]:
        data = segment.read_bytes()
        for at in [0, 9, 13, 20, 60, 100, 127, *random.sample(range(128, len(data)), 25)]:
            flipped = bytearray(data)
            flipped[at] ^= 1 << random.randrange(8)
            segment.write_bytes(flipped)
            with pytest.raises((Damaged, Misconfigured), match=r"journal"):
                open_journal(tmp_path)
            assert segment.read_bytes() == bytes(flipped)
        segment.write_bytes(data)
    assert open_journal(tmp_path).next_record > 0


def test_a_changed_byte_in_the_middle_of_the_only_segment_is_damage(tmp_path: Path) -> None:
    filled(tmp_path, segment_bytes_max=10**6)
    (segment,) = tmp_path.glob("*.journal")
    data = segment.read_bytes()
    middle = bytearray(data)
    middle[len(data) // 2] ^= 4
    segment.write_bytes(middle)
    with pytest.raises(Damaged, match="no torn write"):
        open_journal(tmp_path)


def test_an_end_before_what_the_view_holds_is_damage(tmp_path: Path) -> None:
    filled(tmp_path, segment_bytes_max=10**6)
    known = open_journal(tmp_path).next_record
    (segment,) = tmp_path.glob("*.journal")
    segment.write_bytes(segment.read_bytes()[:-1])
    with pytest.raises(Damaged, match="already holds"):
        open_journal(tmp_path, known_records=known)


def test_a_missing_or_swapped_segment_is_damage(tmp_path: Path) -> None:
    filled(tmp_path, records=30, segment_bytes_max=2500)
    segments = sorted(tmp_path.glob("*.journal"))
    assert len(segments) > 3
    aside = segments[1].read_bytes()
    segments[1].write_bytes(segments[2].read_bytes())
    with pytest.raises(Damaged):
        open_journal(tmp_path)
    segments[1].unlink()
    with pytest.raises(Damaged, match="does not follow"):
        open_journal(tmp_path)
    segments[1].write_bytes(aside)
    open_journal(tmp_path)


def test_another_key_or_another_stream_is_refused_in_one_sentence(tmp_path: Path) -> None:
    filled(tmp_path)
    other = Journal(tmp_path, bytes(32), "truck-1", bytes)
    with pytest.raises(Damaged, match="does not open with this journal key"):
        next(other.read())
    with pytest.raises(Misconfigured, match="belongs to 'truck-1'"):
        Journal(tmp_path, KEY, "truck-2", bytes)


def test_what_was_not_synced_is_cut_off_by_reopen(tmp_path: Path) -> None:
    payloads = filled(tmp_path, records=3, segment_bytes_max=600)
    journal = open_journal(tmp_path, segment_bytes_max=600)
    durable = journal.next_record
    for _ in range(4):
        journal.append(Kind.TICK, bytes(500))
    journal.reopen(durable)
    assert ticks(journal) == payloads
    journal.append(Kind.TICK, b"next")
    journal.sync()
    journal.close()
    assert ticks(open_journal(tmp_path)) == [*payloads, b"next"]
