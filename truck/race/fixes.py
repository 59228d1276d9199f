"""New fixes of riders, one each, as the steps of following them take them."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.passes import Ints


@dataclass(frozen=True)
class Fixes:
    """One new fix of each of some riders; `row` is the rider's, each once.

    Attributes:
        foreign: as `is_foreign` says.
        begun_us: when the race began: the flag, or the first reading.
        field_m: where most of the race is, NaN when nobody is placed.
    """

    row: Ints
    at_us: Ints
    x_m: Floats
    y_m: Floats
    foreign: NDArray[np.bool_]
    begun_us: int
    field_m: float

    def where(self, which: NDArray[np.bool_]) -> "Fixes":
        """Some of them."""
        of = {f.name: getattr(self, f.name)[which] for f in fields(self)[:5]}
        return Fixes(**of, begun_us=self.begun_us, field_m=self.field_m)
