"""A truck that trusts a team, and packs that the team makes, for tests of stage packs."""

import copy
import shutil
from pathlib import Path
from typing import Any

from truck_home import SmallTruck

from hardware import home as homes
from hardware.pack import Pack, build_pack, open_pack
from hardware.pack_folder import read_pack_folder
from hardware.signing import SigningKey
from truck.config import TruckConfig, TruckHome
from truck.packs.depot import Depot

TEAM = SigningKey(bytes(range(32)))
OTHER_TEAM = SigningKey(bytes(32))
BOARD = b"SELECT bib, to_go_m, gap_s FROM states ORDER BY distance_m DESC LIMIT 10"


class PackedTruck(SmallTruck):
    """A small truck; `pack` makes versions of its stage, `depot` opens what it holds."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        fields = self.config.model_dump(include=self.config.model_fields_set)
        fields |= {"recipients": [], "team_public": TEAM.public.hex()}
        self.config = homes.save_settings(TruckConfig, self.home.config, fields)
        self.files, _ = read_pack_folder(folder / "stage")
        self.files["boards/leaders.sql"] = BOARD

    def copy(self, folder: Path) -> "PackedTruck":
        """The same truck in another home, so that keys and stage are made once."""
        other = copy.copy(self)
        other.home = TruckHome(folder / "truck")
        shutil.copytree(self.home.folder, other.home.folder)
        return other

    def pack_bytes(
        self,
        version: int,
        files: dict[str, bytes] | None = None,
        key: SigningKey = TEAM,
        **more: Any,
    ) -> bytes:
        what: dict[str, Any] = {
            "event": "test-event", "stage": 9, "name": f"Loop {version}", "now_s": 1.8e9,
        }  # fmt: skip
        return build_pack(self.files | (files or {}), version=version, key=key, **what | more)

    def pack(self, version: int, files: dict[str, bytes] | None = None, **more: Any) -> Pack:
        return open_pack(self.pack_bytes(version, files, **more), TEAM.public)

    def depot(self) -> Depot:
        return Depot(self.home, self.config)

    def take(self, version: int, files: dict[str, bytes] | None = None) -> None:
        self.depot().take(self.pack(version, files), named=False)

    def activate(self, version: int) -> None:
        self.depot().activate(version, older=False, by="anna", note="", now_us=1)

    @property
    def state(self) -> tuple[list[int], int | None]:
        """Which packs are staged, and which is in force; all of them proven."""
        depot = self.depot()
        for version in depot.shelf.versions():
            depot.shelf.open(version)
        found = depot.in_force()
        return depot.shelf.versions(), None if found is None else found[1].manifest.version


def without_team(truck: PackedTruck) -> TruckConfig:
    return truck.config.model_copy(update={"team_public": None})
