"""The roster: who may speak in this event, signed offline by the event's authority.

A DSSE document, type `application/vnd.truck.roster+json`, versioned: devices (kid, keys,
validity), riders bound to devices from a time on, relays, and the truck. A revocation is a higher
version; a bike swap on the road is an operator's ruling over it (`swapped`).
"""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import nacl.bindings
import numpy as np
import numpy.typing as npt

from hardware import topics
from hardware.errors import Misconfigured, Reason, Refused
from hardware.packet import DEVICE_MAX, kid_of
from hardware.signing import SigningKey, open_document, sign_document

PAYLOAD_TYPE = "application/vnd.truck.roster+json"
SCHEMA = "truck.roster/1"
_ANY_SCALAR = bytes([1] * 32)


@dataclass(frozen=True)
class DeviceKey:
    """One key generation of one transponder; times are seconds since 1970."""

    device: int
    generation: int
    sign_public: bytes
    box_public: bytes
    valid_from_s: float
    valid_to_s: float
    revoked: bool = False

    @property
    def kid(self) -> int:
        """The key id packets carry."""
        return kid_of(self.device, self.generation)


@dataclass(frozen=True)
class Binding:
    """From `from_s` on, what `device` says is said of rider `bib`."""

    device: int
    bib: int
    from_s: float


@dataclass(frozen=True)
class RelayKey:
    """A relay's name (its certificate's CN) and public key."""

    name: str
    sign_public: bytes
    revoked: bool = False


class _Bound:
    """All bindings in one sorted column: device, then how many different times had come."""

    def __init__(self, bindings: tuple[Binding, ...]) -> None:
        rows = sorted(bindings, key=lambda b: (b.device, b.from_s))
        self._times_s = np.unique(np.array([b.from_s for b in rows], np.float64))
        self._device = np.array([b.device for b in rows], np.int32)
        self._bib = np.array([b.bib for b in rows], np.int32)
        self._key = self._key_of(self._device, np.array([b.from_s for b in rows], np.float64))

    def bibs_of(
        self, device: npt.NDArray[np.integer[Any]], at_s: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.int32]:
        found = np.searchsorted(self._key, self._key_of(device, at_s), "right") - 1
        if not len(self._key):
            return np.zeros(len(device), np.int32)
        return np.where((found >= 0) & (self._device[found] == device), self._bib[found], 0)

    def _key_of(
        self, device: npt.NDArray[np.integer[Any]], at_s: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.int64]:
        come = np.searchsorted(self._times_s, at_s, "right")
        return device.astype(np.int64) * (len(self._times_s) + 1) + come


@dataclass(frozen=True)
class Roster:
    """One version of the roster."""

    event: str
    version: int
    epoch_s: float
    event_box_public: bytes
    truck_sign_public: bytes
    devices: tuple[DeviceKey, ...]
    bindings: tuple[Binding, ...]
    relays: tuple[RelayKey, ...]
    _by_kid: dict[int, DeviceKey] = field(init=False, repr=False, compare=False)
    _bound: "_Bound" = field(init=False, repr=False, compare=False)
    _generations: frozenset[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_kid", {d.kid: d for d in self.devices})
        object.__setattr__(self, "_bound", _Bound(self.bindings))
        object.__setattr__(self, "_generations", frozenset(d.device for d in self.devices))

    @property
    def event_id(self) -> bytes:
        """The external_aad of every signature in this event."""
        return self.event.encode()

    def device_key(self, kid: int) -> DeviceKey:
        """The key a packet names.

        Raises:
            Refused: UNKNOWN_KEY, GENERATION (known device, other key) or REVOKED.
        """
        key = self._by_kid.get(kid)
        if key is None:
            known = kid >> 8 in self._generations
            raise Refused(Reason.GENERATION if known else Reason.UNKNOWN_KEY, f"kid {kid:#x}")
        if key.revoked:
            raise Refused(Reason.REVOKED, f"kid {kid:#x}")
        return key

    def relay_key(self, name: str) -> RelayKey:
        """The key of a relay.

        Raises:
            Refused: UNKNOWN_KEY or REVOKED.
        """
        for relay in self.relays:
            if relay.name == name:
                if relay.revoked:
                    raise Refused(Reason.REVOKED, f"relay {name}")
                return relay
        raise Refused(Reason.UNKNOWN_KEY, f"relay {name[:64]!r}")

    def bib_of(self, device: int, at_s: float) -> int:
        """The rider `device` speaks for at `at_s`, or 0 where it is bound to nobody."""
        return int(self.bibs_of(np.array([device]), np.array([at_s]))[0])

    def bibs_of(
        self, device: npt.NDArray[np.integer[Any]], at_s: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.int32]:
        """`bib_of` in columns."""
        return self._bound.bibs_of(device, at_s)

    def swapped(self, bib: int, device: int, at_s: float) -> "Roster":
        """This roster with a bike swap: from `at_s` on `device` alone speaks for `bib`."""
        others = np.array(sorted({b.device for b in self.bindings} - {device}), np.int32)
        silenced = others[self.bibs_of(others, np.full(len(others), at_s)) == bib].tolist()
        unbound = (Binding(other, 0, at_s) for other in silenced)
        return replace(self, bindings=(*self.bindings, *unbound, Binding(device, bib, at_s)))


def _encode(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def sign_roster(roster: Roster, authority: SigningKey) -> bytes:
    """The roster as a signed document."""
    return sign_document(roster_payload(roster), PAYLOAD_TYPE, authority)


def roster_payload(roster: Roster) -> dict[str, Any]:
    """What is signed of a roster, as plain values."""

    def rows(items: tuple[Any, ...]) -> list[dict[str, Any]]:
        return [{k: _encode(v) for k, v in asdict(item).items()} for item in items]

    return {
        "schema": SCHEMA,
        "event": roster.event,
        "version": roster.version,
        "epoch_s": roster.epoch_s,
        "event_box_public": roster.event_box_public.hex(),
        "truck_sign_public": roster.truck_sign_public.hex(),
        "devices": rows(roster.devices),
        "bindings": rows(roster.bindings),
        "relays": rows(roster.relays),
    }


def open_roster(envelope: bytes, authority_public: bytes) -> Roster:
    """The roster in a signed document.

    Raises:
        Refused: MALFORMED, VERSION, VALUE (a key no signature can be trusted under) or SIGNATURE.
    """
    payload, _ = open_document(envelope, PAYLOAD_TYPE, authority_public)
    return roster_of(payload)


def roster_of(payload: dict[str, Any]) -> Roster:
    """The roster in plain values, fit to be used.

    Raises:
        Refused: MALFORMED, VERSION or VALUE.
    """
    if payload.get("schema") != SCHEMA:
        raise Refused(Reason.VERSION, f"roster schema {payload.get('schema')!r}")
    try:
        roster = Roster(
            event=str(payload["event"]),
            version=int(payload["version"]),
            epoch_s=float(payload["epoch_s"]),
            event_box_public=_key(payload["event_box_public"]),
            truck_sign_public=_key(payload["truck_sign_public"]),
            devices=tuple(_device(row) for row in payload["devices"]),
            bindings=tuple(
                Binding(int(row["device"]), int(row["bib"]), float(row["from_s"]))
                for row in payload["bindings"]
            ),
            relays=tuple(
                RelayKey(str(r["name"]), _key(r["sign_public"]), bool(r["revoked"]))
                for r in payload["relays"]
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Refused(Reason.MALFORMED, f"roster field {error}") from error
    check_roster(roster)
    return roster


def _key(text: str) -> bytes:
    raw = bytes.fromhex(text)
    if len(raw) != 32:
        raise ValueError("key of another length")
    return raw


def _device(row: dict[str, Any]) -> DeviceKey:
    return DeviceKey(
        int(row["device"]), int(row["generation"]), _key(row["sign_public"]),
        _key(row["box_public"]), float(row["valid_from_s"]), float(row["valid_to_s"]),
        bool(row["revoked"]),
    )  # fmt: skip


def check_roster(roster: Roster) -> None:
    """What a signature cannot say: that the keys and names inside can be used at all.

    Small-order points would let anybody's signature pass, or make a secret everybody knows;
    libsodium knows them.

    Raises:
        Refused: VALUE.
    """
    publics = [d.sign_public for d in roster.devices] + [r.sign_public for r in roster.relays]
    for public in (roster.truck_sign_public, *publics):
        check_sign_public(public)
    for public in (roster.event_box_public, *(d.box_public for d in roster.devices)):
        check_box_public(public)
    if not math.isfinite(roster.epoch_s):
        raise Refused(Reason.VALUE, f"epoch {roster.epoch_s}")
    for relay in roster.relays:
        if not topics.is_name(relay.name):
            raise Refused(Reason.VALUE, f"relay name {relay.name[:64]!r}")
    for device in roster.devices:
        if not (0 <= device.device <= DEVICE_MAX and 0 <= device.generation <= 255):
            raise Refused(Reason.VALUE, f"device {device.device} generation {device.generation}")
    if len({d.kid for d in roster.devices}) != len(roster.devices):
        raise Refused(Reason.VALUE, "a kid twice")
    if len({r.name for r in roster.relays}) != len(roster.relays):
        raise Refused(Reason.VALUE, "a relay twice")


def check_sign_public(public: bytes) -> None:
    """Whether an Ed25519 public key can be trusted at all: a point, and none of small order.

    Raises:
        Refused: VALUE.
    """
    if not nacl.bindings.crypto_core_ed25519_is_valid_point(public):
        raise Refused(Reason.VALUE, f"public key {public.hex()[:16]}")


def check_box_public(public: bytes) -> None:
    """Whether an X25519 public key makes a secret that not everybody knows.

    Raises:
        Refused: VALUE.
    """
    try:
        nacl.bindings.crypto_scalarmult(_ANY_SCALAR, public)
    except RuntimeError as error:
        raise Refused(Reason.VALUE, f"X25519 key {public.hex()[:16]}") from error


def check_newer(current: Roster, offered: Roster) -> None:
    """Whether `offered` may replace `current`.

    Raises:
        Misconfigured: another event, an older version, or another roster of the same version.
    """
    if offered.event != current.event:
        raise Misconfigured(
            f"this roster is for event {offered.event!r}, not {current.event!r}",
            "Fetch the roster of this event.",
        )
    if offered.version < current.version:
        raise Misconfigured(
            f"roster version {offered.version} is older than {current.version}",
            "Fetch the newest roster from the authority.",
        )
    if offered.version == current.version and offered != current:
        raise Misconfigured(
            f"there are two rosters of version {offered.version}, and this is the other one",
            "Sign the next version from one event folder, and from that one only.",
        )
