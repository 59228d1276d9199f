"""One line of the crew's sheet: a device, and everything that is wrong with its cells."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hardware import topics
from hardware.sheet import Row

CHANNEL_MAX = 255
BIB_MAX = 9999
_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_DEVICE_FILE = re.compile(r"/dev/[A-Za-z0-9/._-]{1,100}")
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
        profile, forward_to, address, radio: of relays.
    """

    line: int
    role: Role
    name: str
    serial: str
    bib: int | None = None
    channel: int | None = None
    profile: Profile = Profile.MOTO
    forward_to: str | None = None
    address: str | None = None
    radio: str | None = None


@dataclass(frozen=True)
class Fault:
    """One complaint: where, what, and the cure."""

    line: int
    field: str
    what: str
    cure: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.field}: {self.what}. {self.cure}"


def read_member(row: Row, faults: list[Fault]) -> Member:
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
        forward_to=_relays_own(row, role, "forward_to", fault),
        address=_address(row, role, fault),
        radio=_radio(row, role, fault),
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
    text = (_relays_own(row, role, "profile", fault) or "moto").lower()
    found = next((p for p in Profile if p == text), None)
    if found is None:
        fault("profile", f"'{text[:40]}' is unknown", "Write moto, helicopter or fixed.")
    return found or Profile.MOTO


def _relays_own(row: Row, role: Role | None, field: str, fault: _Complain) -> str | None:
    text = row.text(field)
    if text is not None and role not in (Role.RELAY, None):
        fault(field, f"'{text[:40]}' on a {role}", "Leave it blank; only a relay has one.")
        return None
    return text


def _address(row: Row, role: Role | None, fault: _Complain) -> str | None:
    text = _relays_own(row, role, "address", fault)
    if text is not None and not _HOST.fullmatch(text):
        fault("address", f"'{text[:40]}' is no host", "Write its name or IPv4 address, no port.")
    return text


def _radio(row: Row, role: Role | None, fault: _Complain) -> str | None:
    text = _relays_own(row, role, "radio", fault)
    if text is not None and not _DEVICE_FILE.fullmatch(text):
        fault("radio", f"'{text[:40]}' is no serial line", "Write it like /dev/ttyUSB0.")
        return None
    return text
