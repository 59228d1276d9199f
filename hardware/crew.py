"""crew.csv: the crew's sheet, one line a device: relays, transponders, spares.

    role         relay, transponder or spare (a transponder that no rider has yet)
    name         a relay's name in topics and certificates; who or what wears a transponder
    serial       what stands on the case, and on its label
    bib          transponders only: the rider's number
    channel      radio channel the device sends on; every relay hears all of them. Transponders take
                 turns on one, a relay's is its own
    profile      relays only: moto (left blank), helicopter or fixed
    forward_to   relays only: the relay that takes what this one hears, in a valley without a link
    address      relays only: where other relays reach it; needed where one forwards to it
    radio        relays only: the serial line of its receiver; left blank, packets come by UDP alone

A tired crew wants every fault at once: each is a `Fault` with line, field and cure, and
`FaultySheet` holds them all.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hardware.crew_line import Fault, Member, Profile, Role, read_member
from hardware.errors import Misconfigured
from hardware.sheet import read_sheet

__all__ = ["Crew", "Fault", "FaultySheet", "Member", "Profile", "Role", "read_crew"]

COLUMNS = ("role", "name", "serial", "bib", "channel")
HOPS_MAX = 8


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
    members = [read_member(row, faults) for row in read_sheet(file, data, COLUMNS, surplus=True)]
    faults += _doubles(members)
    faults += _channel_conflicts(members)
    faults += _forwarding(members)
    if faults:
        raise FaultySheet(file, tuple(sorted(faults, key=lambda fault: fault.line)))
    if not members:
        raise Misconfigured(f"{file} has no device on it", "Write a line for each device.")
    return Crew(tuple(members))


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
        target = next((m for m in members if m.name == relay.forward_to), None)
        if relay.forward_to not in onward:
            what, cure = f"'{relay.forward_to[:40]}' is no relay here", "Name a relay of the sheet."
        elif following is not None:
            what, cure = "goes in a circle", "Let the chain end at a relay that is left blank."
        elif len(chain) - 1 > HOPS_MAX:
            what, cure = f"takes {len(chain) - 1} hops", f"Keep a chain within {HOPS_MAX}."
        elif target is None or target.address is None:
            what, cure = f"{relay.forward_to} has no address", "Fill in its address."
        else:
            continue
        yield Fault(relay.line, "forward_to", what, cure)
