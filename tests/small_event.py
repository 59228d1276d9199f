"""A small event and its packets, for tests of the truck."""

import dataclasses
import functools
import json
import time
from dataclasses import dataclass
from pathlib import Path

from hardware import packet
from hardware.authority import create_event
from hardware.bundle import Bundle, encode_bundle
from hardware.keys import Credentials, read_key
from hardware.packet import Fix, Header, kid_of
from hardware.roster import Roster, sign_roster
from hardware.sealing import build_packet, packet_cipher
from hardware.signing import SigningKey
from hardware.topics import live
from truck.pipeline import Message, Pipeline

NOW_S = float(int(time.time()))  # certificates are checked against the real clock


@dataclass
class Event:
    """One event with three riders and two relays."""

    folder: Path
    roster: Roster
    number: int = 0

    @property
    def truck(self) -> Credentials:
        return Credentials(self.folder / "truck")

    def pipeline(self, workers: int = 2) -> Pipeline:
        return Pipeline(self.roster, self.truck.secret("event"), workers)

    def packet(
        self,
        device: int = 1,
        seq: int = 0,
        *,
        boot: int = 1,
        at_s: float = NOW_S,
        suite: int = packet.SUITE_CCM8,
        generation: int = 1,
        event: str | None = None,
        body: bytes | None = None,
        **fix: float,
    ) -> bytes:
        """A signed packet of one reading."""
        secret = _secrets(self.folder / "bikes" / "devices.json")[device]
        kid = kid_of(device, generation)
        event_id = (event or self.roster.event).encode()
        cipher = packet_cipher(
            bytes.fromhex(secret["box"]), self.roster.event_box_public, event_id, kid
        )
        t_cs = round((at_s - self.roster.epoch_s) * 100)
        values = {"latitude_deg": 45.0, "longitude_deg": 6.0, "altitude_m": 900.0} | fix
        encoded, _ = packet.encode_body([Fix(t_cs, **values)])  # type: ignore[arg-type]
        header = Header(suite, 1, boot, kid, seq, t_cs)
        return build_packet(
            header, body or encoded, SigningKey(bytes.fromhex(secret["sign"])), event_id, cipher
        )

    def message(self, *packets: bytes, relay: str = "moto-1", number: int | None = None) -> Message:
        """A relay's bundle as it arrives."""
        self.number += 1
        key = Credentials(self.folder / "relays" / relay).signing_key("relay")
        heard_at_us = round(NOW_S * 1e6)
        bundle = Bundle(
            relay, 1, self.number if number is None else number, packets,
            (heard_at_us,) * len(packets), (-70,) * len(packets),
        )  # fmt: skip
        payload = encode_bundle(bundle, key, self.roster.event_id)
        return Message(live(relay), payload, heard_at_us + 1000)

    def revoking(self, device: int) -> Roster:
        """The roster with one device revoked."""
        devices = tuple(
            dataclasses.replace(d, revoked=d.device == device) for d in self.roster.devices
        )
        return dataclasses.replace(self.roster, devices=devices, version=2)

    def signed(self, roster: Roster) -> bytes:
        """A roster, signed by this event's authority."""
        authority = read_key(self.folder / "authority.key", "authority key")
        return sign_roster(roster, SigningKey(authority))


@functools.cache
def _secrets(path: Path) -> dict[int, dict[str, str]]:
    return {d["device"]: d for d in json.loads(path.read_text())["devices"]}


def make_event(folder: Path) -> Event:
    roster = create_event(
        folder, event="test-event", now_s=NOW_S, bibs=[11, 12, 13], relays=["moto-1", "heli"]
    )
    return Event(folder, roster)
