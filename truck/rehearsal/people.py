"""Tomorrow's start list against today's, and against the devices that are bound."""

from typing import Any

from hardware.roster import Roster
from hardware.stage import Stage


def people_apart(today: Stage, following: Stage, roster: Roster | None) -> dict[str, Any]:
    """Who comes, who goes, who is named otherwise, and who has no device; ready for JSON.

    `without_device` is None where no roster is at hand: it was not checked.
    """
    before = {s.bib: s for s in today.startlist}
    after = {s.bib: s for s in following.startlist}
    renamed = [
        {"bib": bib, "today": before[bib].name, "next": after[bib].name}
        for bib in sorted(before.keys() & after.keys())
        if before[bib].name != after[bib].name
    ]
    starting = [s.bib for s in following.startlist if s.status is None]
    return {
        "riders": {"today": len(before), "next": len(after)},
        "new": sorted(after.keys() - before.keys()),
        "gone": sorted(before.keys() - after.keys()),
        "not_starting": sorted(after.keys() - set(starting)),
        "renamed": renamed,
        "without_device": None
        if roster is None
        else _without(starting, roster, following.start_at_s or float("inf")),
    }


def _without(bibs: list[int], roster: Roster, at_s: float) -> list[int]:
    usable = {key.device for key in roster.devices if not key.revoked}
    bound = {roster.bib_of(device, at_s) for device in usable}
    return [bib for bib in bibs if bib not in bound]
