"""Live state as bytes and back: exact to the last bit, the same state giving the same bytes."""

import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.errors import Damaged

_SCHEMA = "truck.race.snapshot/1"
_LEVEL = 1  # written every few seconds: speed before size


def encode_snapshot(columns: dict[str, NDArray[Any]], facts: dict[str, Any]) -> bytes:
    """A line of JSON that names the columns, then their bytes, compressed."""
    head = {
        "schema": _SCHEMA,
        "facts": facts,
        "columns": [[name, c.dtype.str, list(c.shape)] for name, c in columns.items()],
    }
    body = b"".join(np.ascontiguousarray(column).tobytes() for column in columns.values())
    return json.dumps(head, sort_keys=True).encode() + b"\n" + zlib.compress(body, _LEVEL)


def decode_snapshot(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The columns and facts of a snapshot.

    Raises:
        Damaged: when the bytes are no snapshot of this version.
    """
    line, _, packed = data.partition(b"\n")
    try:
        head = json.loads(line)
        if head["schema"] != _SCHEMA:
            raise Damaged(f"a race snapshot of schema {head['schema']} where {_SCHEMA} is read")
        body = zlib.decompress(packed)
        columns, at = {}, 0
        for name, dtype, shape in head["columns"]:
            count = int(np.prod(shape))
            column = np.frombuffer(body, np.dtype(dtype), count, at)
            columns[name] = column.reshape(shape).copy()
            at += column.nbytes
        return columns, head["facts"]
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise Damaged(f"the race snapshot cannot be read: {error}") from error
