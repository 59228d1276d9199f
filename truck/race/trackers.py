"""Trackers that ride in cars: after a bike change or a retirement, or with a spare bike on a roof.

Minute by minute each tracker's ride is held against what a rider can do, and against what his
sensors say. Points add up over minutes, so that a sprint, a descent or a chase behind cars is not
enough; they wear off slowly, because who sits in a car mostly stays there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.outrun import outrunning
from truck.race.passes import Ints
from truck.race.riders import NEVER_US
from truck.race.rows import Rows, column
from truck.race.scene import Scene
from truck.race.trail import Trails

_BLOCK_US = 60_000_000
_LONGEST_US = 180_000_000  # over a longer silence the sensors have said nothing
_IN_CAR, _BACK = 3.5, 0.5  # points to be in a car, and to be a rider again
_MOST = 8.0
SUSPECT = 1.0  # points from which his standing still raises nothing

# The work that nobody has in his legs, every doubt given to the rider: 75 kg on a bike of 7 kg,
# rolling at 0.0035, and of a drag area of 0.30 m2 the quarter that is left behind a car or in a
# bunch (Blocken 2018).
_BIKE_SHARE, _ROLLING, _G = 82.0 / 75.0, 0.0035, 9.81
_DRAG_PER_KG = 0.5 * 1.15 * 0.30 * 0.25 / 75.0
# Alone there is nobody to hide behind but a motorbike, which takes half of it (Blocken 2016);
# uphill, where no run from a descent is left.
_ALONE_M, _ALONE = 100.0, 2.0
# The best of the world hold 6.4 W/kg for an hour (Coggan's table) and have 330 to 400 J/kg above
# it (W' of 25 to 30 kJ). Twice that is a motor: 3.5 points.
_LASTING_W_KG, _POINT_J_KG = 6.4, 200.0
_FASTEST_MPS = 33.0
_OUTRUNS = 1.2  # a minute in which he leaves all the others standing, whatever the profile

# What sensors say after a standstill, points: what was there until then and is gone since tells of
# the bike or of the rider. A battery may die at any time, and then tells nothing.
_AROUND_HALT_US = 60_000_000
_LOST_US = 10_000_000
_BOARDED_US = 1_800_000_000  # nobody gets into a car without standing still
_HEART_GONE = 2.5  # the tracker is no longer near him
_POWER_GONE, _IDLE = 1.0, 2.0  # a bike without a meter; a meter that rides and is not pedalled
_HEART_RESTS_BPM, _HEART_RESTS = 80.0, 1.0  # in an easy bunch 90 is common
# A minute's work, some 50 W: nobody does it without a turn of the pedals.
_WORKS_W_KG = 0.7
_RIDES_ON = 0.4  # a point more for each such minute, once the sensors have said so much:
_TOLD = 2.0
_PEDALS_W, _PEDALS = 40.0, -3.0
_HEART_WORKS_BPM, _HEART_WORKS = 115.0, -1.5
_NOT_STARTER = 0.5  # a number that nobody wears, without a sensor that says he rides
_WORN = 0.95  # of the points a minute on: halved in a quarter of an hour


@dataclass
class Trackers(Rows):
    """What each tracker's last minutes say; a minute is a block.

    Attributes:
        from_us: when the block began.
        from_m: where.
        pedalled_us: when power was last measured.
        heart_us: when a heart rate was.
        power_w: highest of the block, NaN where none was measured.
        heart_bpm: highest of the block.
        driven: points for a car, of what he did.
        points: with those of his sensors.
        in_car: whether it is in one.
    """

    from_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    from_m: NDArray[np.float64] = column(np.float64, np.nan)
    pedalled_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    heart_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    power_w: NDArray[np.float64] = column(np.float64, np.nan)
    heart_bpm: NDArray[np.float64] = column(np.float64, np.nan)
    driven: NDArray[np.float64] = column(np.float64, 0.0)
    points: NDArray[np.float64] = column(np.float64, 0.0)
    in_car: NDArray[np.bool_] = column(np.bool_, False)


def follow_trackers(
    memory: Trackers, scene: Scene, trails: Trails, starters: NDArray[np.bool_]
) -> None:
    """Bring `memory` to the scene's instant."""
    riders = scene.riders
    rows = np.flatnonzero(trails.at_us[:, 0] == riders.seen_us)
    _sense(memory, scene, rows)
    since_us = riders.seen_us[rows] - memory.from_us[rows]
    due = rows[(since_us >= _BLOCK_US) | (memory.from_us[rows] == NEVER_US)]
    if len(due) == 0:
        return
    lasted_s = (riders.seen_us[due] - memory.from_us[due]) / 1e6
    whole = (memory.from_us[due] != NEVER_US) & (lasted_s <= _LONGEST_US / 1e6)
    whole &= np.isfinite(memory.from_m[due]) & (riders.placed_us[due] == riders.seen_us[due])
    judged = due[whole & ~scene.finished[due]]
    _judge(memory, scene, trails, starters, judged)
    memory.from_us[due] = riders.seen_us[due]
    memory.from_m[due] = np.where(
        riders.placed_us[due] == riders.seen_us[due], riders.distance_m[due], np.nan
    )
    memory.power_w[due] = memory.heart_bpm[due] = np.nan


def _sense(memory: Trackers, scene: Scene, rows: Ints) -> None:
    riders = scene.riders
    power_w, heart_bpm = riders.power_w[rows], riders.heart_rate_bpm[rows]
    memory.power_w[rows] = np.fmax(memory.power_w[rows], power_w)
    memory.heart_bpm[rows] = np.fmax(memory.heart_bpm[rows], heart_bpm)
    pedals, beats = rows[power_w >= _PEDALS_W], rows[heart_bpm > 0]
    memory.pedalled_us[pedals] = riders.seen_us[pedals]
    memory.heart_us[beats] = riders.seen_us[beats]


def _judge(
    memory: Trackers, scene: Scene, trails: Trails, starters: NDArray[np.bool_], rows: Ints
) -> None:
    """Add up the points of each rider's block."""
    needed_w_kg, moved = _needed(memory, scene, rows)
    above_j_kg = (needed_w_kg - _LASTING_W_KG) * _BLOCK_US / 1e6
    gained = np.where(moved, np.nan_to_num(np.maximum(above_j_kg / _POINT_J_KG, 0.0)), 0.0)
    outruns = outrunning(scene.riders, rows, memory.from_m[rows], scene.riders.distance_m[rows])
    gained = np.maximum(gained, np.where(moved & outruns, _OUTRUNS, 0.0))
    works = moved & (needed_w_kg > _WORKS_W_KG)
    against = np.where(memory.power_w[rows] >= _PEDALS_W, _PEDALS, 0.0)
    against += np.where(memory.heart_bpm[rows] >= _HEART_WORKS_BPM, _HEART_WORKS, 0.0)
    told = np.where(against < 0.0, 0.0, _told_by_sensors(memory, trails, rows))
    gained += np.where(works & (told >= _TOLD), _RIDES_ON, 0.0)
    gained += np.where(works & ~starters[rows] & (against == 0.0), _NOT_STARTER, 0.0)
    driven = np.clip(memory.driven[rows] * _WORN + gained + against, 0.0, _MOST)
    memory.driven[rows] = driven
    points = memory.points[rows] = np.where(moved, driven + told, memory.points[rows])
    memory.in_car[rows] = np.where(memory.in_car[rows], points > _BACK, points >= _IN_CAR)


def _needed(memory: Trackers, scene: Scene, rows: Ints) -> tuple[Floats, NDArray[np.bool_]]:
    """Watts per kilogram that the block cost a rider at the least, and whether he moved at all.

    NaN where the road has no profile.
    """
    riders, course = scene.riders, scene.course
    to_m, from_m = riders.distance_m[rows], memory.from_m[rows]
    lasted_s = (riders.seen_us[rows] - memory.from_us[rows]) / 1e6
    speed_mps = (to_m - from_m) / lasted_s
    heights_m = course.distance_m, course.altitude_m
    climbed_m = np.interp(to_m, *heights_m) - np.interp(from_m, *heights_m)
    moved = (speed_mps > 1.0) & (speed_mps < _FASTEST_MPS)
    lifted = _BIKE_SHARE * _G * (climbed_m / lasted_s + _ROLLING * speed_mps)
    alone = _alone(to_m, riders.distance_m) & (climbed_m > 0.0)
    drag_per_kg = _DRAG_PER_KG * np.where(alone, _ALONE, 1.0)
    return lifted + drag_per_kg * speed_mps * speed_mps * speed_mps, moved


def _alone(at_m: Floats, others_m: Floats) -> NDArray[np.bool_]:
    """Whether nobody else is near, the rider himself being among the others."""
    sorted_m = np.sort(others_m)
    near = np.searchsorted(sorted_m, at_m + _ALONE_M, side="right")
    alone: NDArray[np.bool_] = near - np.searchsorted(sorted_m, at_m - _ALONE_M) <= 1
    return alone


def _told_by_sensors(memory: Trackers, trails: Trails, rows: Ints) -> Floats:
    """Points of what the sensors no longer say; what a rider never had says nothing."""
    power_w, heart_bpm = memory.power_w[rows], memory.heart_bpm[rows]
    stopped = np.where(np.isnan(power_w), _POWER_GONE, _IDLE)
    points = np.where(_ended(memory.pedalled_us[rows], trails, rows), stopped, 0.0)
    gone = ~(heart_bpm > 0) & _ended(memory.heart_us[rows], trails, rows)
    boarded = trails.at_us[rows, 0] - trails.halt_us[rows] <= _BOARDED_US
    rests = (heart_bpm > 0) & (heart_bpm < _HEART_RESTS_BPM) & boarded
    return points + np.where(gone, _HEART_GONE, 0.0) + np.where(rests, _HEART_RESTS, 0.0)


def _ended(last_us: Ints, trails: Trails, rows: Ints) -> NDArray[np.bool_]:
    """Whether something was last measured about the last standstill."""
    halt_us, goes_us = trails.halt_us[rows], np.maximum(trails.goes_us[rows], trails.halt_us[rows])
    ended: NDArray[np.bool_] = halt_us != NEVER_US
    ended &= (last_us >= halt_us - _AROUND_HALT_US) & (last_us <= goes_us + _AROUND_HALT_US)
    return ended


def left_behind(memory: Trackers, trails: Trails, rows: Ints) -> bool | None:
    """Whether all these trackers lost their riders' heartbeat as they came to stand.

    None where there was none to lose.
    """
    since_us = trails.halt_us[rows] - memory.heart_us[rows]
    known = since_us <= _LOST_US
    return bool((since_us[known] >= 0).all()) if known.any() else None
