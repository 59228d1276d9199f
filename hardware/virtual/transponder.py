"""A virtual transponder: one device's keys, its boot counter and sequence, its signed packets."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hardware import keys
from hardware.errors import Misconfigured
from hardware.packet import SUITE_CCM8, TICK_S, Fix, Header, encode_body, kid_of
from hardware.sealing import build_packet, packet_cipher
from hardware.signing import SigningKey
from hardware.virtual.readings import Readings

_BOOT_MAX = 0xFFFF


@dataclass(frozen=True)
class DeviceSecret:
    """A device's private keys: an Ed25519 seed and an X25519 scalar."""

    device: int
    generation: int
    sign: bytes
    box: bytes


class Event(Protocol):
    """What a transponder knows of its event; a `Roster` says it."""

    @property
    def event_id(self) -> bytes:
        """The external_aad of every signature."""

    @property
    def epoch_s(self) -> float:
        """Zero of the packets' times, seconds since 1970."""

    @property
    def event_box_public(self) -> bytes:
        """The event's X25519 public key."""


class Transponder:
    """One bike's transponder; it counts its packets and nothing else changes in it."""

    def __init__(
        self, secret: DeviceSecret, event: Event, boot: int, suite: int = SUITE_CCM8
    ) -> None:
        self.device = secret.device
        self.boot = boot
        self.seq = 0
        self._kid = kid_of(secret.device, secret.generation)
        self._suite = suite
        self._event = event
        self._key = SigningKey(secret.sign)
        self._cipher = None
        if suite == SUITE_CCM8:
            self._cipher = packet_cipher(
                secret.box, event.event_box_public, event.event_id, self._kid
            )

    def ticks(self, measured_at_s: float) -> int:
        """A time as packets count it, 10 ms steps since the event's epoch."""
        return round((measured_at_s - self._event.epoch_s) / TICK_S)

    def packet(self, fixes: Sequence[Fix]) -> tuple[bytes, int]:
        """The next packet, and how many of the leading `fixes` it holds."""
        body, n = encode_body(fixes)
        header = Header(self._suite, n, self.boot, self._kid, self.seq, fixes[0].t_cs)
        raw = build_packet(header, body, self._key, self._event.event_id, self._cipher)
        self.seq += 1
        return raw, n


def fix_at(readings: Readings, row: int, t_cs: int) -> Fix:
    """One row of readings as the fix a transponder sends."""

    def value(column: str) -> float | None:
        number = float(getattr(readings, column)[row])
        return None if math.isnan(number) else number

    return Fix(
        t_cs=t_cs,
        latitude_deg=value("latitude_deg"),
        longitude_deg=value("longitude_deg"),
        altitude_m=value("altitude_m"),
        speed_mps=value("speed_mps"),
        course_deg=value("course_deg"),
        power_w=value("power_w"),
        heart_rate_bpm=value("heart_rate_bpm"),
        cadence_rpm=value("cadence_rpm"),
        accuracy_m=value("accuracy_m"),
    )


def read_secrets(path: Path) -> dict[int, DeviceSecret]:
    """The private keys in an event's bikes/devices.json, by device.

    Raises:
        Misconfigured: the file is missing or no such list.
    """
    raw = keys.read_file(path, "transponder keys")
    try:
        secrets = [
            DeviceSecret(
                int(row["device"]),
                int(row["generation"]),
                bytes.fromhex(row["sign"]),
                bytes.fromhex(row["box"]),
            )
            for row in json.loads(raw)["devices"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise Misconfigured(
            f"{path} holds no transponder keys ({error})", "Make the event again."
        ) from error
    for secret in secrets:
        if not len(secret.sign) == len(secret.box) == keys.KEY_BYTES:
            raise Misconfigured(
                f"{path}: device {secret.device} has a key of another length",
                "Make the event again.",
            )
    return {secret.device: secret for secret in secrets}


def next_boot(path: Path) -> int:
    """Count one more start in the file at `path`, on disk before it is used.

    Raises:
        Misconfigured: the file holds no number, or 65,535 starts are used up.
    """
    try:
        last = int(path.read_text()) if path.exists() else 0
    except ValueError as error:
        raise Misconfigured(
            f"{path} holds no number", "Write the highest boot number ever used into it."
        ) from error
    if not 0 <= last < _BOOT_MAX:
        raise Misconfigured(f"{path}: boot {last} has no next", "Give the devices new keys.")
    keys.write_file(path, f"{last + 1}\n".encode())
    return last + 1
