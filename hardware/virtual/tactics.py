"""What groups mean to do: the pace of peloton, break, chasers and gruppetto, and who leads.

A pace is a share of the leader's own critical power; physics makes the speed of it. The
peloton gives a break some minutes and takes them back by Chappatte's rule, about a minute every
10 km. Nothing here sets a speed or a gap: those follow.
"""

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.motion import critical_w
from hardware.virtual.outlook import Outlook
from hardware.virtual.riders import Field
from hardware.virtual.road import Road
from hardware.virtual.state import State

Floats = NDArray[np.float64]

# Shares of critical power at the head of a group. Pulls in a peloton's front are ridden at 0.85 to
# 0.95 of critical power, breaks at a little below it, decisive climbs at it or above (published
# power files of grand tours: van Erp & Sanders 2021; Sanders & Heijboer 2019).
_CRUISE = 0.90
_CLIMB_EARLY = (0.82, 0.93)  # drawn: teams that want a hard race and teams that do not
_CLIMB_LATE = (1.00, 1.10)
_LATE_M = 70_000.0
_UPHILL, _UPHILL_MOST = 3.0, 0.12  # of power more, a unit of slope: what saves most time
_UPWIND_PER_MPS, _UPWIND_MOST = 0.012, 0.08
_EASIEST, _HARDEST = 0.66, 1.15
_PUSH, _HUNT = 1.15, 1.04
_DANGER = 20  # riders ahead who are no break but a half of the field
_EASY = 0.50  # soft-pedalling, as while many stop
_BREAK, _BREAK_CLIMB = 0.97, 0.97
_WAITS, _WAITS_S = 0.70, 40.0  # one between break and peloton sits up
_CHASE, _CHASE_LONG = 1.03, 0.96
_CHASE_S, _CHASE_LONG_S = 45.0, 120.0
_TEMPO, _TEMPO_RIDER, _TEMPO_MOST = 0.74, 0.011, 10.0
_OWN_CLIMB = 0.90
_PACE_PER_S = 0.0025  # of share of power, a second of gap too much
_CHAPPATTE_S_PER_M = 60.0 / 10_000.0
_FINALE = ((10_000.0, 0.95), (3_000.0, 1.12), (1_200.0, 1.30))
_SPENT, _SPENT_SLOPE = 0.84, 1.2  # nobody leads above this share with W' gone
_CONVOY_S = (5.0, 120.0)
_CONVOY_FLAT = 0.03
_TRIAL, _TRIAL_CLIMB, _TRIAL_FALL = 0.97, 1.05, 0.80
_TRIAL_SPENT, _TRIAL_SLOPE = 0.93, 0.3
_WISH_SHARE = 0.08  # of the way to his wish a decision; a rider drifts over a minute
_WORKERS_M, _CLIMBERS_M, _SPRINTERS_M, _DRIFT_M = 16.0, 30.0, 40.0, 14.0
_LEADS = 0.955  # of the best in W/kg, uphill
_SHIFT_S = 1_200.0  # after which other teams work


class Tactics:
    """The plan of a race, and the paces that follow from it as it goes."""

    def __init__(self, field: Field, road: Road, draw: np.random.Generator) -> None:
        self._field = field
        self._road = road
        self._draw = draw
        self.leash_s = 90.0 + 270.0 * draw.random()
        self.catch_m = 4_000.0 + 14_000.0 * draw.random()
        climbed_m = np.maximum(np.diff(road.altitude_m), 0.0).sum()
        hard = climbed_m / max(road.length_m / 1000.0, 1.0) > 15.0
        self.lets_win = draw.random() < (0.55 if hard else 0.15)
        self._form = 1.0 + 0.04 * (draw.random(len(field)) - 0.5)
        low, high = _CLIMB_EARLY
        self._climb = low + (high - low) * draw.random()
        low, high = _CLIMB_LATE
        self._last_climb = low + (high - low) * draw.random()
        self._order = draw.permutation(int(field.team.max()) + 1)
        self._easy_until_s = 0.0
        self._hunt_until_s = 0.0
        self._push_until_s = 0.0
        self._pusher = 0

    def ease(self, until_s: float) -> None:
        """Let the peloton soft-pedal until then."""
        self._easy_until_s = until_s

    def hunt(self, until_s: float) -> None:
        """Let the peloton go after those in front until then."""
        self._hunt_until_s = until_s

    def push(self, row: int, until_s: float) -> None:
        """Let a rider's group ride as hard as it can until then, to break up the peloton."""
        self._pusher = row
        self._push_until_s = until_s

    def lead(self, state: State, outlook: Outlook) -> None:
        """Write the pace of every group and the wishes of the peloton's riders."""
        bunch, main = outlook.bunch, outlook.main
        number = np.arange(len(bunch.first))
        pace = np.where(number < main, self._break_pace(outlook), self._tail_pace(outlook))
        pace[main] = self._peloton_pace(outlook)
        pace *= self._by_terrain(state, outlook)
        if outlook.now_s < self._push_until_s:
            group = bunch.group[bunch.rows == self._pusher]
            pace[group] = _PUSH
        left = (state.w_balance_j / self._field.w_prime_j)[bunch.leader]
        pace = np.minimum(pace, _SPENT + _SPENT_SLOPE * left)
        held = ~state.free[bunch.rows]
        state.pace[bunch.rows[held]] = pace[bunch.group[held]]
        self._use_convoy(state, outlook)
        self._wish(state, outlook)

    def time_trial(self, state: State) -> None:
        """Everybody at his own pace: harder uphill, easier down."""
        gradient = self._road.gradient[self._road.index(state.distance_m)]
        pace = _TRIAL + np.clip(gradient * 2.5, _TRIAL_FALL - _TRIAL, _TRIAL_CLIMB - _TRIAL)
        left = state.w_balance_j / self._field.w_prime_j
        state.pace = np.minimum(pace * self._form, _TRIAL_SPENT + _TRIAL_SLOPE * left)
        state.free[:] = True

    def _peloton_pace(self, outlook: Outlook) -> float:
        if outlook.now_s < self._easy_until_s:
            return _EASY
        main = outlook.main
        to_go_m = float(outlook.to_go_m[main])
        finale = max((pace for within_m, pace in _FINALE if to_go_m < within_m), default=0.0)
        late = 1.0 - min(1.0, to_go_m / _LATE_M)
        climb = self._climb + (self._last_climb - self._climb) * late
        pace = climb if outlook.uphill[main] else _CRUISE
        danger = (outlook.bunch.size[:main] >= _DANGER).any()
        if main > 0 and (outlook.now_s < self._hunt_until_s or danger):
            return max(pace, finale, _HUNT)
        if main > 0:
            pace += _PACE_PER_S * (float(outlook.gap_s[main]) - self._allowed_s(to_go_m))
            pace = min(max(pace, _EASIEST), _HARDEST)
        return max(pace, finale)

    def _by_terrain(self, state: State, outlook: Outlook) -> Floats:
        """More power up a rise and into the wind, less down and before it (Swain 1997)."""
        gradient = self._road.gradient[self._road.index(outlook.at_m)]
        rise = np.where(outlook.uphill, 0.0, gradient * _UPHILL)
        wind = state.headwind_mps[outlook.bunch.leader] * _UPWIND_PER_MPS
        most = _UPHILL_MOST
        share = np.clip(rise, -most, most) + np.clip(wind, -_UPWIND_MOST, _UPWIND_MOST)
        return np.asarray(1.0 + share)

    def _allowed_s(self, to_go_m: float) -> float:
        if self.lets_win:
            return self.leash_s
        return min(self.leash_s, max(0.0, to_go_m - self.catch_m) * _CHAPPATTE_S_PER_M)

    def _break_pace(self, outlook: Outlook) -> Floats:
        pace = np.where(outlook.uphill, _BREAK_CLIMB, _BREAK)
        # one alone has nobody to take turns with
        pace = np.where(outlook.bunch.size == 1, pace - 0.03, pace)
        between = np.diff(outlook.gap_s, prepend=0.0) > _WAITS_S
        pace = np.where(between & (outlook.bunch.size <= 2), _WAITS, pace)
        return np.asarray(np.where(outlook.to_go_m < 10_000.0, pace + 0.08, pace))

    def _tail_pace(self, outlook: Outlook) -> Floats:
        """Behind the peloton: chase what can be caught, else a steady tempo to the line."""
        ahead_s = np.diff(outlook.gap_s, prepend=0.0)
        many = np.minimum(outlook.bunch.size, _TEMPO_MOST)
        tempo = _TEMPO + _TEMPO_RIDER * many
        chase = np.where(ahead_s < _CHASE_S, _CHASE, _CHASE_LONG)
        flat = np.where(ahead_s < _CHASE_LONG_S, chase, tempo)
        return np.asarray(np.where(outlook.uphill, np.maximum(tempo, _OWN_CLIMB), flat))

    def _use_convoy(self, state: State, outlook: Outlook) -> None:
        """One or two riders close behind the peloton on easy road come back through the cars."""
        behind_s = outlook.gap_s - outlook.gap_s[outlook.main]
        low, high = _CONVOY_S
        gradient = self._road.gradient[self._road.index(outlook.at_m)]
        few = (outlook.bunch.size <= 3) & (behind_s > low) & (behind_s < high)
        few &= gradient < _CONVOY_FLAT
        few[: outlook.main + 1] = False
        state.convoy_s[outlook.bunch.rows[few[outlook.bunch.group]]] = outlook.now_s + 6.0

    def _wish(self, state: State, outlook: Outlook) -> None:
        """Workers to the front of a peloton, climbers on a climb, sprinters in the end."""
        field, main = self._field, outlook.main
        wish = _DRIFT_M * (self._draw.random(len(field)) - 0.5)
        works = self._works(outlook.now_s)
        to_go_m = float(outlook.to_go_m[main])
        if outlook.uphill[main]:
            wish += _CLIMBERS_M * (field.climber - 0.5)
        elif to_go_m < _FINALE[0][0]:
            fast = field.sprint_w / field.sprint_w.max()
            wish += _SPRINTERS_M * (fast - 0.8)
        else:
            wish += np.where(works, _WORKERS_M, 0.0)
        rested = state.resting_s < outlook.now_s
        state.wish_m += np.where(rested, _WISH_SHARE * (wish - state.wish_m), 0.0)
        self._share_the_lead(state, outlook, works)
        aside = 0.3 * (self._draw.random(len(field)) - 0.5)
        state.lane = np.clip(state.lane + aside, -1.0, 1.0)

    def _works(self, now_s: float) -> NDArray[np.bool_]:
        """Riders of the two teams whose turn it is to pull the peloton along."""
        teams = len(self._order)
        shift = int(now_s / _SHIFT_S) * 2
        at_work = self._order[[shift % teams, (shift + 1) % teams]]
        return np.asarray(np.isin(self._field.team, at_work))

    def _share_the_lead(self, state: State, outlook: Outlook, works: NDArray[np.bool_]) -> None:
        """Uphill the strongest of each group lead, on the flat the working teams."""
        bunch = outlook.bunch
        strength = (critical_w(state, self._field) / self._field.mass_kg)[bunch.rows]
        best = np.maximum.reduceat(strength, bunch.first)[bunch.group]
        weak = outlook.uphill[bunch.group] & (strength < _LEADS * best)
        idle = ~outlook.uphill[bunch.group] & (bunch.group == outlook.main) & ~works[bunch.rows]
        pushed = outlook.now_s < self._push_until_s
        state.shy[bunch.rows] = weak | (idle & (not pushed))
