"""What the truck's own machine says of disk and power."""

import shutil
from pathlib import Path

import pytest

from truck.machine import disk, power


def supply(folder: Path, name: str, **words: str) -> None:
    (folder / name).mkdir()
    for word, value in words.items():
        (folder / name / word).write_text(value + "\n")


def test_the_disk_is_the_one_below_the_folder(tmp_path: Path) -> None:
    assert disk(tmp_path)["total_bytes"] == shutil.disk_usage(tmp_path).total
    assert disk(tmp_path / "none") == {"total_bytes": None, "free_bytes": None}


@pytest.mark.parametrize(("online", "on_mains"), [("1", True), ("0", False)])
def test_mains_and_the_fullest_battery(tmp_path: Path, online: str, on_mains: bool) -> None:
    supply(tmp_path, "AC", type="Mains", online=online)
    supply(tmp_path, "BAT0", type="Battery", capacity="40")
    supply(tmp_path, "UPS1", type="UPS", capacity="93")
    supply(tmp_path, "BAT1", type="Battery", capacity="none")
    supply(tmp_path, "odd")
    assert power(tmp_path) == {"on_mains": on_mains, "battery_pct": 93}


def test_a_machine_that_says_nothing_is_not_guessed_at(tmp_path: Path) -> None:
    assert power(tmp_path / "none") == {"on_mains": None, "battery_pct": None}
