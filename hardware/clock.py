"""The only room that asks the time.

Three times never mix and are never restamped: `measured_at` (GNSS, on the bike), `heard_at`
(relay) and `received_at` (truck), all seconds since 1970 UTC, as floats, or microseconds as
integers where a column or a wire says so.

A `Clock` may run faster than the wall, so that a recorded ride can be driven through the real
processes at, say, 20 times its speed; then every process of that tree carries the same clock in
its environment, and durations convert back with `wall_s`.
"""

import math
import os
import time
from dataclasses import dataclass

from hardware.errors import Misconfigured

_VARIABLE = "TRUCK_CLOCK"


@dataclass(frozen=True)
class Clock:
    """Race time as a function of wall time: origin_s + (wall - origin_s) * rate."""

    origin_s: float = 0.0
    rate: float = 1.0

    def now_s(self) -> float:
        """Race time now, seconds since 1970 UTC."""
        wall_s = time.time()
        return wall_s if self.rate == 1.0 else self.origin_s + (wall_s - self.origin_s) * self.rate

    def now_us(self) -> int:
        """Race time now, microseconds since 1970 UTC."""
        return int(self.now_s() * 1e6)

    def wall_s(self, duration_s: float) -> float:
        """What `duration_s` of race time takes on the wall."""
        return duration_s / self.rate

    def environment(self) -> dict[str, str]:
        """The variables that give a child process this same clock."""
        return {_VARIABLE: f"{self.rate!r}@{self.origin_s!r}"}


def faster(rate: float) -> Clock:
    """A clock that starts at the wall's time now and runs `rate` times as fast."""
    return Clock(origin_s=time.time(), rate=rate)


def from_environment() -> Clock:
    """The clock the parent process handed down, or the wall clock.

    Raises:
        Misconfigured: when the variable is not RATE@ORIGIN.
    """
    text = os.environ.get(_VARIABLE)
    if not text:
        return Clock()
    rate, _, origin = text.partition("@")
    try:
        clock = Clock(origin_s=float(origin), rate=float(rate))
    except ValueError:
        clock = Clock(rate=math.nan)
    if not (0.0 < clock.rate < math.inf and math.isfinite(clock.origin_s)):
        raise Misconfigured(f"{_VARIABLE} is {text[:64]!r}", "Unset it, or set it to RATE@ORIGIN.")
    return clock


def monotonic_s() -> float:
    """Seconds that only ever go forward, for time-outs and back-off."""
    return time.monotonic()


def sleep_s(duration_s: float) -> None:
    """Wait on the wall's time."""
    if duration_s > 0:
        time.sleep(duration_s)
