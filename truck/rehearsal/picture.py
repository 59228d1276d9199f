"""Both roads in one picture: the profiles over each other, and the two lines as on a map."""

from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Course
from truck.rehearsal.roads import SHARED_M, off_road
from truck.stage.picture import STYLE, round_step

Floats = NDArray[np.float64]

_WIDTH, _HEIGHT = 1200.0, 860.0
_LEFT, _RIGHT = 64.0, 24.0
_TOP, _FLOOR = 130.0, 330.0  # of the profiles
_MAP_TOP, _MAP_FLOOR = 400.0, 830.0
_POINTS = 900
_LEAST_RISE_M = 150.0  # so that a flat stage looks flat
_MORE = """
svg{--new:#d0334b;--old:#8794a3}@media(prefers-color-scheme:dark){svg{--new:#ff6b81;--old:#77879a}}
.old{fill:none;stroke:var(--old);stroke-width:6;stroke-linejoin:round;stroke-linecap:round}
.new{fill:none;stroke:var(--road);stroke-width:2;stroke-linejoin:round}
.apart{fill:none;stroke:var(--new);stroke-width:3;stroke-linejoin:round;stroke-linecap:round}
.flag{stroke:var(--new);stroke-width:2}.was{stroke:var(--old);stroke-width:2;stroke-dasharray:5 4}
.dot{fill:var(--ink)}.newtext{fill:var(--new);font-weight:650}
""".strip()


def picture_of_both(document: dict[str, Any], today: Course, following: Course) -> str:
    """The picture as SVG, in light and in dark; `document` is the rehearsal's."""
    return "\n".join(_Overlay(document, today, following).lines()) + "\n"


class _Overlay:
    """Today's road broad and grey, tomorrow's over it, red where it is another."""

    def __init__(self, document: dict[str, Any], today: Course, following: Course) -> None:
        self._document, self._today, self._next = document, today, following
        self._from_m = min(today.start_m, following.start_m)
        self._to_m = max(today.length_m, following.length_m)
        levels = np.concatenate([today.altitude_m, following.altitude_m])
        known = levels[np.isfinite(levels)]
        low = float(known.min()) if len(known) else 0.0
        high = max(float(known.max()) if len(known) else 0.0, low + _LEAST_RISE_M)
        self._low_m, self._high_m = low - 0.1 * (high - low), high

    def lines(self) -> Iterator[str]:
        """The SVG, element by element."""
        stage = self._document["stage"]
        title = escape(f"{stage['next']}, and {stage['today']} beneath it")
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" '
            f'role="img" aria-label="{title}">'
        )
        yield f"<title>{title}</title><style>{STYLE}\n{_MORE}</style>"
        yield f'<rect class="paper" width="{_WIDTH:g}" height="{_HEIGHT:g}"/>'
        yield from self._heading()
        yield from self._axes()
        for course, kind in ((self._today, "old"), (self._next, "new")):
            yield f'<path class="{kind}" d="{self._profile(course)}"/>'
        yield from self._ends()
        yield from self._map()
        yield "</svg>"

    def _heading(self) -> Iterator[str]:
        stage, course = self._document["stage"], self._document["course"]
        length, parts = course["length_km"], course["parts_at_km"]
        facts = [
            f"{length['today']:.1f} km today, {length['next']:.1f} km next",
            f"{length['change']:+.1f} km",
            f"finish moved by {course['finish_moved_m'] / 1000.0:.1f} km",
            "the same road" if parts is None else f"roads part at km {parts:.1f}",
        ]
        yield f'<text class="title" x="{_LEFT:g}" y="36">{escape(stage["next"])}</text>'
        yield f'<text class="soft" x="{_LEFT:g}" y="58">{escape(" · ".join(facts))}</text>'
        legend = (("old", f"today: {stage['today']}"), ("new", "next"), ("apart", "another road"))
        x = _LEFT
        for kind, text in legend:
            yield f'<path class="{kind}" d="M{x:g} 80h28"/>'
            yield f'<text class="soft" x="{x + 36:g}" y="84">{escape(text)}</text>'
            x += 60.0 + 6.8 * len(text)

    def _axes(self) -> Iterator[str]:
        step_m = round_step(self._high_m - self._low_m, 4)
        level_m = np.ceil(self._low_m / step_m) * step_m
        while level_m <= self._high_m:
            y = self._y(level_m)
            yield f'<path class="grid" d="M{_LEFT:g} {y:.1f}H{_WIDTH - _RIGHT:g}"/>'
            yield (
                f'<text class="soft" text-anchor="end" x="{_LEFT - 8:g}" y="{y + 4:.1f}">'
                f"{level_m:.0f} m</text>"
            )
            level_m += step_m
        step_m = round_step(self._to_m - self._from_m, 10)
        at_m = 0.0
        while at_m <= self._to_m:
            yield f'<path class="grid" d="M{self._x(at_m):.1f} {_FLOOR:g}v6"/>'
            yield (
                f'<text class="soft" text-anchor="middle" x="{self._x(at_m):.1f}" '
                f'y="{_FLOOR + 20:g}">{at_m / 1000:g}</text>'
            )
            at_m += step_m

    def _ends(self) -> Iterator[str]:
        """Where each race ends on the profile; the words side by side, never over each other."""
        rows = (
            ("was", "soft", self._today.length_m, "today", _TOP - 20.0),
            ("flag", "newtext", self._next.length_m, "next", _TOP - 4.0),
        )
        for kind, css, at_m, word, y in rows:
            yield f'<path class="{kind}" d="M{self._x(at_m):.1f} {y - 12:g}V{_FLOOR:g}"/>'
            yield (
                f'<text class="{css}" text-anchor="end" x="{self._x(at_m) - 6.0:.1f}" '
                f'y="{y:g}">finish {word}, km {at_m / 1000:.1f}</text>'
            )

    def _map(self) -> Iterator[str]:
        """Both lines, north up, in one scale."""
        ends = [(c.start_m, c.length_m) for c in (self._today, self._next)]
        lines = [
            self._today.project(*course.place(np.linspace(*end, _POINTS)))
            for course, end in zip((self._today, self._next), ends, strict=True)
        ]
        x, y = (np.concatenate([line[k] for line in lines]) for k in (0, 1))
        scale = min(
            (_WIDTH - _LEFT - _RIGHT) / max(1.0, float(np.ptp(x))),
            (_MAP_FLOOR - _MAP_TOP) / max(1.0, float(np.ptp(y))),
        )
        middle_x, middle_y = (float(x.min() + x.max()) / 2, float(y.min() + y.max()) / 2)

        def shown(line: tuple[Floats, Floats]) -> list[tuple[float, float]]:
            return [
                (
                    (_LEFT + _WIDTH - _RIGHT) / 2 + (east - middle_x) * scale,
                    (_MAP_TOP + _MAP_FLOOR) / 2 - (north - middle_y) * scale,
                )
                for east, north in zip(line[0].tolist(), line[1].tolist(), strict=True)
            ]

        before, after = shown(lines[0]), shown(lines[1])
        yield f'<path class="old" d="{_path(before)}"/>'
        yield f'<path class="new" d="{_path(after)}"/>'
        apart = off_road(self._today, self._next) > SHARED_M
        there = apart[np.linspace(0, len(apart) - 1, _POINTS).round().astype(np.int64)]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
        for first, end in edges.reshape(-1, 2).tolist():
            yield f'<path class="apart" d="{_path(after[max(0, first - 1) : end])}"/>'
        for (at_x, at_y), kind, word in (
            (before[-1], "soft", "finish today"), (after[-1], "newtext", "finish next"),
            (after[0], "soft", "start"),
        ):  # fmt: skip
            left = at_x < _WIDTH / 2  # words stand outside the road
            yield f'<circle class="dot" cx="{at_x:.1f}" cy="{at_y:.1f}" r="5"/>'
            yield (
                f'<text class="label {kind}" text-anchor="{"end" if left else "start"}" '
                f'x="{at_x + (-10.0 if left else 10.0):.1f}" y="{at_y + 4:.1f}">{word}</text>'
            )
        yield from self._scale(scale)

    def _scale(self, scale: float) -> Iterator[str]:
        length_m = round_step(160.0 / scale, 1)
        y = _HEIGHT - 14.0
        yield f'<path class="line" d="M{_LEFT:g} {y:g}h{length_m * scale:.1f}"/>'
        yield f'<text class="soft" x="{_LEFT:g}" y="{y - 8:g}">{length_m / 1000:g} km</text>'

    def _profile(self, course: Course) -> str:
        at_m = np.linspace(course.start_m, course.length_m, _POINTS)
        level_m = np.nan_to_num(np.interp(at_m, course.distance_m, course.altitude_m))
        return _path([(self._x(a), self._y(h)) for a, h in zip(at_m, level_m, strict=True)])

    def _x(self, at_m: float) -> float:
        share = (at_m - self._from_m) / (self._to_m - self._from_m)
        return float(_LEFT + share * (_WIDTH - _LEFT - _RIGHT))

    def _y(self, level_m: float) -> float:
        share = (level_m - self._low_m) / (self._high_m - self._low_m)
        return float(_FLOOR - share * (_FLOOR - _TOP))


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
