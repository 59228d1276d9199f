"""Readings as the race logic takes them: columns, one row a fix."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Readings(NamedTuple):
    """One tick's readings, several of a rider possible, in any order.

    SI units; NaN where a sensor gave nothing. `measured_at_us` counts microseconds since 1970 UTC.
    Bib 0 is a device that nobody rides yet. `impact` is 1 where the device felt one or its rider
    called for help, 0 where not, NaN from a device that cannot tell.
    """

    bib: NDArray[np.int32]
    measured_at_us: NDArray[np.int64]
    latitude_deg: NDArray[np.float64]
    longitude_deg: NDArray[np.float64]
    altitude_m: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    power_w: NDArray[np.float64]
    heart_rate_bpm: NDArray[np.float64]
    cadence_rpm: NDArray[np.float64]
    impact: NDArray[np.float64]

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Readings":
        """Some of the rows."""
        return Readings._make(column[which] for column in self)
