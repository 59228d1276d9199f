"""The front of the race: when its first riders passed each point of the road behind them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.passages import NODE_M, node_ago_s
from truck.race.passes import Ints
from truck.race.riders import NEVER_US, NODES
from truck.race.scene import Scene

_ABREAST_M = 3.0  # who is this near to the first may be first: two receivers wander 1.5 m each
_MOST = 5  # of those; their median passage is moved neither by one of them nor by their turns
_DARK_US = 10_000_000  # without a fix the front's last stretch is a guess
_PROVEN_US = 30_000_000  # on the road without a jump, before a rider may lead the race


@dataclass(frozen=True, eq=False)
class Front:
    """One curve through the passages of the riders who lead, ascending along the road.

    Attributes:
        place_m: points of the road; the last one is where the front is now, or the finish line.
        ago_s: how long ago the front passed them, never rising.
        bridged: which of them lie in a hole of the signal.
    """

    place_m: Floats
    ago_s: Floats
    bridged: NDArray[np.bool_]

    def passed_s(self, place_m: Floats) -> Floats:
        """How long ago the front passed points of the road; NaN before the curve begins."""
        return np.interp(place_m, self.place_m, self.ago_s, left=np.nan)

    def place_at(self, ago_s: Floats) -> Floats:
        """Where the front was; NaN before the curve begins."""
        return np.interp(-ago_s, -self.ago_s, self.place_m, left=np.nan)

    def measured(self, place_m: Floats) -> NDArray[np.bool_]:
        """Which points lie between two passages that fixes tell of."""
        after = np.searchsorted(self.place_m, np.nan_to_num(place_m))
        inside = (after > 0) & (after < len(self.place_m))
        return inside & ~self.bridged[np.minimum(after, len(self.place_m) - 1)]


def front_of(scene: Scene, place_m: Floats, may_lead: NDArray[np.bool_]) -> Front | None:
    """The front of the race, None while nobody leads it.

    Once the first rider has finished, his is the curve: whoever is still out rides against it.

    Args:
        scene: of the instant.
        place_m: where each rider is now.
        may_lead: riders whose place is known well enough to be the first.
    """
    riders = scene.riders
    if scene.finished.any():
        until_us = np.where(scene.finished, riders.finished_us, np.iinfo(np.int64).max)
        rows = np.array([np.argmin(until_us)])
        end_m, end_us = scene.course.length_m, int(until_us[rows[0]])
    else:
        rows = _leading(scene, place_m, may_lead)
        if len(rows) == 0:
            return None
        end_m, end_us = float(place_m[rows[0]]), scene.at_us
    last = int(riders.next_node[rows].max()) - 1
    # as far back as the last fix of the last rider: he is brought on along the curve from there
    begin_m = np.fmin.reduce(np.append(place_m, riders.distance_m[may_lead]), initial=end_m)
    first = max(int(np.floor(begin_m / NODE_M)) - 1, int(riders.first_node[rows].min()))
    nodes = np.arange(min(first, last), last + 1)
    nodes = nodes[nodes * NODE_M < end_m]
    passed_s, bridged = _median(*node_ago_s(riders, rows, nodes, scene.at_us))
    known = np.isfinite(passed_s)
    ago_s = np.append(passed_s[known], (scene.at_us - end_us) / 1e6)
    dark = not scene.finished.any() and (scene.at_us - riders.placed_us[rows]).min() > _DARK_US
    return Front(
        np.append(nodes[known] * NODE_M, end_m),
        np.minimum.accumulate(ago_s),
        np.append(bridged[known], dark),
    )


def _leading(scene: Scene, place_m: Floats, may_lead: NDArray[np.bool_]) -> Ints:
    """Riders at the front of the race, the first one first.

    A place that has only just jumped ahead of everyone is not believed before it has lasted.
    """
    riders = scene.riders
    rows = np.flatnonzero(may_lead)
    if len(rows) == 0:
        return rows
    begun_us = riders.node_us[rows, riders.first_node[rows] % NODES]
    proven = (begun_us != NEVER_US) & (scene.at_us - begun_us >= _PROVEN_US)
    if proven.any():
        rows = rows[proven]
    rows = rows[np.lexsort((riders.bib[rows], -place_m[rows]))]
    first: Ints = rows[place_m[rows] > place_m[rows[0]] - _ABREAST_M][:_MOST]
    return first


def _median(ago_s: Floats, bridged: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """Of each column, and whether no fix at all tells of it; NaN where nobody passed.

    Of two the earlier one, so that it is always a time at which somebody passed.
    """
    count = np.isfinite(ago_s).sum(axis=0)
    ordered: Floats = np.sort(ago_s, axis=0)[count // 2 % len(ago_s), np.arange(len(count))]
    return np.where(count > 0, ordered, np.nan), np.logical_and.reduce(bridged, axis=0)
