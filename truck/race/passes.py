"""Where the road passes near a place: every leg and lap of it, not only the nearest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Course, Floats

Ints = NDArray[np.int64]

REACH_M = 100.0
_ABOUT = 8  # segments either side of a place that is nearly known
_SOON_S = 1.5
_PLAIN_BACK_M, _PLAIN_AHEAD_M, _PLAIN_SOON_M = 60.0, 280.0, 90.0
_TURN_RAD = np.deg2rad(100.0)
_PLAIN_RAD = np.deg2rad(80.0)


@dataclass(frozen=True)
class Candidates:
    """Places on the road that fixes may belong to.

    Attributes:
        fix: index of the fix, ascending.
        distance_m: along the course.
        lateral_m: off its line, positive to the right.
        east, north: the way the road leads there, a unit vector.
    """

    fix: Ints
    distance_m: Floats
    lateral_m: Floats
    east: Floats
    north: Floats

    def where(self, which: NDArray[np.bool_] | Ints) -> "Candidates":
        """Some of them."""
        return Candidates(
            self.fix[which],
            self.distance_m[which],
            self.lateral_m[which],
            self.east[which],
            self.north[which],
        )


class Passes:
    """An index of the course by 100 m cells.

    Each cell knows the runs of route points in it and its eight neighbours. A run ends where the
    road has turned by more than 100 degrees, so the two legs of a hairpin or a turning point are
    two candidates.
    """

    def __init__(self, course: Course) -> None:
        self._course = course
        self._column, self._row = _cell(course.x_m), _cell(course.y_m)
        self._west, self._south = int(self._column.min()) - 1, int(self._row.min()) - 1
        self._width = int(self._column.max()) - self._west + 2
        self._height = int(self._row.max()) - self._south + 2
        east_m, north_m = np.diff(course.x_m), np.diff(course.y_m)
        length_m = np.maximum(np.sqrt(east_m * east_m + north_m * north_m), 1e-6)
        self._east, self._north, self._length_m = east_m / length_m, north_m / length_m, length_m
        square_m2 = east_m * east_m + north_m * north_m
        self._way = np.stack(
            [
                course.x_m[:-1],
                course.y_m[:-1],
                east_m,
                north_m,
                np.where(square_m2 > 0, square_m2, 1.0),
            ]
        )
        # what the road book makes of a metre ridden
        self.stretch = course.step_m / float(np.median(length_m))
        leg = _legs(course.heading_rad)
        self._plain = _plain(course.heading_rad, course.step_m, _PLAIN_AHEAD_M)
        self._plain_soon = _plain(course.heading_rad, course.step_m, _PLAIN_SOON_M)
        point = np.arange(len(leg))
        around = [
            (self._key(self._column + dx, self._row + dy), point)
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
        ]
        key = np.concatenate([pair[0] for pair in around])
        point = np.concatenate([pair[1] for pair in around])
        order = np.lexsort((point, key))
        key, point = key[order], point[order]
        new = np.empty(len(key), np.bool_)
        new[0] = True
        new[1:] = (
            (key[1:] != key[:-1])
            | (point[1:] != point[:-1] + 1)
            | (leg[point[1:]] != leg[point[:-1]])
        )
        first = np.flatnonzero(new)
        self._run_first = point[first]
        self._run_last = point[np.append(first[1:], len(point)) - 1]
        self._cells, self._cell_first = np.unique(key[first], return_index=True)
        self._cell_last = np.append(self._cell_first[1:], len(first))

    def near(self, x_m: Floats, y_m: Floats, low_m: Floats, high_m: Floats) -> Candidates:
        """The passes within reach of each fix whose run touches one of its windows.

        Args:
            x_m: of the fixes, shape (n,).
            y_m: of the fixes.
            low_m: where each window begins, shape (n, k); an empty window has low > high.
            high_m: where each window ends.
        """
        fix, run = self._runs(x_m, y_m)
        course = self._course
        first, last = self._run_first[run], self._run_last[run]
        touched = (
            (course.distance_m[first][:, None] <= high_m[fix])
            & (course.distance_m[last][:, None] >= low_m[fix])
        ).any(axis=1)
        fix, first, last = fix[touched], first[touched], last[touched]
        # a run of points m..n is the segments m..n, the last of which leads out of it
        last = np.minimum(last, len(course.x_m) - 2)
        first = np.minimum(first, last)
        return self._project(fix, first, last, x_m, y_m)

    def about(self, x_m: Floats, y_m: Floats, about_m: Floats, since_s: Floats) -> Candidates:
        """The one pass within 40 m along the road of a place known `since_s` ago, one for each fix.

        `distance_m` is NaN where the road turns back there or the nearest point is out of range.
        """
        course = self._course
        last = len(course.x_m) - 2
        middle = np.floor((about_m - course.start_m) / course.step_m).astype(np.int64)
        inside = (middle >= _ABOUT) & (middle <= last - _ABOUT)
        middle = np.clip(middle, _ABOUT, last - _ABOUT) if last > 2 * _ABOUT else middle * 0
        segment = np.minimum(middle[:, None] + np.arange(-_ABOUT, _ABOUT + 1), last)
        ax, ay = course.x_m[segment], course.y_m[segment]
        east, north = self._east[segment], self._north[segment]
        px, py = x_m[:, None] - ax, y_m[:, None] - ay
        length_m = self._length_m[segment]
        part_m = np.clip(px * east + py * north, 0.0, length_m)
        off_x, off_y = px - part_m * east, py - part_m * north
        square = off_x * off_x + off_y * off_y
        fix = np.arange(len(x_m))
        best = np.argmin(square, axis=1)
        pick = fix, best
        inside &= (best > 0) & (best < 2 * _ABOUT)
        inside &= np.where(since_s <= _SOON_S, self._plain_soon[middle], self._plain[middle])
        side = np.where(px[pick] * north[pick] - py[pick] * east[pick] < 0, -1.0, 1.0)
        part = part_m[pick] / length_m[pick]
        distance_m = course.distance_m[segment[pick]] + part * course.step_m
        return Candidates(
            fix,
            np.where(inside, distance_m, np.nan),
            np.sqrt(square[pick]) * side,
            east[pick],
            north[pick],
        )

    def _key(self, column: Ints, row: Ints) -> Ints:
        return (column - self._west) * self._height + (row - self._south)

    def _runs(self, x_m: Floats, y_m: Floats) -> tuple[Ints, Ints]:
        column, row = _cell(x_m), _cell(y_m)
        inside = (
            (column >= self._west)
            & (column < self._west + self._width)
            & (row >= self._south)
            & (row < self._south + self._height)
        )
        key = np.where(inside, self._key(column, row), -1)
        cell = np.minimum(np.searchsorted(self._cells, key), len(self._cells) - 1)
        known = self._cells[cell] == key
        count = np.where(known, self._cell_last[cell] - self._cell_first[cell], 0)
        fix, offset = _spread(count)
        return fix, self._cell_first[cell[fix]] + offset

    def _project(self, fix: Ints, first: Ints, last: Ints, x_m: Floats, y_m: Floats) -> Candidates:
        course = self._course
        count = last - first + 1
        pair, offset = _spread(count)
        segment = first[pair] + offset
        ax, ay, ux, uy, square_m2 = self._way.take(segment, axis=1)
        px, py = np.repeat(x_m[fix], count) - ax, np.repeat(y_m[fix], count) - ay
        part = np.minimum(np.maximum((px * ux + py * uy) / square_m2, 0.0), 1.0)
        off_x, off_y = px - part * ux, py - part * uy
        off_m2 = off_x * off_x + off_y * off_y
        if len(pair) == 0:
            best = np.zeros(0, np.int64)
        else:
            # the first minimum of each pair's stretch
            least = np.minimum.reduceat(off_m2, np.cumsum(count) - count)
            hits = np.flatnonzero(off_m2 == np.repeat(least, count))
            of = pair[hits]
            best = hits[np.append(True, of[1:] != of[:-1])]
        side = np.sign(px[best] * uy[best] - py[best] * ux[best])
        found = Candidates(
            fix,
            course.distance_m[segment[best]] + part[best] * course.step_m,
            np.sqrt(off_m2[best]) * np.where(side == 0, 1.0, side),
            self._east[segment[best]],
            self._north[segment[best]],
        )
        return found.where(np.abs(found.lateral_m) <= REACH_M)


def _plain(heading_rad: Floats, step_m: float, ahead_m: float) -> NDArray[np.bool_]:
    """Points about which the road does not turn back on itself, as far as some seconds reach."""
    count = len(heading_rad)
    index = np.arange(count)
    plain = np.ones(count, np.bool_)
    for offset in range(-round(_PLAIN_BACK_M / step_m), round(ahead_m / step_m) + 1):
        there = heading_rad[np.clip(index + offset, 0, count - 1)]
        turned = np.abs((there - heading_rad + np.pi) % (2 * np.pi) - np.pi)
        plain &= turned < _PLAIN_RAD
    return plain


def _cell(metres: Floats) -> Ints:
    return np.floor(metres / REACH_M).astype(np.int64)


def _spread(count: Ints) -> tuple[Ints, Ints]:
    """For counts (2, 3): owners 0 0 1 1 1 and offsets 0 1 0 1 2."""
    owner = np.repeat(np.arange(len(count)), count)
    begins = np.cumsum(count) - count
    return owner, np.arange(len(owner)) - begins[owner]


def _legs(heading_rad: Floats) -> Ints:
    """A number for each point that changes where the road has turned by 100 degrees."""
    legs = np.zeros(len(heading_rad), np.int64)
    leg, begun = 0, float(heading_rad[0])
    for index, heading in enumerate(heading_rad.tolist()):
        turned = abs((heading - begun + np.pi) % (2 * np.pi) - np.pi)
        if turned > _TURN_RAD:
            leg, begun = leg + 1, heading
        legs[index] = leg
    return legs
