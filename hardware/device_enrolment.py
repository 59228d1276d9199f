"""Enrolment of transponders: one key generation of one device comes into the roster. Pure.

There is no token: who makes the request sits at the laptop with the transponder on its cable. The
request is signed with the key that it names.
"""

from dataclasses import asdict, dataclass, replace

from hardware.enrolment_request import (
    EnrolmentRefused,
    Why,
    bytes_field,
    count_field,
    open_request,
    text_field,
)
from hardware.errors import Refused
from hardware.packet import DEVICE_MAX, kid_of
from hardware.roster import DeviceKey, Roster, check_box_public
from hardware.signing import SigningKey, sign_document

DEVICE_TYPE = "application/vnd.truck.enrol-device+json"
DEVICE_SCHEMA = "truck.enrol-device/1"


@dataclass(frozen=True)
class DeviceRequest:
    """What is asked for one key generation of a transponder."""

    event: str
    device: int
    generation: int
    serial: str
    sign_public: bytes
    box_public: bytes


def make_device_request(
    *, event: str, device: int, generation: int, serial: str, key: SigningKey, box_public: bytes
) -> bytes:
    """The signed request for a transponder that holds `key`."""
    request = DeviceRequest(event, device, generation, serial, key.public, box_public)
    fields = {k: v.hex() if isinstance(v, bytes) else v for k, v in asdict(request).items()}
    return sign_document(fields | {"schema": DEVICE_SCHEMA}, DEVICE_TYPE, key)


def open_device_request(envelope: bytes) -> DeviceRequest:
    """A transponder's request, its keys and its signature examined.

    Raises:
        EnrolmentRefused: MALFORMED, OVERSIZE, WEAK_KEY or NO_POSSESSION.
    """
    payload = open_request(envelope, DEVICE_TYPE, DEVICE_SCHEMA)
    try:
        request = DeviceRequest(
            event=text_field(payload, "event"),
            device=count_field(payload, "device", DEVICE_MAX),
            generation=count_field(payload, "generation", 255),
            serial=text_field(payload, "serial"),
            sign_public=bytes_field(payload, "sign_public", 32),
            box_public=bytes_field(payload, "box_public", 32),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EnrolmentRefused(Why.MALFORMED, str(error)) from error
    try:
        check_box_public(request.box_public)
    except Refused as refusal:
        raise EnrolmentRefused(Why.WEAK_KEY, str(refusal)) from refusal
    return request


def next_generation(roster: Roster, device: int) -> int:
    """The key generation a new key of `device` must carry: 1 for a device never seen."""
    return max((d.generation for d in roster.devices if d.device == device), default=0) + 1


def add_device(
    roster: Roster, request: DeviceRequest, *, bib: int | None, now_s: float, valid_s: float
) -> Roster:
    """The roster with a transponder's key in it; its older generations are revoked.

    Asked again with the same keys it changes nothing. With a bib, the device alone speaks for that
    rider from now on; a spare has none.

    Args:
        roster: the newest.
        request: as it opened.
        bib: the rider, or None.
        now_s: seconds since 1970; the key is valid from a day before, for bikes with a slow clock.
        valid_s: how long the key is valid.

    Raises:
        EnrolmentRefused: OTHER_EVENT, KEY_TAKEN, KEY_REVOKED or GENERATION.
    """
    if request.event != roster.event:
        raise EnrolmentRefused(Why.OTHER_EVENT, f"{request.event!r}, not {roster.event!r}")
    kid = kid_of(request.device, request.generation)
    held = next((d for d in roster.devices if d.kid == kid), None)
    same = held is not None and (held.sign_public, held.box_public) == (
        request.sign_public, request.box_public,
    )  # fmt: skip
    if held is not None and same and held.revoked:
        raise EnrolmentRefused(Why.KEY_REVOKED, f"device {request.device}")
    if not same:
        if any(d.sign_public == request.sign_public for d in roster.devices):
            raise EnrolmentRefused(Why.KEY_TAKEN, f"device {request.device}")
        if request.generation < next_generation(roster, request.device):
            raise EnrolmentRefused(
                Why.GENERATION, f"device {request.device}, generation {request.generation}"
            )
        older = (
            replace(d, revoked=d.revoked or d.device == request.device) for d in roster.devices
        )
        fresh = DeviceKey(
            request.device, request.generation, request.sign_public, request.box_public,
            now_s - 86400.0, now_s + valid_s,
        )  # fmt: skip
        roster = replace(roster, devices=(*older, fresh))
    if bib is not None and roster.bib_of(request.device, now_s) != bib:
        roster = roster.swapped(bib, request.device, now_s)
    return roster
