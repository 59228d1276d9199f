"""Roads that never were: the winding line and the profile of each kind of stage, from a seed.

A line is built from its heading: a slow wander, bends a few hundred metres long, corners in
towns, and hairpins where the road climbs. Where a road meets itself the height is a function of
the place, so out and back, laps and crossings agree.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEP_M = 5.0
KINDS = (
    "flat", "mountain", "circuit", "out-and-back", "hilly", "time-trial", "crossing", "plain",
)  # fmt: skip

_LEVEL_M = (60.0, 900.0)
_BEND_M, _TURN_M = 250.0, 8_000.0
_TOWN_M = (200.0, 1_500.0)
_HAIRPIN_RADIUS_M = 14.0
_HAIRPIN_LEG_M = (150.0, 550.0)
_HAIRPIN_TRAVERSE_DEG = (76.0, 86.0)
_CLIMB_PCT = (5.5, 8.0)  # of the whole climb; its kilometres differ by some more
_STEEPEST_PCT = 12.0
_SHORTEST_LAP_M = 3_000.0
_WAVES = 40
_WAVE_M = (1_500.0, 9_000.0)
# per kind: bends (deg), 95th percentile of the gradient (per cent), town corners a km
_CHARACTER = {
    "flat": (16.0, 2.2, 0.15),
    "hilly": (26.0, 7.5, 0.10),
    "circuit": (26.0, 5.5, 0.20),
    "out-and-back": (22.0, 5.0, 0.05),
    "crossing": (20.0, 4.0, 0.10),
    "time-trial": (20.0, 3.5, 0.25),
    "plain": (9.0, 0.9, 0.05),
}


class Loop(NamedTuple):
    """A circuit within a road, in metres from the road's beginning."""

    from_m: float
    length_m: float
    laps: int


class Ground(NamedTuple):
    """A road in the plane, a point every `STEP_M`, with every lap in it."""

    x_m: Floats
    y_m: Floats
    altitude_m: Floats
    loop: Loop | None


def ground_of(kind: str, length_m: float, draw: np.random.Generator) -> Ground:
    """The road of a stage of one of `KINDS`, `length_m` long with its neutral zone."""
    loop = None
    if kind == "mountain":
        x, y, rise_m = _mountain(length_m, draw)
        return Ground(x, y, _lifted(rise_m, draw), None)
    if kind == "circuit":
        x, y, loop = _laps(length_m, draw)
    elif kind == "out-and-back":
        x, y = _there_and_back(length_m, draw)
    else:
        x, y = _walk(_heading(kind, length_m, draw, full_turns=2 if kind == "crossing" else 0))
    return Ground(x, y, _lifted(_hills(x, y, _CHARACTER[kind][1], draw), draw), loop)


def tops_of(altitude_m: Floats, rise_m: float = 60.0) -> list[tuple[float, float]]:
    """Where climbs end, in metres along, and how high each of them climbs."""
    found = []
    low = top = float(altitude_m[0])
    top_at = 0
    for k, level in enumerate([*altitude_m[::20].tolist(), -np.inf]):
        if level > top:
            top, top_at = level, k
        elif top - level > rise_m / 2:
            if top - low >= rise_m:
                found.append((top_at * 20 * STEP_M, top - low))
            low = top = level
        elif level < low:
            low = top = level
    return found


def wander(draw: np.random.Generator, count: int, knot: float) -> Floats:
    """A smooth random series of about unit deviation that forgets itself after `knot` points."""
    knots = draw.standard_normal(int(count / knot) + 3)
    at = np.arange(count) / knot
    k = at.astype(np.int64)
    part = at - k
    part = part * part * (3.0 - 2.0 * part)
    return np.asarray((knots[k] * (1.0 - part) + knots[k + 1] * part) * 1.15)


def _smoothed(series: Floats, points: int) -> Floats:
    padded = np.pad(series, (points, points), mode="edge")
    sums = np.cumsum(padded)
    half = points // 2
    middle = np.arange(len(series)) + points
    return np.asarray((sums[middle + half] - sums[middle - half - 1]) / (2 * half + 1))


def _heading(kind: str, length_m: float, draw: np.random.Generator, full_turns: int = 0) -> Floats:
    """Radians at each step; `full_turns` times the road goes round and crosses itself."""
    bends_deg, _, corners_km = _CHARACTER[kind]
    count = int(length_m / STEP_M)
    heading = np.radians(bends_deg) * wander(draw, count, _BEND_M / STEP_M)
    heading += np.radians(40.0) * wander(draw, count, _TURN_M / STEP_M)
    for _ in range(draw.poisson(corners_km * length_m / 1000.0)):
        first = int(draw.integers(0, count))
        last = first + int(draw.uniform(*_TOWN_M) / STEP_M)
        heading[first:last] += np.radians(draw.uniform(60.0, 100.0)) * draw.choice((-1.0, 1.0))
    heading = _smoothed(heading, 5)
    round_m = min(7_000.0, length_m / 6)
    for k in range(full_turns):
        from_m = length_m * (0.25 + 0.4 * k)
        along_m = STEP_M * np.arange(count)
        heading += 2 * np.pi * np.clip((along_m - from_m) / round_m, 0.0, 1.0) * (-1) ** k
    return np.asarray(heading + draw.uniform(0.0, 2 * np.pi))


def _walk(heading: Floats) -> tuple[Floats, Floats]:
    x, y = STEP_M * np.sin(heading), STEP_M * np.cos(heading)
    return np.append(0.0, np.cumsum(x)), np.append(0.0, np.cumsum(y))


def _laps(length_m: float, draw: np.random.Generator) -> tuple[Floats, Floats, Loop]:
    """A road in and a closed loop ridden two to eight times, its end the finish."""
    laps_m = length_m * float(draw.uniform(0.45, 0.8))
    count = max(2, min(int(draw.integers(3, 9)), int(laps_m / _SHORTEST_LAP_M)))
    lap_m = laps_m / count
    points = int(lap_m / STEP_M)
    lap_m = points * STEP_M
    turn = 2 * np.pi * np.arange(points) / points
    heading = turn * draw.choice((-1.0, 1.0))
    waves = np.arange(2, max(4, int(lap_m / 400.0)))
    for wave, phase in zip(waves.tolist(), draw.uniform(0, 2 * np.pi, len(waves)), strict=True):
        heading = heading + draw.uniform(0.3, 1.0) / np.sqrt(wave) * np.sin(wave * turn + phase)
    x, y = _walk(heading)
    shut = np.arange(points + 1) / points
    x, y = x - x[-1] * shut, y - y[-1] * shut
    road_in = _heading("circuit", length_m - count * lap_m, draw)
    road_in += heading[0] - road_in[-1]
    in_x, in_y = _walk(road_in)
    all_x = [in_x - in_x[-1], *[x[1:]] * count]
    all_y = [in_y - in_y[-1], *[y[1:]] * count]
    loop = Loop((len(in_x) - 1) * STEP_M, lap_m, count)
    return np.concatenate(all_x), np.concatenate(all_y), loop


def _there_and_back(length_m: float, draw: np.random.Generator) -> tuple[Floats, Floats]:
    """The same road twice; some maps draw its two sides apart."""
    x, y = _walk(_heading("out-and-back", length_m / 2, draw))
    apart_m = float(draw.choice((0.0, 3.5)))
    east, north = np.gradient(x), np.gradient(y)
    norm = np.sqrt(east * east + north * north)
    right_x, right_y = apart_m * north / norm, -apart_m * east / norm
    return (
        np.concatenate([x + right_x, (x - right_x)[::-1]]),
        np.concatenate([y + right_y, (y - right_y)[::-1]]),
    )


def _mountain(length_m: float, draw: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Valleys, climbs with hairpins, descents; half of the stages end at a top."""
    climbs = int(np.clip(length_m / 45_000.0, 1, 4))
    summit_finish = bool(draw.random() < 0.5)
    shares, kinds = [], []
    for k in range(climbs):
        shares += [draw.uniform(0.8, 1.4), draw.uniform(0.6, 1.2)]
        kinds += [0.0, draw.uniform(*_CLIMB_PCT)]
        if k < climbs - 1 or not summit_finish:
            shares.append(shares[-1] * draw.uniform(0.8, 1.2))
            kinds.append(-kinds[-1] * draw.uniform(0.8, 1.0))
    lengths_m = np.array(shares) / sum(shares) * length_m
    headings, grades = [], []
    bearing = draw.uniform(0.0, 2 * np.pi)
    for part_m, grade in zip(lengths_m.tolist(), kinds, strict=True):
        count = int(part_m / STEP_M)
        if grade == 0.0:
            headings.append(bearing + _valley(count, draw))
            grades.append(0.8 * wander(draw, count, 200.0))
        else:
            headings.append(bearing + _hairpins(count, draw))
            grades.append(grade + 1.3 * wander(draw, count, 160.0))
        bearing += draw.normal(0.0, 0.6)
    x, y = _walk(_smoothed(np.concatenate(headings), int(np.pi * _HAIRPIN_RADIUS_M / STEP_M)))
    steep = np.clip(_smoothed(np.concatenate(grades), 61), -_STEEPEST_PCT, _STEEPEST_PCT)
    return x, y, np.append(0.0, np.cumsum(steep / 100.0 * STEP_M))


def _valley(count: int, draw: np.random.Generator) -> Floats:
    slow = np.radians(35.0) * wander(draw, count, 4_000.0 / STEP_M)
    return np.asarray(slow + np.radians(24.0) * wander(draw, count, _BEND_M / STEP_M))


def _hairpins(count: int, draw: np.random.Generator) -> Floats:
    """Traverses of a slope, left and right of its fall line, with some straighter kilometres."""
    heading: Floats = np.radians(20.0) * wander(draw, count, _BEND_M / STEP_M)
    at, side = 0, 1.0
    while at < count:
        if draw.random() < 0.15:
            at += int(draw.uniform(400.0, 1_500.0) / STEP_M)
            continue
        for _ in range(int(draw.integers(3, 9))):
            leg = int(draw.uniform(*_HAIRPIN_LEG_M) / STEP_M)
            heading[at : at + leg] *= 0.3
            heading[at : at + leg] += side * np.radians(draw.uniform(*_HAIRPIN_TRAVERSE_DEG))
            at, side = at + leg, -side
    return heading


def _hills(x: Floats, y: Floats, steep_pct: float, draw: np.random.Generator) -> Floats:
    """Heights from waves over the land, scaled so that one in twenty metres is `steep_pct`."""
    rise_m = np.zeros(len(x))
    for _ in range(_WAVES):
        wave_m = _WAVE_M[0] * (_WAVE_M[1] / _WAVE_M[0]) ** draw.random()
        angle, phase = draw.uniform(0.0, 2 * np.pi, 2)
        across = (x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / wave_m)
        rise_m += wave_m * np.sin(across + phase)
    run = int(100.0 / STEP_M)
    grade_pct = np.abs(rise_m[run:] - rise_m[:-run]) / (run * STEP_M) * 100.0
    return np.asarray(rise_m * (steep_pct / np.percentile(grade_pct, 95)))


def _lifted(rise_m: Floats, draw: np.random.Generator) -> Floats:
    return np.asarray(rise_m - rise_m.min() + draw.uniform(*_LEVEL_M))
