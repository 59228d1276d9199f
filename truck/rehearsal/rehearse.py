"""The rehearsal from end to end: both replays, and everything that differs, as one document."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hardware.errors import Damaged, Misconfigured
from hardware.pack import Pack, boards_of
from hardware.stage import stage_from_files
from truck.packs.checks import stage_settings
from truck.race.course import Course
from truck.rehearsal.boards import boards_apart
from truck.rehearsal.people import people_apart
from truck.rehearsal.races import looked_at_us, races_apart
from truck.rehearsal.ride import Ridden, at_the_hour_of, ride
from truck.rehearsal.roads import roads_apart
from truck.rehearsal.sources import Next, Today
from truck.serve.asked_boards import checked
from truck.stage.examine import examine

SCHEMA = "truck.rehearse/1"
ELSEWHERE = 0.1  # with fewer of today's readings on it, tomorrow's road is another
Watch = Callable[[str], Callable[[int, int], None]]


def rehearse(today: Today, following: Next, watch: Watch) -> tuple[dict[str, Any], Course, Course]:
    """Ride today's readings on both roads and name what differs.

    Args:
        today: readings and their stage.
        following: tomorrow's files.
        watch: given what is being done, told of its progress.

    Returns:
        The document, schema truck.rehearse/1, and the two courses.

    Raises:
        Misconfigured: today's stage makes no course, or its readings no race.
        Damaged: tomorrow's stage makes none.
    """
    stage = stage_from_files(today.files)
    try:
        checks = _checks(following.files)
    except Misconfigured as error:
        raise Damaged(f"tomorrow's stage cannot be used: {error}") from error
    next_stage = stage_from_files(following.files)
    with tempfile.TemporaryDirectory(prefix="truck-rehearse-") as place:
        ridden = ride(stage, today.readings, Path(place, "today"), watch("today's road"))
        ahead = ride(
            at_the_hour_of(next_stage, stage), today.readings, Path(place, "next"),
            watch("tomorrow's road"),
        )  # fmt: skip
        elsewhere = ahead.placed_share < ELSEWHERE
        document = {
            "schema": SCHEMA,
            "pack": _name(following.pack),
            "stage": {"today": stage.name, "next": next_stage.name},
            "readings": {
                "rows": ridden.summary["readings"]["rows"],
                "placed_share": {
                    "today": round(ridden.placed_share, 4), "next": round(ahead.placed_share, 4),
                },
            },
            "elsewhere": elsewhere,
            "course": roads_apart(ridden.course, ahead.course),
            "race": None,
            "boards": _boards(ridden, ahead, (today.files, following.files), elsewhere=elsewhere),
            "people": people_apart(stage, next_stage, today.roster),
            "checks": checks,
        }  # fmt: skip
        if not elsewhere:
            document["race"] = races_apart(ridden, ahead, looked_at_us(ridden, ahead))
    return document, ridden.course, ahead.course


def _boards(
    ridden: Ridden, ahead: Ridden, files: tuple[Mapping[str, bytes], Mapping[str, bytes]],
    *, elsewhere: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """Of both roads; where today's rides are not on tomorrow's, both are asked over today's."""
    before, after = (boards_of(one) for one in files)
    if elsewhere:
        return boards_apart((ridden, before), (ridden, after), looked_at_us(ridden, ridden))
    return boards_apart((ridden, before), (ahead, after), looked_at_us(ridden, ahead))


def _checks(files: Mapping[str, bytes]) -> dict[str, Any]:
    """What a truck would check at `pack fetch`; the stage itself has held."""
    doubts = examine(files)
    failed = []
    for check in (lambda: stage_settings(files), lambda: checked(boards_of(files))):
        try:
            check()
        except Misconfigured as error:
            failed.append(str(error))
    return {
        "failed": failed,
        "doubts": [doubt.document() for doubt in doubts if not doubt.note],
        "notes": [doubt.document() for doubt in doubts if doubt.note],
    }


def _name(pack: Pack | None) -> dict[str, Any] | None:
    if pack is None:
        return None
    manifest = pack.manifest
    return {
        "event": manifest.event,
        "version": manifest.version,
        "stage": manifest.stage,
        "name": manifest.name,
        "created_at": manifest.created_at,
        "sha256": manifest.digest,
    }
