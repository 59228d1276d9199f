"""Who races, as the start list has it, and from when."""

import numpy as np
from numpy.typing import NDArray

from hardware.stage import Stage


def starters_of(stage: Stage, bibs: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Who is on the start list; everybody where there is none, or where it is of another race.

    Trackers on car roofs are a few beside the starters; as many strangers as starters say that it
    is the list that is wrong, and nobody shall be missing because of that.
    """
    listed = np.isin(bibs, [starter.bib for starter in stage.startlist])
    strangers = len(bibs) - int(listed.sum())
    return listed if strangers < len(stage.startlist) else np.ones(len(bibs), np.bool_)


def begun_at(stage: Stage, bibs: NDArray[np.int32], at_us: int) -> NDArray[np.bool_]:
    """Whose race has begun: after the flag, and against the clock after his own start."""
    begun = stage.start_at_s is None or at_us > stage.start_at_s * 1e6
    own = [s.bib for s in stage.startlist if s.start_at_s and at_us <= s.start_at_s * 1e6]
    return begun & ~np.isin(bibs, own) if own else np.full(len(bibs), begun)
