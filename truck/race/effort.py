"""How hard each rider works, as a range: from road, wind and shelter, never from a sensor alone.

Power after Martin et al. 1998 (J Appl Biomech 14:276). Nobody weighs the riders for us, so a
rider's mass is a prior; where his own power meter speaks on a climb, it tells his mass better,
and the range narrows. What is left above critical power after Skiba et al. 2012 in the
differential form of Froncioni and Clarke, on a critical power that is a population's until the
rider has shown a higher one: an index between riders and moments, not joules.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truck.race.course import Floats
from truck.race.riders import NEVER_US
from truck.race.rows import Rows, column
from truck.race.scene import Scene
from truck.race.wind import WindColumns
from truck.race.winds import Winds

_GRAVITY_MPS2 = 9.81
_DRIVETRAIN = 0.976  # Martin 1998
_ROLLING = 0.0042
_MASS_KG = 76.0  # rider 68, bike, bottles and clothes 8
_DRAG_M2 = 0.30  # CdA on the hoods and drops
_AIR_KGPM3, _AIR_K = 1.225, 288.15
_THINNER_PER_M = 9.3e-5  # of the air with height, up to 2,500 m
_RIDER_WIND = 0.64  # wind at 1.2 m over wind at 10 m: log profile, roughness 0.03 m (open country)

# one standard deviation of what is not known
_MASS_SD = 0.085  # of professionals' mass with bike
_MASS_BEST_SD = 0.03  # what a meter can tell: its own 2 %, the profile and the air
_DRAG_SD = 0.12  # alone
_SHELTER_SD = 0.25  # of the drag in a group
_WIND_SD_MPS = 0.7
_WIND_SD = 0.25
_SLOPE_SD = 0.003  # of the profile over the way of half a minute
_QUANTILE = 1.645  # 5 % and 95 % of a normal distribution

_JERK_S = 5.0  # smoothing before coasting is cut off at no power
_MEAN_S = 10.0  # after those 5 s: together as late as a mean of half a minute, 15 s
_LONGEST_S = 60.0  # a longer hole says nothing about what was done in it
_STALE_US = 35_000_000  # older, it says nothing of the road he is on by now
_HEARD_S, _HALF_MINUTE_S = 10.0, 30.0
_RESTLESS = 0.2  # how far half minutes of a race lie apart, as a share (its power's variability)

_STEEP = 0.03  # where the meter weighs the rider
_WEIGHED_SD = 0.06  # one half minute's weighing, air and slope in it
_WEIGH_US = 30_000_000
_LIKELY = (0.75, 1.35)

_CRITICAL_W = 365.0  # 5.4 W/kg of 68 kg, a professional's critical power
_ABOVE_J = 20_000.0  # W'
_LONG_S = 1200.0  # what is held for twenty minutes is no more than critical power


@dataclass
class Efforts(Rows):
    """Each rider's work.

    Attributes:
        at_us: of the last fix that was taken in.
        speed_mps: at that fix.
        raw_w: mean of the last seconds, coasting still negative.
        mean_w: of the last half minute, coasting counted as nothing.
        meter_w: the same of his power meter, NaN without one.
        doubt_w: one standard deviation of `mean_w`.
        mass: the rider's mass as a share of the prior's.
        mass_var: of it.
        weighed_us: when the meter last told it.
        long_w: mean over twenty minutes.
        left: W' balance, 1 when whole.
    """

    at_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    speed_mps: NDArray[np.float64] = column(np.float64, np.nan)
    raw_w: NDArray[np.float64] = column(np.float64, np.nan)
    mean_w: NDArray[np.float64] = column(np.float64, np.nan)
    meter_w: NDArray[np.float64] = column(np.float64, np.nan)
    doubt_w: NDArray[np.float64] = column(np.float64, np.nan)
    mass: NDArray[np.float64] = column(np.float64, 1.0)
    mass_var: NDArray[np.float64] = column(np.float64, _MASS_SD**2)
    weighed_us: NDArray[np.int64] = column(np.int64, NEVER_US)
    long_w: NDArray[np.float64] = column(np.float64, 0.0)
    left: NDArray[np.float64] = column(np.float64, 1.0)


class EffortColumns(NamedTuple):
    """A row a rider, NaN where unknown; power is the mean of about the last half minute.

    Attributes:
        effort_w: the likeliest power.
        effort_low_w: the 5 % quantile.
        effort_high_w: the 95 % quantile.
        w_balance: what is left of the work above critical power, a relative index of 0 to 1.
    """

    effort_w: Floats
    effort_low_w: Floats
    effort_high_w: Floats
    w_balance: Floats


class _Work(NamedTuple):
    """Power of this moment, and one standard deviation of it but for the mass."""

    power_w: Floats
    by_mass_w: Floats  # the part that grows with the mass
    doubt_w: Floats


def follow_effort(memory: Efforts, scene: Scene, winds: Winds, wind: WindColumns) -> EffortColumns:
    """Each rider's effort at the scene's instant; `memory` is brought to it."""
    riders = scene.riders
    fresh = (
        (riders.seen_us > memory.at_us)
        & (riders.placed_us == riders.seen_us)
        & np.isfinite(scene.speed_mps)
        & np.isfinite(wind.shelter)
        & np.isfinite(scene.course.gradient_at(scene.distance_m))  # a road without a profile
    )
    rows = np.flatnonzero(fresh)
    since_s = (riders.seen_us[rows] - memory.at_us[rows]) / 1e6
    again = since_s > _LONGEST_S
    for forgotten in (
        memory.raw_w,
        memory.mean_w,
        memory.meter_w,
        memory.doubt_w,
        memory.speed_mps,
    ):
        forgotten[rows[again]] = np.nan
    since_s = np.where(again, 1.0, since_s)
    work = _work(memory, scene, winds, wind, rows, since_s)
    # the slope is known of the hole's end alone
    told_s = np.minimum(since_s, _HEARD_S)
    _average(memory, rows, told_s, work, riders.power_w[rows])
    _weigh(memory, scene, rows, work)
    memory.at_us[rows], memory.speed_mps[rows] = riders.seen_us[rows], scene.speed_mps[rows]
    gone = scene.at_us - memory.at_us > _STALE_US
    effort_w = np.where(gone | scene.finished, np.nan, memory.mean_w)
    unheard_s = np.maximum((scene.at_us - memory.at_us) / 1e6 - _HEARD_S, 0.0)
    since_w = _RESTLESS * effort_w * np.sqrt(np.minimum(unheard_s / _HALF_MINUTE_S, 1.0))
    width_w = _QUANTILE * np.sqrt(memory.doubt_w**2 + since_w**2)
    return EffortColumns(
        effort_w,
        np.maximum(effort_w - width_w, 0.0),
        effort_w + width_w,
        np.where(np.isnan(effort_w), np.nan, memory.left),
    )


def _work(
    memory: Efforts, scene: Scene, winds: Winds, wind: WindColumns, rows: NDArray[np.int64],
    since_s: Floats,
) -> _Work:  # fmt: skip
    """Road load at the crank, watts."""
    distance_m, speed_mps = scene.distance_m[rows], scene.speed_mps[rows]
    slope = scene.course.gradient_at(distance_m) / 100.0
    before_mps = np.where(np.isnan(memory.speed_mps[rows]), speed_mps, memory.speed_mps[rows])
    gain_mps2 = (speed_mps * speed_mps - before_mps * before_mps) / (
        2.0 * since_s * np.maximum(speed_mps, 1.0)
    )
    mass_kg = _MASS_KG * memory.mass[rows]
    along = _GRAVITY_MPS2 * (slope + _ROLLING) / np.sqrt(1.0 + slope * slope) + gain_mps2
    head_mps, cross_mps = (
        np.where(np.isnan(of), 0.0, of)[rows] * _RIDER_WIND
        for of in (wind.headwind_mps, wind.crosswind_mps)
    )
    through_mps = speed_mps + head_mps
    air_mps = np.sqrt(through_mps * through_mps + cross_mps * cross_mps)
    shelter = wind.shelter[rows]
    half_drag = 0.5 * _air_kgpm3(scene, winds, rows) * _DRAG_M2 * shelter
    crank = speed_mps / _DRIVETRAIN
    by_mass_w, by_air_w = mass_kg * along * crank, half_drag * air_mps * through_mps * crank
    gusts_mps = _WIND_SD_MPS + _WIND_SD * np.abs(head_mps)
    in_air = _DRAG_SD + _SHELTER_SD * (1.0 - shelter)
    doubt_w = np.sqrt(
        (by_air_w * in_air) ** 2
        + (2.0 * half_drag * air_mps * crank * gusts_mps) ** 2
        + (mass_kg * _GRAVITY_MPS2 * _SLOPE_SD * crank) ** 2
    )
    return _Work(by_mass_w + by_air_w, by_mass_w, doubt_w)


def _air_kgpm3(scene: Scene, winds: Winds, rows: NDArray[np.int64]) -> Floats:
    course, distance_m = scene.course, scene.distance_m[rows]
    altitude_m = np.interp(distance_m, course.distance_m, course.altitude_m)
    altitude_m = np.where(np.isnan(altitude_m), 0.0, altitude_m)
    kelvin = winds.temperature_k(distance_m, scene.at_us, _AIR_K)
    return _AIR_KGPM3 * (1.0 - _THINNER_PER_M * altitude_m) * _AIR_K / kelvin


def _average(
    memory: Efforts, rows: NDArray[np.int64], since_s: Floats, work: _Work, meter_w: Floats
) -> None:
    raw_w = _drawn(memory.raw_w[rows], work.power_w, since_s, _JERK_S)
    pedalled_w = np.maximum(raw_w, 0.0)
    memory.raw_w[rows] = raw_w
    memory.mean_w[rows] = _drawn(memory.mean_w[rows], pedalled_w, since_s, _MEAN_S)
    by_mass_w = np.abs(work.by_mass_w) * np.sqrt(memory.mass_var[rows])
    doubt_w = np.sqrt(work.doubt_w**2 + by_mass_w**2)
    memory.doubt_w[rows] = _drawn(memory.doubt_w[rows], doubt_w, since_s, _MEAN_S)
    sound = (meter_w >= 0.0) & (meter_w <= 2000.0)
    metered_w = _drawn(memory.meter_w[rows], meter_w, since_s, _MEAN_S)
    memory.meter_w[rows] = np.where(sound, metered_w, np.nan)
    memory.long_w[rows] = _drawn(memory.long_w[rows], pedalled_w, since_s, _LONG_S)
    over_w = pedalled_w - np.maximum(_CRITICAL_W, memory.long_w[rows])
    left = memory.left[rows]
    gain = np.where(over_w > 0.0, -over_w, -over_w * (1.0 - left)) / _ABOVE_J
    memory.left[rows] = np.clip(left + since_s * gain, 0.0, 1.0)


def _weigh(memory: Efforts, scene: Scene, rows: NDArray[np.int64], work: _Work) -> None:
    """Let the power meter tell a rider's mass on a climb (a scalar Kalman filter a rider)."""
    steep = scene.course.gradient_at(scene.distance_m[rows]) > _STEEP * 100.0
    due = scene.riders.seen_us[rows] - memory.weighed_us[rows] >= _WEIGH_US
    meter_w, mean_w = memory.meter_w[rows], memory.mean_w[rows]
    use = steep & due & (meter_w > 100.0) & (mean_w > 100.0) & (work.by_mass_w > 0.5 * mean_w)
    rows, meter_w, mean_w = rows[use], meter_w[use], mean_w[use]
    seen = np.clip(memory.mass[rows] * meter_w / mean_w, *_LIKELY)
    gain = memory.mass_var[rows] / (memory.mass_var[rows] + _WEIGHED_SD**2)
    memory.mass[rows] += gain * (seen - memory.mass[rows])
    memory.mass_var[rows] = np.maximum(memory.mass_var[rows] * (1.0 - gain), _MASS_BEST_SD**2)
    memory.weighed_us[rows] = scene.riders.seen_us[rows]


def _drawn(before: Floats, now: Floats, since_s: Floats, over_s: float) -> Floats:
    """A mean that forgets over about `over_s`; begins with its first value."""
    share = since_s / (over_s + since_s)
    return np.where(np.isnan(before), now, before + share * (now - before))
