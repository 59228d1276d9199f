"""What a race has seen so far: each rider's top speed, and his time on each climb."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from truck.race.climbs import Climb
from truck.race.course import Floats
from truck.race.frame import QUALITIES, Frame
from truck.race.passes import Ints
from truck.race.status import RACING
from truck.serve.wording import climb_name

_GOOD = QUALITIES.index("good")
_MEASURED_S = 3.0  # a value older than this was carried on, not measured
_NEXT_FRAME_S = 5.0
_LISTED = 40  # more than a board has: some of them may be hidden
_SLOWEST_MPS = 1.0


class TopSpeed(NamedTuple):
    """A rider's fastest second; `at_us` when, `distance_m` where."""

    bib: int
    speed_mps: float
    at_us: int
    distance_m: float


class ClimbTime(NamedTuple):
    """From the foot of a climb to its top; `sure` unless a passage fell into a hole."""

    bib: int
    climb: str
    time_s: float
    sure: bool


class Records:
    """Follows frames, one after the other.

    A top speed is held over two frames, so that no single reading makes one. Passages are
    interpolated between two frames, the first one of each point counts.
    """

    def __init__(self, climbs: Sequence[Climb]) -> None:
        self._climbs = [climb for climb in climbs if climb.length_m > 0.0]
        points = [(climb.start_m, climb.top_m) for climb in self._climbs]
        self._points_m = np.array(points, np.float64).reshape(-1)
        self._row: dict[int, int] = {}
        self._at_us = 0
        self._before = np.empty((2, 0))  # where each was and how fast, at the last frame
        self._tops = np.empty((3, 0))  # speed, when, where
        self._passed_us = np.empty((len(self._points_m), 0))
        self._unsure = np.empty((len(self._points_m), 0), np.bool_)

    def take(self, frame: Frame) -> None:
        """The next frame."""
        if frame.at_us <= self._at_us:
            return
        rows, riders = self._rows_of(frame.riders.bib), frame.riders
        elapsed_s = (frame.at_us - self._at_us) / 1e6
        measured = (riders.age_s <= _MEASURED_S) & (riders.quality == _GOOD)
        speed_mps = np.where(measured & (riders.status == RACING), riders.speed_mps, np.nan)
        if elapsed_s <= _NEXT_FRAME_S:
            held_mps = np.minimum(self._before[1, rows], speed_mps)
            best = np.nan_to_num(held_mps) > self._tops[0, rows]
            self._tops[:, rows[best]] = (
                held_mps[best], np.full(best.sum(), frame.at_us), riders.distance_m[best],
            )  # fmt: skip
        sure = measured & (elapsed_s <= _NEXT_FRAME_S)
        self._pass(rows, riders.distance_m, riders.to_go_m, frame.at_us, sure)
        self._before[:, rows] = riders.distance_m, speed_mps
        self._at_us = frame.at_us

    def top_speeds(self) -> tuple[TopSpeed, ...]:
        """The fastest forty, the fastest first."""
        bibs = np.array(list(self._row), np.int64)
        order = np.lexsort((bibs, -self._tops[0]))[:_LISTED]
        return tuple(
            TopSpeed(int(bibs[k]), *_top(self._tops[:, k])) for k in order if self._tops[0, k] > 0
        )

    def top_speed_of(self) -> dict[int, float]:
        """Everyone's, m/s, who has one."""
        tops = self._tops[0]
        return {bib: float(tops[row]) for bib, row in self._row.items() if tops[row] > 0}

    def climb_times(self) -> tuple[ClimbTime, ...]:
        """The fastest forty on the climb that was topped last, the fastest first."""
        times_s = (self._passed_us[1::2] - self._passed_us[0::2]) / 1e6
        topped = np.flatnonzero(np.isfinite(times_s).any(axis=1))
        if not len(topped):
            return ()
        last = int(topped[-1])
        name = climb_name(self._climbs[last])
        unsure = self._unsure[2 * last] | self._unsure[2 * last + 1]
        bibs = np.array(list(self._row), np.int64)
        order = np.lexsort((bibs, np.nan_to_num(times_s[last], nan=np.inf)))[:_LISTED]
        return tuple(
            ClimbTime(int(bibs[k]), name, float(times_s[last, k]), not unsure[k])
            for k in order
            if np.isfinite(times_s[last, k])
        )

    def _pass(
        self, rows: Ints, to_m: Floats, to_go_m: Floats, at_us: int, sure: np.ndarray
    ) -> None:
        """Note who passed which point since the last frame."""
        if not len(self._points_m) or not self._at_us:
            return
        from_m, from_mps = self._before[:, rows]
        with np.errstate(invalid="ignore"):
            reached = (from_m < self._points_m[:, None]) & (to_m >= self._points_m[:, None])
        reached &= np.isnan(self._passed_us[:, rows])
        point, who = np.nonzero(reached)
        way_m = self._points_m[point] - from_m[who]
        share = way_m / (to_m - from_m)[who]
        elapsed_s = (at_us - self._at_us) / 1e6
        # at the line a frame's distance ends, not the rider
        to_line_s = way_m / np.fmax(np.nan_to_num(from_mps[who]), _SLOWEST_MPS)
        after_s = np.where(to_go_m[who] <= 0, np.minimum(to_line_s, elapsed_s), share * elapsed_s)
        self._passed_us[point, rows[who]] = self._at_us + np.rint(after_s * 1e6)
        self._unsure[point, rows[who]] = ~sure[who]

    def _rows_of(self, bibs: np.ndarray) -> Ints:
        fresh = [bib for bib in bibs.tolist() if bib not in self._row]
        if fresh:
            self._row |= {bib: len(self._row) + k for k, bib in enumerate(fresh)}
            self._before = _wider(self._before, len(fresh), np.nan)
            self._tops = _wider(self._tops, len(fresh), 0.0)
            self._passed_us = _wider(self._passed_us, len(fresh), np.nan)
            self._unsure = _wider(self._unsure, len(fresh), False)
        return np.array([self._row[bib] for bib in bibs.tolist()], np.int64)


def _top(column: Floats) -> tuple[float, int, float]:
    return float(column[0]), int(column[1]), float(column[2])


def _wider(rows: np.ndarray, more: int, value: float) -> np.ndarray:
    return np.concatenate([rows, np.full((len(rows), more), value, rows.dtype)], axis=1)
