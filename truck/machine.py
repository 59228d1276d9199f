"""The truck's own machine: how much disk is left, and what it runs on."""

import shutil
from pathlib import Path
from typing import Any

POWER = Path("/sys/class/power_supply")


def disk(folder: Path) -> dict[str, Any]:
    """The disk below a folder, bytes."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return {"total_bytes": None, "free_bytes": None}
    return {"total_bytes": usage.total, "free_bytes": usage.free}


def power(folder: Path = POWER) -> dict[str, Any]:
    """What the kernel says of mains and batteries; None where it knows of none.

    `on_mains`: whether any mains supply is on. `battery_pct`: of the fullest battery.
    """
    mains: list[bool] = []
    charges: list[int] = []
    for supply in sorted(folder.glob("*")):
        match _word(supply / "type"):
            case "Mains" | "USB":
                mains.append(_word(supply / "online") == "1")
            case "Battery" | "UPS":
                charge = _word(supply / "capacity")
                charges += [int(charge)] if charge.isdigit() else []
    return {
        "on_mains": any(mains) if mains else None,
        "battery_pct": max(charges) if charges else None,
    }


def _word(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
