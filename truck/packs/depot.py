"""A truck's packs: what may be staged, what may be put in force, and what is."""

from pathlib import Path

from hardware import clock
from hardware.errors import Damaged, Misconfigured
from hardware.keys import Credentials
from hardware.pack import Pack
from truck.config import TruckConfig, TruckHome
from truck.packs.checks import Checked, check_pack, stage_settings
from truck.packs.record import Activation, Record
from truck.packs.shelf import Shelf

RECORD = "record.jsonl"


class Depot:
    """The shelf of staged packs and the record of activations, of one home."""

    def __init__(self, home: TruckHome, config: TruckConfig) -> None:
        """Open both.

        Raises:
            Misconfigured: this truck trusts no team, or a key or the roster is missing.
            Damaged: the record is not what this truck wrote.
        """
        credentials = Credentials(config.credentials)
        self.team = team_of(home, config)
        self.event = credentials.roster().event
        self.shelf = Shelf(home.packs, self.team, self.event)
        self.record = Record(home.packs / RECORD, credentials.signing_key("truck"))

    @property
    def highest(self) -> int:
        """The highest version that was ever staged or put in force, 0 for none."""
        activated = [line.version or 0 for line in self.record.lines]
        return max([0, *self.shelf.versions(), *activated])

    def take(self, pack: Pack, *, named: bool) -> tuple[Checked, bool]:
        """Check a proven pack and stage it; whether it was new.

        Args:
            pack: its signature holds.
            named: the operator asked for this very version, so that it may be an older one.

        Raises:
            Misconfigured: of another event, or older than what is in force.
            Damaged: it cannot be raced on; nothing of it is kept.
        """
        manifest, now = pack.manifest, self.record.in_force
        if manifest.event != self.event:
            raise Misconfigured(
                f"{manifest} is of the event {manifest.event}, this truck's is {self.event}",
                "Ask the team for the pack of this event.",
            )
        if now and now.version is not None and manifest.version < now.version and not named:
            raise Misconfigured(
                f"{manifest} is older than pack {now.version}, which is in force",
                f"If you mean it, name it: --version {manifest.version}.",
            )
        checked = check_pack(pack)
        return checked, self.shelf.put(pack)

    def activate(
        self, version: int, *, older: bool, by: str, note: str, now_us: int
    ) -> tuple[Activation, Pack]:
        """Put a staged pack in force, proven and checked once more.

        Raises:
            Misconfigured: not staged, or older than what is in force and `older` was not said.
            Damaged: it is not what was signed, or cannot be raced on.
        """
        now = self.record.in_force
        if now and now.version is not None and version < now.version and not older:
            raise Misconfigured(
                f"pack {version} is older than pack {now.version}, which is in force",
                "Go back with `truck pack rollback`, or say --older if you mean it.",
            )
        pack = self.shelf.open(version)
        check_pack(pack)
        if now and now.digest == pack.manifest.digest:
            return now, pack
        digest = pack.manifest.digest
        return self.record.activate(version, digest, by=by, note=note, now_us=now_us), pack

    def roll_back(self, *, by: str, note: str, now_us: int) -> tuple[Activation, Pack | None]:
        """Put in force again what was before the pack in force, proven once more.

        Raises:
            Misconfigured: no pack is in force.
            Damaged: the pack to go back to is no longer what was signed.
        """
        to = self.record.before
        pack = self._open(to) if self.record.in_force and to else None
        return self.record.roll_back(by=by, note=note, now_us=now_us), pack

    def in_force(self) -> tuple[Activation, Pack] | None:
        """The pack that the truck races on; None for the stage of truck.toml.

        Raises:
            Damaged: it is no longer what was signed and put in force.
        """
        now = self.record.in_force
        return None if now is None else (now, self._open(now))

    def folder_of(self, pack: Pack) -> Path:
        """Where a staged pack lies; it is a stage folder."""
        return self.shelf.folder_of(pack.manifest.version)

    def _open(self, said: Activation) -> Pack:
        version = said.version or 0
        try:
            pack = self.shelf.open(version)
        except Misconfigured as error:
            raise Damaged(
                f"pack {version} was put in force by {said.by} and is gone from the disk. "
                "Fetch it again with --version, or `truck pack rollback`"
            ) from error
        if pack.manifest.digest != said.digest:
            raise Damaged(
                f"{pack.manifest} is not the pack {version} that {said.by} put in force. "
                "Fetch that one again, or `truck pack rollback`"
            )
        return pack


def put_in_force(home: TruckHome, config: TruckConfig, version: int, by: str, note: str) -> str:
    """Activate a staged pack from the operator's page; what was done, in words.

    Raises:
        As `Depot.activate`.
    """
    now_us = clock.from_environment().now_us()
    depot = Depot(home, config)
    _, pack = depot.activate(version, older=False, by=by, note=note, now_us=now_us)
    return f"{pack.manifest} is in force from the next start of the truck"


def team_of(home: TruckHome, config: TruckConfig) -> bytes:
    """The public key of the team this truck takes packs from.

    Raises:
        Misconfigured: none is set.
    """
    if config.team_public is None:
        raise Misconfigured(
            f"the truck in {home.folder} trusts no team, so it takes no pack",
            f"Set team_public in {home.config} to the 64 digits of the team's NAME.pub.",
        )
    return bytes.fromhex(config.team_public)


def raced_on(
    home: TruckHome, config: TruckConfig, other: Path | None
) -> tuple[TruckConfig, list[str]]:
    """The settings with the pack in force over the stage of truck.toml, and what to say of it.

    Args:
        home: of the truck.
        config: its settings.
        other: a stage folder that was asked for on the command line goes before any pack.

    Raises:
        Damaged: the pack in force is not what was signed and put in force.
    """
    if not (home.packs / RECORD).exists():
        return config, []
    depot = Depot(home, config)
    found = depot.in_force()
    if found is None:
        return config, []
    said, pack = found
    if other is not None:
        return config, [f"{pack.manifest} is in force, and left aside for --stage {other}"]
    with_stage = config.model_copy(update={"stage": depot.folder_of(pack)})
    settings = stage_settings(pack.files)
    return with_stage.with_stage_settings(settings), [
        f"{pack.manifest} is in force, put so by {said.by}"
    ]
