"""What is doubtful about a stage's files, or why they make no stage."""

from collections.abc import Mapping

from hardware.stage import stage_from_files
from truck.race.course import Course
from truck.stage.doubt import Doubt
from truck.stage.drawing import doubts_of_drawing
from truck.stage.papers import doubts_of_papers


def examine(files: Mapping[str, bytes]) -> list[Doubt]:
    """The doubts about a stage that can be used, notes last.

    Raises:
        Misconfigured: it cannot be used; with file, line, field and the cure.
    """
    stage = stage_from_files(files)
    course = Course(stage)
    doubts = [*doubts_of_papers(stage, course), *doubts_of_drawing(stage, course)]
    return sorted(doubts, key=lambda doubt: doubt.note)
