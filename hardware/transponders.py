"""The event's transponders, as its folder knows them: numbers, public keys, requests to enrol.

    transponders/numbers.json     the device number of each serial, for good
    transponders/asked.json       when each was last to be flashed, which is what `--resume` goes by
    transponders/<serial>.json    what was last proven to be on it, without secrets, and its request
                                  to enrol, signed with its own key

Private keys are made here, go into an image and are forgotten.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from hardware import flash_ledger, keys
from hardware.authority import VALID_S, amend_roster, changing, newest_roster
from hardware.crew import Member
from hardware.device_enrolment import (
    add_device,
    make_device_request,
    next_generation,
    open_device_request,
)
from hardware.errors import Damaged, Misconfigured
from hardware.flash_ledger import Entry
from hardware.nvs import TransponderConfig
from hardware.packet import DEVICE_MAX, kid_of
from hardware.partitions import Image, Slot, build
from hardware.roster import Roster
from hardware.signing import SigningKey

SCHEMA = "truck.transponder/1"
_NUMBERS_SCHEMA = "truck.transponder-numbers/1"
_ASKED_SCHEMA = "truck.transponder-asked/1"
_GENERATION_MAX = 255
_BOOTS_A_GENERATION = 256  # starts that each key generation has to itself
_CHANNEL = 1  # of a sheet that leaves it open
_SECRETS = ("sign_seed", "box_private", "event_box_public")


class State(StrEnum):
    """How it went with one transponder."""

    PROVEN = "proven"
    KEPT = "kept"
    FAILED = "failed"


class Flashed(NamedTuple):
    """What became of one transponder, in one sentence."""

    member: Member
    target: str
    state: State
    said: str


class Made(NamedTuple):
    """A configuration as it goes onto a chip, and what is kept of it: no secret in `record`."""

    config: TransponderConfig
    image: Image
    record: "Record"


@dataclass(frozen=True)
class Record:
    """What the event folder keeps of a transponder; `public` is its configuration in the clear."""

    public: dict[str, Any]
    image_sha256: str
    request: str

    @property
    def serial(self) -> str:
        """What stands on the case."""
        return str(self.public["serial"])

    @property
    def config_sha256(self) -> str:
        """The digest that the ledger names."""
        return hashlib.sha256(json.dumps(self.public, sort_keys=True).encode()).hexdigest()

    def entry(self, member: Member, target: str, by: str, at_s: float, proven: str) -> Entry:
        """The line for the flash ledger."""
        return Entry(
            at_s, by, member.role, member.name, member.serial, target, self.public["roster"],
            self.config_sha256, self.image_sha256, proven,
        )  # fmt: skip

    def is_for(self, member: Member, roster: Roster) -> bool:
        """Whether it says what the sheet says, and its key is still one that may speak."""
        said = {"name": member.name, "bib": member.bib or 0, "channel": member.channel or _CHANNEL}
        kid = kid_of(self.public["device"], self.public["generation"])
        revoked = any(d.kid == kid and d.revoked for d in roster.devices)
        same_event = self.public["event"] == roster.event
        return same_event and not revoked and said.items() <= self.public.items()


class Workshop:
    """Makes transponders of one event; one object a batch, shared by its threads."""

    def __init__(self, event: Path, members: Sequence[Member]) -> None:
        self.event = event
        flash_ledger.append(event, [])  # a ledger that takes no lines is found before a chip is
        _, self.roster = newest_roster(event)
        with changing(event):
            self._numbers = _assign(event, self.roster, [m.serial for m in members])
        self.records = {m.serial: r for m in members if (r := read_record(event, m.serial))}

    def ask(self, serials: Sequence[str], now_s: float) -> None:
        """From now on these are to be flashed; what was proven before does not count for them."""
        with changing(self.event):
            path = self.event / "transponders" / "asked.json"
            asked = dict(_read(path, _ASKED_SCHEMA)["at_ms"]) if path.exists() else {}
            asked |= dict.fromkeys(serials, round(now_s * 1000))
            _write(path, {"schema": _ASKED_SCHEMA, "at_ms": asked})

    def is_proven(self, member: Member, found: TransponderConfig | None) -> bool:
        """Whether a chip holds what was last proven of it, since it was to be flashed.

        It must still be what the sheet says, and its key may not be revoked.
        """
        record = self.records.get(member.serial)
        if found is None or record is None or not holds(found, record):
            return False
        path = self.event / "transponders" / "asked.json"
        asked = _read(path, _ASKED_SCHEMA)["at_ms"] if path.exists() else {}
        in_time = found.made_ms >= asked.get(member.serial, 0)
        return in_time and record.is_for(member, self.roster)

    def make(
        self, member: Member, now_s: float, slot: Slot, found: TransponderConfig | None = None
    ) -> Made:
        """Fresh keys and a configuration for a transponder, as an image for one slot.

        Args:
            member: its line on the sheet.
            now_s: seconds since 1970.
            slot: where it will be written.
            found: what is on the chip now; the new one is later and begins at a higher boot.

        Raises:
            Misconfigured: its key generations are used up.
            Refused: VALUE, a name that does not fit.
        """
        device = self._numbers[member.serial]
        record = self.records.get(member.serial)
        used, boot, made_ms = [next_generation(self.roster, device) - 1], 0, 0
        if record is not None and record.public["device"] == device:
            used.append(record.public["generation"])
        if found is not None:
            made_ms = found.made_ms + 1
            if (found.event, found.device) == (self.roster.event, device):
                used.append(found.generation)
                boot = found.boot + 1
        generation = max(used) + 1
        if generation > _GENERATION_MAX:
            raise Misconfigured(
                f"the {_GENERATION_MAX} key generations of {member.serial} are used up",
                "Give the transponder another serial on the sheet.",
            )
        config = TransponderConfig(
            event=self.roster.event,
            serial=member.serial,
            name=member.name,
            bib=member.bib or 0,
            channel=member.channel or _CHANNEL,
            device=device,
            generation=generation,
            boot=max(boot, (generation - 1) * _BOOTS_A_GENERATION),
            epoch_ms=round(self.roster.epoch_s * 1000),
            roster=self.roster.version,
            made_ms=max(made_ms, round(now_s * 1000)),
            sign_seed=keys.new_secret(),
            box_private=keys.new_secret(),
            event_box_public=self.roster.event_box_public,
        )
        image = build(config, keys.new_secret() + keys.new_secret(), slot)
        return Made(config, image, _record(config, image))

    def keep(self, record: Record) -> None:
        """Set down what was proven.

        Raises:
            Misconfigured: the folder cannot be written.
        """
        _write(_record_path(self.event, record.serial), {"schema": SCHEMA, **asdict(record)})
        self.records[record.serial] = record

    def enrol(self, members: Iterable[Member], now_s: float) -> Roster:
        """Put the keys of proven transponders into the next roster; none that is in it already.

        Raises:
            TruckError: what `amend_roster` raises: no authority here, another passphrase.
            EnrolmentRefused: a request that is not granted.
        """
        asked = [(m, self.records[m.serial]) for m in members if m.serial in self.records]

        def change(roster: Roster) -> Roster:
            held = {d.kid for d in roster.devices}
            for member, record in asked:
                request = open_device_request(record.request.encode())
                if kid_of(request.device, request.generation) not in held:
                    roster = add_device(
                        roster, request, bib=member.bib, now_s=now_s, valid_s=VALID_S
                    )
            return roster

        return amend_roster(self.event, change)


def image_sha256(image: Image) -> str:
    """The digest of what was written: NVS partition and keys' page."""
    return hashlib.sha256(image.nvs + image.keys).hexdigest()


def _record(config: TransponderConfig, image: Image) -> Record:
    key, box_public = SigningKey(config.sign_seed), keys.box_public(config.box_private)
    public = {name: value for name, value in asdict(config).items() if name not in _SECRETS}
    public |= {"sign_public": key.public.hex(), "box_public": box_public.hex()}
    request = make_device_request(
        event=config.event, device=config.device, generation=config.generation,
        serial=config.serial, key=key, box_public=box_public,
    )  # fmt: skip
    return Record(public, image_sha256(image), request.decode())


def holds(config: TransponderConfig, record: Record, *, started: bool = False) -> bool:
    """Whether a configuration that was read is the one of a record, its keys too.

    With `started` the transponder may have counted starts since.
    """
    public = {name: value for name, value in asdict(config).items() if name not in _SECRETS}
    public["sign_public"] = SigningKey(config.sign_seed).public.hex()
    public["box_public"] = keys.box_public(config.box_private).hex()
    if started and config.boot >= record.public["boot"]:
        public["boot"] = record.public["boot"]
    return public == record.public


def read_record(event: Path, serial: str) -> Record | None:
    """What was last proven of a serial, None for nothing.

    Raises:
        Damaged: the file is no such record.
    """
    path = _record_path(event, serial)
    if not path.exists():
        return None
    document = _read(path, SCHEMA)
    try:
        record = Record(document["public"], document["image_sha256"], document["request"])
        request = open_device_request(record.request.encode())
        if (request.serial, request.device) != (serial, record.public["device"]):
            raise ValueError("the request of another")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path) from error
    return record


def _assign(event: Path, roster: Roster, serials: list[str]) -> dict[str, int]:
    """The device number of each serial; new ones are durable before they are used."""
    path = event / "transponders" / "numbers.json"
    numbers = dict(_read(path, _NUMBERS_SCHEMA)["devices"]) if path.exists() else {}
    fresh = [serial for serial in dict.fromkeys(serials) if serial not in numbers]
    begin = max([*numbers.values(), *(d.device for d in roster.devices)], default=0) + 1
    numbers |= {serial: begin + k for k, serial in enumerate(fresh)}
    if max(numbers.values(), default=0) > DEVICE_MAX:
        raise Misconfigured("the event's device numbers are used up", "Make a new event.")
    if fresh:
        _write(path, {"schema": _NUMBERS_SCHEMA, "devices": numbers})
    return numbers


def _record_path(event: Path, serial: str) -> Path:
    return event / "transponders" / f"{serial}.json"


def _read(path: Path, schema: str) -> dict[str, Any]:
    try:
        document = json.loads(keys.read_file(path, "transponder"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path) from error
    if not isinstance(document, dict) or document.get("schema") != schema:
        raise _damaged(path)
    return document


def _write(path: Path, document: dict[str, Any]) -> None:
    keys.write_file(path, json.dumps(document, indent=1).encode() + b"\n", 0o644)


def _damaged(path: Path) -> Damaged:
    return Damaged(f"{path} is damaged; fetch it from a copy, or move it away and flash again")
