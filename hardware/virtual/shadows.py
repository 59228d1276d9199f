"""Stretches of road that hide the sky: tunnels without a fix, gorges that throw fixes about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.virtual.asphalt import Asphalt
from hardware.virtual.devices import Carried
from hardware.virtual.faults import Faults
from hardware.virtual.ride import Event, Ride, Singles

_TUNNEL_M = (150.0, 1_800.0)
_GORGE_M = (1_000.0, 5_000.0)
# reflections stay for a few seconds and jump: 60 m sideways at most, back along the road too,
# so that some 6 % of steps go back by more than 20 m, as on a real stage
_STAYS_S = 3.0
_REFLECTED_SHARE = 0.5
_SIDE_M = (8.0, 60.0)
_AHEAD_SD_M, _AHEAD_MOST_M = 45.0, 60.0
_UNSTEADY_M = 3.0
_WILD_SHARE = 0.02


@dataclass(eq=False)
class Gorge:
    """Errors of one passage of the race, arrays [seconds, trackers] from `from_s` on."""

    from_s: int
    right_m: Singles
    ahead_m: Singles
    wild: NDArray[np.bool_]


@dataclass(eq=False)
class Shadows:
    """All of a stage; `hidden` is [seconds, trackers]."""

    hidden: NDArray[np.bool_]
    gorges: list[Gorge]
    events: list[Event]


def cast(
    ride: Ride, carried: Carried, asphalt: Asphalt, faults: Faults, draw: np.random.Generator
) -> Shadows:
    """Choose the stretches, and what each tracker suffers in them."""
    shadows = Shadows(np.zeros(carried.on.shape, np.bool_), [], [])
    for kind, count, size_m in (
        ("tunnel", faults.tunnels, _TUNNEL_M),
        ("gorge", faults.gorges, _GORGE_M),
    ):
        for _ in range(count):
            long_m = min(float(draw.uniform(*size_m)), ride.length_m / 4)
            from_m = float(draw.uniform(0.03, 0.92)) * (ride.length_m - long_m)
            inside = asphalt.passes(from_m, from_m + long_m, carried.distance_m) & carried.on
            seconds = np.flatnonzero(inside.any(axis=1))
            if len(seconds) == 0:
                continue
            first, last = int(seconds[0]), int(seconds[-1])
            if kind == "tunnel":
                shadows.hidden |= inside
            else:
                shadows.gorges.append(_reflect(inside[first : last + 1], first, draw))
            note = f"{long_m / 1000.0:.1f} km"
            severity = round(long_m / size_m[1], 3)
            shadows.events.append(Event(kind, (), first, last, round(from_m, 1), severity, note))
    return shadows


def _reflect(inside: NDArray[np.bool_], from_s: int, draw: np.random.Generator) -> Gorge:
    shape = inside.shape
    anew = draw.random(shape, np.float32) < 1.0 / _STAYS_S
    rows = np.where(anew, np.arange(shape[0])[:, None], 0)
    held = np.maximum.accumulate(rows, axis=0), np.arange(shape[1])
    reflected = (draw.random(shape, np.float32) < _REFLECTED_SHARE)[held] & inside
    size_m = draw.uniform(*_SIDE_M, shape).astype(np.float32)
    side = np.where(draw.random(shape, np.float32) < 0.5, size_m, -size_m)[held]
    ahead = draw.standard_normal(shape, np.float32)[held] * _AHEAD_SD_M
    unsteady = draw.standard_normal((2, *shape), np.float32) * _UNSTEADY_M
    return Gorge(
        from_s,
        np.where(reflected, np.clip(side + unsteady[0], -_SIDE_M[1], _SIDE_M[1]), 0.0),
        np.where(reflected, np.clip(ahead + unsteady[1], -_AHEAD_MOST_M, _AHEAD_MOST_M), 0.0),
        reflected & (draw.random(shape, np.float32) < _WILD_SHARE),
    )
