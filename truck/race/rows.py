"""Memory of the race in columns, one row a rider: made, widened, copied and named as one."""

import copy
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


def column(dtype: Any, value: float, *shape: int) -> Any:
    """A column of `Rows`: its type, what a new rider's row holds, and the shape behind the row."""
    return field(metadata={"dtype": dtype, "value": value, "shape": shape})


@dataclass
class Rows:
    """What one room of the race remembers of every rider, in the rows of `Riders`.

    Rooms declare their columns with `column`; what is not a rider's goes into `facts`, which holds
    JSON alone.
    """

    facts: dict[str, Any]

    @classmethod
    def of(cls, count: int) -> Self:
        """Rows of riders of whom nothing is known yet."""
        names = [f for f in fields(cls) if f.name != "facts"]
        return cls(facts={}, **{f.name: _new(f.metadata, count) for f in names})

    def add(self, count: int) -> None:
        """Give riders seen for the first time their rows."""
        for name, more in self.of(count).columns().items():
            setattr(self, name, np.concatenate([getattr(self, name), more]))

    def copy(self) -> Self:
        """One that may be changed without changing this one."""
        columns = {name: kept.copy() for name, kept in self.columns().items()}
        return type(self)(facts=copy.deepcopy(self.facts) if self.facts else {}, **columns)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Every column by name."""
        return {name: kept for name, kept in vars(self).items() if name != "facts"}


def _new(of: Any, count: int) -> NDArray[Any]:
    return np.full((count, *of["shape"]), of["value"], of["dtype"])
