"""Whether a pack can be raced on: its stage, its settings and each board, before it is staged."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from hardware.errors import Damaged, Misconfigured
from hardware.pack import SETTINGS, Pack, boards_of
from truck.config import StageSettings
from truck.serve.asked_boards import checked
from truck.stage.doubt import Doubt
from truck.stage.examine import examine


@dataclass(frozen=True)
class Checked:
    """A usable pack: what is doubtful about its stage, and the columns of each board."""

    doubts: list[Doubt]
    boards: dict[str, list[str]]


def check_pack(pack: Pack) -> Checked:
    """Check everything that a truck would meet tomorrow morning.

    Raises:
        Damaged: the stage makes no course, a setting or a board cannot be used; with where.
    """
    try:
        doubts = examine(pack.files)
        stage_settings(pack.files)
        boards = checked(boards_of(pack.files))
    except Misconfigured as error:
        raise Damaged(f"{pack.manifest} cannot be used: {error}") from error
    return Checked(doubts, {name: list(board.columns) for name, board in boards.items()})


def stage_settings(files: Mapping[str, bytes]) -> StageSettings:
    """What a pack sets of the truck.

    Raises:
        Misconfigured: no TOML, or a key that is none of a pack's.
    """
    data = files.get(SETTINGS, b"")
    try:
        return StageSettings.model_validate(tomllib.loads(data.decode("utf-8-sig")))
    except ValidationError as error:
        first = error.errors()[0]
        raise Misconfigured(
            f"{SETTINGS}, {'.'.join(map(str, first['loc']))}: {first['msg']}",
            f"A pack may set {', '.join(StageSettings.model_fields)}.",
        ) from error
    except ValueError as error:
        raise Misconfigured(f"{SETTINGS}: {error}", "Mend its TOML syntax.") from error
