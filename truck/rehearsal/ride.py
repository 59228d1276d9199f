"""Today's readings ridden through a stage, as if it were ridden at today's hour."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hardware.stage import Stage
from truck.race.course import Course
from truck.race.race import Race
from truck.race.readings import Readings
from truck.replay import seconds_of, write_tables

Progress = Callable[[int, int], None]
ON_THE_ROAD = ("good", "doubtful")


@dataclass(frozen=True)
class Ridden:
    """One replay: its stage, its course, where its tables lie, and what it says in sum."""

    stage: Stage
    course: Course
    folder: Path
    summary: dict[str, Any]

    @property
    def placed_share(self) -> float:
        """Of the readings that came in time, those that lie on this road; 0 to 1."""
        readings = self.summary["readings"]
        placed = sum(readings["quality"][name] for name in ON_THE_ROAD)
        timely = readings["rows"] - readings["quality"]["late"]
        return float(placed / timely) if timely else 0.0

    def table(self, name: str) -> Path:
        """The Parquet file of a table."""
        return self.folder / f"{name}.parquet"


def at_the_hour_of(stage: Stage, today: Stage) -> Stage:
    """A stage as if its flag fell when today's did: its weather and start times move along."""
    if stage.start_at_s is None or today.start_at_s is None:
        return replace(stage, start_at_s=today.start_at_s)
    by_s = today.start_at_s - stage.start_at_s
    return replace(
        stage,
        start_at_s=today.start_at_s,
        weather=tuple(replace(row, from_s=row.from_s + by_s) for row in stage.weather),
        startlist=tuple(
            starter
            if starter.start_at_s is None
            else replace(starter, start_at_s=starter.start_at_s + by_s)
            for starter in stage.startlist
        ),
    )


def ride(stage: Stage, readings: Readings, folder: Path, each: Progress | None) -> Ridden:
    """Replay all readings on a stage, its tables into a new folder.

    Raises:
        Misconfigured: the stage makes no course, or there is nothing to ride.
    """
    folder.mkdir()
    race = Race(stage)
    seconds = seconds_of(readings, stage.start_at_s)
    summary = write_tables(folder, race, readings, seconds, each)
    return Ridden(stage, race.course, folder, summary)
