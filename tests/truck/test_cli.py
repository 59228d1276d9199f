"""The truck's command: each wrong input its sentence and code, nothing half-written."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from truck_home import SmallTruck

from truck.cast import free_ports


@pytest.fixture
def small(tmp_path: Path) -> SmallTruck:
    return SmallTruck(tmp_path)


def truck(
    *arguments: str | Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "truck", *map(str, arguments)], capture_output=True, text=True,
        timeout=60, env={**os.environ, "NO_COLOR": "1", **(env or {})}, check=False,
    )  # fmt: skip


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One sentence on stderr, that exit code, no traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    sentence = done.stderr.strip().splitlines()[-1]
    assert sentence.startswith("error: ")
    for word in words:
        assert word in sentence


class Running:
    """A real `truck run`."""

    def __init__(self, small: SmallTruck, *options: str) -> None:
        broker, page = free_ports(2, socket.SOCK_STREAM)
        self.small = small
        self.process = subprocess.Popen(
            [sys.executable, "-m", "truck", "run", str(small.home.folder),
             "--broker-port", str(broker), "--page-port", str(page), *options],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def status(self, wait_s: float = 20.0) -> dict[str, Any]:
        path = self.small.home.folder / "status.json"
        until = time.monotonic() + wait_s
        while time.monotonic() < until and self.process.poll() is None:
            if path.exists():
                found: dict[str, Any] = json.loads(path.read_text())
                if found["broker"]["connected"]:
                    return found
            time.sleep(0.1)
        raise AssertionError("the truck did not come up")

    def end(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


@pytest.fixture
def running(small: SmallTruck, mosquitto: Path) -> Iterator[Running]:
    truck_process = Running(small)
    yield truck_process
    if truck_process.process.poll() is None:
        truck_process.process.kill()
        truck_process.process.communicate()


def test_a_truck_runs_answers_and_ends_cleanly(running: Running) -> None:
    status = running.status()
    home = running.small.home.folder
    assert status["schema"] == "truck.status/1"
    asked = truck("query", home, "SELECT count(*) AS n FROM readings", "--json")
    assert json.loads(asked.stdout) == {"schema": "truck.query/1", "rows": [{"n": 0}]}
    refused(truck("query", home, "DROP TABLE readings"), 78, "one SELECT")
    refused(truck("run", home), 11, "another truck runs")
    shown = truck("status", home, "--json")
    assert json.loads(shown.stdout)["alarms"][0]["name"] == "cloud"  # no recipients named
    assert shown.returncode == 1
    code, said = running.end()
    assert code == 0, said
    assert truck("status", home).returncode == 75


def test_the_broker_dies_with_a_killed_truck_and_is_started_again_when_it_dies(
    running: Running,
) -> None:
    first = running.status()["broker"]["pid"]
    os.kill(first, signal.SIGKILL)
    until = time.monotonic() + 15
    while (second := running.status()["broker"]["pid"]) == first and time.monotonic() < until:
        time.sleep(0.2)
    assert second != first
    running.process.kill()
    running.process.communicate()
    time.sleep(0.5)
    gone = not psutil.pid_exists(second) or psutil.Process(second).status() == "zombie"
    assert gone  # a zombie waits for this container's init, and holds no port


def test_a_view_lost_while_the_truck_was_down_is_made_again_and_said(
    small: SmallTruck, mosquitto: Path
) -> None:
    small.close(small.ride(20))
    small.home.view.unlink()
    again = Running(small)
    again.status()
    _, said = again.end()
    assert "made again from the journal" in said
    answer = truck("query", small.home.folder, "SELECT count(*) AS n FROM readings", "--json")
    assert json.loads(answer.stdout)["rows"] == [{"n": 60}]


def test_a_damaged_journal_stops_the_truck_until_it_is_set_aside(small: SmallTruck) -> None:
    small.close(small.ride(20))
    (segment,) = small.home.journal.glob("*.journal")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    refused(truck("run", small.home.folder), 65, "damaged at byte", "truck quarantine")
    assert segment.read_bytes() == bytes(data)
    done = truck("quarantine", small.home.folder)
    assert done.returncode == 0, done.stderr
    kept = small.home.folder / "quarantine" / "truck-20270115-080000" / "journal" / segment.name
    assert kept.read_bytes() == bytes(data)
    assert not small.home.view.exists()
    assert truck("rebuild", small.home.folder).returncode == 0


def test_rebuild_twice_prints_the_same_digests(small: SmallTruck) -> None:
    small.close(small.ride(10))
    first = truck("rebuild", small.home.folder, "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["tables"]["readings"]["rows"] == 30
    assert truck("rebuild", small.home.folder, "--json").stdout == first.stdout


def test_what_is_missing_or_wrong_at_the_start_is_one_sentence(
    small: SmallTruck, tmp_path: Path
) -> None:
    home, config = small.home.folder, small.home.config
    refused(truck("run", tmp_path / "nowhere"), 10, "truck init")
    refused(truck("status", home), 10, "no truck has run")
    whole = config.read_text()
    for old, new, words in (
        ("broker_port = 18883", "broker_port = 99999", ("broker_port",)),
        ("broker_port = 18883", "broker_prot = 1", ("broker_prot",)),
        ('name = "truck"', 'name = "Tr uck"', ("name", "a-z")),
        ('name = "truck"', "name = [", ("truck.toml", "TOML")),
    ):
        config.write_text(whole.replace(old, new))
        refused(truck("run", home), 78, *words)
    config.write_text(whole)
    credentials = small.event.folder / "truck"
    for name in ("journal.key", "store.key", "truck.key", "event.key", "tls.key", "roster.json"):
        aside = (credentials / name).rename(tmp_path / name)
        refused(truck("run", home), 78, name)
        aside.rename(credentials / name)
    (credentials / "journal.key").rename(tmp_path / "kept")
    (credentials / "journal.key").write_text("no key\n")
    refused(truck("run", home), 78, "journal.key", "64 hex digits")
    (tmp_path / "kept").rename(credentials / "journal.key")


def test_a_stage_folder_with_a_missing_column_is_named(small: SmallTruck) -> None:
    startlist = Path(small.config.stage) / "startlist.csv"
    text = startlist.read_text()
    startlist.write_text(text.replace("bib,", "number,", 1))
    refused(truck("run", small.home.folder), 78, "startlist.csv", "bib")


def test_a_roster_signed_by_another_authority_is_refused(small: SmallTruck, tmp_path: Path) -> None:
    other = SmallTruck(tmp_path / "other")
    shutil.copy(other.event.folder / "truck" / "roster.json", small.event.folder / "truck")
    refused(truck("run", small.home.folder), 78, "signature", "roster")


@pytest.mark.parametrize("port", ["--broker-port", "--page-port"])
def test_a_port_in_use_is_one_sentence(small: SmallTruck, port: str, mosquitto: Path) -> None:
    free, other = free_ports(2, socket.SOCK_STREAM)
    options = {"--broker-port": str(free), "--page-port": str(other)}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options[port] = str(taken.getsockname()[1])
        done = truck("run", small.home.folder, *(x for pair in options.items() for x in pair))
        refused(done, 78, options[port])


def test_a_folder_that_cannot_be_written_is_one_sentence(small: SmallTruck) -> None:
    home = small.home.folder
    small.home.journal.write_text("a file where a folder belongs")
    refused(truck("run", home), 78, "journal")


def test_init_refuses_what_run_would_refuse_later_and_leaves_no_home(tmp_path: Path) -> None:
    small = SmallTruck(tmp_path / "small")
    good = {"--credentials": small.event.folder / "truck", "--stage": small.config.stage}
    relay = small.event.folder / "relays" / "heli"
    for wrong, words in (
        ({"--stage": tmp_path / "nowhere"}, ("nowhere", "stage.toml")),
        ({"--credentials": relay}, ("event.key",)),
        ({"--recipient": tmp_path / "gone.pub"}, ("gone.pub",)),
        ({"--name": "Tr uck"}, ("name", "a-z")),
    ):
        options = [x for pair in (good | wrong).items() for x in pair]
        refused(truck("init", tmp_path / "home", *options), 78, *words)
        assert not (tmp_path / "home").exists()


def test_a_demo_whose_bikes_cannot_ride_says_their_word(tmp_path: Path, mosquitto: Path) -> None:
    keep = ("--keep", tmp_path / "kept")
    done = truck("demo", "--radio", "--nosuch 1", "--seconds", "1", "--headless", *keep)
    refused(done, 75, "bikes ended", "--nosuch")


def test_demo_refuses_what_cannot_end_or_cannot_be_read(tmp_path: Path) -> None:
    done = truck("demo", "--headless")
    assert done.returncode == 2
    broken = tmp_path / "broken.fit"
    broken.write_bytes(b"no fit")
    refused(truck("demo", "--ride", broken, "--seconds", "1", "--headless"), 65, "broken.fit")
    refused(truck("demo", "--ride", tmp_path / "gone.gpx", "--seconds", "1"), 78, "gone.gpx")
