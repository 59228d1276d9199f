"""The demo from a crew's sheet: relays and bikes that know nothing but their flashed images."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hardware.fat import read_volume
from tests.live.test_demo import check_whole, left_behind, outcome_of, page_of, playing
from truck.cast import free_ports

SHEET = """\
role;name;serial;bib;channel;profile;radio
relay;moto-1;R-001;;11;;/dev/ttyUSB0
relay;moto-2;R-002;;12;;
relay;heli;R-003;;13;helicopter;
transponder;Anna Rossi;T-001;11;1;;
transponder;Bea Klein;T-002;12;1;;
transponder;Carla Dumont;T-003;21;1;;
transponder;Dina Okafor;T-004;22;1;;
transponder;Eva Lindqvist;T-005;31;1;;
transponder;Fien de Vries;T-006;32;1;;
transponder;Gaia Conti;T-007;41;1;;
spare;;T-008;;1;;
"""  # as a spreadsheet saves it
RELAYS = ("moto-1", "moto-2", "heli")
TURN_S_MAX = 60.0


def command(module: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, words)], capture_output=True, text=True, timeout=60
    )


class Running:
    """A demo's folder while it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def status(self, relay: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / "relays" / relay / "status.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return dict(found)

    def runs(self, relay: str, version: int) -> bool:
        """Whether a relay runs that version, confirmed, and has its link."""
        status = self.status(relay)
        found = status.get("configuration", {})
        said = (found.get("version"), found.get("state"), status.get("connected"))
        return said == (version, "confirmed", True)

    def await_(self, holds: Callable[[], bool], what: str) -> None:
        until_s = time.monotonic() + TURN_S_MAX
        while not holds():
            assert time.monotonic() < until_s, (what, self.status("moto-1"))
            time.sleep(0.1)

    def offer(self, before: Path, out: str, *changes: str) -> Path:
        """Sign the next version after `before` and have the truck offer it."""
        event, file = self.folder / "event", self.folder / out
        words = [word for change in changes for word in ("--set", change)]
        for done in (
            command("hardware", "config", "sign", event, before, *words, "--out", file),
            command("truck", "node", "offer", self.folder / "truck", file),
        ):
            assert done.returncode == 0, done.stderr
        return file


@pytest.mark.timeout(400)
def test_it_runs_on_images_alone_goes_back_from_a_bad_configuration_and_refuses_an_older(
    tmp_path: Path, mosquitto: Path
) -> None:
    sheet, folder = tmp_path / "crew.csv", tmp_path / "demo"
    sheet.write_text("\ufeff" + SHEET)
    with playing(folder, "--from-crew", sheet) as process:
        page_of(folder, 150.0)
        demo = Running(folder)
        for name in RELAYS:
            demo.await_(lambda name=name: demo.runs(name, 1), f"{name} confirmed")
            image = folder / "flashed" / f"{name}.img"
            on_card = read_volume(image, ("node.json",))["node.json"]
            assert (folder / "relays" / name / "slots" / "a.json").read_bytes() == on_card
        assert not (folder / "event" / "relays").exists()  # the authority made no key of a relay
        assert not (folder / "event" / "bikes").exists()

        first = folder / "event" / "nodes" / "moto-1.json"
        port = json.loads(
            command(
                "hardware",
                "config",
                "show",
                first,
                "--authority",
                folder / "event" / "authority.pub",
            ).stdout
        )["broker"]["port"]
        (nobody,) = free_ports(1, socket.SOCK_STREAM)
        bad = demo.offer(first, "bad.json", f"broker.port={nobody}", "trial_s=5")
        demo.await_(lambda: bool(demo.status("moto-1")["configuration"]["failed"]), "given up")
        demo.await_(lambda: demo.runs("moto-1", 1), "the old one is back")
        (failed,) = demo.status("moto-1")["configuration"]["failed"]
        assert (failed["version"], "not confirmed by the truck" in failed["why"]) == (2, True)
        acked = demo.status("moto-1")["uplink"]["acked"]
        demo.await_(lambda: demo.status("moto-1")["uplink"]["acked"] > acked, "packets flow again")

        demo.offer(bad, "good.json", f"broker.port={port}", "bundle_s=0.2", "trial_s=60")
        demo.await_(lambda: demo.runs("moto-1", 3), "the better one is confirmed")
        older = command("relay", "config", "offer", folder / "relays" / "moto-1", first)
        assert (older.returncode != 0, "older" in older.stderr) == (True, True), older
        assert demo.runs("moto-1", 3)
        process.send_signal(signal.SIGINT)
        outcome = outcome_of(process)
    check_whole(outcome)
    riders = json.loads((folder / "bikes.json").read_text())
    assert riders["sent"] >= 7
    assert left_behind(folder) == []
