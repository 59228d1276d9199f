"""`hardware plan`, `flash` and `verify` as a crew types them, on real disks of the kernel."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from crew_event import EVENT, make_event, sheet

from hardware import flash_ledger
from hardware.card import CARD_BYTES_MIN
from hardware.clock import Clock
from hardware.errors import Exit
from hardware.seed import read_seed
from hardware.targets import Card

SIZE = CARD_BYTES_MIN + (1 << 20)
Loop = Callable[..., Path]


class Crew:
    """A table in the hall: an event, a sheet, and the command."""

    def __init__(self, folder: Path, relays: int, transponders: int = 0) -> None:
        self.folder = folder
        self.event = make_event(folder / "event", Clock().now_s())
        self.sheet = folder / "crew.csv"
        self.sheet.write_text(sheet(relays, transponders))

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hardware", *map(str, words)]
        environment = os.environ | {"HARDWARE_EVENT": str(self.event), "HARDWARE_BY": "ana"}
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self.folder, env=environment
        )

    def flash(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return self.run("flash", self.sheet, *words)

    def cards(self, *disks: Path) -> list[str | Path]:
        """The words for cards that the kernel calls fixed, as it does loop devices."""
        return [word for disk in disks for word in ("--card", disk, "--yes-i-mean", disk)]

    def states(self, said: str) -> dict[str, str]:
        document = json.loads(said)
        assert document["schema"] == "hardware.flash/1"
        return {Path(row["target"]).name: row["state"] for row in document["devices"]}


def relay_on(disk: Path) -> str:
    return read_seed(Card(disk).files()).name


def test_images_of_a_sheet_are_planned_written_and_proven(tmp_path: Path) -> None:
    crew = Crew(tmp_path, 3, 2)
    planned = json.loads(crew.run("plan", crew.sheet, "--json").stdout)
    assert planned["schema"] == "hardware.plan/1"
    assert [row["makes"] for row in planned["devices"]] == [
        "moto-1.img", "moto-2.img", "moto-3.img", "T-001.bin", "T-002.bin",
    ]  # fmt: skip
    assert {row["state"] for row in planned["devices"]} == {"new configuration", None}
    done = crew.flash("--image", "out")
    assert done.returncode == 0, done.stderr
    assert "ALL PROVEN" in done.stderr
    images = sorted((tmp_path / "out").glob("*.img"))
    proven = json.loads(crew.run("verify", *images, "--json").stdout)
    assert [card["verdict"] for card in proven["cards"]] == ["proven"] * 3
    assert proven["cards"][0]["flashed_by"] == "ana"
    planned = json.loads(crew.run("plan", crew.sheet, "--json").stdout)
    assert [row["state"] for row in planned["devices"]] == ["proven"] * 3 + [None] * 2
    again = crew.flash("--image", "out", "--resume", "--json")
    assert set(crew.states(again.stdout).values()) == {"kept"}
    images[1].unlink()
    again = crew.flash("--image", "out", "--resume", "--json")
    assert crew.states(again.stdout) == {
        "moto-1.img": "kept", "moto-2.img": "proven", "moto-3.img": "kept",
        "T-001.bin": "kept", "T-002.bin": "kept",
    }  # fmt: skip


def test_a_faulty_sheet_says_all_and_touches_nothing(tmp_path: Path) -> None:
    crew = Crew(tmp_path, 2)
    crew.sheet.write_text(sheet(2).replace("R-002", "R-001").replace(",12,", ",11,"))
    planned = crew.run("plan", crew.sheet, "--json")
    assert planned.returncode == Exit.MISCONFIGURED
    faults = json.loads(planned.stdout)["faults"]
    assert [(f["line"], f["field"]) for f in faults] == [(3, "serial"), (3, "channel")]
    flashed = crew.flash("--image", "out")
    assert flashed.returncode == Exit.MISCONFIGURED
    assert "crew.csv has 2 faults" in flashed.stderr
    assert not (tmp_path / "out").exists()


def test_one_broken_card_stops_no_other_and_resume_does_the_rest(
    tmp_path: Path, loop: Loop, mount: Callable[[Path, int], None]
) -> None:
    """Two good cards, one locked, and one whose disk is full, so that writes fail."""
    crew = Crew(tmp_path, 4)
    mount(tmp_path / "small", 64 << 10)
    good, second, locked = loop(SIZE), loop(SIZE), loop(SIZE)
    full = loop(SIZE, tmp_path / "small")
    subprocess.run(["blockdev", "--setro", locked], check=True)
    done = crew.flash("--json", *crew.cards(good, second, locked, full))
    assert done.returncode == Exit.PARTIAL, done.stderr
    assert crew.states(done.stdout) == {
        good.name: "proven", second.name: "proven", locked.name: "failed", full.name: "failed",
    }  # fmt: skip
    assert f"{locked} is read-only" in done.stderr
    assert "2 FAILED: " in done.stderr
    assert "--resume" in done.stderr
    assert (relay_on(good), relay_on(second)) == ("moto-1", "moto-2")
    for broken in (locked, full):
        assert crew.run("verify", broken).returncode == Exit.DAMAGED

    subprocess.run(["blockdev", "--setrw", locked], check=True)
    subprocess.run(["mount", "-o", "remount,size=32m", tmp_path / "small"], check=True)
    before = good.read_bytes(), second.read_bytes()
    done = crew.flash("--resume", *crew.cards(locked, full))
    assert done.returncode == 0, done.stderr
    assert {relay_on(locked), relay_on(full)} == {"moto-3", "moto-4"}
    assert (good.read_bytes(), second.read_bytes()) == before
    entries = flash_ledger.read(crew.event).entries
    assert sorted(entry.name for entry in entries) == [f"moto-{k}" for k in range(1, 5)]
    proven = crew.run("verify", good, second, locked, full)
    assert proven.returncode == 0, proven.stdout
    assert proven.stdout.count("PROVEN") == 4


def test_a_disk_that_is_none_to_write_on_stops_everything_untouched(
    tmp_path: Path, loop: Loop
) -> None:
    crew = Crew(tmp_path, 2)
    card, other = loop(SIZE), loop(SIZE)
    link = tmp_path / "link"
    link.symlink_to(other)
    for words, said in (
        (["--card", other], "fixed disk"),
        (["--card", other, "--yes-i-mean", f"{other}0"], "fixed disk"),
        (["--card", link, "--yes-i-mean", link], "is a link to"),
        (["--mount", tmp_path], "no card is mounted"),
    ):
        refused = crew.flash(*crew.cards(card), *words)
        assert refused.returncode == Exit.UNSAFE, refused.stderr
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
    assert not any(card.read_bytes())
    assert not any(other.read_bytes())
    twice = crew.flash(*crew.cards(card, card))
    assert twice.returncode == Exit.MISCONFIGURED
    assert "named twice" in twice.stderr


def test_a_mounted_card_is_flashed_where_it_is_mounted(
    tmp_path: Path, mount: Callable[[Path, int], None]
) -> None:
    crew = Crew(tmp_path, 2)
    card = tmp_path / "media" / "CIDATA"
    mount(card, 1 << 20)
    (card / "config.txt").write_text("of the card's own\n")
    done = crew.flash("--mount", card, "--only", "moto-2")
    assert done.returncode == 0, done.stderr
    proven = json.loads(crew.run("verify", card, "--json").stdout)["cards"][0]
    assert (proven["verdict"], proven["name"], proven["event"]) == ("proven", "moto-2", EVENT)
    image = crew.flash("--image", "one.img", "--only", "moto-1")
    assert image.returncode == 0, image.stderr
    assert crew.run("verify", "one.img").returncode == 0
    (card / "token").write_bytes(b"0" * 64 + b"\n")
    torn = crew.run("verify", card, "one.img")
    assert torn.returncode == Exit.DAMAGED
    assert "token on the card is not what COMMIT says" in torn.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "not clear what to flash"),
        (["--image", "out", "--card", "/dev/null"], "not clear what to flash"),
        (["--card", "/dev/gone"], "FAILED"),
        (["--image", "one.img"], "one file for 2 relays"),
        (["--image", "out", "--truck", "10.9.9.9"], "does not name 10.9.9.9"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(words: list[str], said: str, tmp_path: Path) -> None:
    crew = Crew(tmp_path, 2)
    done = crew.flash(*words)
    assert done.returncode in (Exit.MISCONFIGURED, Exit.PARTIAL)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_without_an_event_or_a_sheet_says_so(tmp_path: Path) -> None:
    crew = Crew(tmp_path, 1)
    lost = crew.run("flash", crew.sheet, "--event", tmp_path / "nothing", "--image", "out")
    assert lost.returncode == Exit.NOT_INITIALISED
    gone = crew.run("plan", tmp_path / "gone.csv")
    assert gone.returncode == Exit.MISCONFIGURED
    assert "cannot read the crew's sheet" in gone.stderr
