"""Whether a pack can be raced on: its stage, its settings and each board, before it is staged."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from pydantic import ValidationError

from hardware.errors import Damaged, Misconfigured
from hardware.pack import SETTINGS, Pack, boards_of
from hardware.stage import Stage
from truck.config import StageSettings
from truck.replay import TABLES
from truck.stage.doubt import Doubt
from truck.stage.examine import examine
from truck.store.boards import BoardTables

_STARTERS = pa.schema(
    [("bib", pa.int32()), ("name", pa.string()), ("team", pa.string()),
     ("gc_gap_s", pa.float64()), ("status", pa.string())]
)  # fmt: skip
_CHECKPOINTS = pa.schema([("km", pa.float64()), ("kind", pa.string()), ("name", pa.string())])


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
        with_columns = boards_over_nothing(boards_of(pack.files))
    except Misconfigured as error:
        raise Damaged(f"{pack.manifest} cannot be used: {error}") from error
    return Checked(doubts, with_columns)


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


def sql_of(name: str, data: bytes) -> str:
    """A board's text.

    Raises:
        Misconfigured: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Misconfigured(f"boards/{name}.sql: not UTF-8", "Save it so.") from error


def boards_over_nothing(boards: Mapping[str, bytes]) -> dict[str, list[str]]:
    """The columns of each board, asked over the tables without a row.

    Raises:
        Misconfigured: naming the board that does not read, or reads too long.
    """
    empty = {name: schema.empty_table() for name, schema in TABLES.items()}
    tables = BoardTables(
        {**empty, "starters": _STARTERS.empty_table(), "checkpoints": _CHECKPOINTS.empty_table()}
    )
    columns: dict[str, list[str]] = {}
    try:
        for name, data in boards.items():
            try:
                columns[name] = tables.ask(sql_of(name, data)).column_names
            except Misconfigured as error:
                raise Misconfigured(f"boards/{name}.sql: {error}") from error
    finally:
        tables.close()
    return columns


def papers_of(stage: Stage) -> dict[str, pa.Table]:
    """The tables `starters` and `checkpoints` of a stage."""
    return {
        "starters": pa.Table.from_pylist(
            [{n: getattr(s, n) for n in _STARTERS.names} for s in stage.startlist], _STARTERS
        ),
        "checkpoints": pa.Table.from_pylist(
            [{n: getattr(c, n) for n in _CHECKPOINTS.names} for c in stage.checkpoints],
            _CHECKPOINTS,
        ),
    }
