"""The profile of a stage as an SVG picture that reads in light and in dark."""

from collections.abc import Iterator
from html import escape
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hardware.stage import Stage
from truck.race.climbs import climbs_of
from truck.race.course import Course

Floats = NDArray[np.float64]

_WIDTH, _HEIGHT = 1200.0, 544.0
_LEFT, _RIGHT, _TOP, _FLOOR = 64.0, 24.0, 190.0, 430.0
_LABEL_ROWS, _LABEL_ROW, _LABELS_TOP = 5, 22.0, 84.0
_LETTER = 6.6  # mean width of a letter at 12 px
_POINTS = 900
_SLABS = 180  # of one colour each, or half a kilometre
_LEAST_RISE_M = 150.0  # so that a flat stage looks flat
# from this gradient in per cent on, class, and what the legend calls it
_STEEPNESS = (
    (-99.0, "down", "below -2 %"),
    (-2.0, "flat", "-2 to 2 %"),
    (2.0, "g1", "2 to 4 %"),
    (4.0, "g2", "4 to 6 %"),
    (6.0, "g3", "6 to 8 %"),
    (8.0, "g4", "8 to 10 %"),
    (10.0, "g5", "10 % and more"),
)
_SIGNS = {"climb": "▲", "sprint": "S", "bonus": "B", "feed": "F", "crossing": "X",
          "intermediate": "T"}  # fmt: skip
_MEANINGS = {"climb": "climb", "sprint": "sprint", "bonus": "bonus", "feed": "feed zone",
             "crossing": "level crossing", "intermediate": "time check"}  # fmt: skip
STYLE = """
svg{--ink:#1b2430;--soft:#5d6b7a;--grid:#d9e0e7;--paper:#fff;--road:#1b2430;--down:#a9bccd;
--flat:#8fbf9f;--g1:#f2d16b;--g2:#f0a44b;--g3:#e4683f;--g4:#c2304a;--g5:#7d1f5c;--lap:#5d6b7a}
@media(prefers-color-scheme:dark){svg{--ink:#e8edf2;--soft:#9aa8b6;--grid:#2e3945;--paper:#12181f;
--road:#e8edf2;--down:#4d6175;--flat:#4f8a63;--g1:#c9a83f;--g2:#d98a32;--g3:#d9582f;--g4:#c73a55;
--g5:#b04a92;--lap:#9aa8b6}}
.paper{fill:var(--paper)}text{font:12px system-ui,sans-serif;fill:var(--ink)}
.label{paint-order:stroke;stroke:var(--paper);stroke-width:4px}.title{font-size:20px;font-weight:650}.soft{fill:var(--soft)}.grid{stroke:var(--grid)}
.road{fill:none;stroke:var(--road);stroke-width:1.8;stroke-linejoin:round}
.lead{stroke:var(--soft);stroke-dasharray:2 3}.sign{fill:var(--ink)}
.sign+text{fill:var(--paper);font-weight:700;font-size:11px}.lap{fill:none;stroke:var(--lap)}
.neutral{fill:var(--grid);opacity:.6}.line{stroke:var(--ink);stroke-width:2}
.down{fill:var(--down)}.flat{fill:var(--flat)}.g1{fill:var(--g1)}.g2{fill:var(--g2)}
.g3{fill:var(--g3)}.g4{fill:var(--g4)}.g5{fill:var(--g5)}
""".strip()


def picture_of(stage: Stage, course: Course) -> str:
    """The profile with climbs, points, laps, gradients and their legend."""
    return "\n".join(_Drawing(stage, course).lines()) + "\n"


class _Drawing:
    """One picture: kilometres to the right, metres upwards."""

    def __init__(self, stage: Stage, course: Course) -> None:
        self._stage, self._course = stage, course
        self._at_m = np.linspace(course.start_m, course.length_m, _POINTS)
        self._level_m = np.interp(self._at_m, course.distance_m, course.altitude_m)
        self._known = bool(np.isfinite(self._level_m).all())
        if not self._known:
            self._level_m = np.zeros(_POINTS)
        low, high = float(np.min(self._level_m)), float(np.max(self._level_m))
        self._low_m = low - 0.15 * max(high - low, _LEAST_RISE_M)
        self._high_m = max(high, low + _LEAST_RISE_M)

    def lines(self) -> Iterator[str]:
        """The SVG, element by element."""
        title = escape(f"Profile of {self._stage.name}")
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" '
            f'role="img" aria-label="{title}">'
        )
        yield f"<title>{title}</title><style>{STYLE}</style>"
        yield f'<rect class="paper" width="{_WIDTH:g}" height="{_HEIGHT:g}"/>'
        yield from self._heading()
        yield from self._levels()
        yield from self._slopes()
        yield from self._kilometres()
        yield from self._laps()
        yield from self._points()
        yield from self._legend()
        yield "</svg>"

    def _x(self, at_m: float) -> float:
        share = (at_m - self._at_m[0]) / (self._at_m[-1] - self._at_m[0])
        return float(_LEFT + share * (_WIDTH - _LEFT - _RIGHT))

    def _y(self, level_m: float) -> float:
        share = (level_m - self._low_m) / (self._high_m - self._low_m)
        return float(_FLOOR - share * (_FLOOR - _TOP))

    def _heading(self) -> Iterator[str]:
        course = self._course
        facts = [f"{course.length_m / 1000:.1f} km"]
        if course.start_m < 0.0:
            facts.append(f"after {-course.start_m / 1000:.1f} km neutral")
        facts += [
            f"{circuit.count} laps of {circuit.length_km:g} km" for circuit in course.circuits
        ]
        if not self._known:
            facts.append("no elevation known")
        yield f'<text class="title" x="{_LEFT:g}" y="36">{escape(self._stage.name)}</text>'
        yield f'<text class="soft" x="{_LEFT:g}" y="58">{escape(" · ".join(facts))}</text>'

    def _levels(self) -> Iterator[str]:
        if not self._known:
            return
        step_m = round_step(self._high_m - self._low_m, 5)
        level_m = np.ceil(self._low_m / step_m) * step_m
        while level_m <= self._high_m:
            y = self._y(level_m)
            yield f'<path class="grid" d="M{_LEFT:g} {y:.1f}H{_WIDTH - _RIGHT:g}"/>'
            yield (
                f'<text class="soft" text-anchor="end" x="{_LEFT - 8:g}" y="{y + 4:.1f}">'
                f"{level_m:.0f} m</text>"
            )
            level_m += step_m

    def _slopes(self) -> Iterator[str]:
        """The area under the road in the colours of its gradient, and the road on top."""
        xs = [self._x(at) for at in self._at_m.tolist()]
        ys = [self._y(level) for level in self._level_m.tolist()]
        if self._known:
            bounds = np.array([bound for bound, _, _ in _STEEPNESS])
            kind = np.searchsorted(bounds, self._steepness(), "right") - 1
            cuts = [0, *(np.flatnonzero(np.diff(kind)) + 1).tolist(), len(kind)]
            for first, last in pairwise(cuts):
                edge = " ".join(f"{xs[k]:.1f} {ys[k]:.1f}" for k in range(first, last + 1))
                yield (
                    f'<path class="{_STEEPNESS[kind[first]][1]}" d="M{xs[first]:.1f} {_FLOOR:g}L'
                    f'{edge}V{_FLOOR:g}Z"/>'
                )
        road = " ".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))
        yield f'<path class="road" d="M{road}"/>'
        if self._course.start_m < 0.0:
            flag = self._x(0.0)
            yield (
                f'<rect class="neutral" x="{_LEFT:g}" y="{_TOP:g}" width="{flag - _LEFT:.1f}" '
                f'height="{_FLOOR - _TOP:g}"/>'
            )
        for at_m in (0.0, self._course.length_m):
            yield f'<path class="line" d="M{self._x(at_m):.1f} {_TOP:g}V{_FLOOR + 6:g}"/>'

    def _steepness(self) -> Floats:
        """The mean gradient of the slab that each piece of the road lies in, in per cent."""
        length_m = float(self._at_m[-1] - self._at_m[0])
        slabs = max(1, min(_SLABS, round(length_m / 500.0)))
        edge = np.linspace(0, len(self._at_m) - 1, slabs + 1).astype(np.int64)
        slope = np.diff(self._level_m[edge]) / np.diff(self._at_m[edge]) * 100.0
        return np.asarray(np.repeat(slope, np.diff(edge)))

    def _kilometres(self) -> Iterator[str]:
        step_m = round_step(self._course.length_m, 10)
        at_m = 0.0
        while at_m <= self._course.length_m:
            x = self._x(at_m)
            yield f'<path class="grid" d="M{x:.1f} {_FLOOR:g}v6"/>'
            yield (
                f'<text class="soft" text-anchor="middle" x="{x:.1f}" y="{_FLOOR + 20:g}">'
                f"{at_m / 1000:g}</text>"
            )
            at_m += step_m
        yield f'<text class="soft" x="12" y="{_FLOOR + 20:g}">km</text>'

    def _laps(self) -> Iterator[str]:
        y = _FLOOR + 32
        for circuit in self._course.circuits:
            for lap in range(circuit.count):
                from_m = (circuit.from_km + lap * circuit.length_km) * 1000.0
                first = self._x(min(from_m, self._course.length_m))
                last = self._x(min(from_m + circuit.length_km * 1000.0, self._course.length_m))
                yield f'<path class="lap" d="M{first + 1:.1f} {y - 5:g}v5H{last - 1:.1f}v-5"/>'
                yield (
                    f'<text class="soft" text-anchor="middle" x="{(first + last) / 2:.1f}" '
                    f'y="{y + 13:g}">lap {lap + 1}</text>'
                )

    def _places(self) -> list[tuple[float, str, str]]:
        """Metres, kind and label of what is marked, in order of the road."""
        places = [
            (climb.top_m, "climb", " ".join(filter(None, (
                climb.name or ("climb" if climb.derived else ""),
                f"(cat. {climb.category})" if climb.category else "",
                f"{climb.length_m / 1000:.1f} km at {climb.gradient_pct:.1f} %"
                if np.isfinite(climb.gradient_pct) else "",
            ))))
            for climb in climbs_of(self._course)
        ] + [
            (point.km * 1000.0, point.kind, point.name or point.kind)
            for point in self._stage.checkpoints if point.kind != "climb"
        ]  # fmt: skip
        low_m, high_m = float(self._at_m[0]), float(self._at_m[-1])
        return sorted(place for place in places if low_m <= place[0] <= high_m)

    def _points(self) -> Iterator[str]:
        """Marks with their labels in the first row that is free there."""
        free = [0.0] * _LABEL_ROWS
        leads, signs = [], []
        for at_m, kind, label in self._places():
            x, level_m = self._x(at_m), float(np.interp(at_m, self._at_m, self._level_m))
            title = escape(f"{label}, km {at_m / 1000:.1f}")
            width = _LETTER * len(label) + 24.0
            turned = x - 8.0 + width > _WIDTH  # near the edge a label stands before its sign
            begin = x + 8.0 - width if turned else x - 8.0
            row = next((k for k in range(_LABEL_ROWS) if free[k] <= begin), None)
            if row is None:  # its name is in the tooltip
                row, label, width = free.index(min(free)), "", 20.0
            free[row] = begin + width
            y = _LABELS_TOP + _LABEL_ROW * row
            leads.append(f'<path class="lead" d="M{x:.1f} {y + 8:g}V{self._y(level_m):.1f}"/>')
            signs.append(
                f'<g><title>{title}</title><circle class="sign" cx="{x:.1f}" cy="{y:g}" r="8"/>'
                f'<text text-anchor="middle" x="{x:.1f}" y="{y + 4:g}">{_SIGNS.get(kind, "•")}'
                f'</text><text class="label" text-anchor="{"end" if turned else "start"}" '
                f'x="{x - 12.0 if turned else x + 12.0:.1f}" y="{y + 4:g}">{escape(label)}'
                "</text></g>"
            )
        yield from leads
        yield from signs

    def _legend(self) -> Iterator[str]:
        x, y = _LEFT, _HEIGHT - 44.0
        if self._known:
            for _, kind, name in _STEEPNESS:
                yield f'<rect class="{kind}" x="{x:g}" y="{y - 10:g}" width="14" height="12"/>'
                yield f'<text class="soft" x="{x + 20:g}" y="{y:g}">{name}</text>'
                x += 34.0 + _LETTER * len(name)
        x, y = _LEFT, _HEIGHT - 18.0
        used = {kind for _, kind, _ in self._places()}
        for kind in filter(used.__contains__, _SIGNS):
            yield f'<circle class="sign" cx="{x + 8:g}" cy="{y - 4:g}" r="8"/>'
            yield (
                f'<text text-anchor="middle" x="{x + 8:g}" y="{y:g}">{_SIGNS[kind]}</text>'
                f'<text class="soft" x="{x + 22:g}" y="{y:g}">{_MEANINGS[kind]}</text>'
            )
            x += 40.0 + _LETTER * len(_MEANINGS[kind])


def round_step(span: float, count: int) -> float:
    """A round step that divides a span into about so many parts."""
    rough = span / count
    power = 10.0 ** np.floor(np.log10(rough))
    return float(next(k for k in (1.0, 2.0, 5.0, 10.0) if k * power >= rough) * power)
