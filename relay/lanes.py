"""Which bundle goes next: fresh first, then back-fill newest first, a little at a time.

Sans-io: it is told what happened and answers what to send. A PUBACK only frees the window; a
bundle leaves only by `forget`, which the service calls for what the truck's journal has made
durable, or for what the spool had to drop.
"""

import heapq
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

BACKFILL_BYTES = 16 << 10
"""Back-fill that the broker has not taken yet; keeps a slow link free for the live lane."""
LIVE_BYTES = 256 << 10
"""Live bundles that the broker has not taken yet; beyond this the link cannot carry live."""
UNCOMMITTED_BYTES = 256 << 10
"""Back-fill that the truck has not committed yet; a silent truck is not sent the whole spool."""
FRESH_S = 2.0
"""A bundle that could not go within this time is no longer live."""
RETRY_S = 5.0
RETRY_MAX_S = 60.0
_PATIENCE = 3
"""After so many tries a bundle waits behind all that had fewer: one bad item blocks nobody."""


class Key(NamedTuple):
    """A bundle's name: the relay's boot and the number within it; a higher one is newer."""

    boot: int
    number: int


class Send(NamedTuple):
    """What to publish now, on which lane, and whether it went out before."""

    key: Key
    live: bool
    again: bool


@dataclass
class _Bundle:
    size: int
    sent: bool = False  # waits for its commit until due_s; else it waits in a queue
    ever_sent: bool = False
    live: bool = False
    in_window: bool = False  # sent, and not yet taken by the broker
    tries: int = 0
    due_s: float = 0.0


class Lanes:
    """The order of sending; `now_s` is any monotonic time."""

    def __init__(
        self, backfill_bytes: int = BACKFILL_BYTES, uncommitted_bytes: int = UNCOMMITTED_BYTES
    ) -> None:
        """Begin empty, with these windows for back-fill."""
        self._backfill_bytes, self._uncommitted_bytes_max = backfill_bytes, uncommitted_bytes
        self._bundles: dict[Key, _Bundle] = {}
        self._fresh: deque[tuple[float, Key]] = deque()
        self._backfill: list[tuple[int, int, int]] = []  # heap of (rank, -boot, -number)
        self._due: list[tuple[float, Key]] = []  # heap
        self.in_flight_bytes = 0
        """Back-fill sent and not yet taken by the broker."""
        self._live_bytes = 0
        self._uncommitted_bytes = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._bundles

    def __len__(self) -> int:
        return len(self._bundles)

    def add_fresh(self, key: Key, size: int, now_s: float) -> None:
        """A bundle just closed, of `size` bytes."""
        self._bundles[key] = _Bundle(size)
        self._fresh.append((now_s, key))

    def add_backfill(self, key: Key, size: int) -> None:
        """A bundle found in the spool at the start."""
        self._bundles[key] = _Bundle(size)
        self._push(key, self._bundles[key])

    def oldest_fresh(self) -> Key | None:
        """Where the live bundles begin; nothing from here on may be dropped."""
        return next((key for _, key in self._fresh if key in self._bundles), None)

    def age(self, now_s: float) -> None:
        """Let time pass: fresh ones grow stale, those sent and not committed come again."""
        while self._fresh and now_s - self._fresh[0][0] >= FRESH_S:
            _, key = self._fresh.popleft()
            if key in self._bundles:
                self._push(key, self._bundles[key])
        while self._due and self._due[0][0] <= now_s:
            due_s, key = heapq.heappop(self._due)
            bundle = self._bundles.get(key)
            if bundle is not None and bundle.sent and bundle.due_s == due_s:
                self._leave_flight(bundle)
                self._push(key, bundle)

    def next(self, now_s: float) -> Send | None:
        """The next bundle to publish, or None where the windows are full or nothing waits."""
        self.age(now_s)
        while self._fresh:
            if self._live_bytes >= LIVE_BYTES:
                return None
            _, key = self._fresh.popleft()
            if key in self._bundles:
                return self._send(key, now_s, live=True)
        while self._backfill:
            _, boot, number = self._backfill[0]
            key = Key(-boot, -number)
            bundle = self._bundles.get(key)
            if bundle is None or bundle.sent:
                heapq.heappop(self._backfill)
                continue
            if not _fits(bundle.size, self.in_flight_bytes, self._backfill_bytes):
                return None
            if not _fits(bundle.size, self._uncommitted_bytes, self._uncommitted_bytes_max):
                return None
            heapq.heappop(self._backfill)
            return self._send(key, now_s, live=False)
        return None

    def taken(self, key: Key) -> None:
        """The broker answered, for better or worse: the window is free, custody stays."""
        bundle = self._bundles.get(key)
        if bundle is not None:
            self._leave_window(bundle)

    def forget(self, key: Key) -> bool:
        """The bundle is gone from the spool; whether it was known."""
        bundle = self._bundles.pop(key, None)
        if bundle is None:
            return False
        if bundle.sent:
            self._leave_flight(bundle)
        return True

    def disconnect(self) -> None:
        """The link is gone: whatever was on its way has to go again."""
        flying, self._due = self._due, []
        for due_s, key in flying:
            bundle = self._bundles.get(key)
            if bundle is not None and bundle.sent and bundle.due_s == due_s:
                self._leave_flight(bundle)
                bundle.tries -= 1  # not the bundle's fault
                self._push(key, bundle)

    def _send(self, key: Key, now_s: float, *, live: bool) -> Send:
        bundle = self._bundles[key]
        bundle.due_s = now_s + min(RETRY_S * 2**bundle.tries, RETRY_MAX_S)
        heapq.heappush(self._due, (bundle.due_s, key))
        again, bundle.ever_sent = bundle.ever_sent, True
        bundle.sent = bundle.in_window = True
        bundle.live = live
        bundle.tries += 1
        if live:
            self._live_bytes += bundle.size
        else:
            self.in_flight_bytes += bundle.size
            self._uncommitted_bytes += bundle.size
        return Send(key, live, again)

    def _leave_window(self, bundle: _Bundle) -> None:
        if not bundle.in_window:
            return
        bundle.in_window = False
        if bundle.live:
            self._live_bytes -= bundle.size
        else:
            self.in_flight_bytes -= bundle.size

    def _leave_flight(self, bundle: _Bundle) -> None:
        self._leave_window(bundle)
        bundle.sent = False
        if not bundle.live:
            self._uncommitted_bytes -= bundle.size

    def _push(self, key: Key, bundle: _Bundle) -> None:
        rank = bundle.tries // _PATIENCE
        heapq.heappush(self._backfill, (rank, -key.boot, -key.number))


def _fits(size: int, used: int, limit: int) -> bool:
    """Whether it fits the window; an empty window takes one bundle of any size."""
    return used == 0 or used + size <= limit
