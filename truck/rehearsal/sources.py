"""What a rehearsal is given: tomorrow's pack or folder, and today's readings with their stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from hardware import home
from hardware.errors import Misconfigured
from hardware.keys import Credentials, read_key
from hardware.pack import MANIFEST, Pack, check_files, open_pack_manifest
from hardware.pack_folder import read_pack_folder
from hardware.roster import Roster
from hardware.stage import stage_files
from truck.config import TruckConfig, TruckHome
from truck.packs.depot import RECORD, Depot, team_of
from truck.packs.source import pack_of_file
from truck.questions import ask_stage, ask_table
from truck.race.readings import Readings
from truck.readings import read_readings

_SLICE_ROWS = 500_000
_BOUNDS = (
    "SELECT min(row_id) AS lo, max(row_id) AS hi FROM readings WHERE stage = "
    "(SELECT stage FROM readings ORDER BY row_id DESC LIMIT 1)"
)
_REALS = Readings._fields[2:]  # of these the view keeps all but one under the same name
_COLUMNS = ", ".join(
    "(impact OR sos)::DOUBLE AS impact" if name == "impact" else name for name in _REALS
)


@dataclass(frozen=True)
class Today:
    """Today's readings, the files of the stage they were ridden on, and who rode which device."""

    files: Mapping[str, bytes]
    readings: Readings
    roster: Roster | None


@dataclass(frozen=True)
class Next:
    """Tomorrow's files; `pack` is None for a folder that nobody has signed yet."""

    files: Mapping[str, bytes]
    pack: Pack | None


def home_in(sources: Sequence[Path]) -> Path | None:
    """The truck's home among the sources, if one is named.

    Raises:
        Misconfigured: it is named beside others.
    """
    homes = [path for path in sources if TruckHome(path).config.exists()]
    if homes and len(sources) > 1:
        raise Misconfigured(
            f"{homes[0]} is a truck's home and stands beside others", "Name it alone, or files."
        )
    return homes[0] if homes else None


def today_of(sources: Sequence[Path], stage: Path | None) -> Today:
    """Today from a truck's home, running or not, or from files of readings.

    Raises:
        Misconfigured: nothing to read, or files without `stage`.
        Unavailable: the truck runs and does not answer.
    """
    folder = home_in(sources)
    if folder is None:
        if stage is None:
            raise Misconfigured(
                "which stage these readings were ridden on is not said",
                "Name its folder with --stage, or a truck's home with --from.",
            )
        files, _ = read_pack_folder(stage)
        return Today(stage_files(stage) | files, read_readings(sources), None)
    at_home = TruckHome(folder)
    config = home.load_settings(TruckConfig, at_home.config, {})
    if stage is None:
        ridden = _with_boards(at_home, config, ask_stage(at_home, config))
    else:
        ridden = {**read_pack_folder(stage)[0], **stage_files(stage)}
    return Today(ridden, _readings_of(at_home, config), Credentials(config.credentials).roster())


def next_of(path: Path, folder: Path | None, team: Path | None) -> Next:
    """Tomorrow from a .pack file, a staged pack, or a stage folder that is not signed yet.

    Args:
        path: of it.
        folder: a truck's home, whose team signs its packs.
        team: else the team's public key.

    Raises:
        Misconfigured: nothing there, or a signed pack and no key to prove it with.
        Refused: it is not what the team signed.
    """
    is_signed = path.is_file() or (path / MANIFEST).is_file()
    if not is_signed:
        files, _ = read_pack_folder(path)
        return Next(stage_files(path) | files, None)
    if team is not None:
        public = read_key(team, "team public key")
    elif folder is not None:
        at_home = TruckHome(folder)
        public = team_of(at_home, home.load_settings(TruckConfig, at_home.config, {}))
    else:
        raise Misconfigured(
            f"{path} is signed, and nobody says by whom", "Name the team's key with --team."
        )
    if path.is_file():
        pack = pack_of_file(path, public)
    else:
        files, _ = read_pack_folder(path)
        envelope = (path / MANIFEST).read_bytes()
        manifest = open_pack_manifest(envelope, public)
        check_files(manifest, files)
        pack = Pack(manifest, envelope, files)
    return Next(pack.files, pack)


def _with_boards(
    at_home: TruckHome, config: TruckConfig, stage: Mapping[str, bytes]
) -> Mapping[str, bytes]:
    """The stage in force, with the pack it came from where that is still in force."""
    if not (at_home.packs / RECORD).exists():
        return stage
    found = Depot(at_home, config).in_force()
    if found is None or any(found[1].files.get(name) != data for name, data in stage.items()):
        return stage
    return found[1].files


def _readings_of(at_home: TruckHome, config: TruckConfig) -> Readings:
    """What the truck has of the stage in force, slice by slice."""
    bounds = ask_table(at_home, config, _BOUNDS).to_pylist()[0]
    if bounds["lo"] is None:
        raise Misconfigured(
            f"{at_home.folder} has no readings yet", "Name files of readings with --from."
        )
    parts = [
        ask_table(
            at_home, config,
            f"SELECT bib, epoch_us(measured_at) AS at_us, {_COLUMNS} FROM readings "  # noqa: S608 ours
            f"WHERE row_id BETWEEN {lo} AND {min(lo + _SLICE_ROWS - 1, bounds['hi'])} AND bib > 0 "
            "AND latitude_deg IS NOT NULL AND longitude_deg IS NOT NULL",
        )
        for lo in range(bounds["lo"], bounds["hi"] + 1, _SLICE_ROWS)
    ]  # fmt: skip
    table = pa.concat_tables(parts)
    bib = table["bib"].to_numpy().astype(np.int32)
    at_us = table["at_us"].to_numpy().astype(np.int64)
    reals = [table[name].to_numpy().astype(np.float64) for name in _REALS]
    return Readings(bib, at_us, *reals).take(np.lexsort((bib, at_us)))
