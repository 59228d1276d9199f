"""The circuits of a stage in the line that draws them: once, or as often as they are ridden."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STEP_M = 10.0
_EARTH_M = 6_371_000.0
_CLOSED_M = 300.0  # a circuit drawn from its line to shortly before it still counts as closed
_SAME_ROAD_M = 40.0
_SAME_SHARE = 0.8
_STRETCH = 0.05  # road book and drawing differ by so much over a circuit
_ASTRAY_BOOK = 0.02  # and by so much on the way to it
_ASTRAY = 0.02  # metres of gap that a metre beside the road book's kilometre is worth
_LAPS_MOST = 50


class Lap(NamedTuple):
    """Where one lap of a circuit lies in a drawing, and how often it is drawn there.

    Attributes:
        from_m: along the drawing.
        length_m: of the lap as drawn.
        drawn: laps that follow each other in the drawing.
        gap_m: between the lap's two ends.
    """

    from_m: float
    length_m: float
    drawn: int
    gap_m: float


class Trace:
    """A drawn line every 10 m, on a plane that is good enough to see what lies close by."""

    def __init__(self, latitude_deg: Floats, longitude_deg: Floats, along_m: Floats) -> None:
        middle = np.radians(float(np.mean(latitude_deg)))
        x_m = np.radians(longitude_deg) * _EARTH_M * np.cos(middle)
        y_m = np.radians(latitude_deg) * _EARTH_M
        self._end_m = float(along_m[-1])
        even_m = np.arange(0.0, self._end_m + _STEP_M, _STEP_M)
        self._x_m = np.interp(even_m, along_m, x_m)
        self._y_m = np.interp(even_m, along_m, y_m)

    def lap(self, from_m: float, length_m: float) -> Lap | None:
        """The lap that begins and ends near these places, None where the line does not close.

        Args:
            from_m: along the drawing, as the road book says.
            length_m: of the circuit, as the road book says.
        """
        last = len(self._x_m) - 1
        astray = round((200.0 + _ASTRAY_BOOK * from_m) / _STEP_M)
        stretch = round((100.0 + _STRETCH * length_m) / _STEP_M)
        about, lag = round(from_m / _STEP_M), round(length_m / _STEP_M)
        begins = np.arange(max(0, about - astray), min(last, about + astray) + 1)
        lags = np.arange(max(1, lag - stretch), lag + stretch + 1)
        ends = begins[:, None] + lags[None, :]
        inside = ends <= last
        if not inside.any():
            return None
        ends = np.minimum(ends, last)
        gap_m = self._apart(begins[:, None], ends)
        beside_m = (np.abs(begins - about)[:, None] + np.abs(lags - lag)[None, :]) * _STEP_M
        # to the millimetre, or equally good laps would be told apart by another machine's last bit
        cost = np.round(np.where(inside, gap_m + _ASTRAY * beside_m, np.inf), 3)
        begin, across = np.unravel_index(int(np.argmin(cost)), cost.shape)
        gap = float(gap_m[begin, across])
        if gap > _CLOSED_M:
            return None
        first, length = int(begins[begin]), int(lags[across])
        drawn = self._repeats(first, length)
        from_m = first * _STEP_M
        lap_m = min(self._lap_m(first, length, drawn), self._end_m - from_m)
        return Lap(from_m, lap_m, drawn, gap)

    def _repeats(self, first: int, length: int) -> int:
        """How many laps in a row follow the first lap's road."""
        lap = np.arange(first, first + length, 5)
        drawn = 1
        while drawn < _LAPS_MOST and self._same(lap, drawn * length):
            drawn += 1
        return drawn

    def _lap_m(self, first: int, length: int, drawn: int) -> float:
        """The mean length of the laps drawn: what lies between the first and the last."""
        if drawn == 1:
            return length * _STEP_M
        lap = np.arange(first, first + length, max(1, length // 50))
        slack = self._slack((drawn - 1) * length)
        lags = (drawn - 1) * length + np.arange(-slack, slack + 1)
        again = np.minimum(lap[:, None] + lags[None, :], len(self._x_m) - 1)
        nearest = lags[np.argmin(np.round(self._apart(lap[:, None], again), 3), axis=1)]
        return float(np.median(nearest)) * _STEP_M / (drawn - 1)

    def _slack(self, later: int) -> int:
        """How far two drawings of a lap may have drifted apart."""
        return round((100.0 + 0.02 * later * _STEP_M) / _STEP_M)

    def _same(self, lap: Ints, later: int) -> bool:
        slack = self._slack(later)
        again = lap[:, None] + later + np.arange(-slack, slack + 1)[None, :]
        last = len(self._x_m) - 1
        apart_m = self._apart(lap[:, None], np.clip(again, 0, last))
        apart_m[again > last] = np.inf
        return bool(np.mean(np.min(apart_m, axis=1) <= _SAME_ROAD_M) >= _SAME_SHARE)

    def _apart(self, one: Ints, other: Ints) -> Floats:
        apart_m = np.hypot(self._x_m[one] - self._x_m[other], self._y_m[one] - self._y_m[other])
        return np.asarray(apart_m)
