"""Rows of every awkward kind as a pure function of their row_id, for tests and their processes."""

import numpy as np
import pyarrow as pa


def odd_rows(lo: int, hi: int) -> pa.Table:
    """Rows [lo, hi): nulls, NaN, -0.0, empty and long strings, UTC times, the whole of uint64."""
    ids = np.arange(lo, hi, dtype=np.int64)
    noise = (ids.astype(np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15)
    floats = (noise >> np.uint64(11)).astype(np.float64) / 2**53
    floats[ids % 11 == 3] = np.nan
    floats[ids % 11 == 5] = -0.0
    text = [["", "Roubaix", "Côte de la Croix-Neuve", "x" * 300][i % 4] for i in ids]
    return pa.table(
        {
            "row_id": pa.array(ids),
            "measured_at": pa.array(1_700_000_000_000_000 + ids * 1000, pa.timestamp("us", "UTC")),
            "bib": pa.array((ids % 198).astype(np.int32), mask=ids % 5 == 0),
            "noise": pa.array(noise, pa.uint64()),
            "ratio": pa.array(floats, mask=ids % 7 == 0),
            "speed": pa.array(floats.astype(np.float32)),
            "sos": pa.array(ids % 3 == 0, mask=ids % 13 == 0),
            "note": pa.array(text, mask=ids % 9 == 0),
            "nothing": pa.nulls(len(ids), pa.int16()),
        }
    )


class OddRows:
    """A batch source of so many rows, as the truck's store is one."""

    def __init__(self, end: int) -> None:
        self.end = end

    def row_end(self) -> int:
        return self.end

    def rows(self, lo: int, hi: int) -> pa.Table:
        return odd_rows(lo, hi)
