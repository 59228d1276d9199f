"""What is shown now, and who waits for it: each frame is encoded once and shared by everybody.

A frame has a number and a body a channel. Numbers are microseconds of the race's clock, so they
rise from frame to frame and over a restart of the truck too. The last frames are kept, so that who
was away for a moment gets what he missed.
"""

import asyncio
import bisect
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from hardware import clock
from truck.serve.answer import Body
from truck.serve.deflate import deflated

KEPT_FRAMES = 60
LISTENERS_MAX = 4000


@dataclass(frozen=True)
class Shown:
    """A frame as it is sent: one line of JSON a channel.

    Attributes:
        number: of the frame.
        before: the number of the frame before it, 0 for the first.
        channels: by name.
        at_s: when it was published, on the monotonic clock.
    """

    number: int
    before: int
    channels: Mapping[str, bytes]
    at_s: float
    _events: dict[tuple[str, ...], bytes] = field(default_factory=dict)
    _packed: dict[tuple[str, ...], bytes] = field(default_factory=dict)

    @cached_property
    def bodies(self) -> dict[str, Body]:
        """Each channel's body, for those who ask."""
        return {name: Body(data) for name, data in self.channels.items()}

    def events(self, names: tuple[str, ...]) -> bytes:
        """These channels as server-sent events, made once for all who listen to the same ones.

        The number comes with the last of them: a frame of which only a part arrived is not taken
        for one that was seen.
        """
        made = self._events.get(names)
        if made is None:
            parts = [
                b"event: %s\ndata: %s\n\n" % (name.encode(), self.channels[name])
                for name in names
                if name in self.channels
            ]
            parts[-1:] = [b"id: %d\n" % self.number + part for part in parts[-1:]]
            made = self._events[names] = b"".join(parts)
        return made

    def packed_events(self, names: tuple[str, ...]) -> bytes:
        """The same as a part of a gzip stream, made once too."""
        made = self._packed.get(names)
        if made is None:
            made = self._packed[names] = deflated(self.events(names))
        return made


class Listeners:
    """How many listen now, at most how many may, and how many were turned away."""

    def __init__(self, most: int = LISTENERS_MAX) -> None:
        self.most, self.count, self.turned_away = most, 0, 0


class Hub:
    """Holds the last frames and wakes those who wait; `publish` from any thread.

    Attributes:
        listeners: of its streams.
    """

    def __init__(self, listeners_max: int = LISTENERS_MAX) -> None:
        self.listeners = Listeners(listeners_max)
        self._kept: deque[Shown] = deque(maxlen=KEPT_FRAMES)
        self._lock = threading.Lock()
        self._news: dict[asyncio.AbstractEventLoop, asyncio.Event] = {}

    @property
    def latest(self) -> Shown | None:
        """The last frame, or None before the first."""
        with self._lock:
            return self._kept[-1] if self._kept else None

    @property
    def age_s(self) -> float | None:
        """How long ago the last frame was published."""
        shown = self.latest
        return None if shown is None else clock.monotonic_s() - shown.at_s

    def number_at(self, at_us: int) -> int:
        """The number of a frame of that instant: the instant, or more where a clock went back."""
        shown = self.latest
        return at_us if shown is None else max(at_us, shown.number + 1)

    def publish(self, number: int, channels: Mapping[str, bytes]) -> None:
        """Show a frame to everyone.

        Args:
            number: higher than the one before, see `number_at`.
            channels: a single line of JSON each.

        Raises:
            ValueError: the number does not rise.
        """
        at_s = clock.monotonic_s()
        with self._lock:
            before = self._kept[-1].number if self._kept else 0
            if number <= before:
                raise ValueError(f"frame {number} after frame {before}")
            self._kept.append(Shown(number, before, channels, at_s))
        for loop in list(self._news):
            with suppress(RuntimeError):  # it has just been closed
                loop.call_soon_threadsafe(self._ring, loop)

    def since(self, number: int) -> tuple[list[Shown], bool]:
        """The kept frames after one, the oldest first, and whether older ones may be missing."""
        with self._lock:
            at = bisect.bisect_right(self._kept, number, key=lambda shown: shown.number)
            lost = bool(self._kept) and number < self._kept[0].number
            return list(self._kept)[at:], lost

    async def newer_than(self, number: int) -> Shown | None:
        """The latest frame once it is newer; None when this loop waits no more."""
        loop = asyncio.get_running_loop()
        while (news := self._news.get(loop)) is not None:
            shown = self.latest
            if shown is not None and shown.number > number:
                return shown
            await news.wait()
        return None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve waiters on this loop too."""
        self._news[loop] = asyncio.Event()

    def detach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let every waiter on this loop go; called from any thread."""
        news = self._news.pop(loop, None)
        if news is not None and not loop.is_closed():
            loop.call_soon_threadsafe(news.set)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake who waits on this loop; called on it."""
        news = self._news.get(loop)
        if news is not None:
            self._news[loop] = asyncio.Event()
            news.set()
