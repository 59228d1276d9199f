"""When each rider passed which point of the road: the curve that time gaps are read from."""

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.passes import Ints
from truck.race.riders import NEVER_US, NODES, Riders

NODE_M = 50.0
_HOLE_US = 10_000_000


def record_passages(
    riders: Riders,
    rows: Ints,
    from_m: Floats,
    from_us: Ints,
    to_m: Floats,
    to_us: Ints,
) -> None:
    """Note the nodes that riders passed between two placed fixes, at even speed between them.

    Where a rider's place jumped (a lap decided otherwise), his curve starts anew.

    Args:
        riders: changed in place.
        rows: of the riders, each once.
        from_m: last place, NaN at the first.
        from_us: when.
        to_m: new place.
        to_us: when, later.
    """
    reached = np.floor(np.where(np.isfinite(to_m), to_m, 0.0) / NODE_M).astype(np.int64) + 1
    jumped = np.isnan(from_m) | (to_m < from_m - 2 * NODE_M)
    fresh = rows[jumped]
    riders.node_us[fresh] = NEVER_US
    riders.first_node[fresh] = riders.next_node[fresh] = reached[jumped]
    count = np.maximum(reached - riders.next_node[rows], 0)
    skipped = np.maximum(count - NODES, 0)  # a hole longer than the ring
    which = np.repeat(np.arange(len(rows)), count - skipped)
    begins = np.cumsum(count - skipped) - (count - skipped)
    row = rows[which]
    node = riders.next_node[row] + skipped[which] + np.arange(len(which)) - begins[which]
    way_m = np.maximum(to_m - from_m, 1e-9)[which]
    share = np.clip((node * NODE_M - from_m[which]) / way_m, 0.0, 1.0)
    span_us = (to_us - from_us)[which]
    riders.node_us[row, node % NODES] = from_us[which] + np.rint(share * span_us).astype(np.int64)
    riders.node_bridged[row, node % NODES] = span_us > _HOLE_US
    riders.next_node[rows] = np.maximum(riders.next_node[rows], reached)
    riders.first_node[rows] = np.maximum(riders.first_node[rows], riders.next_node[rows] - NODES)


def passed_s(riders: Riders, rows: Ints, at_m: Floats, now_m: Floats, now_us: Ints) -> Floats:
    """How long ago riders passed points of the road, seconds; NaN where it is not known.

    Args:
        riders: read only.
        rows: of the riders, repeats allowed.
        at_m: the points.
        now_m: where each rider is now.
        now_us: the instant of `now_m`.
    """
    node = np.floor(np.where(np.isfinite(at_m), at_m, 0.0) / NODE_M).astype(np.int64)
    last = riders.next_node[rows] - 1
    known = (node >= riders.first_node[rows]) & (node <= last) & np.isfinite(at_m)
    before_us = riders.node_us[rows, node % NODES]
    onward = node < last
    after_us = np.where(onward, riders.node_us[rows, (node + 1) % NODES], now_us)
    after_m = np.where(onward, (node + 1) * NODE_M, now_m)
    way_m = after_m - node * NODE_M
    share = np.clip((at_m - node * NODE_M) / np.where(way_m > 0, way_m, 1.0), 0.0, 1.0)
    passed_us = before_us + share * (after_us - before_us)
    return np.where(known, (now_us - passed_us) / 1e6, np.nan)


def node_ago_s(
    riders: Riders, rows: Ints, nodes: Ints, at_us: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """How long before `at_us` riders passed nodes, and which of that is bridged, [rows, nodes].

    NaN where it is not known.
    """
    ring = rows[:, None], (nodes % NODES)[None, :]
    known = (nodes >= riders.first_node[rows][:, None]) & (nodes < riders.next_node[rows][:, None])
    ago_s = np.where(known, (at_us - riders.node_us[ring]) / 1e6, np.nan)
    return ago_s, riders.node_bridged[ring] | ~known


def known_way(riders: Riders, row: int, at_us: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Where a rider can have been at past instants, and most likely was: low, high, about."""
    nodes = np.arange(riders.first_node[row], riders.next_node[row])
    times_us = np.append(riders.node_us[row, nodes % NODES], riders.placed_us[row])
    place_m = np.append(nodes * NODE_M, riders.distance_m[row])
    about_m = np.interp(at_us, times_us, place_m)
    measured = np.append(~riders.node_bridged[row, nodes % NODES], True)
    times_us, place_m = times_us[measured], place_m[measured]
    after = np.searchsorted(times_us, at_us, side="right")
    high_m = place_m[np.minimum(after, len(place_m) - 1)]
    low_m = place_m[np.maximum(after - 1, 0)]
    # older than the curve: anywhere behind it, most likely near
    return np.where(after == 0, -np.inf, low_m), high_m, about_m
