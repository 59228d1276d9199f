"""What changed between two versions of a roster, in sentences; pure."""

import datetime as dt
from collections.abc import Iterator

from hardware.roster import Binding, DeviceKey, RelayKey, Roster


def changes(old: Roster, new: Roster) -> list[str]:
    """One sentence a change, relays first, then devices, riders and what concerns everybody."""
    return [*_relays(old, new), *_devices(old, new), *_bindings(old, new), *_event(old, new)]


def _relays(old: Roster, new: Roster) -> Iterator[str]:
    before: dict[str, RelayKey] = {relay.name: relay for relay in old.relays}
    after: dict[str, RelayKey] = {relay.name: relay for relay in new.relays}
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was is None:
            yield f"relay {name} is new"
        elif now is None:
            yield f"relay {name} is gone"
        else:
            if was.sign_public != now.sign_public:
                yield f"relay {name} has another key"
            yield from _revoked(f"relay {name}", was.revoked, now.revoked)


def _devices(old: Roster, new: Roster) -> Iterator[str]:
    before: dict[int, DeviceKey] = {key.kid: key for key in old.devices}
    after: dict[int, DeviceKey] = {key.kid: key for key in new.devices}
    for kid in sorted(before.keys() | after.keys()):
        was, now = before.get(kid), after.get(kid)
        what = f"device {kid >> 8}, key generation {kid & 0xFF}"
        if was is None:
            yield f"{what}, is new"
        elif now is None:
            yield f"{what}, is gone"
        else:
            if (was.sign_public, was.box_public) != (now.sign_public, now.box_public):
                yield f"{what}, has other keys under the same number"
            if (was.valid_from_s, was.valid_to_s) != (now.valid_from_s, now.valid_to_s):
                until = _when(now.valid_to_s)
                yield f"{what}, is valid from {_when(now.valid_from_s)} to {until}"
            yield from _revoked(f"{what},", was.revoked, now.revoked)


def _revoked(what: str, was: bool, now: bool) -> Iterator[str]:
    if now and not was:
        yield f"{what} is revoked"
    if was and not now:
        yield f"{what} is no longer revoked"


def _bindings(old: Roster, new: Roster) -> Iterator[str]:
    def told(rows: set[Binding]) -> list[Binding]:
        return sorted(rows, key=lambda row: (row.from_s, row.bib, row.device))

    before, after = set(old.bindings), set(new.bindings)
    for row in told(after - before):
        if row.bib:
            yield f"{_from(row.from_s)}device {row.device} speaks for bib {row.bib}"
        else:
            yield f"{_from(row.from_s)}device {row.device} speaks for nobody"
    for row in told(before - after):
        said = f"bib {row.bib}" if row.bib else "nobody"
        yield f"no longer said: {_from(row.from_s)}device {row.device} speaks for {said}"


def _event(old: Roster, new: Roster) -> Iterator[str]:
    if old.event != new.event:
        yield f"the event is {new.event!r}, not {old.event!r}: these are two races"
    if old.epoch_s != new.epoch_s:
        yield f"times of packets count from {_when(new.epoch_s)}"
    if old.truck_sign_public != new.truck_sign_public:
        yield "the truck signs with another key: every relay believes only that one"
    if old.event_box_public != new.event_box_public:
        yield "packets are sealed for another event key: every transponder has to be flashed again"


def _from(from_s: float) -> str:
    return f"from {_when(from_s)} on " if from_s else ""


def _when(at_s: float) -> str:
    return dt.datetime.fromtimestamp(at_s, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
