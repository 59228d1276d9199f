"""Riders who leave a group by force: the early break, moves on late climbs, and the sprint."""

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.outlook import Outlook
from hardware.virtual.ride import Event
from hardware.virtual.riders import Field
from hardware.virtual.state import State
from hardware.virtual.tactics import Tactics

Ints = NDArray[np.int64]

_EVERY_S = 5.0  # how often decisions are taken
_EARLY_EVERY_S = 110.0  # mean time between attempts while no break is away
_EARLY_SHARE = 0.5  # of the stage
_LET_GO = 0.4
_FRONT = 40  # an attack comes from the first riders of a group
_BREAK_AWAY_S = 25.0
_LATE_EVERY_S = 150.0
_LATE_M = 40_000.0
_FLAT_LATE_M = 12_000.0
_PACE = 1.6
_SPRINT_M, _SPRINT_PACE = (150.0, 300.0), 10.0
_SPRINTERS = 20


class Attacks:
    """Draws attacks and carries them through."""

    def __init__(
        self, field: Field, favourite: NDArray[np.bool_], draw: np.random.Generator
    ) -> None:
        self._field = field
        self._favourite = favourite
        self._draw = draw
        self._until_s = np.zeros(len(field))
        low, high = _SPRINT_M
        self._sprint_m = low + (high - low) * draw.random(len(field))

    def decide(
        self, state: State, outlook: Outlook, tactics: Tactics, length_m: float, log: list[Event]
    ) -> None:
        """End attacks whose time is up and perhaps begin one; every `_EVERY_S` seconds."""
        spent = state.w_balance_j < 0.15 * self._field.w_prime_j
        over = state.free & ((self._until_s <= outlook.now_s) | spent) & (self._until_s > 0.0)
        state.free[over] = False
        self._until_s[over] = 0.0
        main = outlook.main
        to_go_m = float(outlook.to_go_m[main])
        if outlook.at_m[main] < 500.0 or to_go_m < 1_500.0 or state.free.any():
            return
        away = main > 0 and float(outlook.gap_s[main]) > _BREAK_AWAY_S
        if to_go_m > _EARLY_SHARE * length_m:
            if not away and self._comes(_EARLY_EVERY_S):
                self._early(state, outlook, tactics, log)
        elif self._late(outlook, to_go_m) and self._comes(_LATE_EVERY_S):
            self._go(state, outlook, self._able(state, outlook, 0.55), 1 + self._few(3), 45.0, log)

    def sprint(self, state: State, outlook: Outlook) -> None:
        """Let the fast ones of each finishing group go in sight of the line."""
        for group in np.flatnonzero(outlook.to_go_m < _SPRINT_M[1] + 40.0):
            rows = outlook.bunch.members(int(group))[:_SPRINTERS]
            left_m = outlook.to_go_m[group] + outlook.at_m[group] - state.distance_m[rows]
            go = rows[left_m < self._sprint_m[rows]]
            state.free[go] = True
            state.pace[go] = _SPRINT_PACE

    def _early(self, state: State, outlook: Outlook, tactics: Tactics, log: list[Event]) -> None:
        able = self._able(state, outlook, 0.6)
        able = able[~self._favourite[able]]
        self._go(state, outlook, able, 1 + self._few(8), 50.0 + 70.0 * self._draw.random(), log)
        if self._draw.random() < _LET_GO:
            tactics.ease(outlook.now_s + 150.0)
        else:
            tactics.hunt(outlook.now_s + 100.0)

    def _late(self, outlook: Outlook, to_go_m: float) -> bool:
        uphill = bool(outlook.uphill[outlook.main]) and to_go_m < _LATE_M
        return uphill or to_go_m < _FLAT_LATE_M

    def _able(self, state: State, outlook: Outlook, share: float) -> Ints:
        rows = outlook.peloton[:_FRONT]
        left = state.w_balance_j[rows] / self._field.w_prime_j[rows]
        good = self._field.climber[rows] > 0.4
        return np.asarray(rows[(left > share) & good])

    def _go(
        self, state: State, outlook: Outlook, able: Ints, count: int, for_s: float, log: list[Event]
    ) -> None:
        if len(able) == 0:
            return
        chosen = able[np.argsort(self._draw.random(len(able)), kind="stable")[:count]]
        state.free[chosen] = True
        state.pace[chosen] = _PACE
        self._until_s[chosen] = outlook.now_s + for_s
        bibs = tuple(int(bib) for bib in self._field.bibs[chosen])
        to_s = int(outlook.now_s + for_s)
        at_m = float(outlook.at_m[outlook.main])
        log.append(Event("attack", bibs, int(outlook.now_s), to_s, at_m, min(1.0, count / 10)))

    def _comes(self, every_s: float) -> bool:
        return bool(self._draw.random() < _EVERY_S / every_s)

    def _few(self, most: int) -> int:
        return int(self._draw.random() * most)
