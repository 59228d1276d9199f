"""crew.csv: the crew's sheet, one line a device: relays, transponders, spares.

    role         relay, transponder or spare (a transponder that no rider has yet)
    name         a relay's name in topics and certificates; who or what wears a transponder
    serial       what stands on the case, and on its label
    bib          transponders only: the rider's number
    channel      radio channel the device sends on; every relay hears all of them. Transponders take
                 turns on one, a relay's is its own
    profile      relays only: moto (left blank), helicopter or fixed
    forward_to   relays only: the relay that takes what this one hears, in a valley without a link

A tired crew wants every fault at once: each is a `Fault` with line, field and cure, and
`FaultySheet` holds them all.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from hardware import topics
from hardware.errors import Misconfigured
from hardware.sheet import Row, read_sheet

COLUMNS = ("role", "name", "serial", "bib", "channel")
CHANNEL_MAX = 255
HOPS_MAX = 8
BIB_MAX = 9999
_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_NAME_CHARACTERS_MAX = 64


class Role(StrEnum):
    """What a device is in this crew."""

    RELAY = "relay"
    TRANSPONDER = "transponder"
    SPARE = "spare"


class Profile(StrEnum):
    """Where a relay rides, which says how far it hears and how long its holes are."""

    MOTO = "moto"
    HELICOPTER = "helicopter"
    FIXED = "fixed"


@dataclass(frozen=True)
class Member:
    """One line of the sheet.

    Attributes:
        line: where it stands, for complaints.
        bib: of transponders.
        channel: 1 to 255, None where the sheet leaves it open.
        profile, forward_to: of relays.
    """

    line: int
    role: Role
    name: str
    serial: str
    bib: int | None = None
    channel: int | None = None
    profile: Profile = Profile.MOTO
    forward_to: str | None = None


@dataclass(frozen=True)
class Crew:
    """The whole sheet, in its order."""

    members: tuple[Member, ...]

    @property
    def relays(self) -> tuple[Member, ...]:
        """The relays."""
        return tuple(m for m in self.members if m.role is Role.RELAY)

    @property
    def transponders(self) -> tuple[Member, ...]:
        """All that is a transponder, the spare ones too."""
        return tuple(m for m in self.members if m.role is not Role.RELAY)

    def named(self, name: str) -> Member:
        """The device of a name or a serial.

        Raises:
            Misconfigured: nobody on the sheet has it.
        """
        for member in self.members:
            if name in (member.name, member.serial):
                return member
        raise Misconfigured(f"nobody on the crew sheet is {name[:64]!r}", "Look at its names.")


@dataclass(frozen=True)
class Fault:
    """One complaint: where, what, and the cure."""

    line: int
    field: str
    what: str
    cure: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.field}: {self.what}. {self.cure}"


class FaultySheet(Misconfigured):
    """Everything that is wrong with a sheet."""

    def __init__(self, file: str, faults: tuple[Fault, ...]) -> None:
        many = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
        listed = "\n".join(f"  {fault}" for fault in faults)
        super().__init__(f"{file} has {many}:\n{listed}")
        self.faults = faults


def read_crew(file: str, data: bytes) -> Crew:
    """The crew of a sheet, as a spreadsheet saves it.

    Args:
        file: what to call it in complaints.
        data: its bytes; commas, semicolons or tabs, with or without a byte order mark.

    Raises:
        FaultySheet: every fault, in the order of lines.
        Misconfigured: it is no such sheet at all: not UTF-8, a column is missing, no line.
    """
    faults: list[Fault] = []
    members = [_member(row, faults) for row in read_sheet(file, data, COLUMNS, surplus=True)]
    faults += _doubles(members)
    faults += _channel_conflicts(members)
    faults += _forwarding(members)
    if faults:
        raise FaultySheet(file, tuple(sorted(faults, key=lambda fault: fault.line)))
    if not members:
        raise Misconfigured(f"{file} has no device on it", "Write a line for each device.")
    return Crew(tuple(members))


def _member(row: Row, faults: list[Fault]) -> Member:
    """A line as far as it can be read; what cannot goes to `faults`."""

    def fault(field: str, what: str, cure: str) -> None:
        faults.append(Fault(row.line, field, what, cure))

    if row.surplus:
        fault("line", "has more cells than columns", "Quote a cell that holds a comma.")
    said = (row.text("role") or "").lower()
    role = next((r for r in Role if r == said), None)
    if role is None:
        fault(
            "role", f"'{said[:40]}' is unknown" if said else "is empty",
            "Write relay, transponder or spare.",
        )  # fmt: skip
    serial = row.text("serial") or ""
    if not serial:
        fault("serial", "is empty", "Copy it from the case.")
    elif not _SERIAL.fullmatch(serial):
        fault("serial", f"'{serial[:40]}' is no serial", "Use letters, digits, . _ -, at most 32.")
    return Member(
        line=row.line,
        role=role or Role.SPARE,
        name=_name(row, role, serial, fault),
        serial=serial,
        bib=_bib(row, role, fault),
        channel=_channel(row, fault),
        profile=_profile(row, role, fault),
        forward_to=_forward_to(row, role, fault),
    )


_Complain = Callable[[str, str, str], None]


def _name(row: Row, role: Role | None, serial: str, fault: _Complain) -> str:
    name = row.text("name") or ""
    if not name:
        if role in (Role.RELAY, Role.TRANSPONDER):
            fault("name", "is empty", "Say who or what it is.")
        return serial
    if role is Role.RELAY and not topics.is_name(name):
        fault("name", f"'{name[:40]}' is no relay's name", "Use a-z, 0-9 and -, at most 32.")
    elif len(name) > _NAME_CHARACTERS_MAX or not name.isprintable():
        fault("name", "is too long or not printable", "Use at most 64 letters on one line.")
    return name


def _bib(row: Row, role: Role | None, fault: _Complain) -> int | None:
    text = row.text("bib")
    if text is None:
        if role is Role.TRANSPONDER:
            fault("bib", "is empty", "Write the rider's number, or make it a spare.")
        return None
    if role in (Role.RELAY, Role.SPARE):
        fault("bib", f"'{text[:40]}' on a {role}", "Leave it blank; only a transponder has one.")
        return None
    return _whole(row, "bib", text, BIB_MAX, fault)


def _channel(row: Row, fault: _Complain) -> int | None:
    text = row.text("channel")
    return None if text is None else _whole(row, "channel", text, CHANNEL_MAX, fault)


def _whole(row: Row, field: str, text: str, high: int, fault: _Complain) -> int | None:
    """A number from 1 to `high`; spreadsheets write 7 as 7.0 at times."""
    digits = re.sub(r"[.,]0+$", "", text)
    if not (
        digits.isascii() and digits.isdigit() and len(digits) <= 9 and 1 <= int(digits) <= high
    ):
        fault(field, f"'{text[:40]}' is no number from 1 to {high}", "Correct it.")
        return None
    return int(digits)


def _profile(row: Row, role: Role | None, fault: _Complain) -> Profile:
    text = (row.text("profile") or "").lower()
    if not text:
        return Profile.MOTO
    if role not in (Role.RELAY, None):
        fault("profile", f"'{text[:40]}' on a {role}", "Leave it blank; only a relay has one.")
        return Profile.MOTO
    found = next((p for p in Profile if p == text), None)
    if found is None:
        fault("profile", f"'{text[:40]}' is unknown", "Write moto, helicopter or fixed.")
    return found or Profile.MOTO


def _forward_to(row: Row, role: Role | None, fault: _Complain) -> str | None:
    text = row.text("forward_to")
    if text is not None and role not in (Role.RELAY, None):
        fault("forward_to", f"'{text[:40]}' on a {role}", "Leave it blank; only a relay has one.")
        return None
    return text


def _doubles(members: list[Member]) -> Iterator[Fault]:
    """Serials, names and bibs that stand twice; capitals make no difference."""
    cures = {
        "serial": "Look at both cases and correct one.",
        "name": "Give each its own; two riders of one name need a first name too.",
        "bib": "Give each rider his own number.",
    }
    for field, cure in cures.items():
        first: dict[str, int] = {}
        for member in members:
            value = str(getattr(member, field) or "")
            if not value or (field == "name" and value == member.serial):
                continue  # already a fault of its own, or a spare that goes by its serial
            line = first.setdefault(value.casefold(), member.line)
            if line != member.line:
                yield Fault(member.line, field, f"'{value[:40]}' stands on line {line} too", cure)


def _channel_conflicts(members: list[Member]) -> Iterator[Fault]:
    """A relay's channel is its own: who shares it is drowned by it."""
    relays: dict[int, Member] = {}
    for relay in members:
        if relay.role is Role.RELAY and relay.channel is not None:
            other = relays.setdefault(relay.channel, relay)
            if other is not relay:
                yield Fault(
                    relay.line, "channel",
                    f"{relay.channel} is that of relay {other.name} on line {other.line}",
                    "Give each relay a channel of its own.",
                )  # fmt: skip
    for member in members:
        other_relay = relays.get(member.channel or 0)
        if member.role is not Role.RELAY and other_relay is not None:
            yield Fault(
                member.line, "channel",
                f"{member.channel} is that of relay {other_relay.name} on line {other_relay.line}",
                "Let transponders send on a channel that no relay sends on.",
            )  # fmt: skip


def _forwarding(members: list[Member]) -> Iterator[Fault]:
    """Each chain of relays ends at one with a link of its own, within 8 hops."""
    onward = {m.name: m.forward_to for m in members if m.role is Role.RELAY}
    for relay in members:
        if relay.role is not Role.RELAY or relay.forward_to is None:
            continue
        chain = [relay.name]
        while (following := onward.get(chain[-1])) is not None and following not in chain:
            chain.append(following)
        if relay.forward_to not in onward:
            what, cure = f"'{relay.forward_to[:40]}' is no relay here", "Name a relay of the sheet."
        elif following is not None:
            what, cure = "goes in a circle", "Let the chain end at a relay that is left blank."
        elif len(chain) - 1 > HOPS_MAX:
            what, cure = f"takes {len(chain) - 1} hops", f"Keep a chain within {HOPS_MAX}."
        else:
            continue
        yield Fault(relay.line, "forward_to", what, cure)
