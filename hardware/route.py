"""The road from start to finish as one line: laps unfolded, cut at the finish, scaled."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware.errors import Misconfigured
from hardware.laps import Lap, Trace
from hardware.polyline import along, between, bridged, joined, passes_of, without_stops
from hardware.stage import Circuit, Route, Stage

Floats = NDArray[np.float64]

_START_OFF_M = 300.0
_LONGEST_M = 1_000_000.0  # the longest stage ever had 482 km (Tour de France 1919 to 1924)
_SCALE_OFF = 0.1  # a road book and a drawn line differ by a few per cent, not by a tenth
_SCALE_NEAR = 0.03
_FINISH_SURE = 0.015


class Line(NamedTuple):
    """Points in riding order; `distance_m` counts from the flag, negative in the neutral zone."""

    latitude_deg: Floats
    longitude_deg: Floats
    altitude_m: Floats
    distance_m: Floats


@dataclass(frozen=True, eq=False)
class Road:
    """A stage's line and what was found out on the way to it.

    Attributes:
        line: as its riders ride it; altitudes bridged, all NaN where there are none.
        drawn_m: the length of the drawing once its laps are ridden and it ends at the finish.
        end_m: its length before it was cut there.
        neutral_m: what of it lies before the flag; 0 where the drawing begins at the flag.
        laps: of each circuit, None where the drawing does not close there.
        unfolded: whether circuits were drawn less often than they are ridden.
        finish_m: each place of the drawing that passes the finish line, before it was cut there.
        finish_off_m: how far the finish lies beside the drawing.
    """

    line: Line
    drawn_m: float
    end_m: float
    neutral_m: float
    laps: tuple[Lap | None, ...]
    unfolded: bool
    finish_m: tuple[float, ...]
    finish_off_m: float


def line_of(stage: Stage) -> Line:
    """The stage's road as its riders ride it; altitudes bridged, all NaN where there are none.

    Raises:
        Misconfigured: route and road book contradict each other.
    """
    return road_of(stage).line


def road_of(stage: Stage) -> Road:
    """The stage's road and how it was derived.

    Raises:
        Misconfigured: route and road book contradict each other.
    """
    route = bridged(without_stops(stage.route))
    along_m = along(route)
    if along_m[-1] > _LONGEST_M:
        apart_m = np.diff(along_m)
        raise Misconfigured(
            f"route.gpx is {along_m[-1] / 1000:.0f} km long, its points lie up to "
            f"{apart_m.max() / 1000:.0f} km apart",
            "Remove the points that are far from the road.",
        )
    neutral_m = _neutral(stage, float(along_m[-1]))
    if along_m[-1] <= neutral_m + 100.0:
        raise Misconfigured(
            f"route.gpx is only {along_m[-1]:.0f} m long", "Export the whole stage."
        )
    laps = _laps(route, along_m, stage, neutral_m)
    if neutral_m > 0.0 and stage.length_km is None and None in laps:
        from_flag = _laps(route, along_m, stage, 0.0)
        if None not in from_flag:  # so the drawing begins at the flag
            neutral_m, laps = 0.0, from_flag
    again = _again(stage, laps, float(along_m[-1]), neutral_m)
    if any(again):
        route = _unfold(route, along_m, stage, laps, again, neutral_m)
        along_m = along(route)
    end_m = float(along_m[-1])
    passes: tuple[float, ...] = ()
    off_m = 0.0
    if stage.finish is not None:
        passes, off_m = passes_of(route, along_m, stage.finish)
        route, along_m = _end_at(route, along_m, _finish_of(stage, passes, neutral_m))
        if along_m[-1] <= neutral_m + 100.0:
            raise Misconfigured(
                "stage.toml, finish: it lies before the flag", "Correct finish or neutral_km."
            )
    wanted_m = float(along_m[-1])
    if stage.length_km is not None:
        wanted_m = neutral_m + stage.length_km * 1000.0
        _check_scale(stage, laps, wanted_m, float(along_m[-1]))
    # to a tenth of a millimetre, so that another machine's last bit makes no other course
    line = Line(
        np.round(route.latitude_deg, 9),
        np.round(route.longitude_deg, 9),
        np.round(route.altitude_m, 4),
        np.round(along_m * (wanted_m / along_m[-1]) - neutral_m, 4),
    )
    return Road(line, float(along_m[-1]), end_m, neutral_m, laps, any(again), passes, off_m)


def _neutral(stage: Stage, drawn_m: float) -> float:
    """The neutral zone as far as it is drawn: exports often begin at the flag.

    It counts as left out when the drawing has the road book's length without it, and not with it.
    """
    neutral_m = stage.neutral_km * 1000.0
    if stage.length_km is None or neutral_m == 0.0:
        return neutral_m
    again_m = sum((c.count - 1) * c.length_km for c in stage.laps) * 1000.0
    flag_m = stage.length_km * 1000.0
    without_m = min(abs(drawn_m - flag_m), abs(drawn_m - flag_m + again_m))
    with_m = min(abs(drawn_m - flag_m - neutral_m), abs(drawn_m - flag_m - neutral_m + again_m))
    return 0.0 if with_m > 0.01 * drawn_m and without_m < 0.25 * with_m else neutral_m


def _laps(route: Route, along_m: Floats, stage: Stage, neutral_m: float) -> tuple[Lap | None, ...]:
    """Each circuit as it lies in the drawing."""
    if not stage.laps:
        return ()
    trace = Trace(route.latitude_deg, route.longitude_deg, along_m)
    found: list[Lap | None] = []
    left_out_m = 0.0
    for circuit in stage.laps:
        from_m = neutral_m + circuit.from_km * 1000.0 - left_out_m
        lap = trace.lap(from_m, circuit.length_km * 1000.0)
        if lap is not None:
            left_out_m += max(0, circuit.count - lap.drawn) * lap.length_m
        found.append(lap)
    return tuple(found)


def _again(
    stage: Stage, laps: tuple[Lap | None, ...], drawn_m: float, neutral_m: float
) -> tuple[int, ...]:
    """How many laps of each circuit must be added to the drawing.

    The drawing's own repeats say it, unless the road book's length says otherwise.
    """
    pairs = list(zip(stage.laps, laps, strict=True))
    shape = tuple(0 if lap is None else max(0, c.count - lap.drawn) for c, lap in pairs)
    if stage.length_km is None:
        return shape
    wanted_m = neutral_m + stage.length_km * 1000.0

    def off(again: tuple[int, ...]) -> float:
        added_m = sum(
            n * (c.length_km * 1000.0 if lap is None else lap.length_m)
            for n, (c, lap) in zip(again, pairs, strict=True)
        )
        return abs((drawn_m + added_m) / wanted_m - 1.0)

    once, out = tuple(c.count - 1 for c in stage.laps), (0,) * len(pairs)
    return shape if off(shape) <= _SCALE_NEAR else min((shape, once, out), key=off)


def _unfold(
    route: Route,
    along_m: Floats,
    stage: Stage,
    laps: tuple[Lap | None, ...],
    again: tuple[int, ...],
    neutral_m: float,
) -> Route:
    """The drawing with the laps added that it leaves out, each where its circuit closes."""
    parts: list[Route] = []
    done_m, left_out_m, last_m = 0.0, 0.0, float(along_m[-1])
    for circuit, lap, count in zip(stage.laps, laps, again, strict=True):
        from_m = neutral_m + circuit.from_km * 1000.0 - left_out_m
        length_m = circuit.length_km * 1000.0
        if lap is not None:
            from_m, length_m = lap.from_m, lap.length_m
        first_m, end_m = min(from_m, last_m), min(from_m + length_m, last_m)
        parts.append(between(route, along_m, done_m, max(end_m, done_m)))
        parts.extend([between(route, along_m, first_m, end_m)] * count)
        done_m = max(end_m, done_m)
        left_out_m += count * length_m
    parts.append(between(route, along_m, done_m, last_m))
    return without_stops(joined(parts))


def _finish_of(stage: Stage, passes: tuple[float, ...], neutral_m: float) -> float:
    """The pass that ends the stage: circuits go through the finish more than once."""
    if stage.length_km is None:
        return passes[-1]
    wanted_m = neutral_m + stage.length_km * 1000.0
    nearest_m = min(passes, key=lambda at_m: abs(at_m - wanted_m))
    # a drawing of another scale than the road book's cannot tell the passes apart
    is_sure = abs(nearest_m / wanted_m - 1.0) < _FINISH_SURE
    is_far = abs(passes[-1] / wanted_m - 1.0) > _SCALE_OFF
    return nearest_m if is_sure or is_far else passes[-1]


def _end_at(route: Route, along_m: Floats, finish_m: float) -> tuple[Route, Floats]:
    """The route up to the finish line, which may have moved since it was drawn."""
    if finish_m < _START_OFF_M:
        raise Misconfigured(
            "stage.toml, finish: it lies where route.gpx begins",
            "If the route is drawn from finish to start, turn it round.",
        )
    ended = without_stops(between(route, along_m, 0.0, finish_m))
    return ended, along(ended)


def count_that_fits(
    stage: Stage, laps: tuple[Lap | None, ...], short_m: float
) -> tuple[Circuit, int] | None:
    """The circuit and the count of laps that would explain a difference from the road book."""
    for circuit, lap in zip(stage.laps, laps, strict=True):
        length_m = circuit.length_km * 1000.0 if lap is None else lap.length_m
        more = round(short_m / length_m)
        if more != 0 and circuit.count + more > 0 and abs(more * length_m - short_m) < length_m / 5:
            return circuit, circuit.count + more
    return None


def _check_scale(
    stage: Stage, laps: tuple[Lap | None, ...], wanted_m: float, drawn_m: float
) -> None:
    if abs(wanted_m / drawn_m - 1.0) <= _SCALE_OFF:
        return
    hint = "Correct length_km, neutral_km or laps, or export the whole route."
    fits, times = count_that_fits(stage, laps, wanted_m - drawn_m), wanted_m / drawn_m
    if fits is not None:
        hint += f" {fits[1]} laps from km {fits[0].from_km:g} would fit."
    elif not laps and times > 1.5 and abs(times - round(times)) < _SCALE_NEAR * times:
        hint += f" If it draws one of {round(times)} laps, say so in laps."
    raise Misconfigured(
        f"route.gpx is {drawn_m / 1000:.1f} km long where stage.toml says "
        f"{wanted_m / 1000:.1f} km with the neutral zone",
        hint,
    )
