"""A figure of a stage, how those of several stages are pooled, and how sure that is.

The interval resamples stages, never frames: frames of one stage are not independent, so that
resampling them would make any figure look surer than it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000
_SEED = 20_270_716  # of the resampling alone


@dataclass(frozen=True)
class Mean:
    """One value a stage; stages weigh the same. NaN where the stage has none."""

    value: float


@dataclass(frozen=True)
class Share:
    """Hits of so many; pooled over stages, because some have one crash and some have nine."""

    hits: float
    of: float


@dataclass(frozen=True)
class Quantile:
    """A quantile of values pooled over stages."""

    values: tuple[float, ...]
    q: float


Figure = Mean | Share | Quantile


def pooled(figures: Sequence[Figure]) -> float:
    """The value of several stages' figures; NaN where none of them has one."""
    if not figures:
        return float("nan")
    match figures[0]:
        case Mean():
            values = np.array([f.value for f in figures if isinstance(f, Mean)])
            values = values[np.isfinite(values)]
            return float(values.mean()) if len(values) else float("nan")
        case Share():
            shares = [f for f in figures if isinstance(f, Share)]
            of = sum(f.of for f in shares)
            return sum(f.hits for f in shares) / of if of else float("nan")
        case Quantile(q=q):
            parts = [value for f in figures if isinstance(f, Quantile) for value in f.values]
            return float(np.quantile(parts, q)) if parts else float("nan")


def interval(figures: Sequence[Figure]) -> tuple[float, float]:
    """95 % bootstrap over stages; NaN for fewer than two of them."""
    if len(figures) < 2:
        return float("nan"), float("nan")
    draw = np.random.default_rng(_SEED)
    picked = draw.integers(0, len(figures), (DRAWS, len(figures)))
    values = np.array([pooled([figures[k] for k in row]) for row in picked.tolist()])
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))
