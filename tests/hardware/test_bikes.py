"""The bikes as a real process, heard on real UDP sockets."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from vectors.judge import Judge

from hardware import clock, packet
from hardware.authority import create_event
from hardware.keys import Credentials

HARDWARE = Path(sys.executable).with_name("hardware")


@pytest.fixture
def event(tmp_path) -> Path:
    create_event(
        tmp_path / "event", event="race", now_s=clock.Clock().now_s(), bibs=list(range(1, 199)),
        relays=["a"],
    )  # fmt: skip
    return tmp_path / "event"


@pytest.fixture
def relays() -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(3):
            sockets.append(stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
            sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            sockets[-1].bind(("127.0.0.1", 0))
            sockets[-1].setblocking(False)
        yield sockets


@pytest.fixture
def ride(event, tmp_path, relays) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `hardware bikes` towards the three relays; what still runs at the end is stopped."""
    running: list[subprocess.Popen[str]] = []
    addresses = [f"--relay=127.0.0.1:{relay.getsockname()[1]}" for relay in relays]

    def start(*options: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [HARDWARE, "bikes", event, *addresses, f"--summary={tmp_path / 's.json'}", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | (environment or {}),
        )  # fmt: skip
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def heard(relays: list[socket.socket]) -> list[list[bytes]]:
    """All datagrams waiting at each relay, in order of arrival."""
    datagrams: list[list[bytes]] = []
    for relay in relays:
        datagrams.append([])
        with contextlib.suppress(BlockingIOError):
            while True:
                datagrams[-1].append(relay.recv(4096))
    return datagrams


def finish(process: subprocess.Popen[str]) -> None:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == ""
    assert "Traceback" not in err


def summary_of(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "s.json").read_text())


def judge(event: Path) -> Judge:
    home = Credentials(event / "truck")
    return Judge(home.roster(), home.secret("event"), clock.Clock().now_s())


def test_198_bikes_send_one_true_packet_a_second_each(ride, relays, event, tmp_path):
    process = ride("--seconds=3", "--seed=5")
    arrivals, stop = [], time.monotonic() + 30
    while process.poll() is None and time.monotonic() < stop:
        now_s = clock.Clock().now_s()
        arrivals += [(now_s, raw) for raws in heard(relays) for raw in raws]
        time.sleep(0.002)
    finish(process)
    arrivals += [(clock.Clock().now_s(), raw) for raws in heard(relays) for raw in raws]
    summary = summary_of(tmp_path)
    distinct = {raw for _, raw in arrivals}
    assert summary["schema"] == "hardware.bikes/1"
    assert summary["running"] is False
    assert len(distinct) == summary["sent"]
    assert len(arrivals) == summary["datagrams"] == 2 * summary["sent"]
    assert summary["unheard"] == 0
    assert 198 * 2 <= summary["sent"] + summary["skipped"] <= 198 * 4
    court = judge(event)
    numbers, latest = defaultdict(list), {}
    for raw in distinct:
        fixes = court.open(raw)
        header = packet.read_header(raw)
        assert (header.suite, header.boot, header.n) == (packet.SUITE_CCM8, 1, 1)
        numbers[header.device].append(header.seq)
        latest[raw] = court.roster.epoch_s + fixes.t_cs[0] * packet.TICK_S
    assert len(numbers) == 198
    for row in summary["devices"]:
        seen = sorted(numbers[row["device"]])
        assert seen == list(range(row["first_seq"], row["first_seq"] + row["packets"]))
        assert (row["bib"], row["boot"]) == (row["device"], 1)
    delay_s = [at_s - latest[raw] for at_s, raw in arrivals]
    assert min(delay_s) > -0.01  # sent after it was measured, and stamped when it was measured
    assert np.median(delay_s) < 0.2


def test_a_second_start_has_a_higher_boot_and_may_send_in_clear(ride, relays, event, tmp_path):
    for boot in (1, 2):
        finish(ride("--seconds=0.5", "--riders=20", "--clear"))
        court = judge(event)
        packets = {raw for raws in heard(relays) for raw in raws}
        assert packets
        for raw in packets:
            court.open(raw)
            header = packet.read_header(raw)
            assert (header.suite, header.boot) == (packet.SUITE_CLEAR, boot)
        assert len(summary_of(tmp_path)["devices"]) == 20


def test_the_radio_does_what_was_asked_and_the_summary_says_so(ride, relays, event, tmp_path):
    finish(ride("--seconds=4", "--loss=0.2", "--double=0.2", "--reorder=0.2", "--dark=1:0-100"))
    datagrams, summary = heard(relays), summary_of(tmp_path)
    assert datagrams[0] == []
    assert [row["datagrams"] for row in summary["relays"]] == [len(raws) for raws in datagrams]
    distinct = {raw for raws in datagrams for raw in raws}
    assert len(distinct) == summary["sent"] - summary["unheard"]
    # relay 2 hears bikes 1, 2 and relay 3 bikes 2, 0 of every three; four links of six are lit
    links = sum(len(set(raws)) for raws in datagrams) / summary["sent"]
    assert links == pytest.approx(4 / 3 * 0.8, abs=0.08)
    doubled = sum(len(raws) - len(set(raws)) for raws in datagrams)
    assert doubled / sum(len(set(raws)) for raws in datagrams) == pytest.approx(0.2, abs=0.06)
    order = defaultdict(list)
    for raw in datagrams[1]:
        order[packet.read_header(raw).device].append(packet.read_header(raw).seq)
    assert sum(seqs != sorted(seqs) for seqs in order.values()) > 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_ride_with_a_whole_summary(ride, relays, tmp_path, number):
    process = ride()
    end = time.monotonic() + 30
    while not (tmp_path / "s.json").exists() or not summary_of(tmp_path)["sent"]:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert summary_of(tmp_path)["running"] is True
    process.send_signal(number)
    finish(process)
    summary = summary_of(tmp_path)
    assert summary["running"] is False
    assert summary["datagrams"] == sum(map(len, heard(relays)))


def test_relays_that_do_not_listen_stop_nobody(ride, relays, tmp_path):
    relays[0].close()
    finish(ride("--seconds=2"))
    assert all(heard(relays[1:]))
    assert summary_of(tmp_path)["sent"] > 198


def test_a_paused_process_does_not_burst_or_restamp(ride, relays, event, tmp_path):
    process = ride("--seconds=4")
    end = time.monotonic() + 30
    while not any(heard(relays)):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    heard(relays)
    process.send_signal(signal.SIGCONT)
    time.sleep(0.3)
    first = {raw for raws in heard(relays) for raw in raws}
    finish(process)
    assert len(first) < 198 * 2
    assert summary_of(tmp_path)["skipped"] > 198
    court = judge(event)
    for raw in first | {raw for raws in heard(relays) for raw in raws}:
        court.open(raw)


def test_recorded_riders_ride_again_faster_with_their_bibs(ride, relays, event, tmp_path, shared):
    faster = clock.faster(20.0)
    file = shared / "roubaix2020" / "five_riders.csv.gz"
    finish(ride(f"--ride={file}", "--start-s=600", "--seconds=2", environment=faster.environment()))
    home = Credentials(event / "truck")
    court = Judge(home.roster(), home.secret("event"), faster.now_s())
    by_bib = defaultdict(list)
    for raw in {raw for raws in heard(relays) for raw in raws}:
        fixes = court.open(raw)
        by_bib[court.roster.bib_of(packet.read_header(raw).device, faster.now_s())].append(
            (int(fixes.t_cs[0]), fixes.lat_e7[0] / 1e7)
        )
    assert set(by_bib) == {1, 2, 3, 4, 5}
    for fixes in by_bib.values():
        assert all(40.0 < lat < 40.3 for _, lat in fixes)
    times = sorted(t_cs for t_cs, _ in by_bib[1])
    assert 10 <= len(times) <= 60
    assert np.median(np.diff(times)) == 100  # a second apart on the ride's own clock


def test_a_ride_ends_with_its_recordings(ride, tmp_path):
    path = tmp_path / "short.csv"
    rows = [f"{at},7,45.{at},6\n" for at in range(1000, 1003)]
    path.write_text("measured_at,bib,latitude_deg,longitude_deg\n" + "".join(rows))
    finish(ride(f"--ride={path}"))
    summary = summary_of(tmp_path)
    assert summary["sent"] + summary["skipped"] == 3
    assert [row["bib"] for row in summary["devices"]] == [7]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--riders=500"], 78, "the event has 198 riders"),
        (["--summary=/proc/x/s.json"], 78, "cannot write /proc/x/s.json"),
        (["--loss=2"], 2, "--loss"),
    ],
)
def test_bad_options_are_one_sentence_and_their_exit_code(ride, options, code, said):
    process = ride("--seconds=1", *options)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert said in err
    assert "Traceback" not in out + err
