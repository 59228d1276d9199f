"""How steep a road is, from the altitudes drawn along it: jumps left out, noise smoothed away."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEP_M = 10.0
_BASE_M = 50.0
_STEEPEST = 0.35  # the steepest street in the world (Baldwin Street, Dunedin), over 50 m
_KINK = 0.15  # a drawn point that far off its neighbours, for each metre between them, is wrong
_KINK_M = 5.0
_SIGMAS = 6.0
_CLIFF, _CLIFF_M = 0.2, 10.0  # between two drawn points, steeper by that than before and after
# the window of the fit (DESIGN 6: 100 to 150 m), wider where the drawing is noisy
_WINDOW_M = (120.0, 500.0)
_ROUGH_M = 150.0  # over which the road's own bends are told from noise, at the least
_CELL_M = 60.0  # within it a drawing's errors hang together: two cells of a height model of 30 m
_QUANTISED_M = 180.0  # altitudes in whole metres: at 1 % of gradient they step every 100 m


class Profile(NamedTuple):
    """Even points along a road; all NaN in the columns where no altitude is known.

    Attributes:
        distance_m: every 10 m.
        altitude_m: wrong points bridged, else as drawn.
        gradient_pct: of a local linear fit.
        jump: where the drawn altitude jumps as no road does, so that gradients bridge it.
        window_m: of the fit.
    """

    distance_m: Floats
    altitude_m: Floats
    gradient_pct: Floats
    jump: NDArray[np.bool_]
    window_m: float


def profile_of(distance_m: Floats, altitude_m: Floats) -> Profile:
    """The profile of a line of points.

    A local linear fit is a mean of the rises between its points under parabolic weights
    (Savitzky and Golay 1964, first derivative); so a rise that is a jump can be left out of it.

    Args:
        distance_m: along the road, ascending.
        altitude_m: NaN where unknown.
    """
    even_m = _even(float(distance_m[0]), float(distance_m[-1]))
    known = np.isfinite(altitude_m)
    known[known] &= np.diff(distance_m[known], prepend=-np.inf) > 0.0
    if not known.any():
        nowhere = np.full(len(even_m), np.nan)
        return Profile(even_m, nowhere, nowhere, np.zeros(len(even_m), np.bool_), _WINDOW_M[0])
    along_m, level_m = distance_m[known], altitude_m[known]
    sound = ~_outliers(along_m, level_m)
    along_m, level_m = along_m[sound], level_m[sound]
    drawn_m = np.interp(even_m, along_m, level_m)
    jump = _jumps(drawn_m)
    for first_m, last_m in _cliffs(along_m, level_m):
        jump |= (even_m > first_m - _STEP_M) & (even_m < last_m + _STEP_M)
    window_m = _window(along_m, level_m)
    gradient = _fit(np.diff(drawn_m) / np.diff(even_m), ~(jump[1:] | jump[:-1]), window_m)
    return Profile(even_m, drawn_m, gradient * 100.0, jump, window_m)


def _even(first_m: float, last_m: float) -> Floats:
    count = max(2, round((last_m - first_m) / _STEP_M) + 1)
    return np.asarray(np.linspace(first_m, last_m, count))


class _Noise(NamedTuple):
    """What makes a drawn profile rough.

    Attributes:
        variance_m2: of a mean of altitudes.
        over_m: of the road that such a mean is taken over.
        rate: at which the road's own gradient wanders, a random walk's variance a metre.
    """

    variance_m2: float
    over_m: float
    rate: float


def _noise(along_m: Floats, level_m: Floats, over_m: float = 0.0) -> _Noise:
    """The noise of altitudes, or of their means over `over_m`, and the road's wandering.

    A point's distance from the line between two others is noise and the road's own bend. The
    bend's variance grows with the cube of their spacing (q h^3 / 9 where the gradient is a random
    walk of rate q a metre), the noise does not: two spacings tell them apart.
    """
    if len(along_m) < 5:
        return _Noise(0.0, over_m, 0.0)
    spacing_m = float(np.median(np.diff(along_m)))
    most = (len(along_m) - 1) // 2
    points = max(1, min(round(over_m / spacing_m), most // 2))
    apart = max(2 * points, min(round(_ROUGH_M / spacing_m), most))
    if points > 1:
        along_m, level_m = _means(along_m, points), _means(level_m, points)
        apart = min(apart, (len(along_m) - 1) // 2)
    near, far = (_spread(_bends(along_m, level_m, k)) ** 2 for k in (points, apart))
    bend = max(0.0, (far - near) / ((apart / points) ** 3 - 1.0))
    base_m = points * spacing_m
    return _Noise(max(0.0, near - bend), base_m, 9.0 * bend / base_m**3)


def _means(values: Floats, points: int) -> Floats:
    """Of each so many neighbours; not np.convolve, see `_fit`."""
    count = len(values) - points + 1
    return np.asarray(sum(values[k : k + count] for k in range(points)) / points)


def _bends(along_m: Floats, level_m: Floats, apart: int) -> Floats:
    """Each point's offset from the line through those before and after, in units of its noise."""
    span_m = along_m[2 * apart :] - along_m[: -2 * apart]
    share = (along_m[apart:-apart] - along_m[: -2 * apart]) / span_m
    between_m = level_m[: -2 * apart] * (1.0 - share) + level_m[2 * apart :] * share
    scale = np.sqrt(1.0 + share * share + (1.0 - share) * (1.0 - share))
    return np.asarray((level_m[apart:-apart] - between_m) / scale)


def _spread(offsets: Floats) -> float:
    """Standard deviation from the mean magnitude of all but the largest twentieth."""
    size = np.sort(np.abs(offsets))[: max(1, int(len(offsets) * 0.95))]
    return float(np.sum(size) / len(size)) * 1.46  # of a normal distribution so trimmed


def _outliers(along_m: Floats, level_m: Floats) -> NDArray[np.bool_]:
    """Single points and pairs that stand off their neighbours as no road does."""
    count = len(level_m)
    if count < 5:
        return np.zeros(count, np.bool_)
    # beyond its ends the line goes straight on
    before_m, after_m = 2 * level_m[1] - level_m[2], 2 * level_m[-2] - level_m[-3]
    padded = np.concatenate([[before_m] * 2, level_m, [after_m] * 2])
    middle_m = np.median(np.stack([padded[k : k + count] for k in range(5)]), axis=0)
    spacing_m = np.gradient(along_m)
    sigma_m = math.sqrt(_noise(along_m, level_m).variance_m2)
    allowed_m = np.maximum(_KINK_M, np.maximum(_SIGMAS * sigma_m, _KINK * spacing_m))
    return np.asarray(np.abs(level_m - middle_m) > allowed_m)


def _jumps(level_m: Floats) -> NDArray[np.bool_]:
    """Even points over which the altitude changes faster than any road, over 50 m."""
    base = int(_BASE_M / _STEP_M)
    jump = np.zeros(len(level_m), np.bool_)
    padded = np.pad(level_m, 2, mode="edge")
    smooth_m = np.median(np.stack([padded[k : k + len(level_m)] for k in range(5)]), axis=0)
    steep = np.flatnonzero(np.abs(smooth_m[base:] - smooth_m[:-base]) > _STEEPEST * _BASE_M)
    for offset in range(base + 1):
        jump[steep + offset] = True
    return jump


def _cliffs(along_m: Floats, level_m: Floats) -> list[tuple[float, float]]:
    """Stretches between two drawn points over which the altitude steps to another level."""
    if len(along_m) < 4:
        return []
    rise_m, run_m = np.diff(level_m), np.diff(along_m)
    slope = np.pad(rise_m / run_m, 1, mode="edge")
    before, here, after = slope[:-2], slope[1:-1], slope[2:]
    kinked = (np.abs(here - before) > _CLIFF) & (np.abs(here - after) > _CLIFF)
    # both bends the same way is a step, else it is a crest's or a dip's
    stepped = kinked & ((here > before) == (here > after)) & (np.abs(rise_m) > _CLIFF_M)
    return [(float(along_m[k]), float(along_m[k + 1])) for k in np.flatnonzero(stepped)]


def _window(along_m: Floats, level_m: Floats) -> float:
    """The window in which a fitted gradient errs least.

    Noise of variance v of means over h adds 12 v h / w^3 to its variance, the road's wandering
    0.0589 q w (the integral of the squared tails of the parabolic weights); the sum is least at
    this w. Errors of neighbouring points are not each other's strangers, so h is `_CELL_M`.
    """
    low_m, high_m = _WINDOW_M
    if bool(np.all(level_m == np.rint(level_m))):
        low_m = _QUANTISED_M
    noise = _noise(along_m, level_m, _CELL_M)
    wanted_m = low_m
    if noise.variance_m2 > 0.0:
        wandering = 0.0589 * max(noise.rate, 1e-12)
        wanted_m = (36.0 * noise.variance_m2 * noise.over_m / wandering) ** 0.25
    steps: int = round(min(max(wanted_m, low_m), high_m) / (2 * _STEP_M))
    return steps * 2 * _STEP_M


def _fit(slope: Floats, sound: NDArray[np.bool_], window_m: float) -> Floats:
    """The slope at each even point from those between them, one less."""
    half = round(window_m / _STEP_M / 2)
    total, weight = np.zeros(len(slope) + 1), np.zeros(len(slope) + 1)
    padded = np.pad(np.where(sound, slope, 0.0), half)
    counted = np.pad(sound.astype(np.float64), half)
    for k in range(2 * half):  # not np.convolve: BLAS adds in another order elsewhere
        share = (k + 0.5) * (2 * half - k - 0.5)
        total += share * padded[k : k + len(total)]
        weight += share * counted[k : k + len(total)]
    known = weight > 0.0
    if not known.any():
        return np.zeros(len(total))
    at = np.arange(len(total))
    return np.asarray(np.interp(at, at[known], total[known] / weight[known]))
