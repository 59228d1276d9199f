"""A stage's papers, made from a truck's home, from readings, or from a replay's tables."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hardware.errors import Damaged, Misconfigured
from hardware.stage import load_stage, stage_from_files
from truck.press.day import Day, day_of
from truck.press.report import report_pdf, results_pdf
from truck.press.results import results_csv
from truck.press.shelf import REPORT_PDF, RESULTS_CSV, RESULTS_PDF
from truck.race.course import Course
from truck.rehearsal.ride import Ridden, ride
from truck.rehearsal.sources import today_of
from truck.replay import SCHEMA

Progress = Callable[[int, int], None]


def ask_day(
    sources: Sequence[Path], stage: str | None, stage_folder: Path | None, each: Progress
) -> tuple[str, Day]:
    """The stage's label and all that the papers say of it.

    Args:
        sources: a truck's home, files of readings, or the folder of one `truck replay`.
        stage: its number, name or a part of it, which must be the one found; None takes it.
        stage_folder: where the stage lies, for readings and replays.
        each: told of progress.

    Raises:
        Misconfigured: nothing to read, or another stage.
        Damaged: a replay that is not whole.
    """
    tables = _replayed(sources)
    if tables is not None:
        if stage_folder is None:
            raise Misconfigured(
                f"{sources[0]} is a replay and does not hold its stage",
                "Name the stage's folder with --stage-folder.",
            )
        ridden_on = load_stage(stage_folder)
        summary = json.loads((sources[0] / "summary.json").read_bytes())
        if summary["stage"] != ridden_on.name:
            raise Misconfigured(
                f"{sources[0]} is a replay of {summary['stage']!r}, not of {ridden_on.name!r}",
                "Name the folder of that stage with --stage-folder.",
            )
        _check_stage(stage, ridden_on.name, ridden_on.label)
        try:
            return ridden_on.label, day_of(Ridden(ridden_on, Course(ridden_on), tables, summary))
        except (OSError, KeyError) as error:
            raise Damaged(f"{tables} is no whole replay: {error}; make it again") from error
    today = today_of(sources, stage_folder)
    ridden_on = stage_from_files(today.files)
    _check_stage(stage, ridden_on.name, ridden_on.label)
    with tempfile.TemporaryDirectory(prefix="truck-press-") as place:
        return ridden_on.label, day_of(ride(ridden_on, today.readings, Path(place, "day"), each))


def papers_of(day: Day, made_at_s: float, *, embargoed: bool) -> dict[str, bytes]:
    """The papers by file name; with `embargoed` each page says that nobody has released it."""
    return {
        RESULTS_CSV: results_csv(day.results),
        RESULTS_PDF: results_pdf(day, made_at_s, embargoed=embargoed),
        REPORT_PDF: report_pdf(day, made_at_s, embargoed=embargoed),
    }


def _replayed(sources: Sequence[Path]) -> Path | None:
    """The folder of a replay, if that is what was named."""
    if len(sources) != 1:
        return None
    try:
        summary = json.loads((sources[0] / "summary.json").read_bytes())
        return sources[0] if summary["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check_stage(asked: str | None, name: str, label: str) -> None:
    """Whether the stage found is the one asked for: a number as a word of it, or part of it."""
    if asked is None:
        return
    wanted = asked.strip().lower()
    words = label.split("-")
    known = wanted in words if wanted.isdigit() else wanted in name.lower() or wanted in label
    if not known:
        raise Misconfigured(
            f"the stage here is {name!r}, not {asked!r}",
            "A truck holds the stage in force; name another with --stage-folder and its readings.",
        )
