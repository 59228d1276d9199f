"""What riders do after the line: they roll out, stand, and ride on or back to their bus."""

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.state import State

Floats = NDArray[np.float64]

_EASE_MPS2 = 0.6
_BUS_MPS = 4.0
_STREAM = 5


class Rollout:
    """Where each rider stops behind the line, how long, and where his bus is."""

    def __init__(self, riders: int, length_m: float, seed: int) -> None:
        draw = np.random.Generator(np.random.PCG64([seed, _STREAM]))
        self._stop_m = length_m + 150.0 + 400.0 * draw.random(riders)
        self._wait_s = 60.0 + 180.0 * draw.random(riders)
        back = draw.random(riders) < 0.3
        self._bus_m = self._stop_m + np.where(back, -900.0, 600.0) * draw.random(riders)
        self._stood_s = np.zeros(riders)

    def move(self, state: State, rows: NDArray[np.int64]) -> None:
        """One second of the riders in `rows`, who have finished."""
        at_m, speed_mps = state.distance_m[rows], state.speed_mps[rows]
        waits = self._stood_s[rows] < self._wait_s[rows]
        goal_m = np.where(waits, self._stop_m[rows], self._bus_m[rows])
        left_m = goal_m - at_m
        allowed = np.sqrt(2.0 * _EASE_MPS2 * np.abs(left_m))
        allowed = np.where(np.abs(left_m) < 1.0, 0.0, allowed)
        fresh = waits & (at_m < goal_m)
        wanted = np.where(fresh, np.maximum(speed_mps - 0.3, _BUS_MPS), _BUS_MPS)
        after = np.minimum(np.minimum(wanted, speed_mps + 1.0), allowed)
        after = np.where(fresh, np.maximum(after, speed_mps - 4.0), after)
        step_m = np.where(left_m < 0.0, -after, after)
        state.distance_m[rows] += step_m
        state.speed_mps[rows] = after
        state.power_w[rows] = np.where(after > 1.0, 60.0, 0.0)
        state.shelter[rows] = 1.0
        self._stood_s[rows] += waits & (after < 0.5)
