"""The command `truck demo`, as a newcomer runs it: its page, its summary, its end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

SCHEMA = "truck.demo/1"
SECONDS = float(os.environ.get("TRUCK_DEMO_SECONDS", "5"))
RIDES = (
    "rider_A.fit", "rider_B.gpx.gz", "rider_C.gpx.gz", "rider_D.gpx.gz", "rider_E.gpx.gz",
    "five_riders.csv.gz",
)  # fmt: skip

Play = subprocess.Popen[str]


@contextmanager
def playing(folder: Path, *options: str | Path) -> Iterator[Play]:
    """A demo as a terminal's foreground job, in a process group of its own."""
    command = [sys.executable, "-m", "truck", "demo", "--keep", folder, "--json", *options]
    with (folder.parent / f"{folder.name}.err").open("w") as said:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE, stderr=said, text=True, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def busy() -> float:
    """How many times over others keep this machine's cores busy, at least 1: they delay us."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def page_s_max() -> float:
    """When the page has to be up: later on a busy machine."""
    return float(os.environ.get("TRUCK_PAGE_SECONDS", "10")) * busy()


def page_of(folder: Path, wait_s: float) -> str:
    """The page's address, from what the demo says while it starts."""
    until_s = time.monotonic() + wait_s
    while True:
        said = (folder.parent / f"{folder.name}.err").read_text()
        found = re.search(r"http://127\.0\.0\.1:\d+/", said)
        if found:
            return found[0]
        assert time.monotonic() < until_s, said
        time.sleep(0.05)


def await_stored(folder: Path, packets: int) -> None:
    """Until the truck has stored so many; reading the rides takes the bikes seconds."""
    until_s = time.monotonic() + 60.0
    status = folder / "truck" / "status.json"
    while json.loads(status.read_text())["packets"]["stored"] < packets:
        assert time.monotonic() < until_s, status.read_text()
        time.sleep(0.1)


def outcome_of(process: Play) -> dict[str, Any]:
    """The one object on stdout, after an end in peace."""
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    outcome: dict[str, Any] = json.loads(printed)
    return outcome


def left_behind(folder: Path) -> list[str]:
    """Processes that name a demo's folder, in their command or as where they run."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
        if process.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(" ".join(words))
    return found


def check_whole(outcome: dict[str, Any]) -> None:
    """Every packet that a relay heard is stored exactly once, and came back from the cloud."""
    packets, cloud = outcome["packets"], outcome["cloud"]
    assert outcome["schema"] == SCHEMA
    assert packets["sent"] >= packets["heard"] > 0, packets
    assert packets["stored"] == packets["stored_distinct"] == packets["heard"], packets
    assert packets["lost"] == 0
    assert packets["refused"] == {}
    assert cloud["verified"] is True
    assert cloud["rows_pulled"] == cloud["rows_sealed"] == cloud["rows_stored"], cloud
    assert cloud["rows_stored"] >= packets["stored"]


def test_the_page_is_up_within_seconds_and_one_object_accounts_for_every_packet(
    tmp_path: Path, mosquitto: Path
) -> None:
    folder, began_s = tmp_path / "demo", time.monotonic()
    with playing(folder, "--seconds", str(SECONDS), "--riders", "198", "--headless") as process:
        with urllib.request.urlopen(page_of(folder, 60.0), timeout=5) as page:
            assert b"<html" in page.read().lower()
        assert time.monotonic() - began_s < page_s_max()
        outcome = outcome_of(process)
    check_whole(outcome)
    packets, latency = outcome["packets"], outcome["latency_s"]
    assert set(packets) >= {"sent", "heard", "stored", "lost", "doubled", "refused"}
    assert packets["sent"] == packets["heard"] == packets["doubled"]  # each by two of the relays
    assert packets["sent"] > 198 * (SECONDS - 1)
    assert set(latency) == {"p50", "p99", "p99_9", "by_hop"}
    assert set(latency["by_hop"]) >= {"radio", "uplink", "journal", "frame"}
    assert 0.0 < latency["p50"] <= latency["p99"] <= latency["p99_9"]
    assert latency["p50"] < 3.0 * busy()  # the budget; how far below it is, `make bench` says
    assert left_behind(folder) == []


def test_ctrl_c_ends_recorded_rides_on_bad_radio_with_their_summary_and_leaves_no_process(
    shared: Path, tmp_path: Path, mosquitto: Path
) -> None:
    folder = tmp_path / "demo"
    rides = [word for name in RIDES for word in ("--ride", shared / "roubaix2020" / name)]
    faults = "--loss 0.2 --double 0.1 --reorder 0.1 --dark 1:60-120"  # of the race: 3 to 6 s
    with playing(folder, *rides, "--speed", "20", "--radio", faults) as process:
        page_of(folder, 60.0)
        await_stored(folder, 500)
        assert len(left_behind(folder)) > 6
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGHUP):  # and the terminal is closed
            os.killpg(process.pid, number)
            time.sleep(0.5)
        outcome = outcome_of(process)
    check_whole(outcome)
    packets = outcome["packets"]
    assert 500 <= packets["heard"] < packets["sent"]
    assert 0 < packets["doubled"] < packets["heard"] * 1.2
    assert left_behind(folder) == []
