"""The virtual classification at the line.

Rules. Of every rider who finishes in truth within the scene, whatever his device: the virtual gap
published 5 s after his true finish (a receiver is heard a few seconds late, and the line is seen
crossed only by the next fix), against the true one (gap before + time behind the winner - bonuses,
relative to the best of the final standings that are known by then: all who have finished). Not
published counts as not within 2 s. The baseline is gap before + distance / speed at the moment the
winner crosses, without bonuses; in a time trial it knows nothing.
"""

import naive
import numpy as np
from figure import Figure, Mean, Share
from scene import Floats, Missing, Scene

AFTER_S = 5
CLOSE_S = 2.0


def figures(scene: Scene) -> dict[str, tuple[Figure, Figure]]:
    """By name: ours and the baseline's."""
    true_s = np.array(
        [_number(scene.standings.get(bib, {}).get("virtual_gap_s")) for bib in scene.bibs.tolist()]
    )
    done = scene.finished
    finishers = done.any(axis=0) & np.isfinite(true_s)
    if not finishers.any():
        return {}
    row = np.minimum(np.argmax(done, axis=0) + AFTER_S, len(done) - 1)
    rider = np.arange(len(scene.bibs))
    virtual_s = scene.ours("virtual_gap_s")
    if not np.isfinite(virtual_s).any():
        raise Missing("states.virtual_gap_s")
    ours = _figures(virtual_s[row, rider], virtual_s[-1], true_s, finishers)
    winner = int(np.argmax(done.any(axis=1)))
    before_s = {starter.bib: starter.gc_gap_s or 0.0 for starter in scene.stage.startlist}
    plain_s = naive.gap_s(scene)[winner] + [before_s.get(bib, 0.0) for bib in scene.bibs.tolist()]
    plain_s -= np.nanmin(plain_s) if np.isfinite(plain_s).any() else 0.0
    if scene.stage.kind == "time-trial":
        plain_s = np.full(len(plain_s), np.nan)
    plain = _figures(plain_s, plain_s, true_s, finishers)
    return {name: (ours[name], plain[name]) for name in ours}


def _figures(at_line_s: Floats, at_end_s: Floats, true_s: Floats, who: Floats) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    for when, values in (("at his line", at_line_s), ("at the end", at_end_s)):
        off_s = np.nan_to_num(np.abs(values - true_s), nan=np.inf)[who]
        found[f"standings, within 2 s {when}"] = Share(
            float((off_s <= CLOSE_S).sum()), float(len(off_s))
        )
    known = np.isfinite(at_end_s) & who
    off_s = np.abs(at_end_s - true_s)[known]
    found["standings, mean error at the end"] = Mean(float(off_s.mean()) if len(off_s) else np.nan)
    return found


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
