"""The report's pictures: groups over the profile, and gaps over the day, as vector drawings."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from reportlab.graphics.shapes import Drawing, Line, Polygon, PolyLine, Rect, String
from reportlab.lib.colors import Color, HexColor, white

from truck.press.day import Day
from truck.press.fonts import PLAIN
from truck.stage.picture import round_step

Floats = NDArray[np.float64]

WIDTH, HEIGHT = 500.0, 236.0  # points
INK, SOFT, GRID = HexColor("#1b2430"), HexColor("#5d6b7a"), HexColor("#d9e0e7")
_ROAD = HexColor("#e6ebf0")
# eight colours that stay apart in print and to most colour-blind eyes (after Okabe and Ito 2008)
COLOURS = tuple(
    HexColor(code)
    for code in (
        "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#7d1f5c", "#1b2430",
    )
)  # fmt: skip
_LEFT, _RIGHT, _TOP, _FLOOR = 44.0, 12.0, 14.0, 34.0
_POINTS = 600
_LEAST_GAP_S, _LEAST_RISE_M = 30.0, 150.0
_ROOM_S = 1.06
_SIZE = 7.5


def groups_over_profile(day: Day) -> Drawing:
    """Each group's gap to the front, at the kilometre where it was, over the stage's profile."""
    length_km = day.course.length_m / 1000.0
    # a few who are dropped for good would press all others flat; who is beyond is cut, and said
    worst_s = _scale_s([line.gap_s for line in day.groups])
    plot = _Plot(length_km, worst_s, "km")
    plot.add(_profile(day, plot))
    plot.axes()
    for line in sorted(day.groups, key=lambda one: int(one.size.max())):
        wide = 0.7 + 2.6 * min(1.0, float(np.median(line.size)) / 60.0)
        plot.curve(line.km, line.gap_s, COLOURS[line.group_id % len(COLOURS)], wide)
    return plot.drawing


def gap_history(day: Day) -> Drawing:
    """The first riders' gaps to the front since the flag."""
    hours = max((float(line.hours[-1]) for line in day.gaps), default=1.0)
    plot = _Plot(max(hours, 0.1), _scale_s([line.gap_s for line in day.gaps]), "h")
    plot.axes()
    for k, line in enumerate(day.gaps):
        plot.curve(line.hours, line.gap_s, COLOURS[k % len(COLOURS)], 1.2)
    names = {one.bib: one.name for one in day.results}
    x = _LEFT
    for k, line in enumerate(day.gaps):
        words = f"{line.bib} {names.get(line.bib, '')}"[:22]
        wide = 20.0 + 3.9 * len(words)
        if x + wide > WIDTH - _RIGHT:
            break
        plot.add([
            Line(x, 6, x + 12, 6, strokeColor=COLOURS[k % len(COLOURS)], strokeWidth=2),
            String(x + 15, 3.5, words, fontName=PLAIN, fontSize=_SIZE, fillColor=INK),
        ])  # fmt: skip
        x += wide
    return plot.drawing


class _Plot:
    """Kilometres or hours to the right, seconds behind the front downwards."""

    def __init__(self, right: float, worst_s: float, unit: str) -> None:
        self.drawing = Drawing(WIDTH, HEIGHT)
        self.drawing.add(Rect(0, 0, WIDTH, HEIGHT, fillColor=white, strokeColor=None))
        self._right, self._worst_s, self._unit = right, worst_s, unit
        self._floor = _FLOOR

    def add(self, shapes: Sequence[object]) -> None:
        """Lay shapes over what is drawn already."""
        for shape in shapes:
            self.drawing.add(shape)

    def x(self, at: Floats | float) -> Floats:
        """Of a kilometre or an hour."""
        share = np.asarray(at, np.float64) / self._right
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, gap_s: Floats | float) -> Floats:
        """Of a gap; the front is at the top."""
        share = np.asarray(gap_s, np.float64) / self._worst_s
        return HEIGHT - _TOP - share * (HEIGHT - _TOP - self._floor)

    def axes(self) -> None:
        """Grid lines with their values."""
        step_s = _gap_step(self._worst_s)
        for gap_s in np.arange(0.0, self._worst_s + 1e-9, step_s).tolist():
            y = float(self.y(gap_s))
            text = "front" if gap_s == 0 else f"+{int(gap_s) // 60}:{int(gap_s) % 60:02d}"
            self.add([
                Line(_LEFT, y, WIDTH - _RIGHT, y, strokeColor=GRID, strokeWidth=0.5),
                _text(_LEFT - 4, y - 2.5, text, "end"),
            ])  # fmt: skip
        step = round_step(self._right, 8)
        for at in np.arange(0.0, self._right + 1e-9, step).tolist():
            x = float(self.x(at))
            self.add([
                Line(x, self._floor, x, self._floor - 3, strokeColor=SOFT, strokeWidth=0.5),
                _text(x, self._floor - 12, f"{at:g}", "middle"),
            ])  # fmt: skip
        self.add([_text(WIDTH - _RIGHT, self._floor - 22, self._unit, "end")])

    def curve(self, at: Floats, gap_s: Floats, colour: Color, wide: float) -> None:
        """One line, cut where it leaves the picture."""
        inside = gap_s <= self._worst_s
        edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
        for first, end in edges.reshape(-1, 2).tolist():
            if end - first < 2:
                continue
            points = np.stack([self.x(at[first:end]), self.y(gap_s[first:end])], axis=1)
            self.add([
                PolyLine(
                    points.ravel().round(2).tolist(), strokeColor=colour, strokeWidth=wide,
                    strokeLineJoin=1, strokeLineCap=1,
                )
            ])  # fmt: skip


def _profile(day: Day, plot: _Plot) -> list[object]:
    """The road as a grey shape at the foot; nothing where the route has no elevation."""
    course = day.course
    at_m = np.linspace(0.0, course.length_m, _POINTS)
    level_m = np.interp(at_m, course.distance_m, course.altitude_m)
    if not np.isfinite(level_m).all():
        return []
    low_m = float(level_m.min())
    rise_m = max(float(level_m.max()) - low_m, _LEAST_RISE_M)
    tall = 0.45 * (HEIGHT - _TOP - _FLOOR)
    x, y = plot.x(at_m / 1000.0), _FLOOR + 6.0 + (level_m - low_m) / rise_m * tall
    points = [_LEFT, _FLOOR, *np.stack([x, y], axis=1).ravel().round(2).tolist(),
              float(x[-1]), _FLOOR]  # fmt: skip
    top = int(np.argmax(level_m))
    return [
        Polygon(points, fillColor=_ROAD, strokeColor=None),
        _text(float(x[top]), float(y[top]) + 3.0, f"{level_m[top]:.0f} m", "middle"),
    ]


def _scale_s(gaps: Sequence[Floats]) -> float:
    """What the axis reaches to: nearly all of the gaps."""
    every = np.concatenate(gaps) if gaps else np.zeros(1)
    return max(float(np.quantile(every, 0.97)) * _ROOM_S, _LEAST_GAP_S)


def _gap_step(worst_s: float) -> float:
    for step_s in (5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0):
        if worst_s / step_s <= 7:
            return step_s
    return 1800.0


def _text(x: float, y: float, text: str, anchor: str) -> String:
    return String(
        x, y, text, textAnchor=anchor, fontName=PLAIN, fontSize=_SIZE, fillColor=SOFT
    )  # fmt: skip
