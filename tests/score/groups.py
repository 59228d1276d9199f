"""Who rides with whom: agreement of our groups with the true ones, and ids that stay.

Rules.
- Every 10 s, over the riders who are on the road in truth and with us (racing, stopped, or unheard
  for up to 90 s), sound devices or not. Agreement is per frame, a stage is the mean of its frames.
- ARI: adjusted Rand index (Hubert and Arabie 1985); 1 where both put all in one group or nobody
  with anybody. Pair F1: over pairs of riders in one group; 1 where neither has a pair.
- Id switch: the published id that most members of a true group of two or more bear changes for
  another while the true group lives on; both must last 60 s, so that a group that is being caught
  does not count twice. An hour is an hour of the race, all groups together.
- A time trial has no groups and is left out.
- The baseline cuts where the way to the rider ahead takes over 3 s, and numbers from the front.
"""

from itertools import pairwise

import naive
import numpy as np
from figure import Figure, Mean, Share
from scene import Floats, Scene

EVERY_S = 10
LASTING_S = 60


def figures(scene: Scene) -> dict[str, tuple[Figure, Figure]]:
    """By name: ours and the baseline's."""
    if scene.stage.kind == "time-trial":
        return {}
    every = slice(None, None, EVERY_S)
    truth = np.where(scene.racing, scene.truth("group_id"), np.nan)[every]
    ours = np.where(scene.shown_on, scene.ours("group_id"), np.nan)[every]
    plain = naive.groups(
        scene.ours("distance_m")[every], scene.ours("speed_mps")[every], scene.shown_on[every]
    )
    hours = len(scene.seconds) / 3600.0
    pair = [
        (*agreement(truth, ids), Mean(float(id_switches(truth, ids)) / hours))
        for ids in (ours, plain)
    ]
    both = np.isfinite(truth) & np.isfinite(ours)
    return {
        "groups, ARI": (pair[0][0], pair[1][0]),
        "groups, pair F1": (pair[0][1], pair[1][1]),
        "groups, id switches": (pair[0][2], pair[1][2]),
        "groups, share of riders in one": (
            Share(float(both.sum()), float(np.isfinite(truth).sum())),
            Share(float((np.isfinite(truth) & np.isfinite(plain)).sum()),
                  float(np.isfinite(truth).sum())),
        ),
    }  # fmt: skip


def agreement(truth: Floats, ours: Floats) -> tuple[Mean, Mean]:
    """Mean ARI and mean pair F1 of frames [frames, riders]; NaN is in no group."""
    aris, scores = [], []
    for true_row, our_row in zip(truth, ours, strict=True):
        both = np.isfinite(true_row) & np.isfinite(our_row)
        if both.sum() >= 2:
            ari, f1 = compare(true_row[both], our_row[both])
            aris.append(ari)
            scores.append(f1)
    if not aris:
        return Mean(np.nan), Mean(np.nan)
    return Mean(float(np.mean(aris))), Mean(float(np.mean(scores)))


def compare(truth: Floats, ours: Floats) -> tuple[float, float]:
    """ARI and pair F1 of one frame."""
    true_ids, one = np.unique(truth, return_inverse=True)
    our_ids, other = np.unique(ours, return_inverse=True)
    table = np.zeros((len(true_ids), len(our_ids)))
    np.add.at(table, (one, other), 1.0)

    def pairs(counts: Floats) -> float:
        return float((counts * (counts - 1.0)).sum() / 2.0)

    together, in_truth = pairs(table), pairs(table.sum(axis=1))
    in_ours, everyone = pairs(table.sum(axis=0)), pairs(np.array([float(len(truth))]))
    by_chance = in_truth * in_ours / everyone
    most = (in_truth + in_ours) / 2.0
    ari = 1.0 if most == by_chance else (together - by_chance) / (most - by_chance)
    f1 = 1.0 if in_truth + in_ours == 0.0 else 2.0 * together / (in_truth + in_ours)
    return ari, f1


def id_switches(truth: Floats, ours: Floats, every_s: float = EVERY_S) -> int:
    """How often a true group's published id changes for another, both lasting 60 s."""
    lasting = int(np.ceil(LASTING_S / every_s))
    return sum(
        _changes(_published(truth == group, ours), lasting)
        for group in np.unique(truth[np.isfinite(truth)])
    )


def _published(members: Floats, ours: Floats) -> list[float]:
    """The id that most of a true group bear, frame by frame; frames without one are left out."""
    ids = []
    for row, inside in zip(ours, members, strict=True):
        if inside.sum() < 2:
            continue
        borne, count = np.unique(row[inside & np.isfinite(row)], return_counts=True)
        if len(borne):
            ids.append(float(borne[np.argmax(count)]))
    return ids


def _changes(ids: list[float], lasting: int) -> int:
    """Changes between runs that last."""
    runs: list[list[float]] = []
    for number in ids:
        if runs and runs[-1][0] == number:
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    kept = [number for number, length in runs if length >= lasting]
    return sum(one != other for one, other in pairwise(kept))
