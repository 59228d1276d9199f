"""Whose a card is, later: what it carries, if it is whole, and whether the event vouches for it."""

import functools
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hardware import flash_ledger, keys
from hardware.authority import newest_roster
from hardware.errors import Damaged, Refused
from hardware.flash_ledger import Entry
from hardware.fleet import node_path
from hardware.node import config_digest, open_node
from hardware.roster import Roster, open_roster
from hardware.seed import Seed, read_seed
from hardware.targets import Target, image_digest


class Verdict(StrEnum):
    """What is to be thought of a card."""

    PROVEN = "proven"  # whole, ours, of now, and in the ledger
    OLDER = "older"  # whole and ours, but it was flashed with something else since
    UNPROVEN = "unproven"  # whole and signed, but no ledger of ours says so
    REVOKED = "revoked"
    FOREIGN = "foreign"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Proof:
    """A card's verdict in one sentence, and what it carries as far as it is whole."""

    target: str
    verdict: Verdict
    said: str
    event: str | None = None
    name: str | None = None
    serial: str | None = None
    config_version: int | None = None
    config_sha256: str | None = None
    image_sha256: str | None = None
    roster_version: int | None = None
    flashed_at_s: float | None = None
    flashed_by: str | None = None


_opened = functools.lru_cache(maxsize=4)(open_roster)  # many cards carry one roster


class Witness:
    """What an event's folder knows of its cards, read once for all of them."""

    def __init__(self, event: Path) -> None:
        """Read roster, key and ledger.

        Raises:
            NotInitialised: there is no event in the folder.
            Damaged: its roster or its ledger was changed.
        """
        self._event = event
        _, self._roster = newest_roster(event)
        self._public = keys.read_key(event / "authority.pub", "authority public key")
        entries = flash_ledger.sound_entries(event)
        self._entries = [entry for entry in entries if entry.role == "relay"]

    def entry(self, name: str, image_sha256: str | None = None) -> Entry | None:
        """The newest line of a relay, or of that very image of it."""
        for entry in reversed(self._entries):
            if entry.name == name and image_sha256 in (None, entry.image_sha256):
                return entry
        return None

    def judge(self, seed: Seed, carried: Roster, image_sha256: str) -> tuple[Verdict, str]:
        """What is to be thought of a whole seed, and why."""
        if seed.authority_public != self._public or seed.event != self._roster.event:
            said = f"it is of event {seed.event!r}, not {self._roster.event!r}, or forged"
            return Verdict.FOREIGN, said
        if any(relay.name == seed.name and relay.revoked for relay in self._roster.relays):
            return Verdict.REVOKED, f"{seed.name} is revoked; flash another"
        path = node_path(self._event, seed.name)
        current = config_digest(keys.read_file(path, "configuration")) if path.exists() else None
        if current != seed.config_sha256:
            return Verdict.OLDER, f"{seed.name} has another configuration by now; flash it again"
        newest = self.entry(seed.name)
        if newest is None or self.entry(seed.name, image_sha256) is None:
            return Verdict.UNPROVEN, "the ledger has no line of it; flash it again"
        if newest.image_sha256 != image_sha256:
            return Verdict.OLDER, f"{seed.name} was flashed again since, on {newest.target}"
        behind = self._roster.version - carried.version
        later = f"; its roster is {behind} older, the truck sends the newest" if behind > 0 else ""
        return Verdict.PROVEN, f"every byte is as it was flashed{later}"


def prove(target: Target, witness: Witness | None) -> Proof:
    """Prove what a target carries; without a witness only that it is whole."""
    try:
        files = target.files()
        seed = read_seed(files)
        public = seed.authority_public
        node = open_node(seed.node, public, seed.event, seed.name, seed.serial)
        roster = _opened(seed.roster, public)
    except (Damaged, Refused) as error:
        return Proof(target.name, Verdict.DAMAGED, str(error))
    except OSError as error:
        return Proof(target.name, Verdict.DAMAGED, f"cannot be read: {error.strerror or error}")
    image_sha256 = image_digest(files)
    entry = witness.entry(seed.name, image_sha256) if witness else None
    if node.version != seed.config_version or roster.event != seed.event:
        verdict, said = Verdict.DAMAGED, "its parts are of different seeds; flash it again"
    elif witness is None:
        verdict, said = Verdict.UNPROVEN, "whole; name the event to prove whose it is"
    else:
        verdict, said = witness.judge(seed, roster, image_sha256)
    return Proof(
        target=target.name,
        verdict=verdict,
        said=said,
        event=seed.event,
        name=seed.name,
        serial=seed.serial,
        config_version=seed.config_version,
        config_sha256=seed.config_sha256,
        image_sha256=image_sha256,
        roster_version=roster.version,
        flashed_at_s=entry.at_s if entry else None,
        flashed_by=entry.by if entry else None,
    )
