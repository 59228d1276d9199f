"""Pace: how long a request may take, and how long to wait before the next; pure.

A time-out that covers a whole upload must grow with the object and with the slowness of the link,
or a slow link never finishes one; and it must not grow further, or a dead link is noticed late.
"""

_TIMEOUT_MIN_S = 20
_SLACK = 4.0
_FIRST_BYTES_PER_S = 16384.0
_SLOWEST_BYTES_PER_S = 1024.0
_SAMPLE_BYTES_MIN = 32768
_TIMEOUT_MAX_S = 1280
_SMOOTHING = 0.3


class Pace:
    """The rate seen on one road, in bytes a second, and the time-outs that follow from it."""

    def __init__(self) -> None:
        self.bytes_per_s = _FIRST_BYTES_PER_S

    def timeout_s(self, size: int) -> int:
        """A time-out for `size` bytes: four times what they take, in steps of two."""
        steps, needed_s = 0, _SLACK * size / self.bytes_per_s
        while _TIMEOUT_MIN_S << steps < min(needed_s, _TIMEOUT_MAX_S):
            steps += 1
        return _TIMEOUT_MIN_S << steps

    def saw(self, size: int, elapsed_s: float) -> None:
        """`size` bytes took `elapsed_s`; of small ones latency says more than the rate."""
        if size >= _SAMPLE_BYTES_MIN and elapsed_s > 0.0:
            self.bytes_per_s += _SMOOTHING * (size / elapsed_s - self.bytes_per_s)

    def gave_up(self) -> None:
        """A request ran into its time-out: the next gets twice the time."""
        self.bytes_per_s = max(_SLOWEST_BYTES_PER_S, self.bytes_per_s / 2)


class Cap:
    """A cap on the mean rate; 0 is none. A sent object is paid for before the next begins."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_at_s = 0.0

    def wait_s(self, size: int, now_s: float) -> float:
        """How long to wait at `now_s` before sending `size` bytes; takes their share at once."""
        if not self._bytes_per_s:
            return 0.0
        begin_s = max(now_s, self._free_at_s)
        self._free_at_s = begin_s + size / self._bytes_per_s
        return begin_s - now_s
