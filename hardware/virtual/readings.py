"""Readings of many bikes as columns: what a peloton or recorded rides hand to transponders."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float64]


class Readings(NamedTuple):
    """One row a reading, in order of time.

    rider counts from 0; t_s from the start; NaN where a sensor is absent.
    """

    rider: npt.NDArray[np.int64]
    t_s: Column
    latitude_deg: Column
    longitude_deg: Column
    altitude_m: Column
    speed_mps: Column
    course_deg: Column
    power_w: Column
    heart_rate_bpm: Column
    cadence_rpm: Column
    accuracy_m: Column

    def rows(self, which: Any) -> "Readings":
        """The rows an index, slice or mask picks."""
        columns: list[Any] = [column[which] for column in self]
        return Readings(*columns)


def joined(parts: Sequence[Readings]) -> Readings:
    """The rows of one after another."""
    columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Readings(*columns)
