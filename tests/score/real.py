"""The real rides: what can be said about them without a simulator's truth.

Rules.
- Five riders: the course is the longest of their rides, as `hardware stage` makes it. Where each
  rider really was is found by judge.py, every 5 s. Wrong lap or leg: published as racing or
  stopped, by a fix not older than 10 s, more than 250 m from there, twice on end (10 s), where the
  judge is sure. Both this and steps back are counted in the race, from where the judge has the
  rider on the road for good to 16:30:00 UTC, when the first of them reaches the line of the race;
  the course goes on, because one of them rode home along it. The rows "whole rides" also count
  warming up, milling about at the line and riding home, where the course is no one's way.
- A and B: the seconds at which both have a fix within 2 s and are within 30 m of each other; of
  those, the share at which they are published in one group. Unplaced counts as not.
- Two recorders: the median of |difference of the measured gaps| while both are on the road. Their
  clocks are 3 s apart (MANIFEST.md of the shared data).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aims
import judge
import naive
import numpy as np
from progress import WRONG_M
from pyproj import Proj
from scene import Floats, Grid

from hardware.rides import Ride, bibs_of, read_rides
from hardware.route import Line, line_of
from hardware.stage import load_stage
from hardware.virtual.stage import write_stage_from_rides
from truck.replay import replay

END_S = 1_595_694_600.0  # 2020-07-25T16:30:00Z
CLOSE_M = 30.0
_HEARD_S = 2.0
Tell = Callable[[str], None]


def rows(shared: Path, folder: Path, tell: Tell) -> list[dict[str, Any]]:
    """The rows of the real rides; `folder` takes the replays."""
    tell("five riders of one race")
    found = _five(shared / "roubaix2020" / "five_riders.csv.gz", folder / "five")
    tell("two recorders of one ride")
    found |= _two(sorted((shared / "dualdevice").glob("*.fit")), folder / "two")
    nan = float("nan")
    return [aim.row(*found[aim.name], nan, nan) for aim in aims.REAL]


def _replayed(files: list[Path], folder: Path) -> tuple[dict[int, Ride], Line, Grid]:
    rides = {name: ride for file in files for name, ride in read_rides(file).items()}
    stage = folder / "stage"
    if not stage.exists():
        write_stage_from_rides(stage, rides)
    replay(stage, files, folder / "out")
    by_bib = {bib: rides[name] for name, bib in bibs_of(rides).items()}
    return by_bib, line_of(load_stage(stage)), Grid(folder / "out" / "states.parquet")


def _five(file: Path, folder: Path) -> dict[str, tuple[float, float]]:
    rides, line, states = _replayed([file], folder)
    road, plane = _road(line)
    wrong, back, home_wrong, home_back = [_Two() for _ in range(4)]
    seen, judged = 0, 0
    for bib, ride in rides.items():
        at_s, ours_m, fresh = _published(states, bib)
        x, y = plane(ride.longitude_deg, ride.latitude_deg)
        nearest_m = line.distance_m[0] + judge.STEP_M * naive.nearest(road, np.column_stack([x, y]))
        fixes = _every(ride.measured_at_s, judge.EVERY_S)
        fix_s = ride.measured_at_s[fixes]
        true_m, sure = judge.places(road, x[fixes], y[fixes])
        true_m = true_m + line.distance_m[0]
        row = np.minimum(np.searchsorted(at_s, np.ceil(fix_s)), len(at_s) - 1)
        off = sure & fresh[row] & (np.abs(ours_m[row] - true_m) > WRONG_M)
        plain_off = sure & (np.abs(nearest_m[fixes] - true_m) > WRONG_M)
        begin_s = float(fix_s[sure][0])
        for until_s, wrongs, backs in ((END_S, wrong, back), (np.inf, home_wrong, home_back)):
            wrongs.add(*(twice_on_end(o & (fix_s < until_s)) for o in (off, plain_off)))
            since_s = begin_s if until_s == END_S else 0.0
            backs.add(
                largest_step_back(ours_m[(at_s >= since_s) & (at_s < until_s)]),
                largest_step_back(nearest_m[
                    (ride.measured_at_s >= since_s) & (ride.measured_at_s < until_s)
                ]),
            )  # fmt: skip
        seen += int((sure & fresh[row]).sum())
        judged += int(sure.sum())
    return {
        "five riders, wrong laps or legs": wrong.sums(),
        "five riders, largest step back": back.most(),
        "five riders, whole rides, wrong laps or legs": home_wrong.sums(),
        "five riders, whole rides, largest step back": home_back.most(),
        "five riders, share of judged fixes placed": (seen / judged, 1.0),
        "five riders, A and B within 30 m are one group": _pair(rides, states, line),
    }


class _Two:
    """Values of ours and of the baseline, rider by rider."""

    def __init__(self) -> None:
        self._values: list[tuple[float, float]] = []

    def add(self, ours: float, plain: float) -> None:
        self._values.append((ours, plain))

    def sums(self) -> tuple[float, float]:
        return sum(v[0] for v in self._values), sum(v[1] for v in self._values)

    def most(self) -> tuple[float, float]:
        return max(v[0] for v in self._values), max(v[1] for v in self._values)


def _published(states: Grid, bib: int) -> tuple[Any, Floats, Any]:
    """Seconds, distances of a rider, and where he is shown by a fix not older than 10 s."""
    at_s, one = states.seconds, np.array([bib])
    distance_m = states.column("distance_m", at_s, one)[:, 0]
    fresh = states.column("age_s", at_s, one)[:, 0] <= 10.0
    return at_s, distance_m, fresh & states.among(("racing", "stopped"), at_s, one)[:, 0]


def _pair(rides: dict[int, Ride], states: Grid, line: Line) -> tuple[float, float]:
    """Share of the time A and B ride together at which we, and the baseline, say so."""
    at_s, bibs = states.seconds, np.array([1, 2])
    places = [_interpolated(rides[bib], at_s) for bib in (1, 2)]
    _, plane = _road(line)
    (x1, y1), (x2, y2) = (plane(lon, lat) for lon, lat in places)
    with np.errstate(invalid="ignore"):
        close = np.hypot(x1 - x2, y1 - y2) <= CLOSE_M
    ids = states.column("group_id", at_s, bibs)
    distance_m, speed_mps = (states.column(n, at_s, bibs) for n in ("distance_m", "speed_mps"))
    plain = naive.groups(distance_m, speed_mps, np.isfinite(distance_m))
    ours, cut = (float((i[close, 0] == i[close, 1]).mean()) for i in (ids, plain))
    return ours, cut


def _two(files: list[Path], folder: Path) -> dict[str, tuple[float, float]]:
    _, _, states = _replayed(files, folder)
    at_s, bibs = states.seconds, states.bibs
    heard = states.column("age_s", at_s, bibs) <= _HEARD_S
    both = (heard & states.among(("racing",), at_s, bibs)).all(axis=1)
    name = "gap_measured_s" if "gap_measured_s" in states.names else "gap_s"
    apart_s = np.abs(np.diff(states.column(name, at_s, bibs), axis=1)[:, 0])
    way_m = np.abs(np.diff(states.column("distance_m", at_s, bibs), axis=1)[:, 0])
    plain_s = way_m / np.maximum(states.column("speed_mps", at_s, bibs).mean(axis=1), 1.0)
    known = both & np.isfinite(apart_s)
    medians = [float(np.median(s[known])) if known.any() else np.nan for s in (apart_s, plain_s)]
    return {"two recorders of one ride, apart": (medians[0], medians[1])}


def twice_on_end(wrong: Any) -> int:
    """Stretches of at least two."""
    padded = np.concatenate([[False], wrong, [False]])
    begins, ends = (
        np.flatnonzero(padded[1:] & ~padded[:-1]),
        np.flatnonzero(~padded[1:] & padded[:-1]),
    )
    return int((ends - begins >= 2).sum())


def largest_step_back(distance_m: Floats) -> float:
    """The most that a published distance falls below the one published before it."""
    known = distance_m[np.isfinite(distance_m)]
    return max(0.0, -float(np.diff(known).min())) if len(known) > 1 else 0.0


def _road(line: Line) -> tuple[Floats, Proj]:
    plane = Proj(
        proj="aeqd", lon_0=float(line.longitude_deg.mean()), lat_0=float(line.latitude_deg.mean())
    )
    x, y = plane(line.longitude_deg, line.latitude_deg)
    even_m = np.arange(line.distance_m[0], line.distance_m[-1], judge.STEP_M)
    return np.column_stack([np.interp(even_m, line.distance_m, v) for v in (x, y)]), plane


def _every(at_s: Floats, least_s: float) -> Any:
    """Rows of readings at least so far apart in time."""
    kept = [0]
    for k, at in enumerate(at_s.tolist()):
        if at - at_s[kept[-1]] >= least_s:
            kept.append(k)
    return np.array(kept)


def _interpolated(ride: Ride, at_s: Any) -> tuple[Floats, Floats]:
    """Longitude and latitude at each second; NaN further than 2 s from a fix on either side."""
    after = np.clip(np.searchsorted(ride.measured_at_s, at_s), 1, len(ride.measured_at_s) - 1)
    near = (ride.measured_at_s[after] - at_s <= _HEARD_S) & (
        at_s - ride.measured_at_s[after - 1] <= _HEARD_S
    )
    lon, lat = (
        np.where(near, np.interp(at_s, ride.measured_at_s, column), np.nan)
        for column in (ride.longitude_deg, ride.latitude_deg)
    )
    return lon, lat
