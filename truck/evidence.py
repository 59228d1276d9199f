"""How much of what was refused is kept: enough to investigate, never enough to fill a disk."""

from collections import Counter

from hardware.errors import Reason
from truck.tick import Evidence

EVIDENCE_BYTES_MAX = 4096
_PER_KEY_AND_REASON = 8
_BYTES_PER_MINUTE = 1 << 20
_MINUTE_US = 60_000_000


class EvidenceBudget:
    """Per minute: 8 samples a key and reason, 1 MiB in all; counts are never bounded."""

    def __init__(self) -> None:
        self._minute = -1
        self._taken: Counter[tuple[str, str]] = Counter()
        self._bytes = 0

    def turn(self, now_us: int) -> None:
        """Begin a new minute where one has begun."""
        minute = now_us // _MINUTE_US
        if minute != self._minute:
            self._minute, self._bytes = minute, 0
            self._taken.clear()

    def take(
        self, reason: Reason, key: str, relay: str, received_at_us: int, data: bytes
    ) -> Evidence | None:
        """The sample to keep, cut to 4 KiB, or None where the budget is spent."""
        kept = data[:EVIDENCE_BYTES_MAX]
        spent = self._taken[reason, key] >= _PER_KEY_AND_REASON
        if spent or self._bytes + len(kept) > _BYTES_PER_MINUTE:
            return None
        self._taken[reason, key] += 1
        self._bytes += len(kept)
        return Evidence(reason, key, relay, received_at_us, kept)
