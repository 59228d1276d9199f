"""What riding costs and what a rider has: road load, shelter, critical power and W'.

Road load after Martin et al. 1998 (J Appl Biomech 14:276); W' as the differential form of Skiba
et al. 2012/2015 (Froncioni and Clarke); the most power at any moment falls with W' as in Morton's
three-parameter model (1996). Only + - * / and square roots: a race feeds its state back, and these
give the same bits on every machine.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GRAVITY_MPS2 = 9.81
DRIVETRAIN = 0.976  # Martin 1998
_SEA_AIR_KGPM3 = 1.225  # at 15 degrees C

# Blocken et al. 2018 (J Wind Eng Ind Aerodyn 179:319): 5 to 10 % of a lone rider's drag in the
# belly of a peloton, two thirds right behind one wheel, half behind two or three.
_BELLY = 0.04
_SHIELD = 0.55  # so that one rider close ahead leaves 0.66
_PUSHED = 0.96  # a rider close behind fills the wake
_NEAR_M, _MIDDLE_M, _FAR_M = 4.0, 12.0, 30.0
_MIDDLE_WEIGHT, _FAR_WEIGHT = 0.6, 0.3


def air_kgpm3(altitude_m: Floats, temperature_degc: float) -> Floats:
    """Density of the air: a parabola through the pressures of ISO 2533 at 0, 1,000 and 2,500 m."""
    thin = 1.0 - 1.182e-4 * altitude_m + 5.23e-9 * altitude_m * altitude_m
    return np.asarray(_SEA_AIR_KGPM3 * thin * 288.15 / (273.15 + temperature_degc))


def load_n(
    speed_mps: Floats,
    mass_kg: Floats,
    gradient: Floats,
    crr: Floats,
    drag_kgpm: Floats,
    headwind_mps: Floats,
    crosswind_mps: Floats,
) -> Floats:
    """The force against a rider.

    Args:
        speed_mps: over the ground.
        mass_kg: rider and bike.
        gradient: rise over run.
        crr: rolling resistance.
        drag_kgpm: half of air density times CdA times shelter.
        headwind_mps: wind against him.
        crosswind_mps: wind across, of either sign.
    """
    through_mps = speed_mps + headwind_mps
    air_mps = np.sqrt(through_mps * through_mps + crosswind_mps * crosswind_mps)
    slope_n = GRAVITY_MPS2 * mass_kg * (gradient + crr) / np.sqrt(1.0 + gradient * gradient)
    return np.asarray(slope_n + drag_kgpm * air_mps * through_mps)


def speed_after(power_w: Floats, speed_mps: Floats, force_n: Floats, mass_kg: Floats) -> Floats:
    """The speed a second later of a power at the cranks against a force.

    The power acts at the new speed (backward Euler), so that a start from rest and the steepest
    ramp are as steady as the flat: v' = v - F/m + P/(m v'), solved for v'.
    """
    coasting_mps = speed_mps - force_n / mass_kg
    push = 4.0 * DRIVETRAIN * power_w / mass_kg
    return np.asarray(0.5 * (coasting_mps + np.sqrt(coasting_mps * coasting_mps + push)))


def power_for_w(wanted_mps: Floats, speed_mps: Floats, force_n: Floats, mass_kg: Floats) -> Floats:
    """The power at the cranks for a speed a second later, negative where he would brake."""
    return np.asarray((mass_kg * (wanted_mps - speed_mps) + force_n) * wanted_mps / DRIVETRAIN)


def shelter_of(behind_m: Floats, reach: Floats | float = 1.0) -> Floats:
    """Each rider's share of a lone rider's drag.

    Args:
        behind_m: how far each rider is behind the first, ascending.
        reach: 0 to 1, how much of the riders ahead shelters him (less in a crosswind).
    """
    rank = np.arange(len(behind_m))
    near, middle, far = (
        rank - np.searchsorted(behind_m, behind_m - span) for span in (_NEAR_M, _MIDDLE_M, _FAR_M)
    )
    ahead = near + _MIDDLE_WEIGHT * (middle - near) + _FAR_WEIGHT * (far - middle)
    shelter = _BELLY + (1.0 - _BELLY) / (1.0 + _SHIELD * reach * ahead)
    pushed = np.append(np.diff(behind_m) < _NEAR_M, False)
    return np.asarray(np.where(pushed, shelter * _PUSHED, shelter))


def most_power_w(cp_w: Floats, sprint_w: Floats, w_balance_j: Floats, w_prime_j: Floats) -> Floats:
    """The most a rider can give now: a sprint with W' whole, critical power without."""
    return np.asarray(cp_w + (sprint_w - cp_w) * (w_balance_j / w_prime_j))


def w_balance_after(
    w_balance_j: Floats, power_w: Floats, cp_w: Floats, w_prime_j: Floats, seconds: float = 1.0
) -> Floats:
    """W' after some seconds at a power: spent above critical power, regained below it."""
    over_w = power_w - cp_w
    regained = -over_w * (w_prime_j - w_balance_j) / w_prime_j
    after = w_balance_j + seconds * np.where(over_w > 0.0, -over_w, regained)
    return np.asarray(np.minimum(np.maximum(after, 0.0), w_prime_j))
