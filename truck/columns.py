"""Arrow columns over numpy's own memory; `pa.array` looks for pandas at every call and copies."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_UTC = pa.timestamp("us", "UTC")


def numbers(values: npt.NDArray[Any], absent: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Integers or floats of the array's own width; null where `absent`."""
    return _column(pa.from_numpy_dtype(values.dtype), values, absent)


def measures(values: npt.NDArray[np.float64]) -> pa.Array:
    """Floats; NaN is null."""
    return numbers(values, np.isnan(values))


def flags(values: npt.NDArray[np.bool_]) -> pa.Array:
    """Booleans."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def instants(at_us: npt.NDArray[np.int64]) -> pa.Array:
    """Times in microseconds since 1970 UTC."""
    return _column(_UTC, at_us, None)


def names(index: npt.NDArray[np.int64], choice: list[str]) -> pa.Array:
    """Strings, each one of a few."""
    return pa.array(choice, pa.string()).take(numbers(index))


def table(columns: Mapping[str, pa.Array]) -> pa.Table:
    """A table of columns by name, in their order."""
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def _column(
    kind: pa.DataType, values: npt.NDArray[Any], absent: npt.NDArray[np.bool_] | None
) -> pa.Array:
    known = None if absent is None or not absent.any() else _bits(~absent)
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [known, data])


def _bits(values: npt.NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
