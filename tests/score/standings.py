"""The virtual classification at the line.

Rules.
- Of every rider who finishes in truth within the scene: the virtual gap published 5 s after his
  true finish ("at his line"; a receiver is heard a few seconds late, and the line is seen crossed
  only by the next fix) and the last one published ("at the end"), against the true one: gap
  before + time behind the winner - bonuses, relative to the best who finishes. Not published is
  not within 2 s.
- "Heard" are finishers with a sound device of whom a reading of the last 10 s had come when they
  finished; "all" are also the silent, the misbound and those in cars, of whom nobody can know.
- The baseline is gap before + distance / speed at the moment the winner crosses, without bonuses;
  in a time trial it knows nothing.
"""

import naive
import numpy as np
from figure import Figure, Mean, Share
from scene import Bools, Floats, Missing, Scene

AFTER_S = 5
CLOSE_S = 2.0


def figures(scene: Scene) -> dict[str, tuple[Figure, Figure]]:
    """By name: ours and the baseline's; none where nobody finishes."""
    true_s = np.array(
        [_number(scene.standings.get(bib, {}).get("virtual_gap_s")) for bib in scene.bibs.tolist()]
    )
    finishers = scene.finished.any(axis=0) & np.isfinite(true_s)
    if not finishers.any():
        return {}
    virtual_s = scene.ours("virtual_gap_s")
    if not np.isfinite(virtual_s).any():
        raise Missing("states.virtual_gap_s")
    rider, line = np.arange(len(scene.bibs)), np.argmax(scene.finished, axis=0)
    at_line_s = virtual_s[np.minimum(line + AFTER_S, len(virtual_s) - 1), rider]
    heard = np.isfinite(scene.held(scene.readings["at_s"]))[line, rider] & scene.sound
    plain_s = _plain(scene)
    found: dict[str, tuple[Figure, Figure]] = {}
    for whose, who in (("heard", finishers & heard), ("all", finishers)):
        for when, values in (("at his line", at_line_s), ("at the end", virtual_s[-1])):
            pair = _within(values, true_s, who), _within(plain_s, true_s, who)
            found[f"standings, {whose}, within 2 s {when}"] = pair
    found["standings, heard, mean error at the end"] = (
        _error(virtual_s[-1], true_s, finishers & heard), _error(plain_s, true_s, finishers & heard)
    )  # fmt: skip
    return found


def _plain(scene: Scene) -> Floats:
    if scene.stage.kind == "time-trial":
        return np.full(len(scene.bibs), np.nan)
    winner = int(np.argmax(scene.finished.any(axis=1)))
    before_s = {starter.bib: starter.gc_gap_s or 0.0 for starter in scene.stage.startlist}
    total_s = naive.gap_s(scene)[winner] + [before_s.get(bib, 0.0) for bib in scene.bibs.tolist()]
    return total_s - (np.nanmin(total_s) if np.isfinite(total_s).any() else 0.0)


def _within(values: Floats, true_s: Floats, who: Bools) -> Share:
    close = np.nan_to_num(np.abs(values - true_s), nan=np.inf) <= CLOSE_S
    return Share(float((close & who).sum()), float(who.sum()))


def _error(values: Floats, true_s: Floats, who: Bools) -> Mean:
    off_s = np.abs(values - true_s)[who & np.isfinite(values)]
    return Mean(float(off_s.mean()) if len(off_s) else np.nan)


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
