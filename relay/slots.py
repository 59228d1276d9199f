"""Two slots for signed configurations: a new one runs on trial, and the old one returns by itself.

    HOME/slots/a.json, b.json   configurations as signed
    HOME/slots/state.json       which is confirmed, which is on trial, which failed; rewritten whole
    HOME/slots/offered.json     laid there by `relay config offer`, taken by the relay

A new one goes to the slot that does not run, durable, before the state names it; a kill at any
moment leaves the old or the new. It counts once the truck has answered a heartbeat that named it.
Until then each start is counted, so that power cuts cannot stretch a trial: after `STARTS_MAX`
starts, or `trial_s` of one of them, the old one returns and the new one is not tried again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from hardware import keys
from hardware.errors import Misconfigured, Reason, Refused
from hardware.node import Node, check_newer, config_digest, open_node

STARTS_MAX = 3
_FAILED_MAX = 16
SlotName = Literal["a", "b"]


class Whose(NamedTuple):
    """What a node knows of itself without any configuration."""

    authority_public: bytes
    event: str
    name: str


@dataclass(frozen=True)
class Slot:
    """A configuration that is whole and ours, and where it lies."""

    name: SlotName
    node: Node
    digest: str


class _Failed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    digest: str
    version: int
    why: str


class _Trial(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    slot: SlotName
    starts: int = 0


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    schema_: Literal["relay.slots/1"] = "relay.slots/1"
    serial: str | None = None
    confirmed: SlotName | None = None
    trial: _Trial | None = None
    digests: dict[SlotName, str] = {}
    failed: list[_Failed] = []


class Slots:
    """The slots of one home. Only the relay that holds the home's lock changes them."""

    def __init__(self, home: Path, whose: Whose, *, has_settings: bool) -> None:
        """Read the state; a damaged one is begun anew from what lies in the slots.

        Args:
            home: the relay's.
            whose: what a configuration must be for.
            has_settings: whether the settings file alone would run a relay, so that there is
                something to return to before any configuration was confirmed.
        """
        self._folder, self._whose, self._has_settings = home / "slots", whose, has_settings
        self._state = self._read_state()
        self.current: Slot | None = None
        """What `begin` chose; None for the settings file alone."""
        self.on_trial = False

    @property
    def offered(self) -> Path:
        """Where a configuration is laid for the relay to take."""
        return self._folder / "offered.json"

    def begin(self) -> Slot | None:
        """Choose what this start runs, and count the start where it is a trial.

        Raises:
            Misconfigured: the folder cannot be written.
        """
        trial = self._state.trial
        if trial is not None and trial.starts >= STARTS_MAX and self.may_return:
            self.give_up(f"not confirmed by the truck in {STARTS_MAX} starts")
            trial = self._state.trial
        tried = None if trial is None else self._read(trial.slot)
        if trial is not None and tried is not None:
            trial.starts += 1
            self._write_state()
            self.current, self.on_trial = tried, True
            return tried
        if trial is not None:  # torn or flipped since: as if it had never been offered
            self._state.trial = None
            self._write_state()
        self.current, self.on_trial = self._standing(), False
        return self.current

    def judge(self, envelope: bytes) -> Node | None:
        """The configuration, if it is to be tried; None where it runs or waits already.

        Raises:
            Refused: with the reasons of `open_node` and `check_newer`, or ROLLED_BACK.
        """
        node = open_node(envelope, *self._whose, self._state.serial)
        digest, trial = config_digest(envelope), self._state.trial
        tried = None if trial is None else self._read(trial.slot)
        running = [slot for slot in (self.current, tried, self._standing()) if slot is not None]
        for failed in self._state.failed:
            if failed.digest == digest:
                what = f"configuration version {node.version} was tried before: {failed.why}"
                raise Refused(Reason.ROLLED_BACK, what)
        if any(slot.digest == digest for slot in running):
            return None
        if running:
            check_newer(running[0].node, node)
        return node

    def offer(self, envelope: bytes) -> bool:
        """Take a configuration to be tried by the next start; False where it runs already.

        Raises:
            Refused: with the reasons of `open_node` and `check_newer`, or ROLLED_BACK.
            Misconfigured: the folder cannot be written.
        """
        node = self.judge(envelope)
        if node is None:
            return False
        standing = self._state.confirmed or (self.current and self.current.name)
        name: SlotName = "b" if standing == "a" else "a"
        keys.write_file(self._path(name), envelope, 0o644)
        self._state.digests[name] = config_digest(envelope)
        self._state.trial = _Trial(slot=name)
        self._state.serial = node.serial
        self._write_state()
        structlog.get_logger().info("configuration to be tried", version=node.version, slot=name)
        return True

    def confirm(self, digest: str) -> bool:
        """The truck has seen this configuration at work: from now on it is the one to return to."""
        slot, trial = self.current, self._state.trial
        if not self.on_trial or slot is None or slot.digest != digest:
            return False
        if trial is None or trial.slot != slot.name:  # another was offered meanwhile
            return False
        self._state.confirmed, self._state.trial = slot.name, None
        self._write_state()
        self.on_trial = False
        structlog.get_logger().info("configuration confirmed", version=slot.node.version)
        return True

    @property
    def may_return(self) -> bool:
        """Whether there is anything that could run instead of what is on trial."""
        return self._has_settings or self._other() is not None

    def give_up(self, why: str) -> None:
        """Remember what is on trial as failed; the next start runs what ran before."""
        trial = self._state.trial
        if trial is None:
            return
        tried = self._read(trial.slot)
        if tried is not None:
            failed = _Failed(digest=tried.digest, version=tried.node.version, why=why)
            self._state.failed = [*self._state.failed, failed][-_FAILED_MAX:]
        other = self._other()
        self._state.trial = None
        if self._state.confirmed is None and other is not None:
            self._state.trial = _Trial(slot=other.name)  # it never was confirmed either
        self._write_state()
        structlog.get_logger().error("configuration given up", why=why)

    def status(self) -> dict[str, Any]:
        """What runs and what failed, as the status shows it."""
        slot = self.current
        state = "on trial" if self.on_trial else "confirmed"
        return {
            "slot": slot.name if slot else None,
            "version": slot.node.version if slot else None,
            "digest": slot.digest if slot else None,
            "state": state if slot else "settings",
            "failed": [failed.model_dump() for failed in self._state.failed],
        }

    def standing(self) -> Slot | None:
        """What the next start would run; changes nothing."""
        trial = self._state.trial
        tried = None if trial is None else self._read(trial.slot)
        return tried or self._standing()

    def _standing(self) -> Slot | None:
        """What was confirmed; where that is damaged, what was before it."""
        confirmed = self._state.confirmed
        if confirmed is None:
            return None
        slot = self._read(confirmed)
        if slot is None:
            structlog.get_logger().error("configuration damaged", slot=confirmed)
            slot = self._read("b" if confirmed == "a" else "a")
        if slot is not None and slot.digest in {failed.digest for failed in self._state.failed}:
            return None
        return slot

    def _other(self) -> Slot | None:
        """What could run instead of what is on trial."""
        trial = self._state.trial
        if trial is None:
            return None
        slot = self._read("b" if trial.slot == "a" else "a")
        failed = {failed.digest for failed in self._state.failed}
        return None if slot is None or slot.digest in failed else slot

    def _path(self, name: SlotName) -> Path:
        return self._folder / f"{name}.json"

    def _read(self, name: SlotName) -> Slot | None:
        """A slot's configuration; None where it is missing, torn or not what the state says."""
        try:
            envelope = self._path(name).read_bytes()
            node = open_node(envelope, *self._whose, self._state.serial)
        except (OSError, Refused):
            return None
        digest = config_digest(envelope)
        return Slot(name, node, digest) if self._state.digests.get(name) == digest else None

    def _read_state(self) -> _State:
        path = self._folder / "state.json"
        try:
            return _State.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return _State()
        except (OSError, ValidationError) as error:
            structlog.get_logger().error("state of the slots damaged", error=type(error).__name__)
            return self._salvaged()

    def _salvaged(self) -> _State:
        """A state from the slots alone: the older that is whole stands, a newer one is tried."""
        self._state = _State()
        found: list[tuple[int, SlotName, Node]] = []
        for name in ("a", "b"):
            try:
                envelope = self._path(name).read_bytes()
                node = open_node(envelope, *self._whose)
            except (OSError, Refused):
                continue
            self._state.digests[name] = config_digest(envelope)
            found.append((node.version, name, node))
        found.sort(key=lambda row: row[:2])
        if found:
            self._state.serial = found[0][2].serial
            self._state.confirmed = found[0][1]
        if len(found) > 1:
            self._state.trial = _Trial(slot=found[1][1])
        return self._state

    def _write_state(self) -> None:
        text = self._state.model_dump_json(indent=1)
        keys.write_file(self._folder / "state.json", text.encode() + b"\n", 0o644)


def lay_first(home: Path, envelope: bytes) -> None:
    """Lay a configuration where the next start of this home's relay takes it.

    Raises:
        Misconfigured: the folder cannot be written.
    """
    keys.write_file(home / "slots" / "offered.json", envelope, 0o644)


def read_offered(path: Path) -> bytes | None:
    """What was laid for the relay to take; None where there is nothing.

    Raises:
        Misconfigured: it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}", "Offer it again.") from error
