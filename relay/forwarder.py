"""Packets become bundles: up to 128 of them, or what 100 ms brought."""

from hardware.bundle import PACKETS_MAX
from relay.radio import Heard


class Forwarder:
    """Collects packets and closes batches; pure, `now_s` is any monotonic time."""

    def __init__(self, bundle_s: float) -> None:
        self._bundle_s = bundle_s
        self._open: list[Heard] = []
        self._opened_s = 0.0

    def add(self, packets: list[Heard], now_s: float) -> list[tuple[Heard, ...]]:
        """Take packets in; the batches that are full now."""
        full = []
        for packet in packets:
            if not self._open:
                self._opened_s = now_s
            self._open.append(packet)
            if len(self._open) == PACKETS_MAX:
                full += self.close()
        return full

    def due(self, now_s: float) -> list[tuple[Heard, ...]]:
        """The open batch, if its time has come."""
        return self.close() if now_s - self._opened_s >= self._bundle_s else []

    def close(self) -> list[tuple[Heard, ...]]:
        """The open batch, whatever its age; nothing where it is empty."""
        closed, self._open = tuple(self._open), []
        return [closed] if closed else []
