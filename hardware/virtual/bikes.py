"""The bikes of a race as one process: readings to signed packets, through the air, as UDP.

Each bike measures in its own slot of the second and sends at once. A loop that wakes up late
sends what is due with the times it was measured at; after more than a second's sleep it leaves
out what it slept through, as a bike that was off would, and counts it.
"""

import heapq
import json
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hardware import clock, keys
from hardware.clock import Clock
from hardware.errors import Misconfigured
from hardware.packet import SUITE_CCM8
from hardware.roster import Roster
from hardware.virtual.radio import Delivery, Radio
from hardware.virtual.readings import Readings
from hardware.virtual.transponder import Transponder, fix_at, next_boot, read_secrets

SCHEMA = "hardware.bikes/1"
_TICK_S = 0.01
_SUMMARY_EVERY_S = 1.0
_LATE_MAX_S = 1.0

Address = tuple[str, int]


class Source(Protocol):
    """Where readings come from: a peloton or a playback."""

    riders: int
    ends_s: float

    def due(self, after_s: float, to_s: float) -> Readings:
        """The readings in (after_s, to_s], seconds since the start."""


@dataclass
class Bikes:
    """Bikes on the road; `transponders` and `bibs` go by the source's rider numbers."""

    source: Source
    transponders: Sequence[Transponder]
    bibs: Sequence[int]
    radio: Radio
    relays: Sequence[Address]
    clock: Clock
    sent: int = 0
    unheard: int = 0
    skipped: int = 0
    _done_s: float = -1.0
    _air: list[Delivery] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start_s = self.clock.now_s()
        self.datagrams = [0] * len(self.relays)
        self.failed = [0] * len(self.relays)
        family = socket.AF_INET6 if ":" in self.relays[0][0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def ride(self, seconds: float | None, stop: threading.Event, summary: Path | None) -> None:
        """Send until `stop`, for `seconds` on the wall, or to the end of the recorded rides.

        Raises:
            Misconfigured: when the summary cannot be written.
        """
        begun_s = written_s = clock.monotonic_s()
        self._write(summary, running=True)
        while not stop.is_set() and self._done_s < self.source.ends_s:
            self.step(self.clock.now_s() - self.start_s)
            wall_s = clock.monotonic_s()
            if wall_s - written_s >= _SUMMARY_EVERY_S:
                self._write(summary, running=True)
                written_s = wall_s
            if seconds is not None and wall_s - begun_s >= seconds:
                break
            stop.wait(_TICK_S)
        self._send_until(float("inf"))
        self._write(summary, running=False)
        self._socket.close()

    def step(self, now_s: float) -> None:
        """Measure and send what is due at `now_s` since the start."""
        after_s = max(self._done_s, now_s - _LATE_MAX_S * self.clock.rate)
        if after_s > self._done_s >= 0.0:
            self.skipped += len(self.source.due(self._done_s, after_s).rider)
        readings = self.source.due(after_s, now_s)
        for row, rider in enumerate(readings.rider.tolist()):
            self._measure(readings, row, rider, float(readings.t_s[row]))
        self._done_s = now_s
        self._send_until(now_s)

    def _measure(self, readings: Readings, row: int, rider: int, t_s: float) -> None:
        transponder = self.transponders[rider]
        number = transponder.seq
        fix = fix_at(readings, row, transponder.ticks(self.start_s + t_s))
        raw, _ = transponder.packet([fix])
        deliveries = list(self.radio.carry(rider, number, t_s, raw))
        self.sent += 1
        self.unheard += not deliveries
        for delivery in deliveries:
            heapq.heappush(self._air, delivery)

    def _send_until(self, now_s: float) -> None:
        while self._air and self._air[0].send_at_s <= now_s:
            _, relay, raw = heapq.heappop(self._air)
            try:
                self._socket.sendto(raw, self.relays[relay])
                self.datagrams[relay] += 1
            except OSError:  # nobody listens, or the buffer is full: the air does not mind
                self.failed[relay] += 1

    def summary(self, *, running: bool) -> dict[str, Any]:
        """What was sent so far, by device and by relay."""
        return {
            "schema": SCHEMA,
            "running": running,
            "start_s": self.start_s,
            "sent": self.sent,
            "unheard": self.unheard,
            "skipped": self.skipped,
            "datagrams": sum(self.datagrams),
            "relays": [
                {"address": f"{host}:{port}", "datagrams": sent, "failed": failed}
                for (host, port), sent, failed in zip(
                    self.relays, self.datagrams, self.failed, strict=True
                )
            ],
            "devices": [
                {"device": t.device, "bib": bib, "boot": t.boot, "first_seq": 0, "packets": t.seq}
                for t, bib in zip(self.transponders, self.bibs, strict=True)
            ],
        }

    def _write(self, path: Path | None, *, running: bool) -> None:
        if path is not None:
            text = json.dumps(self.summary(running=running), separators=(",", ":"))
            keys.write_file(path, text.encode() + b"\n", 0o644)


def devices_of(roster: Roster, now_s: float) -> dict[int, int]:
    """The device bound to each bib now, in order of the devices."""
    devices = sorted({key.device for key in roster.devices if not key.revoked})
    bound = {roster.bib_of(device, now_s): device for device in devices}
    return {bib: device for bib, device in bound.items() if bib}


def transponders_of(
    folder: Path, roster: Roster, bibs: Sequence[int], now_s: float, suite: int = SUITE_CCM8
) -> list[Transponder]:
    """The transponders of `bibs`, started once more, from an event's bikes folder.

    Raises:
        Misconfigured: a bib without a transponder, or keys or boot counter not usable.
    """
    devices = devices_of(roster, now_s)
    secrets = read_secrets(folder / "devices.json")
    for bib in bibs:
        if devices.get(bib) not in secrets:
            raise Misconfigured(
                f"no transponder in {folder} is bound to bib {bib}",
                "Make the event with that --bib, or ride with fewer riders.",
            )
    boot = next_boot(folder / "boot")
    return [Transponder(secrets[devices[bib]], roster, boot, suite) for bib in bibs]
