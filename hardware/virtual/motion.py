"""One second of riding: the power each rider gives for what he wants, and where it takes him."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.virtual import physics
from hardware.virtual.bunch import Bunch, Places
from hardware.virtual.ride import Status
from hardware.virtual.riders import Field
from hardware.virtual.road import Road
from hardware.virtual.state import State

Floats = NDArray[np.float64]

_ROLLED_MPS = 7.2  # the neutral zone, behind the race director's car
_REACTION_S = 2.0
_SLOT_S = 10.0  # a rider gets to his place in his group in about that
_PULL_UP_MPS = 2.0
_PUSH_MPS2 = 1.2
_BRAKE_MPS2 = 3.0
_START_MPS2 = 1.5  # off the line
_RESTLESS_MPS2 = 0.15
_SOFT_FROM_MPS, _SOFT_TO_MPS = 17.0, 20.0  # nobody but a sprinter pedals at 70 km/h
_SPRINT_PACE = 2.0
_TIRING_J_PER_KG = 45_000.0  # work after which critical power has lost a tenth
_TIRED, _TIRED_MOST = 0.10, 0.15
_CONVOY = 0.6  # drag that is left behind the cars
_VERGE_M = 3.4
_HEART_S = 35.0
_SIDLE = 0.08  # of the way to his lane that a rider goes in a second


@dataclass(frozen=True, eq=False)
class Ground:
    """What the road and the air are like now, in tables by row of the road."""

    road: Road
    air_kgpm3: Floats
    headwind_mps: Floats
    crosswind_mps: Floats


def move(state: State, field: Field, ground: Ground, bunch: Bunch, places: Places,
         shelter: Floats, now_s: float, restless: Floats) -> None:  # fmt: skip
    """Move everybody who rides by one second.

    Args:
        state: changed in place.
        field: the bodies.
        ground: road and air.
        bunch: the groups of this second.
        places: what followers aim at.
        shelter: share of a lone rider's drag, by rider.
        now_s: seconds since the ride's start.
        restless: 0 to 1 by rider, small changes of mind.
    """
    rows = places.rows
    at = ground.road.index(state.distance_m[rows])
    speed_mps, mass_kg = state.speed_mps[rows], field.mass_kg[rows]
    head, cross = ground.headwind_mps[at], ground.crosswind_mps[at]
    shelter = np.where(state.convoy_s[rows] > now_s, shelter[rows] * _CONVOY, shelter[rows])
    drag_kgpm = 0.5 * ground.air_kgpm3[at] * field.cda_m2[rows] * shelter
    load_n = physics.load_n(
        speed_mps, mass_kg, ground.road.gradient[at], field.crr[rows], drag_kgpm, head, cross
    )
    cp_w = critical_w(state, field)[rows]
    balance_j, prime_j = state.w_balance_j[rows], field.w_prime_j[rows]
    most_w = physics.most_power_w(cp_w, field.sprint_w[rows], balance_j, prime_j)
    aim_mps = np.maximum(speed_mps + _wish_mps2(state, places, restless[rows]), 0.0)
    follows_w = physics.power_for_w(aim_mps, speed_mps, load_n, mass_kg)
    wanted_w = np.where(places.leads, _lead_w(state, rows, cp_w), follows_w)
    power_w = np.minimum(np.maximum(wanted_w, 0.0), most_w)
    free_mps = physics.speed_after(power_w, speed_mps, load_n, mass_kg)
    free_mps = np.minimum(free_mps, speed_mps + _START_MPS2)
    after_mps = np.where(places.leads, free_mps, np.minimum(free_mps, aim_mps))
    limit_mps = ground.road.limit_mps[at]
    limit_mps = np.where(state.distance_m[rows] < 0.0, _ROLLED_MPS, limit_mps)
    slowed = state.slow_s[rows] > now_s
    limit_mps = np.where(slowed, np.minimum(limit_mps, state.slow_mps[rows]), limit_mps)
    after_mps = np.minimum(after_mps, np.maximum(limit_mps, speed_mps - _BRAKE_MPS2))
    state.distance_m[rows] += 0.5 * (speed_mps + after_mps)
    state.speed_mps[rows] = after_mps
    used_w = physics.power_for_w(after_mps, speed_mps, load_n, mass_kg)
    state.power_w[rows] = np.minimum(np.maximum(used_w, 0.0), power_w)
    state.shelter[rows] = shelter
    state.headwind_mps[rows], state.crosswind_mps[rows] = head, cross
    aside_m = state.lane[rows] * places.half_width_m - state.lateral_m[rows]
    state.lateral_m[rows] += _SIDLE * aside_m


def critical_w(state: State, field: Field) -> Floats:
    """Critical power of tired riders: a tenth less after 45 kJ/kg (durability, Maunder 2021)."""
    tired = state.work_j * (_TIRED / _TIRING_J_PER_KG) / field.mass_kg
    return np.asarray(field.cp_w * (1.0 - np.minimum(tired, _TIRED_MOST)))


def _wish_mps2(state: State, places: Places, restless: Floats) -> Floats:
    """The change of speed that takes a follower to his place."""
    rows = places.rows
    up_mps = (places.slot_m - state.distance_m[rows]) * (1.0 / _SLOT_S)
    up_mps = np.minimum(np.maximum(up_mps, -1.0), _PULL_UP_MPS)
    gain = (places.pace_mps - state.speed_mps[rows] + up_mps) * (1.0 / _REACTION_S)
    gain += _RESTLESS_MPS2 * (restless - 0.5)
    return np.asarray(np.minimum(np.maximum(gain, -_BRAKE_MPS2), _PUSH_MPS2))


def _lead_w(state: State, rows: NDArray[np.int64], cp_w: Floats) -> Floats:
    """The power of one who rides in front, or free: his pace, less downhill."""
    pace = state.pace[rows]
    spare = (_SOFT_TO_MPS - state.speed_mps[rows]) / (_SOFT_TO_MPS - _SOFT_FROM_MPS)
    soft = np.where(pace >= _SPRINT_PACE, 1.0, np.minimum(np.maximum(spare, 0.0), 1.0))
    return np.asarray(pace * cp_w * soft)


def halt(state: State, moved: NDArray[np.int64], now_s: float) -> None:
    """Brake and hold those who stop, at the edge of the road; let go those whose time is up.

    Riders in `moved` have had their second already: they brake from the next one on.
    """
    stands = state.status == Status.STOPPED
    holds = (stands | state.riding) & (state.halted_s > now_s)
    holds[moved] = False
    rows = np.flatnonzero(holds)
    state.status[stands & (state.halted_s <= now_s)] = Status.RACING
    if len(rows) == 0:
        return
    before = state.speed_mps[rows]
    after = np.maximum(before - state.brake_mps2[rows], 0.0)
    state.distance_m[rows] += 0.5 * (before + after)
    state.speed_mps[rows] = after
    state.power_w[rows] = 0.0
    state.shelter[rows] = 1.0
    side = np.where(state.lateral_m[rows] < -1.5, -_VERGE_M, _VERGE_M)
    drift = np.where(after > 0.0, 0.25, 0.0) * (side - state.lateral_m[rows])
    state.lateral_m[rows] += np.where(state.aside[rows], drift, 0.0)
    state.status[rows[after < 0.5]] = Status.STOPPED


def live(state: State, field: Field, restless: Floats) -> None:
    """What the second's power does to bodies: W', work done, heart rate and cadence."""
    cp_w = critical_w(state, field)
    state.w_balance_j = physics.w_balance_after(
        state.w_balance_j, state.power_w, cp_w, field.w_prime_j
    )
    state.work_j += state.power_w
    effort = np.minimum(state.power_w / cp_w, 1.25)
    target = field.rest_bpm + (field.most_bpm - field.rest_bpm) * (0.25 + 0.58 * effort)
    state.heart_rate_bpm += (target - state.heart_rate_bpm) * (1.0 / _HEART_S)
    turning = np.minimum(74.0 + 1.3 * state.speed_mps + 6.0 * (restless - 0.5), 128.0)
    turning = np.minimum(turning, 14.0 * state.speed_mps)  # lowest gear on the steepest road
    state.cadence_rpm = np.where(state.power_w > 15.0, turning, 0.0)
