"""How old a reading is at each hop of its way, over the last readings.

radio    bike to relay           measured_at -> heard_at
uplink   relay to truck          heard_at -> received_at
journal  judged and durable      received_at -> journalled
frame    in the first frame      journalled -> framed
commit   in the view             journalled -> committed; beside the way, no part of the total
"""

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

BUDGET_S = 3.0
HOPS = ("radio", "uplink", "journal", "frame")
_KEPT = 1 << 16
_WAITING_MAX = 4096

_Instants = npt.NDArray[np.int64]


class _Ring:
    """The last `_KEPT` samples, in seconds."""

    def __init__(self) -> None:
        self._samples = np.zeros(_KEPT, np.float32)
        self._count = 0

    def add(self, values_s: npt.NDArray[np.floating[Any]]) -> None:
        values_s = values_s[-_KEPT:]
        at = (self._count + np.arange(len(values_s))) % _KEPT
        self._samples[at] = values_s
        self._count += len(values_s)

    def quantiles(self, *q: float) -> list[float | None]:
        kept = self._samples[: min(self._count, _KEPT)]
        if not len(kept):
            return [None] * len(q)
        return [round(float(v), 4) for v in np.quantile(kept, q)]


class Latency:
    """Samples of every live reading; called from the live, store and page threads."""

    def __init__(self, wall_per_race_s: float = 1.0) -> None:
        """`wall_per_race_s` turns race seconds into wall seconds where the clock runs faster."""
        self._scale = wall_per_race_s / 1e6
        self._lock = threading.Lock()
        self._rings = {name: _Ring() for name in (*HOPS, "total", "commit")}
        self._waiting: list[tuple[_Instants, int]] = []
        self._journalled: dict[int, tuple[int, int]] = {}

    def applied(self, record: int, measured: _Instants, heard: _Instants, received: _Instants,
                journalled_us: int) -> None:  # fmt: skip
        """The live readings of one tick, all times in microseconds, before their first frame."""
        with self._lock:
            self._rings["radio"].add((heard - measured) * self._scale)
            self._rings["uplink"].add((received - heard) * self._scale)
            self._rings["journal"].add((journalled_us - received) * self._scale)
            self._waiting.append((measured, journalled_us))
            self._journalled[record] = (journalled_us, len(measured))
            while len(self._journalled) > _WAITING_MAX:
                self._journalled.pop(next(iter(self._journalled)))

    def framed(self, at_us: int) -> None:
        """All readings applied so far stand in a frame published at `at_us`."""
        with self._lock:
            for measured, journalled_us in self._waiting:
                self._rings["total"].add((at_us - measured) * self._scale)
                frame_s = (at_us - journalled_us) * self._scale
                self._rings["frame"].add(np.full(len(measured), frame_s))
            self._waiting.clear()

    def committed(self, record: int, at_us: int) -> None:
        """The rows of a record are in the view at `at_us`."""
        with self._lock:
            journalled_us, rows = self._journalled.pop(record, (0, 0))
            self._rings["commit"].add(np.full(rows, (at_us - journalled_us) * self._scale))

    def summary(self) -> dict[str, Any]:
        """Quantiles from bike to frame, and by hop; None where nothing was measured."""
        with self._lock:
            p50, p99, p99_9 = self._rings["total"].quantiles(0.5, 0.99, 0.999)
            hops = {
                name: dict(
                    zip(
                        ("p50_s", "p99_s", "p99_9_s"),
                        self._rings[name].quantiles(0.5, 0.99, 0.999),
                        strict=True,
                    )
                )
                for name in (*HOPS, "commit")
            }
        return {"p50_s": p50, "p99_s": p99, "p99_9_s": p99_9, "by_hop": hops, "budget_s": BUDGET_S}
