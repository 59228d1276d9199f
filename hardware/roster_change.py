"""What an authority changes in a roster: whom it revokes, and whose bike is whose. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from hardware.errors import Misconfigured
from hardware.roster import Roster


def revoke(
    roster: Roster, relays: Sequence[str], devices: Sequence[int], bibs: Sequence[int], now_s: float
) -> Roster:
    """The roster with relays and devices revoked; of a bib, the devices that speak for it now.

    Nothing brings a revoked key back: the node or transponder is flashed again and has another.

    Raises:
        Misconfigured: one that is not in the roster.
    """
    known = {relay.name for relay in roster.relays}
    numbers = {key.device for key in roster.devices}
    for name in relays:
        if name not in known:
            raise Misconfigured(
                f"relay {name!r} is not in roster version {roster.version}",
                f"It holds {', '.join(sorted(known)) or 'no relay'}.",
            )
    gone = set(devices)
    for bib in bibs:
        speaking = {number for number in numbers if roster.bib_of(number, now_s) == bib}
        if not speaking:
            raise Misconfigured(
                f"no device speaks for bib {bib} now", "Name the device: `hardware roster show`."
            )
        gone |= speaking
    for number in sorted(gone - numbers):
        raise Misconfigured(
            f"device {number} is not in roster version {roster.version}",
            "List them with `hardware roster show`.",
        )
    return replace(
        roster,
        relays=tuple(replace(r, revoked=r.revoked or r.name in relays) for r in roster.relays),
        devices=tuple(replace(d, revoked=d.revoked or d.device in gone) for d in roster.devices),
    )


def bind(roster: Roster, bib: int, device: int, from_s: float) -> Roster:
    """The roster in which `device` alone speaks for `bib` from `from_s` on.

    Raises:
        Misconfigured: a device that is not in the roster, or revoked in all its generations.
    """
    held = [key for key in roster.devices if key.device == device]
    if not held or all(key.revoked for key in held):
        what = "revoked" if held else f"not in roster version {roster.version}"
        raise Misconfigured(f"device {device} is {what}", "Flash it again, then bind it.")
    if roster.bib_of(device, from_s) == bib:
        return roster
    return roster.swapped(bib, device, from_s)
