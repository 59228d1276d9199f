"""Who rides much faster than all the others on the same road: no legs do that for long."""

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.passages import NODE_M
from truck.race.passes import Ints
from truck.race.riders import NODES, Riders

# On the steepest climbs the first ride 1.5 times as fast as the last (Grand Tour time limits, UCI
# 2.6.032, are 4 to 20 % of the winner's time over a stage); a chase behind cars gains less on
# an easy bunch. A car goes up a climb at twice the pace and more.
_OUTRUNS = 1.6
_FASTEST_SHARE = 4  # he is held against the fastest quarter, of whom one may sit in a car too
_OTHERS = 5
_SHORTEST_M = 300.0


def outrunning(riders: Riders, rows: Ints, from_m: Floats, to_m: Floats) -> NDArray[np.bool_]:
    """Which riders rode a stretch much faster than the fastest quarter of those who rode it too.

    Args:
        riders: read only.
        rows: of the riders.
        from_m: where each one's stretch begins.
        to_m: where it ends; shorter ones than 300 m tell nothing.
    """
    long = (to_m - from_m >= _SHORTEST_M) & np.isfinite(from_m) & np.isfinite(to_m)
    first = np.where(long, np.ceil(np.where(long, from_m, 0.0) / NODE_M), 0).astype(np.int64)
    last = np.where(long, np.floor(np.where(long, to_m, 0.0) / NODE_M), 0).astype(np.int64)
    took_us = riders.node_us[:, last % NODES] - riders.node_us[:, first % NODES]
    known = (first >= riders.first_node[:, None]) & (last < riders.next_node[:, None]) & long
    times_s = np.where(known, took_us / 1e6, np.nan)
    own_s = times_s[rows, np.arange(len(rows))].copy()
    times_s[rows, np.arange(len(rows))] = np.nan
    count = np.isfinite(times_s).sum(axis=0)
    quick_s = np.sort(times_s, axis=0)[count // _FASTEST_SHARE % len(times_s), np.arange(len(rows))]
    beaten: NDArray[np.bool_] = (count >= _OTHERS) & (own_s * _OUTRUNS < quick_s)
    return beaten
