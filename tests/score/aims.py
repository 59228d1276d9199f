"""What DESIGN 6 aims at, figure by figure, and the baseline each is held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from figure import Figure, interval, pooled


@dataclass(frozen=True)
class Aim:
    """One row; without `least` and `most` it is there to be read beside the others."""

    name: str
    unit: str
    baseline: str
    most: float | None = None
    least: float | None = None

    @property
    def text(self) -> str:
        """As people read it."""
        unit = f" {self.unit}" if self.unit else ""
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}{unit}"
        if self.most is not None:
            return f"at most {self.most:g}{unit}" if self.most else f"0{unit}"
        return f"at least {self.least:g}{unit}" if self.least is not None else ""

    def is_met(self, value: float) -> bool | None:
        """None where there is no aim or no value."""
        if not np.isfinite(value) or (self.least is None and self.most is None):
            return None
        return self._off(value) == 0.0

    def beats(self, value: float, baseline: float) -> bool | None:
        """Whether the value is better than the baseline's; equal is better only if both are met."""
        if self.is_met(value) is None or not np.isfinite(baseline):
            return None
        if self.least is not None and self.most is not None:
            return self._off(value) <= self._off(baseline)
        better = value < baseline if self.most is not None else value > baseline
        return bool(better or (value == baseline and self.is_met(value)))

    def _off(self, value: float) -> float:
        """How far the value is from its aim."""
        low = -np.inf if self.least is None else self.least
        high = np.inf if self.most is None else self.most
        return float(max(low - value, value - high, 0.0))

    def row(
        self, value: float, baseline: float, low: float, high: float, note: str = ""
    ) -> dict[str, Any]:
        """A row of the score."""
        return {
            "name": self.name, "aim": self.text, "unit": self.unit, "value": number(value),
            "low": number(low), "high": number(high), "baseline": number(baseline),
            "baseline_name": self.baseline, "met": self.is_met(value),
            "beats_baseline": self.beats(value, baseline), "note": note,
        }  # fmt: skip


_NEAREST = "nearest point of the route"
_DIVIDED = "distance / speed"
_CUT = "3 s threshold without memory"
_STILL = "still for 30 s"
_ALONE = "75 kg, alone, still air"
_PLAIN_GC = "distance / speed, no bonuses"
_SOUND, _ALL = "progress, sound devices", "progress, all devices"
_HOLES = "184 riders, frames of 6 s, holes of 30 s"

SEEDS = (
    Aim(f"{_SOUND}, median", "m", _NEAREST, most=3.0),
    Aim(f"{_SOUND}, p95", "m", _NEAREST, most=10.0),
    Aim(f"{_SOUND}, wrong laps or legs", "a stage", _NEAREST, most=0.0),
    Aim(f"{_SOUND}, steps back", "a stage", _NEAREST, most=0.0),
    Aim(f"{_SOUND}, retreats", "a stage", _NEAREST),
    Aim(f"{_ALL}, median", "m", _NEAREST, most=3.0),
    Aim(f"{_ALL}, p95", "m", _NEAREST, most=10.0),
    Aim(f"{_ALL}, wrong laps or legs", "a stage", _NEAREST, most=0.0),
    Aim(f"{_ALL}, steps back", "a stage", _NEAREST, most=0.0),
    Aim(f"{_ALL}, retreats", "a stage", _NEAREST),
    Aim("progress, share of heard riders placed", "", _NEAREST),
    Aim("speed, mean error", "km/h", "raw receiver or two fixes", most=0.5),
    Aim("gradient, mean error", "point", "the rider's altitude", most=0.5),
    Aim("gradient, share of seconds given one", "", "the rider's altitude"),
    Aim("gap, 1 Hz, mean error", "s", _DIVIDED, most=1.0),
    Aim("gap, 1 Hz, p95", "s", _DIVIDED, most=3.0),
    Aim("gap, with holes, mean error", "s", _DIVIDED, most=2.0),
    Aim("gap, with holes, p95", "s", _DIVIDED, most=5.0),
    Aim("gap, in holes, mean error", "s", _DIVIDED),
    Aim("gap, in holes, p95", "s", _DIVIDED),
    Aim("gap, share of riders given one", "", _DIVIDED),
    Aim("groups, ARI", "", _CUT, least=0.97),
    Aim("groups, pair F1", "", _CUT, least=0.98),
    Aim("groups, id switches", "an hour", _CUT, most=1.0),
    Aim("groups, share of riders in one", "", _CUT),
    Aim("incidents, recall of crashes of 3 or more", "", _STILL, least=0.95),
    Aim("incidents, recall of crashes of 1 or 2", "", _STILL, least=0.85),
    Aim("incidents, precision", "", _STILL, least=0.80),
    Aim("incidents, first warning p50", "s", _STILL, most=10.0),
    Aim("incidents, first warning p95", "s", _STILL, most=10.0),
    Aim("incidents, first word of any kind p95", "s", _STILL),
    Aim("incidents, false alarms", "a stage", _STILL, most=1.0),
    Aim("incidents, recall of crashes of 1 or 2, no impact bit", "", _STILL),
    Aim("incidents, precision, no impact bit", "", _STILL),
    Aim("incidents, false alarms, no impact bit", "a stage", _STILL),
    Aim("effort, no power meter, mean error on climbs", "%", _ALONE, most=8.0),
    Aim("effort, no power meter, coverage of the 90 % range", "", _ALONE, least=0.85, most=0.95),
    Aim("effort, no power meter, share of climbs given one", "", _ALONE),
    Aim("effort, all riders, mean error on climbs", "%", _ALONE, most=8.0),
    Aim("effort, all riders, coverage of the 90 % range", "", _ALONE, least=0.85, most=0.95),
    Aim("effort, all riders, share of climbs given one", "", _ALONE),
    Aim("wind, headwind error", "m/s", "still air"),
    Aim("wind, echelon alert F1", "", "crosswind over 5 m/s", least=0.8),
    Aim("standings, heard, within 2 s at his line", "", _PLAIN_GC, least=1.0),
    Aim("standings, heard, within 2 s at the end", "", _PLAIN_GC, least=1.0),
    Aim("standings, all, within 2 s at his line", "", _PLAIN_GC, least=1.0),
    Aim("standings, all, within 2 s at the end", "", _PLAIN_GC, least=1.0),
    Aim("standings, heard, mean error at the end", "s", _PLAIN_GC),
)  # fmt: skip

REAL = (
    Aim("five riders, wrong laps or legs", "", _NEAREST, most=0.0),
    Aim("five riders, largest step back", "m", _NEAREST, most=20.0),
    Aim("five riders, whole rides, wrong laps or legs", "", _NEAREST),
    Aim("five riders, whole rides, largest step back", "m", _NEAREST),
    Aim("five riders, share of judged fixes placed", "", _NEAREST),
    Aim("five riders, A and B within 30 m are one group", "", _CUT, least=0.95),
    Aim("two recorders of one ride, apart", "s", _DIVIDED, least=2.0, most=4.0),
)  # fmt: skip

SPARSE = (
    Aim(f"{_HOLES}, gap p95", "s", _DIVIDED, most=5.0),
    Aim(f"{_HOLES}, phantom crash alarms", "", _STILL, most=0.0),
    Aim(f"{_HOLES}, riders lost", "", _NEAREST, most=0.0),
)  # fmt: skip

Pair = tuple[Figure, Figure]


def rows_of(
    aims: Sequence[Aim], stages: Sequence[dict[str, Pair]], missing: str
) -> list[dict[str, Any]]:
    """Rows of several stages' figures; a figure that no stage has is a row that says so.

    `stages` counts those that have it: not every stage has a climb, a crash or a finish.
    """
    rows = []
    for aim in aims:
        pairs = [figures[aim.name] for figures in stages if aim.name in figures]
        ours, plain = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        value = pooled(ours)
        note = "" if np.isfinite(value) else f"missing: {missing or 'no stage has any'}"
        having = sum(bool(np.isfinite(pooled([figure]))) for figure in ours)
        row = aim.row(value, pooled(plain), *interval(ours), note)
        rows.append(row | {"stages": having})
    return rows


def number(value: float) -> float | None:
    """As JSON has it: rounded, or null."""
    return round(float(value), 4) if np.isfinite(value) else None
