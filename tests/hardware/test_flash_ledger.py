"""The flash ledger: any changed, removed, added or swapped line is found and named."""

import dataclasses
import fcntl
import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hardware_command import hardware, refused

from hardware import chained_log
from hardware.errors import Damaged, Locked, NotInitialised
from hardware.flash_ledger import Entry, append, examine, read


def entry(n: int, **changed: object) -> Entry:
    made = Entry(
        1.7e9 + n, "Ana", "relay", f"moto-{n}", f"SN{n}", "/dev/sdb", 1, "ab" * 32, "cd" * 32,
        "every byte read back",
    )  # fmt: skip
    return dataclasses.replace(made, **changed)


@pytest.fixture
def event(tmp_path) -> Path:
    append(tmp_path, [entry(n) for n in range(1, 8)])
    return tmp_path


def lines_named(event: Path) -> list[int]:
    return [problem.line for problem in read(event).problems]


def test_what_was_added_is_read_back_and_proven(event) -> None:
    append(event, [entry(8)])
    ledger = read(event)
    assert [e.name for e in ledger.entries] == [f"moto-{n}" for n in range(1, 9)]
    assert ledger.problems == ()
    assert ledger.head.lines == 8


@pytest.mark.parametrize("place", range(7))
def test_a_removed_line_is_named_the_last_one_too(event, place) -> None:
    path = event / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:place] + lines[place + 1 :]))
    assert place + 1 in lines_named(event)


@pytest.mark.parametrize("place", range(6))
def test_swapped_lines_are_named(event, place) -> None:
    path = event / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[place], lines[place + 1] = lines[place + 1], lines[place]
    path.write_bytes(b"".join(lines))
    assert {place + 1, place + 2} <= set(lines_named(event))


def test_any_changed_byte_is_found_and_its_line_named(event) -> None:
    path, dice = event / "ledger.jsonl", random.Random(5)
    whole, head = path.read_bytes(), (event / "ledger.head").read_bytes()
    public = read(event).public
    for _ in range(300):
        at = dice.randrange(len(whole))
        changed = bytearray(whole)
        changed[at] ^= 1 << dice.randrange(8)
        named = [p.line for p in examine(bytes(changed), head, public).problems]
        assert whole[:at].count(b"\n") + 1 in named


def test_a_line_added_by_another_hand_is_named(event, tmp_path_factory) -> None:
    other = tmp_path_factory.mktemp("other")
    append(other, [entry(n) for n in range(1, 9)])
    eighth = (other / "ledger.jsonl").read_bytes().splitlines(keepends=True)[7]
    with (event / "ledger.jsonl").open("ab") as file:
        file.write(eighth)
    assert lines_named(event) == [8]
    with pytest.raises(Damaged, match="does not end as its head says"):
        append(event, [entry(9)])


@pytest.mark.parametrize("file", ["ledger.jsonl", "ledger.head"])
def test_a_missing_file_is_no_empty_ledger(event, file) -> None:
    (event / file).unlink()
    with pytest.raises(Damaged, match=file):
        read(event)


def test_nothing_goes_on_a_ledger_whose_last_line_is_gone(event) -> None:
    path = event / "ledger.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert lines_named(event) == [7]
    with pytest.raises(Damaged):
        append(event, [entry(8)])


def test_a_crash_behind_the_head_leaves_a_whole_line_or_a_torn_one(event) -> None:
    path = event / "ledger.jsonl"
    head = (event / "ledger.head").read_bytes()
    before = path.stat().st_size
    append(event, [entry(8)])
    whole = path.read_bytes()
    for length in range(before, len(whole) + 1):
        path.write_bytes(whole[:length])  # the head is still the older one
        ledger = examine(whole[:length], head, read(event).public)
        assert ledger.problems == ()
        assert len(ledger.entries) == (8 if length == len(whole) else 7)
        assert bool(ledger.torn_bytes) == (before < length < len(whole))


def test_a_torn_line_is_cut_off_at_the_next_append_and_kept_beside(event) -> None:
    path = event / "ledger.jsonl"
    with path.open("ab") as file:
        file.write(b'{"at_s":17')
    assert "not proven" in hardware("ledger", "verify", event).stderr
    append(event, [entry(8)])
    assert read(event).problems == ()
    assert [e.name for e in read(event).entries][-1] == "moto-8"
    assert (event / "ledger.torn-8").read_bytes() == b'{"at_s":17'


def test_two_processes_write_one_ledger(tmp_path) -> None:
    script = (
        "import sys; from pathlib import Path; from hardware.flash_ledger import *\n"
        "for n in range(10): append(Path(sys.argv[1]), [Entry(1.0, sys.argv[2], 'relay', 'm',"
        " 's', 't', 1, 'a', 'b', 'p')])"
    )
    runs = [subprocess.Popen([sys.executable, "-c", script, tmp_path, by]) for by in ("A", "B")]
    assert [run.wait(60) for run in runs] == [0, 0]
    ledger = read(tmp_path)
    assert ledger.problems == ()
    assert sorted(e.by for e in ledger.entries) == ["A"] * 10 + ["B"] * 10


def test_a_killed_writer_leaves_a_ledger_that_goes_on(tmp_path) -> None:
    script = (
        "import sys; from pathlib import Path; from hardware.flash_ledger import *\n"
        "while True: append(Path(sys.argv[1]), [Entry(1.0, 'A', 'r', 'm', 's', 't', 1, 'a', 'b',"
        " 'p')]); print(flush=True)"
    )
    for kill in range(3):
        run = subprocess.Popen(
            [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True
        )
        assert run.stdout
        told = sum(1 for _ in zip(range(3 + kill), run.stdout, strict=False))
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stdout.close()
        before = read(tmp_path)
        assert before.problems == ()
        assert len(before.entries) >= told
        append(tmp_path, [entry(kill)])
        assert read(tmp_path).problems == ()


def test_a_writer_that_never_ends_is_named(event, monkeypatch) -> None:
    monkeypatch.setattr(chained_log, "_LOCK_WAIT_S", 0.05)
    with (event / "ledger.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Locked, match="another process"):
            append(event, [entry(8)])


def test_an_event_without_a_ledger_says_so(tmp_path) -> None:
    with pytest.raises(NotInitialised):
        read(tmp_path)
    assert "nothing has been flashed" in refused(10, "ledger", "show", tmp_path)


def test_the_commands_show_prove_and_name(event) -> None:
    shown = json.loads(hardware("ledger", "show", event, "--json").stdout)
    assert shown["schema"] == "hardware.ledger/1"
    assert shown["proven"]
    assert shown["entries"][2]["name"] == "moto-3"
    assert "moto-7" in hardware("ledger", "show", event).stdout
    assert "7 entries, each as it was written" in hardware("ledger", "verify", event).stdout
    path = event / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b"moto-3", b"moto-4"))
    sentence = refused(65, "ledger", "verify", event)
    assert "line 3: not as it was written" in sentence
    assert "line 7" not in sentence
