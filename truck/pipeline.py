"""The pipeline: from MQTT messages to one judged tick, as a readable list of steps.

    bundle: topic, relay key, signature, shape, size        -> its packets, or refused as a whole
    packet: shape, version, length                          read_header
            kid, generation, revoked, validity              _find_key
            time: not in the future, not too old            _check_time
            replay window, read only                        look
            AES-CCM, then Ed25519, in a pool of threads     _open_and_verify, beside the steps above
            values                                          packet.bad_values
    then `commit`: the window learns, once the journal holds the tick

Every packet ends as accepted, as a further hearing, or as refused with a reason and a key.
"""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from hardware import packet, topics
from hardware.bundle import Bundle, decode_bundle, digest_of
from hardware.errors import Reason, Refused
from hardware.forward import decode_forward
from hardware.packet import SIGNATURE_BYTES, TICK_S, Header
from hardware.roster import DeviceKey, Roster
from hardware.sealing import open_body, packet_cipher
from hardware.signing import is_signed
from truck.evidence import EvidenceBudget
from truck.replay_window import ReplayWindow, Seen
from truck.tick import Again, BundleSeen, Heard, Tick

FUTURE_S = 2.0
LIVE_AGE_S_MAX = 30 * 60.0
BACKFILL_AGE_S_MAX = 48 * 3600.0
_CHUNK_PACKETS = 32
_REFUSED_KEYS_MAX = 256  # invented key ids must not grow the tables


class Message(NamedTuple):
    """One MQTT message as it arrived."""

    topic: str
    payload: bytes
    received_at_us: int


class _Key(NamedTuple):
    device: DeviceKey
    cipher: AESCCM | None


@dataclass(slots=True)
class _Candidate:
    """A packet on its way through the steps."""

    raw: bytes
    header: Header
    key: _Key
    heard: Heard
    digest: int
    opened: bytes | None = None
    reason: Reason | None = None


class Pipeline:
    """Judges messages against a roster and what was seen before.

    `accept` changes nothing but the budgets of this minute; `commit` makes the tick count.
    """

    def __init__(self, roster: Roster, event_secret: bytes, workers: int | None = None) -> None:
        self.packets_seen = ReplayWindow()
        self.bundles_seen = ReplayWindow()
        self._event_secret = event_secret
        self._evidence = EvidenceBudget()
        self._workers = max(1, workers or min(4, os.cpu_count() or 1))
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="verify")
        self.use_roster(roster)

    def use_roster(self, roster: Roster) -> None:
        """Judge by this roster from now on."""
        self.roster = roster
        self._keys: dict[int, _Key] = {}

    def close(self) -> None:
        """End the pool."""
        self._pool.shutdown()

    def accept(self, messages: Sequence[Message], now_us: int) -> Tick:
        """Judge messages at `now_us`; `commit` the tick once it is durable."""
        tick = Tick(at_us=now_us)
        for budget in (self._evidence, self.packets_seen, self.bundles_seen):
            budget.turn(now_us)
        candidates: list[_Candidate] = []
        first: dict[bytes, _Candidate] = {}
        verifying: list[Future[None]] = []
        bundles: dict[tuple[str, int, int], set[int]] = {}
        for message in messages:
            known = len(candidates)
            bundle = self._open_bundle(message, tick, bundles)
            if bundle is not None:
                for i, raw in enumerate(bundle.packets):
                    heard = Heard(
                        bundle.relay, bundle.heard_at_us[i], message.received_at_us,
                        bundle.rssi_dbm[i], bundle.boot, bundle.number,
                    )  # fmt: skip
                    self._examine(raw, heard, now_us, tick, candidates)
                verifying += self._open_and_verify(candidates[known:], first)
        for part in verifying:
            part.result()
        for candidate in candidates:  # copies share the verdict
            judged = first[candidate.raw]
            candidate.opened, candidate.reason = judged.opened, judged.reason
        self._judge_values(candidates, now_us)
        self._settle(candidates, now_us, tick)
        return tick

    def commit(self, tick: Tick) -> None:
        """Let the windows learn a tick that the journal holds."""
        for raw in tick.packets:
            header = packet.read_header(raw)
            self.packets_seen.commit(header.device, header.boot, header.seq, digest_of(raw))
        for relay, boot, number, digest in tick.bundles:
            self.bundles_seen.commit(digest_of(relay.encode()), boot, number, digest)

    def _open_bundle(
        self, message: Message, tick: Tick, fresh: dict[tuple[str, int, int], set[int]]
    ) -> Bundle | None:
        """The bundle of a message, or None where it is refused or known already.

        Other bytes under a number that is taken are a bundle of their own: one of the two came
        from somebody who holds the relay's key, and the true one must not be lost with it.
        """
        relay = "-"
        try:
            relay, _ = topics.relay_of(message.topic)
            public = self.roster.relay_key(relay).sign_public
            payload = message.payload
            if topics.is_forwarded(message.topic):
                frame = decode_forward(payload, relay, public, self.roster.event_id)
                tick.ways[frame.origin] = relay
                relay, payload = frame.origin, frame.message
                public = self.roster.relay_key(relay).sign_public
            bundle = decode_bundle(payload, relay, public, self.roster.event_id)
        except Refused as refusal:
            self._refuse(tick, refusal.reason, f"relay:{relay}", relay, message)
            return None
        came = BundleSeen(relay, bundle.boot, bundle.number, digest_of(payload))
        place = (digest_of(relay.encode()), bundle.boot, bundle.number)
        seen, beside = self.bundles_seen.look(*place, came.digest), fresh.get(came[:3], set())
        if seen is Seen.SAME or came.digest in beside:
            tick.resent.append(came)
            return None
        forked = seen is Seen.OTHER or bool(beside)
        if not self.bundles_seen.admits(*place, other=came.digest if forked else 0):
            self._refuse(tick, Reason.RATE, f"relay:{relay}", relay, message)
            return None
        fresh[came[:3]] = beside | {came.digest}
        tick.bundles.append(came)
        if forked:
            tick.forked.append(came)
        return bundle

    def _examine(
        self, raw: bytes, heard: Heard, now_us: int, tick: Tick, candidates: list[_Candidate]
    ) -> None:
        """The cheap steps, in order, up to the replay window."""
        name = "-"
        try:
            header = packet.read_header(raw)
            name = f"kid:{header.kid:08x}"
            key = self._find_key(header)
            self._check_time(header, key.device, now_us)
        except Refused as refusal:
            self._refuse_packet(tick, refusal.reason, name, raw, heard)
            return
        digest = digest_of(raw)
        seen = self.packets_seen.look(header.device, header.boot, header.seq, digest)
        if seen is Seen.SAME:
            tick.again.append(Again(header.device, header.boot, header.seq, heard))
        elif seen is Seen.OTHER:
            self._refuse_packet(tick, Reason.REPLAY, name, raw, heard)
        else:
            candidates.append(_Candidate(raw, header, key, heard, digest))

    def _find_key(self, header: Header) -> _Key:
        key = self._keys.get(header.kid)
        if key is None:
            device = self.roster.device_key(header.kid)
            cipher = packet_cipher(
                self._event_secret, device.box_public, self.roster.event_id, header.kid
            )
            key = self._keys[header.kid] = _Key(device, cipher)
        return key

    def _check_time(self, header: Header, device: DeviceKey, now_us: int) -> None:
        measured_s = self.roster.epoch_s + header.t0 * TICK_S
        if measured_s < device.valid_from_s:
            raise Refused(Reason.NOT_YET_VALID)
        if measured_s > device.valid_to_s:
            raise Refused(Reason.EXPIRED)
        if measured_s > now_us / 1e6 + FUTURE_S:
            raise Refused(Reason.FUTURE)
        if measured_s < now_us / 1e6 - BACKFILL_AGE_S_MAX:
            raise Refused(Reason.TOO_OLD)

    def _open_and_verify(
        self, candidates: list[_Candidate], first: dict[bytes, _Candidate]
    ) -> list[Future[None]]:
        """Begin CCM and signature of what `first` has not seen, while the next bundle is opened."""
        event = self.roster.event_id
        fresh = [c for c in candidates if first.setdefault(c.raw, c) is c]
        if self._workers == 1:
            verify_chunk(fresh, event)
            return []
        return [
            self._pool.submit(verify_chunk, fresh[at : at + _CHUNK_PACKETS], event)
            for at in range(0, len(fresh), _CHUNK_PACKETS)
        ]

    def _judge_values(self, candidates: list[_Candidate], now_us: int) -> None:
        """The step that works in columns: values no device can send, fixes in the future."""
        good = [c for c in candidates if c.opened is not None]
        if not good:
            return
        fixes = packet.decode_fixes([c.opened for c in good if c.opened is not None])
        latest_cs = (now_us / 1e6 + FUTURE_S - self.roster.epoch_s) / TICK_S
        for rows, reason in (
            (packet.bad_values(fixes), Reason.VALUE),
            (fixes.t_cs > latest_cs, Reason.FUTURE),
        ):
            for index in np.unique(fixes.packet[rows]).tolist():
                good[index].opened, good[index].reason = None, reason

    def _settle(self, candidates: list[_Candidate], now_us: int, tick: Tick) -> None:
        """Accepted, heard again, or refused; of two packets under one number the first counts."""
        taken: dict[tuple[int, int, int], int] = {}
        for c in candidates:
            name = f"kid:{c.header.kid:08x}"
            identity = (c.header.device, c.header.boot, c.header.seq)
            if c.reason is not None or c.opened is None:
                self._refuse_packet(tick, c.reason or Reason.SIGNATURE, name, c.raw, c.heard)
            elif identity not in taken and not self.packets_seen.admits(*identity):
                self._refuse_packet(tick, Reason.RATE, name, c.raw, c.heard)
            elif identity not in taken:
                taken[identity] = c.digest
                measured_s = self.roster.epoch_s + c.header.t0 * TICK_S
                tick.packets.append(c.raw)
                tick.heard.append(c.heard)
                tick.opened.append(c.opened)
                tick.live.append(measured_s >= now_us / 1e6 - LIVE_AGE_S_MAX)
            elif taken[identity] == c.digest:
                tick.again.append(Again(*identity, c.heard))
            else:
                self._refuse_packet(tick, Reason.REPLAY, name, c.raw, c.heard)

    def _refuse_packet(
        self, tick: Tick, reason: Reason, key: str, raw: bytes, heard: Heard
    ) -> None:
        self._refuse(tick, reason, key, heard.relay, Message("", raw, heard.received_at_us))

    def _refuse(self, tick: Tick, reason: Reason, key: str, relay: str, message: Message) -> None:
        crowded = len(tick.refused) >= _REFUSED_KEYS_MAX and (reason, key) not in tick.refused
        tick.refused[reason, "others" if crowded else key] += 1
        kept = self._evidence.take(reason, key, relay, message.received_at_us, message.payload)
        if kept is not None:
            tick.evidence.append(kept)


def verify_chunk(chunk: Sequence[_Candidate], event: bytes) -> None:
    """Open and check some packets; each gets `opened` or `reason`. Both libraries free the GIL."""
    for candidate in chunk:
        raw = candidate.raw
        try:
            opened = open_body(raw, candidate.key.cipher)
        except Refused as refusal:
            candidate.reason = refusal.reason
            continue
        public = candidate.key.device.sign_public
        if is_signed(raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:], public, event):
            candidate.opened = opened
        else:
            candidate.reason = Reason.SIGNATURE
