"""What riders do not choose: crashes, punctures, illness; and the stops that a group agrees on.

How often: counts for a stage of 180 km with 184 riders, one of each at least, so that short
trials have something to find. Crashes come late, comfort stops on easy road before the finale.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.broomwagon import BroomWagon
from hardware.virtual.outlook import Outlook
from hardware.virtual.ride import Event
from hardware.virtual.riders import Field
from hardware.virtual.road import STEP_M, Road
from hardware.virtual.state import State
from hardware.virtual.tactics import Tactics

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STAGE_M = 180_000.0
# kind: mean number a stage, and between which shares of it
_RATES = {
    "pile_up": (1.3, 0.10, 0.98),
    "fall": (2.5, 0.05, 0.98),
    "mechanical": (6.0, 0.03, 0.97),
    "comfort_stop": (2.0, 0.12, 0.70),
    "illness": (1.2, 0.30, 0.95),
}
_EASY_SLOPE = 0.02
_FALLS_MPS2, _BLOCKED_MPS2, _GENTLE_MPS2 = 7.0, 4.5, 1.5
_PILE = (3, 15)
_BLOCKED_M = 60.0
_OUT_ODDS = 0.09  # of one who fell
_COMFORT = (3, 13)
_COMFORT_S = (30.0, 90.0)
_COMFORT_AHEAD_M, _COMFORT_SPREAD_M = 120.0, 30.0
_MECHANICAL_S = (12.0, 40.0)
_PUNCTURES = 0.6  # the others change the bike
_GIVES_UP_S = (40.0, 180.0)


class Happenings:
    """The schedule of a stage, and its stops under way."""

    def __init__(self, field: Field, road: Road, draw: np.random.Generator) -> None:
        self._field = field
        self._draw = draw
        self.wagon = BroomWagon(field, road, draw)
        self._due = self._schedule(road)
        self._stop_m = np.full(len(field), np.inf)
        self._stop_for_s = np.zeros(len(field))
        self._stopping: list[Ints] = []
        self._begun: list[tuple[int, float, float]] = []

    def _schedule(self, road: Road) -> list[tuple[float, str]]:
        """Where the peloton's head is when each thing happens."""
        easy = np.flatnonzero(np.abs(road.gradient) < _EASY_SLOPE)
        scale = road.length_m / _STAGE_M * (0.4 + 0.6 * len(self._field) / 184.0)
        due = []
        for kind, (rate, low, high) in _RATES.items():
            count = max(1, int(rate * scale + self._draw.random()))
            for share in (low + (high - low) * self._draw.random(count)).tolist():
                at_m = share * road.length_m
                if kind == "comfort_stop" and len(easy):
                    wanted = int((at_m - road.start_m) / STEP_M)
                    at_m = float(
                        road.start_m + STEP_M * easy[int(np.argmin(np.abs(easy - wanted)))]
                    )
                due.append((at_m, kind))
        return sorted(due)

    def decide(self, state: State, outlook: Outlook, tactics: Tactics, log: list[Event]) -> None:
        """Let happen what is due where the peloton is now."""
        acts: dict[str, Callable[[State, Outlook, Tactics, list[Event]], None]] = {
            "pile_up": self._pile_up,
            "fall": self._fall,
            "mechanical": self._mechanical,
            "comfort_stop": self._comfort_stop,
            "illness": self._illness,
        }
        while self._due and self._due[0][0] <= outlook.at_m[outlook.main]:
            _, kind = self._due.pop(0)
            acts[kind](state, outlook, tactics, log)

    def act(self, state: State, now_s: float, log: list[Event]) -> None:
        """One second of the stops that were agreed on."""
        braking_m = state.speed_mps * state.speed_mps / (2.0 * _GENTLE_MPS2)
        rows = np.flatnonzero(state.riding & (state.distance_m + braking_m >= self._stop_m))
        if len(rows):
            self._stop_m[rows] = np.inf
            state.stop(rows, now_s, self._stop_for_s[rows], _GENTLE_MPS2, aside=True)
        for group in list(self._stopping):
            if not np.isfinite(self._stop_m[group]).any():
                self._stopping.remove(group)
                self._log_comfort(state, group, now_s, log)
        self.wagon.drive(state, now_s, log)

    def _log_comfort(self, state: State, group: Ints, now_s: float, log: list[Event]) -> None:
        stood = group[np.isfinite(state.halted_s[group]) & (state.halted_s[group] > 0.0)]
        if len(stood):
            to_s = float(state.halted_s[stood].max())
            from_s = float((state.halted_s[stood] - self._stop_for_s[stood]).min())
            at_m = float(np.median(state.distance_m[stood]))
            share = min(1.0, len(stood) / 15.0)
            log.append(
                Event("comfort_stop", self._bibs(stood), int(from_s), int(to_s), at_m, share)
            )

    def _pile_up(self, state: State, outlook: Outlook, tactics: Tactics, log: list[Event]) -> None:
        rows, now_s = outlook.peloton, outlook.now_s
        if len(rows) < 2 * _PILE[0]:
            return
        low, high = _PILE
        chance = self._draw.random()
        count = min(low + int((high - low) * chance * chance), len(rows) // 2)
        first = int(self._draw.random() * 0.85 * (len(rows) - count))
        near = rows[first : first + 2 * count]
        fallen = near[np.argsort(self._draw.random(len(near)), kind="stable")[:count]]
        luck = self._draw.random(count)
        for_s = 10.0 + 35.0 * luck + np.where(luck > 0.8, 700.0 * (luck - 0.8), 0.0)
        to_s = self._bring_down(state, fallen, now_s, for_s)
        held = self._block(state, rows, fallen, now_s)
        if self._draw.random() < 0.5:
            tactics.ease(now_s + 120.0)
        at_m = float(np.median(state.distance_m[fallen]))
        severity, note = min(1.0, count / 20.0), f"{held} held up behind"
        log.append(Event("crash", self._bibs(fallen), int(now_s), to_s, at_m, severity, note))

    def _bring_down(self, state: State, rows: Ints, now_s: float, for_s: Floats) -> int | None:
        """Stop riders who fell; when the last who goes on does, None when none does."""
        until_s = state.stop(rows, now_s, for_s, _FALLS_MPS2, aside=False)
        out = self._draw.random(len(rows)) < _OUT_ODDS
        low, high = _GIVES_UP_S
        hurt = rows[out]
        at_s = until_s[out] + low + (high - low) * self._draw.random(len(hurt))
        self.wagon.leave(state, hurt, at_s)
        return None if out.all() else int(until_s[~out].max())

    def _block(self, state: State, rows: Ints, fallen: Ints, now_s: float) -> int:
        """Riders close behind stop or brake; how many."""
        behind_m = state.distance_m[fallen].max() - state.distance_m[rows]
        near = (behind_m > 0.0) & (behind_m < _BLOCKED_M) & ~np.isin(rows, fallen)
        rows, behind_m = rows[near], behind_m[near]
        chance = self._draw.random(len(rows))
        closeness = 1.0 - behind_m / _BLOCKED_M
        stops = chance < 0.6 * closeness
        slows = ~stops & (chance < 0.4 + 0.5 * closeness)
        for_s = 3.0 + 22.0 * self._draw.random(len(rows)) * closeness
        state.stop(rows[stops], now_s, for_s[stops], _BLOCKED_MPS2, aside=False)
        state.slow_mps[rows[slows]] = 1.0 + 5.0 * chance[slows]
        state.slow_s[rows[slows]] = now_s + 4.0 + for_s[slows]
        return int(stops.sum() + slows.sum())

    def _fall(self, state: State, outlook: Outlook, tactics: Tactics, log: list[Event]) -> None:
        row = self._anyone(outlook)
        for_s = 10.0 + 110.0 * self._draw.random(1) * self._draw.random(1)
        to_s = self._bring_down(state, row, outlook.now_s, for_s)
        self._log_one("crash", state, row, outlook.now_s, to_s, log)

    def _mechanical(
        self, state: State, outlook: Outlook, tactics: Tactics, log: list[Event]
    ) -> None:
        row = self._anyone(outlook)
        low, high = _MECHANICAL_S
        for_s = low + (high - low) * self._draw.random(1)
        until_s = state.stop(row, outlook.now_s, for_s, _GENTLE_MPS2, aside=True)
        note = "puncture" if self._draw.random() < _PUNCTURES else "bike change"
        self._log_one("mechanical", state, row, outlook.now_s, int(until_s[0]), log, note)

    def _comfort_stop(
        self, state: State, outlook: Outlook, tactics: Tactics, log: list[Event]
    ) -> None:
        rows = outlook.peloton
        low, high = _COMFORT
        count = min(low + int((high - low) * self._draw.random()), len(rows) // 2)
        group = rows[np.argsort(self._draw.random(len(rows)), kind="stable")[:count]]
        ahead_m = _COMFORT_AHEAD_M + _COMFORT_SPREAD_M * self._draw.random(count)
        self._stop_m[group] = outlook.at_m[outlook.main] + ahead_m
        shortest_s, longest_s = _COMFORT_S
        self._stop_for_s[group] = shortest_s + (longest_s - shortest_s) * self._draw.random(count)
        self._stopping.append(group)
        if self._draw.random() < 0.6:
            tactics.ease(outlook.now_s + 150.0)

    def _illness(self, state: State, outlook: Outlook, tactics: Tactics, log: list[Event]) -> None:
        """Somebody at the back stops and does not go on."""
        last = outlook.bunch.rows[-max(1, len(outlook.bunch.rows) // 6) :]
        row = last[int(self._draw.random() * len(last)) :][:1]
        until_s = state.stop(row, outlook.now_s, 0.0, _GENTLE_MPS2, aside=True)
        low, high = _GIVES_UP_S
        self.wagon.leave(state, row, until_s + low + (high - low) * self._draw.random(1))

    def _anyone(self, outlook: Outlook) -> Ints:
        rows = outlook.bunch.rows
        return rows[int(self._draw.random() * len(rows)) :][:1]

    def _log_one(
        self, kind: str, state: State, row: Ints, now_s: float, to_s: int | None, log: list[Event],
        note: str = "",
    ) -> None:  # fmt: skip
        at_m = float(state.distance_m[row[0]])
        log.append(Event(kind, self._bibs(row), int(now_s), to_s, at_m, 0.05, note))

    def _bibs(self, rows: Ints) -> tuple[int, ...]:
        return tuple(int(bib) for bib in self._field.bibs[rows])
