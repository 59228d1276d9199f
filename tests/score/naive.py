"""What one would write first, on the same readings: the baselines of every figure."""

from typing import Any

import numpy as np
from pyproj import Proj
from scene import Alarm, Bools, Floats, Ints, Scene

_CELL_M = 50.0
_NEAR_M = 200.0
_STILL_MPS = 1.0
_STILL_S = 30
_APART_S = 3.0
_SLOWEST_MPS = 1.0  # whoever stands has no gap by distance / speed


def nearest_m(scene: Scene) -> Floats:
    """Each rider's distance as the nearest point of the route to his latest fix."""
    line, readings = scene.line, scene.readings
    plane = Proj(
        proj="aeqd", lon_0=float(line.longitude_deg.mean()), lat_0=float(line.latitude_deg.mean())
    )
    count = max(2, int(np.ptp(line.distance_m) / 5.0))
    even_m = np.linspace(line.distance_m[0], line.distance_m[-1], count)
    x, y = plane(line.longitude_deg, line.latitude_deg)
    road = np.column_stack(
        [np.interp(even_m, line.distance_m, x), np.interp(even_m, line.distance_m, y)]
    )
    fixes = np.column_stack(plane(readings["longitude_deg"], readings["latitude_deg"]))
    at = nearest(road, fixes)
    # between the points, along the road: the baseline is no worse than its idea
    way = np.gradient(road, axis=0)
    way /= np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-9)[:, None]
    return scene.held(even_m[at] + ((fixes - road[at]) * way[at]).sum(axis=1))


def nearest(road: Floats, fixes: Floats) -> Ints:
    """Index of the road point nearest to each fix; both are [n, 2] in metres.

    Fixes of one 50 m cell share their candidates, so that a stage takes seconds.
    """
    cells, member = np.unique(np.floor(fixes / _CELL_M), axis=0, return_inverse=True)
    order = np.argsort(member.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(member.ravel(), minlength=len(cells)))
    found = np.empty(len(fixes), np.int64)
    for cell, low, high in zip((cells + 0.5) * _CELL_M, [0, *ends[:-1]], ends, strict=True):
        rows = order[low:high]
        near = np.flatnonzero(np.abs(road - cell).max(axis=1) <= _NEAR_M)
        if not len(near):
            near = np.arange(len(road))
        # in blocks, because a cell at the start line holds the whole field for minutes
        for block in np.array_split(rows, max(1, len(rows) // 500)):
            away = (fixes[block, :1] - road[near, 0]) ** 2 + (fixes[block, 1:] - road[near, 1]) ** 2
            found[block] = near[np.argmin(away, axis=1)]
    return found


def doppler_mps(scene: Scene) -> Floats:
    """The receiver's speed as it comes."""
    return scene.held(scene.readings["speed_mps"])


def quotient_mps(scene: Scene) -> Floats:
    """The way between a rider's last two fixes by the time between them."""
    readings = scene.readings
    east_m = np.diff(readings["longitude_deg"]) * 111_320.0
    east_m *= np.cos(np.radians(readings["latitude_deg"][1:]))
    north_m = np.diff(readings["latitude_deg"]) * 110_574.0
    passed_s = np.diff(readings["at_s"])
    same = (np.diff(readings["bib"]) == 0) & (passed_s > 0)
    speed = np.full(len(readings["bib"]), np.nan)
    speed[1:][same] = np.hypot(east_m, north_m)[same] / passed_s[same]
    return scene.held(speed)


def altitude_gradient_pct(scene: Scene, over_s: int = 12) -> Floats:
    """The rise of the rider's own altitude over the way of his last seconds (about 120 m)."""
    rise_m = np.full(scene.latest.shape, np.nan)
    way_m = rise_m.copy()
    level_m = scene.held(scene.readings["altitude_m"])
    speed_mps = np.nan_to_num(doppler_mps(scene))
    rise_m[over_s:] = level_m[over_s:] - level_m[:-over_s]
    gone_m = np.cumsum(speed_mps, axis=0)
    way_m[over_s:] = gone_m[over_s:] - gone_m[:-over_s]
    return np.where(way_m > 20.0, rise_m / np.maximum(way_m, 1.0) * 100.0, np.nan)


def gap_s(scene: Scene) -> Floats:
    """Metres to the first rider, by one's own speed; 1 m/s for who stands."""
    distance_m = np.where(scene.shown_on, scene.ours("distance_m"), np.nan)
    with np.errstate(invalid="ignore"):
        first_m = np.fmax.reduce(distance_m, axis=1, keepdims=True)
        return (first_m - distance_m) / np.maximum(scene.ours("speed_mps"), _SLOWEST_MPS)


def groups(distance_m: Floats, speed_mps: Floats, on_road: Bools) -> Floats:
    """Group numbers from the front, cut where the way to the rider ahead takes over 3 s."""
    ids = np.full(distance_m.shape, np.nan)
    for row in range(len(distance_m)):
        riders = np.flatnonzero(on_road[row])
        riders = riders[np.argsort(-distance_m[row, riders], kind="stable")]
        behind_m = -np.diff(distance_m[row, riders])
        pace_mps = np.maximum(np.nan_to_num(speed_mps[row, riders[1:]]), _SLOWEST_MPS)
        cut = behind_m / pace_mps > _APART_S
        ids[row, riders] = np.cumsum(np.concatenate([[1.0], cut])) if len(riders) else []
    return ids


def still_alarms(scene: Scene) -> list[Alarm]:
    """A crash whenever a rider on the road has been still for 30 s."""
    moving = ~(doppler_mps(scene) < _STILL_MPS) | ~(scene.ours("distance_m") > 0.0)
    second = np.arange(len(moving))[:, None]
    since = second - np.maximum.accumulate(np.where(moving, second, -1), axis=0)
    started = np.logical_or.accumulate(moving & (scene.ours("distance_m") > 0.0), axis=0)
    due = np.argwhere((since == _STILL_S) & started & scene.shown)
    return [
        Alarm(
            number,
            "crash",
            frozenset({int(scene.bibs[rider])}),
            float(scene.seconds[row]),
            1.0,
            float(scene.ours("distance_m")[row, rider]),
        )
        for number, (row, rider) in enumerate(due.tolist())
    ]


def power_w(scene: Scene) -> Floats:
    """A lone rider of 75 kg in still air, from speed and gradient alone."""
    speed_mps = scene.ours("speed_mps")
    slope: Any = np.nan_to_num(scene.ours("gradient_pct")) / 100.0
    force_n = 83.0 * 9.81 * (slope + 0.004) + 0.5 * 1.2 * 0.32 * speed_mps**2
    return np.maximum(0.0, force_n * speed_mps / 0.976)
