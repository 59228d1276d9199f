"""The event's authority: makes an event's keys, certificates and rosters, offline.

An event folder has one credentials folder a machine, and what only the authority keeps:

    authority.key, ca.key        never leave this machine; under a passphrase if one was given
    authority.pub, ca.crt        what everybody trusts
    rosters/NNNNNN.json          every version signed so far
    truck.pub                    for the cloud team, who prove the truck's manifests with it
    truck/                       truck.key event.key journal.key store.key + TLS + roster
    relays/<name>/               relay.key + TLS + roster, of relays that were made here; those that
                                 enrol at first boot keep their keys to themselves
    bikes/devices.json           private keys of virtual transponders (real ones make their own)
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hardware import clock, home, keys, passphrase
from hardware.ca import Ca, key_pem, new_tls_key
from hardware.errors import Damaged, Locked, Misconfigured, NotInitialised, Refused
from hardware.roster import (
    Binding,
    DeviceKey,
    RelayKey,
    Roster,
    check_roster,
    open_roster,
    sign_roster,
)
from hardware.signing import SigningKey

TRUCK_NAME = "truck"
VALID_S = 60 * 86400.0
_LOCK_WAIT_S = 10.0


@dataclass(frozen=True)
class Authority:
    """What signs rosters and certificates, opened."""

    key: SigningKey
    ca: Ca


def create_event(
    folder: Path,
    *,
    event: str,
    now_s: float,
    bibs: list[int],
    relays: list[str],
    truck_hosts: tuple[str, ...] = ("localhost", "127.0.0.1"),
    secret: str = "",
) -> Roster:
    """Make an event with virtual transponders, device k for the k-th bib, and write its folder.

    Without bibs and relays it holds the truck alone; the others enrol.

    A `secret` is the passphrase that seals authority.key and ca.key.

    Raises:
        Misconfigured: when the folder already holds an event, or cannot be written.
    """
    if (folder / "authority.key").exists():
        raise Misconfigured(f"{folder} already holds an event", "Choose an empty folder.")
    authority = SigningKey(keys.new_secret())
    truck, event_box = SigningKey(keys.new_secret()), keys.new_secret()
    relay_keys = {name: SigningKey(keys.new_secret()) for name in relays}
    devices = {k: (keys.new_secret(), keys.new_secret()) for k in range(1, len(bibs) + 1)}
    valid_from_s, valid_to_s = now_s - 86400.0, now_s + VALID_S
    roster = Roster(
        event=event,
        version=1,
        epoch_s=float(int(now_s) - int(now_s) % 86400 - 30 * 86400),
        event_box_public=keys.box_public(event_box),
        truck_sign_public=truck.public,
        devices=tuple(
            DeviceKey(k, 1, SigningKey(sign).public, keys.box_public(box), valid_from_s, valid_to_s)
            for k, (sign, box) in devices.items()
        ),
        bindings=tuple(Binding(k, bib, 0.0) for k, bib in enumerate(bibs, start=1)),
        relays=tuple(RelayKey(name, key.public) for name, key in relay_keys.items()),
    )
    check_roster(roster)
    signed = sign_roster(roster, authority)
    ca = Ca.new(now_s)
    keys.write_file(folder / "ca.key", _sealed(ca.key_pem(), secret))
    keys.write_file(folder / "ca.crt", ca.certificate_pem(), 0o644)
    machines = {TRUCK_NAME: folder / "truck"} | {r: folder / "relays" / r for r in relays}
    for name, machine in machines.items():
        tls = new_tls_key()
        hosts = truck_hosts if name == TRUCK_NAME else ()
        certificate = ca.issue(name, hosts, now_s, tls.public_key())
        keys.write_file(machine / "ca.crt", ca.certificate_pem(), 0o644)
        keys.write_file(machine / "tls.crt", certificate, 0o644)
        keys.write_file(machine / "tls.key", key_pem(tls))
        keys.write_key(machine / "authority.pub", authority.public)
        keys.write_file(machine / "roster.json", signed, 0o644)
    keys.write_key(folder / "truck" / "truck.key", truck.seed)
    keys.write_key(folder / "truck.pub", truck.public)  # whoever pulls proves the chain with it
    keys.write_key(folder / "truck" / "event.key", event_box)
    for name in ("journal", "store"):
        keys.write_key(folder / "truck" / f"{name}.key", keys.new_secret())
    for name, relay_key in relay_keys.items():
        keys.write_key(folder / "relays" / name / "relay.key", relay_key.seed)
    if devices:
        _write_bikes(folder / "bikes", devices, signed, authority.public)
    keys.write_file(roster_path(folder, 1), signed, 0o644)
    keys.write_key(folder / "authority.pub", authority.public)
    # last: it says the folder is whole
    keys.write_file(
        folder / "authority.key", _sealed(authority.seed.hex().encode() + b"\n", secret)
    )
    return roster


def _write_bikes(
    bikes: Path, devices: dict[int, tuple[bytes, bytes]], signed: bytes, public: bytes
) -> None:
    private = [
        {"device": k, "generation": 1, "sign": sign.hex(), "box": box.hex()}
        for k, (sign, box) in devices.items()
    ]
    keys.write_file(bikes / "devices.json", json.dumps({"devices": private}).encode())
    keys.write_file(bikes / "roster.json", signed, 0o644)
    keys.write_key(bikes / "authority.pub", public)


def open_authority(folder: Path) -> Authority:
    """The authority of an event; its passphrase, if it has one, is asked once.

    Raises:
        NotInitialised: there is no event in the folder.
        Misconfigured: the keys are kept elsewhere, or it is another passphrase.
        Damaged: the files are no keys.
    """
    check_event(folder)
    signing = keys.read_file(folder / "authority.key", "authority signing key")
    tls = keys.read_file(folder / "ca.key", "key of the event's CA")
    if passphrase.is_sealed(signing) or passphrase.is_sealed(tls):
        secret = passphrase.known()
        signing, tls = (
            passphrase.unseal(data, secret) if passphrase.is_sealed(data) else data
            for data in (signing, tls)
        )
    try:
        key = SigningKey(bytes.fromhex(signing.decode("ascii").strip()))
        ca = Ca.load(tls, keys.read_file(folder / "ca.crt", "certificate of the event's CA"))
    except ValueError as error:
        raise Damaged(f"the authority's keys in {folder} are damaged: {error}") from error
    if key.public != keys.read_key(folder / "authority.pub", "authority public key"):
        raise Damaged(f"authority.key and authority.pub in {folder} are no pair")
    return Authority(key, ca)


def check_event(folder: Path) -> None:
    """Whether a folder holds an event.

    Raises:
        NotInitialised: it does not.
    """
    if not (folder / "authority.pub").exists():
        raise NotInitialised(
            f"{folder} holds no event: there is no authority.pub",
            "Make one with `hardware event new`.",
        )


def roster_path(folder: Path, version: int) -> Path:
    """Where the event folder keeps one version of its roster."""
    return folder / "rosters" / f"{version:06d}.json"


def newest_roster(folder: Path) -> tuple[bytes, Roster]:
    """The newest version that was signed in this event folder, as signed and as it reads.

    Raises:
        NotInitialised: there is no event in the folder.
        Damaged: the file is not what the authority signed.
    """
    check_event(folder)
    paths = sorted((folder / "rosters").glob("[0-9]*.json"))
    if not paths:
        raise Damaged(f"{folder / 'rosters'} holds no roster; take one from a truck or a relay")
    signed = keys.read_file(paths[-1], "roster")
    try:
        public = keys.read_key(folder / "authority.pub", "authority public key")
        return signed, open_roster(signed, public)
    except Refused as refusal:
        raise Damaged(f"{paths[-1]} is not what this event's authority signed: {refusal}") from (
            refusal
        )


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Hold an event folder, so that two commands do not sign two rosters of one number.

    Raises:
        NotInitialised: there is no event in the folder.
        Locked: another command holds it for longer than 10 s.
    """
    check_event(folder)
    until_s = clock.monotonic_s() + _LOCK_WAIT_S
    while True:
        try:
            held = home.take_lock(folder / "lock", f"another command changes {folder}")
            break
        except Locked:
            if clock.monotonic_s() > until_s:
                raise
            clock.sleep_s(0.05)
    try:
        yield
    finally:
        home.release_lock(held)


def amend_roster(
    folder: Path, change: Callable[[Roster], Roster], authority: Authority | None = None
) -> Roster:
    """Sign the next version, which is `change` of the newest, and lay it out.

    Where `change` leaves everything as it is, no version is made. Who changes often opens the
    authority once and hands it in.

    Raises:
        TruckError: what `open_authority`, `newest_roster`, `changing` or `change` raise.
        Refused: VALUE, what `change` made cannot be used.
    """
    authority = authority or open_authority(folder)
    with changing(folder):
        signed, newest = newest_roster(folder)
        changed = change(newest)
        if changed != newest:
            return _publish(folder, changed, newest, authority)
        lay_out(folder, signed)  # who signed it may have been killed before he did
        return newest


def publish_roster(folder: Path, roster: Roster) -> Roster:
    """Sign the next version of `roster` and lay it into every credentials folder of the event."""
    return amend_roster(folder, lambda newest: replace(roster, version=newest.version))


def _publish(folder: Path, changed: Roster, newest: Roster, authority: Authority) -> Roster:
    following = replace(changed, version=newest.version + 1)
    check_roster(following)
    signed = sign_roster(following, authority.key)
    keys.write_file(roster_path(folder, following.version), signed, 0o644)  # from here on it counts
    lay_out(folder, signed)
    return following


def lay_out(folder: Path, signed: bytes) -> None:
    """Lay a roster into the credentials folders that the event folder still holds."""
    machines = (folder / "truck", folder / "bikes", *sorted(folder.glob("relays/*")))
    for path in (machine / "roster.json" for machine in machines):
        if path.exists() and keys.read_file(path, "roster") != signed:
            keys.write_file(path, signed, 0o644)


def _sealed(data: bytes, secret: str) -> bytes:
    return passphrase.seal(data, secret) if secret else data
