"""systemd: units that its own tools accept, and a watchdog that only a turning loop feeds."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hardware.supervisor import Supervisor
from hardware.units import write_unit

EXPOSURE_MAX = 2.0


@pytest.mark.parametrize("machine", ["relay", "truck"])
def test_the_unit_is_accepted_and_hardened(
    machine: str, tmp_path: Path, systemd_analyze: Path
) -> None:
    unit = write_unit(machine, tmp_path)
    verified = subprocess.run(
        [systemd_analyze, "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = subprocess.run(
        [systemd_analyze, "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", judged.stdout)
    assert found
    assert float(found[1]) < EXPOSURE_MAX
    text = unit.read_text()
    assert "Type=notify" in text
    assert "WatchdogSec=" in text
    assert "$" not in text


class Manager:
    """Where systemd would listen."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(0.1)

    def listen(self, seconds: float) -> list[str]:
        heard, end_s = [], time.monotonic() + seconds
        while time.monotonic() < end_s:
            try:
                heard.append(self.socket.recv(256).decode())
            except TimeoutError:
                continue
        return heard


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path / "notify")
    yield made
    made.socket.close()


def test_a_running_relay_feeds_the_watchdog_and_a_stopped_one_does_not(
    broker, relay, manager, tmp_path
):
    relay.settings |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
    relay.start()
    relay.wait_for(lambda s: s["connected"], "linked")
    said = manager.listen(1.0)
    assert "READY=1" in said
    assert said.count("WATCHDOG=1") >= 2
    os.kill(relay.pid, signal.SIGSTOP)
    manager.listen(0.3)  # what was on its way
    assert manager.listen(1.2) == []  # two periods: systemd would have killed it
    os.kill(relay.pid, signal.SIGCONT)
    assert "WATCHDOG=1" in manager.listen(1.0)
    assert relay.stop() == 0
    assert "STOPPING=1" in manager.listen(0.3)


def test_a_loop_that_hangs_is_not_alive_though_its_threads_run(manager, tmp_path):
    hangs = (
        "import os, threading, time\n"
        "from hardware.supervisor import from_environment\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "s = from_environment(); s.ready(); s.alive(time.monotonic()); time.sleep(60)\n"
    )
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
    child = subprocess.Popen([sys.executable, "-c", hangs], env=os.environ | environment)
    try:
        heard: list[str] = []
        end_s = time.monotonic() + 20
        while "WATCHDOG=1" not in heard and time.monotonic() < end_s:
            heard += manager.listen(0.2)
        assert heard == ["READY=1", "WATCHDOG=1"]
        assert manager.listen(1.0) == []
    finally:
        child.kill()
        child.wait()


def test_without_a_manager_or_for_another_process_nothing_is_fed(manager, tmp_path):
    Supervisor({}, 1).ready()
    address = str(tmp_path / "notify")
    other = Supervisor({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "77"}, 1)
    other.alive(1.0)
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, 1).ready()  # it went away: no matter
    assert manager.listen(0.3) == []
    other.ready()
    assert manager.listen(0.3) == ["READY=1"]
