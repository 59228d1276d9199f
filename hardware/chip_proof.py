"""Whose a transponder is, later: what its chip or its image file holds, and who vouches for it."""

import hashlib
import stat
from pathlib import Path

from hardware import flash_ledger, keys
from hardware.authority import newest_roster
from hardware.chip import read_region
from hardware.errors import Refused
from hardware.flash_ledger import Entry
from hardware.nvs import TransponderConfig
from hardware.packet import kid_of
from hardware.partitions import active
from hardware.proof import Proof, Verdict
from hardware.roster import Roster
from hardware.signing import SigningKey
from hardware.transponders import holds, read_record


def is_transponder(path: Path) -> bool:
    """Whether a path is a transponder's image file, or a port with one on its cable."""
    if path.suffix == ".bin":
        return True
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return False


class ChipWitness:
    """What an event's folder knows of its transponders, read once for all of them."""

    def __init__(self, event: Path) -> None:
        """Read roster and ledger.

        Raises:
            NotInitialised: there is no event in the folder.
            Damaged: its roster or its ledger was changed.
        """
        self._event = event
        _, self._roster = newest_roster(event)
        self._entries = _entries(event)

    def entry(self, serial: str, image_sha256: str) -> Entry | None:
        """The newest line of that very image of a serial."""
        lines = reversed(self._entries.get(serial, []))
        return next((entry for entry in lines if entry.image_sha256 == image_sha256), None)

    def judge(self, config: TransponderConfig, image_sha256: str) -> tuple[Verdict, str]:
        """What is to be thought of a whole configuration, and why."""
        return _by_roster(config, self._roster) or self._by_ledger(config, image_sha256)

    def _by_ledger(self, config: TransponderConfig, image_sha256: str) -> tuple[Verdict, str]:
        lines = self._entries.get(config.serial, [])
        entry = self.entry(config.serial, image_sha256)
        if entry is not None and entry is lines[-1]:
            return Verdict.PROVEN, "every byte is as it was flashed"
        record = read_record(self._event, config.serial)
        if lines and record is not None and holds(config, record, started=True):
            return Verdict.PROVEN, "its keys and values are as flashed; it was started since"
        if entry is not None:
            return Verdict.OLDER, f"{config.serial} was flashed again since, on {lines[-1].target}"
        return Verdict.UNPROVEN, "the ledger has no line of it; flash it again"


def prove_transponder(path: Path, witness: ChipWitness | None) -> Proof:
    """Prove what a transponder holds; without a witness only that it is whole.

    Raises:
        Unavailable: no chip answers on the port.
        Misconfigured: the file cannot be read, or esptool is not installed.
    """
    try:
        if path.suffix == ".bin":
            region = keys.read_file(path, "transponder's image")
        else:
            region = read_region(str(path))
        slot, config = active(region)
    except Refused as refused:
        return Proof(str(path), Verdict.DAMAGED, str(refused))
    image_sha256 = hashlib.sha256(slot.nvs.of(region) + slot.keys.of(region)).hexdigest()
    entry = None
    verdict, said = Verdict.UNPROVEN, "whole; name the event to prove whose it is"
    if witness is not None:
        entry = witness.entry(config.serial, image_sha256)
        verdict, said = witness.judge(config, image_sha256)
    return Proof(
        target=str(path),
        verdict=verdict,
        said=said,
        event=config.event,
        name=config.name,
        serial=config.serial,
        config_version=config.roster,
        config_sha256=entry.config_sha256 if entry else None,
        image_sha256=image_sha256,
        roster_version=config.roster,
        flashed_at_s=entry.at_s if entry else None,
        flashed_by=entry.by if entry else None,
    )


def _by_roster(config: TransponderConfig, roster: Roster) -> tuple[Verdict, str] | None:
    """What the roster has against a transponder, None for nothing."""
    if config.event != roster.event or config.event_box_public != roster.event_box_public:
        return Verdict.FOREIGN, f"it is of event {config.event!r}, not {roster.event!r}, or forged"
    kid = kid_of(config.device, config.generation)
    held = next((d for d in roster.devices if d.kid == kid), None)
    if held is None:
        return Verdict.UNPROVEN, "the roster does not name its key; flash it with --resume"
    mine = (SigningKey(config.sign_seed).public, keys.box_public(config.box_private))
    if mine != (held.sign_public, held.box_public):
        return Verdict.FOREIGN, "its keys are not those that the roster names; flash it again"
    if not held.revoked:
        return None
    later = [d for d in roster.devices if d.device == config.device and not d.revoked]
    if later:
        return Verdict.OLDER, f"{config.serial} was flashed again since; flash this one again"
    return Verdict.REVOKED, f"{config.serial} is revoked; flash it again"


def _entries(event: Path) -> dict[str, list[Entry]]:
    """The ledger's lines by serial, oldest first."""
    lines: dict[str, list[Entry]] = {}
    for entry in flash_ledger.sound_entries(event):
        lines.setdefault(entry.serial, []).append(entry)
    return lines
