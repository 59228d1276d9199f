"""Where an operator's word stands instead of what was measured."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from truck.race.look import Look
from truck.race.rulings import Rulings

_RULED_GROUP = 1_000_000  # ids of groups that an operator made: this and the ruling's number


def overruled(seen: Look, rulings: Rulings) -> tuple[Look, NDArray[np.bool_]]:
    """The look with groups and gaps as ruled, and whose row a ruling touches.

    What is measured goes on behind it untouched, and shows again when a ruling ends.
    """
    bibs, at_us = seen.scene.riders.bib, seen.scene.at_us
    ruled = np.zeros(len(bibs), np.bool_)
    groups, gaps = rulings.group_overrides(at_us), rulings.gap_overrides(at_us)
    if not groups and not gaps:
        return seen, ruled
    row = {bib: k for k, bib in enumerate(bibs.tolist())}
    group_id, gap_s = seen.group_id.copy(), seen.gaps.gap_s.copy()
    for bib, number in groups.items():
        if bib in row and seen.on_road[row[bib]]:
            group_id[row[bib]] = _RULED_GROUP + number
            ruled[row[bib]] = True
    for bib, ruled_s in gaps.items():
        if bib in row:
            gap_s[row[bib]] = ruled_s
            ruled[row[bib]] = True
    return replace(seen, group_id=group_id, gaps=seen.gaps._replace(gap_s=gap_s)), ruled
