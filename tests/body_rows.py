"""Biometrics as a pure function of their row id, for tests and their processes."""

import numpy as np
import pyarrow as pa

from cloud_sync.biometrics import PLAIN

BIBS = (0, 7, 198)


def body_rows(lo: int, hi: int, stage: str = "one") -> pa.Table:
    """Rows [lo, hi) of three riders, one of them bound to nobody; some values are none."""
    ids = np.arange(lo, hi)
    power = np.where(ids % 5 == 0, np.nan, (ids * 37) % 65535)
    return pa.table(
        {
            "row_id": ids,
            "stage": [stage] * len(ids),
            "bib": pa.array(np.array(BIBS, np.int32)[ids % 3]),
            "power_w": pa.array(power, mask=np.isnan(power)),
            "heart_rate_bpm": pa.array((ids % 255).astype(float)),
            "cadence_rpm": pa.nulls(len(ids), pa.float64()),
        },
        schema=PLAIN,
    )


class BodyRows:
    """A batch source of so many rows, as the truck's store is one."""

    def __init__(self, end: int) -> None:
        self.end = end

    def row_end(self) -> int:
        return self.end

    def rows(self, lo: int, hi: int) -> pa.Table:
        return body_rows(lo, hi)
