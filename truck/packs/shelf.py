"""Packs on the truck's disk: `HOME/packs/<version:06d>/`, whole and proven, or not there."""

import os
import re
import shutil
from pathlib import Path

from hardware.errors import Damaged, Misconfigured, Refused
from hardware.keys import sync, write_file
from hardware.pack import (
    MANIFEST,
    MANIFEST_BYTES_MAX,
    Pack,
    check_files,
    open_pack_manifest,
)
from hardware.pack_folder import read_pack_folder

_VERSION = re.compile(r"[0-9]{6}")
_AGAIN = "Fetch it again after `rm -r` of that folder, or `truck pack rollback`"


class Shelf:
    """The staged packs below one folder; `team` is the Ed25519 key that signs them."""

    def __init__(self, folder: Path, team: bytes, event: str) -> None:
        self._folder, self._team, self._event = folder, team, event

    def versions(self) -> list[int]:
        """Of all staged packs, counting up."""
        if not self._folder.is_dir():
            return []
        names = (path.name for path in self._folder.iterdir() if path.is_dir())
        return sorted(int(name) for name in names if _VERSION.fullmatch(name))

    def folder_of(self, version: int) -> Path:
        """Where a version lies; it is a stage folder."""
        return self._folder / f"{version:06d}"

    def put(self, pack: Pack) -> bool:
        """Stage a pack: whole under its name, by rename, or not at all. False: it was there.

        Raises:
            Damaged: another pack has this version.
            Misconfigured: the disk is full or read-only.
        """
        place = self.folder_of(pack.manifest.version)
        if place.exists():
            if self.open(pack.manifest.version).manifest.digest != pack.manifest.digest:
                raise Damaged(
                    f"two packs call themselves version {pack.manifest.version}: this one is not "
                    f"the one in {place}. Ask the team which holds, and for a higher version"
                )
            return False
        aside = self._folder / f".{place.name}.{os.getpid()}.tmp"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for stale in self._folder.glob(".*.tmp"):  # what a kill left behind
                shutil.rmtree(stale)
            for name, data in {**pack.files, MANIFEST: pack.envelope}.items():
                write_file(aside / name, data, 0o644)
            for inner in (*sorted(path for path in aside.iterdir() if path.is_dir()), aside):
                sync(inner)
            aside.rename(place)
            sync(self._folder)
        except OSError as error:
            raise Misconfigured(
                f"cannot write {place}: {error.strerror}", "Free some space and fetch it again."
            ) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return True

    def open(self, version: int) -> Pack:
        """A staged pack, every file of it proven again.

        Raises:
            Misconfigured: none of this version is staged.
            Damaged: it is not, or no longer, what the team signed for this event.
        """
        place = self.folder_of(version)
        if not place.is_dir():
            held = ", ".join(map(str, self.versions())) or "none"
            raise Misconfigured(
                f"no pack {version} is staged; there are {held}", "Fetch it: `truck pack fetch`."
            )
        try:
            with (place / MANIFEST).open("rb") as file:
                envelope = file.read(MANIFEST_BYTES_MAX + 1)
            manifest = open_pack_manifest(envelope, self._team)
            files, others = read_pack_folder(place)
            check_files(manifest, files)
        except OSError as error:
            raise Damaged(f"{place} cannot be read: {error.strerror}. {_AGAIN}") from error
        except Refused as refusal:
            raise Damaged(f"{place} is not what the team signed: {refusal}. {_AGAIN}") from refusal
        if others != [MANIFEST]:
            extra = next(name for name in others if name != MANIFEST)
            raise Damaged(f"{place} holds {extra}, which the team did not sign. {_AGAIN}")
        if manifest.version != version or manifest.event != self._event:
            raise Damaged(f"{place} holds {manifest} of {manifest.event}. {_AGAIN}")
        return Pack(manifest, envelope, files)
