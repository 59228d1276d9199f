"""What hardware alone can say of one packet, in the truck's order: the columns, or Refused."""

from dataclasses import dataclass

from hardware import packet, sealing, signing
from hardware.errors import Reason, Refused
from hardware.roster import DeviceKey, Roster

FUTURE_S = 2.0
OLDEST_S = 48 * 3600.0


@dataclass(frozen=True)
class Judge:
    """A roster, the event's private X25519 key and the time it is."""

    roster: Roster
    event_box: bytes
    now_s: float

    def open(self, raw: bytes) -> packet.Fixes:
        """The fixes of a packet that passes every check.

        Raises:
            Refused: for the first check that fails.
        """
        header = packet.read_header(raw)
        key = self.roster.device_key(header.kid)
        self._check_time(header, key)
        cipher = sealing.packet_cipher(
            self.event_box, key.box_public, self.roster.event_id, header.kid
        )
        opened = sealing.open_body(raw, cipher)
        if not signing.is_signed(raw[:-64], raw[-64:], key.sign_public, self.roster.event_id):
            raise Refused(Reason.SIGNATURE)
        fixes = packet.decode_fixes([opened])
        if packet.bad_values(fixes).any():
            raise Refused(Reason.VALUE)
        if (self.roster.epoch_s + fixes.t_cs * packet.TICK_S > self.now_s + FUTURE_S).any():
            raise Refused(Reason.FUTURE)
        return fixes

    def _check_time(self, header: packet.Header, key: DeviceKey) -> None:
        measured_s = self.roster.epoch_s + header.t0 * packet.TICK_S
        for wrong, reason in (
            (measured_s < key.valid_from_s, Reason.NOT_YET_VALID),
            (measured_s > key.valid_to_s, Reason.EXPIRED),
            (measured_s > self.now_s + FUTURE_S, Reason.FUTURE),
            (measured_s < self.now_s - OLDEST_S, Reason.TOO_OLD),
        ):
            if wrong:
                raise Refused(reason)
