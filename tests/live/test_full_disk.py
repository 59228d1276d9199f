"""A disk that is full, or read-only, for a while: nothing ends, nothing is lost, and it is said."""

import contextlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from truck import demo
from truck.cast import Cast

RIDERS = 60
DISK_BYTES = 64 << 20

Mount = Callable[[Path, int], None]
Ask = Callable[[Cast, str], dict[str, Any]]
Finish = Callable[[Cast], dict[str, Any]]


class Ballast:
    """A file that leaves no byte free on the disk of `folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ballast"

    def keep_full(self, seconds: float) -> None:
        """What others free meanwhile is taken too."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            with self._path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
            time.sleep(0.02)

    def free(self) -> None:
        self._path.unlink()


def stored(cast: Cast) -> int:
    return int(cast.truck_status().get("packets", {}).get("stored", 0))


def alarms(cast: Cast, operator: Ask) -> dict[str, str]:
    """The cures by the names of what is wrong now."""
    return {alarm["name"]: alarm["cure"] for alarm in operator(cast, "api/picture")["alarms"]}


def fill_the_trucks_disk(cast: Cast, ask: Ask, operator: Ask, seconds: float) -> None:
    """Relays keep what they hear, the page goes on, and the alarm says what to do."""
    disk = Ballast(cast.truck_home)
    disk.keep_full(seconds)
    before, wrong = ask(cast, "api/frame"), alarms(cast, operator)
    disk.keep_full(1.5)
    assert ask(cast, "api/frame")["at_us"] > before["at_us"]
    assert cast.is_running("truck")
    assert "Check the disk" in wrong["journal"]
    assert all(cast.relay_status(name)["spool"]["bundles"] > seconds for name in cast.relays)
    disk.free()
    cast.wait_for("an end of the alarms", lambda: not alarms(cast, operator), 20.0)


def fill_a_relays_disk_and_shut_the_clouds(cast: Cast, operator: Ask, seconds: float) -> None:
    """The relay goes on from memory, the pusher waits; both say why, and the truck stores on."""
    relay = cast.relays[0]
    disk = Ballast(cast.relay_home(relay))
    before = stored(cast)
    subprocess.run(["mount", "-o", "remount,ro", str(cast.cloud)], check=True)
    disk.keep_full(seconds)
    assert cast.is_running(relay)
    assert stored(cast) > before + RIDERS * seconds / 2
    cast.wait_for(
        "the pusher's complaint",
        lambda: "Read-only file system" in operator(cast, "api/picture")["cloud"]["error"],
        20.0,
    )
    disk.free()
    cast.wait_for("the spool", lambda: not cast.relay_status(relay)["spool"]["error"], 20.0)
    assert cast.is_running("pusher")
    subprocess.run(["mount", "-o", "remount,rw", str(cast.cloud)], check=True)


def test_disks_full_or_read_only_for_a_while_lose_nothing(
    mount: Mount, ask: Ask, ask_operator: Ask, finish: Finish, trouble_s: float, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, mosquitto: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("TRUCK_FREE_BYTES_MIN", "0")  # else the truck stops well before the end
    folder = tmp_path / "demo"
    for machine in ("truck", "relays/moto-1", "cloud"):
        mount(folder / machine, DISK_BYTES)
    script = demo.Script(riders=RIDERS)
    cast = demo.set_the_stage(folder, script)
    try:
        demo.start(cast, script)
        demo.start_bikes(cast, script)
        cast.wait_for("a pushed batch", lambda: any(cast.cloud.rglob("manifest/*")), 30.0)
        fill_a_relays_disk_and_shut_the_clouds(cast, ask_operator, trouble_s)
        fill_the_trucks_disk(cast, ask, ask_operator, trouble_s)
        finish(cast)
    finally:
        cast.end_all()
