"""Recorded rides as bikes: readings at their recorded times, on a time of our own."""

import numpy as np
import pyproj

from hardware.errors import Misconfigured
from hardware.rides import Ride
from hardware.virtual.readings import Column, Readings, joined

_EARTH = pyproj.Geod(ellps="WGS84")
_MOVING_MPS = 2.0
_PAUSE_S = 10.0


class Playback:
    """Rides side by side as they were recorded, from `start_s` after all of them had begun.

    Rider k is the k-th name. Time 0 is that instant, so offsets between riders stay as they were.

    Raises:
        Misconfigured: when the rides were not ridden at the same time, or start_s is past them.
    """

    def __init__(self, rides: dict[str, Ride], start_s: float = 0.0) -> None:
        self.names = list(rides)
        self.riders = len(self.names)
        first = max(rides, key=lambda name: float(rides[name].measured_at_s[0]))
        ended = min(rides, key=lambda name: float(rides[name].measured_at_s[-1]))
        self.origin_s = float(rides[first].measured_at_s[0]) + start_s
        if self.origin_s >= rides[ended].measured_at_s[-1]:
            raise Misconfigured(
                f"the ride of {ended} is over {start_s:g} s after that of {first} began",
                "Give rides of one race, and a smaller --start-s.",
            )
        columns = [_columns(k, ride, self.origin_s) for k, ride in enumerate(rides.values())]
        whole = joined(columns)
        self._readings = whole.rows(np.argsort(whole.t_s, kind="stable"))
        self.ends_s = float(self._readings.t_s[-1])

    def due(self, after_s: float, to_s: float) -> Readings:
        """The readings in (after_s, to_s]."""
        low, high = np.searchsorted(self._readings.t_s, (after_s, to_s), "right")
        return self._readings.rows(slice(low, high))


def _columns(rider: int, ride: Ride, origin_s: float) -> Readings:
    t_s = ride.measured_at_s - origin_s
    kept = t_s >= 0
    lat, lon = ride.latitude_deg[kept], ride.longitude_deg[kept]
    return Readings(
        rider=np.full(int(kept.sum()), rider),
        t_s=t_s[kept],
        latitude_deg=lat,
        longitude_deg=lon,
        altitude_m=ride.altitude_m[kept],
        speed_mps=ride.speed_mps[kept],
        course_deg=_course(lat, lon),
        power_w=ride.power_w[kept],
        heart_rate_bpm=ride.heart_rate_bpm[kept],
        cadence_rpm=ride.cadence_rpm[kept],
        accuracy_m=np.full(int(kept.sum()), np.nan),
    )


def _course(lat: Column, lon: Column) -> Column:
    """The heading from the last position; NaN while standing and at the first."""
    heading, _, moved_m = _EARTH.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])
    headings = np.where(np.asarray(moved_m) > 1.0, np.asarray(heading) % 360.0, np.nan)
    return np.concatenate(([np.nan], headings))[: len(lat)]


def first_movement_s(rides: dict[str, Ride], window_s: int = 60) -> float:
    """The `start_s` from which, for `window_s`, most riders are recorded and moving.

    Of equally good ones the earliest; recordings often begin with minutes at the start line.
    """
    origin_s = max(float(ride.measured_at_s[0]) for ride in rides.values())
    end_s = max(float(ride.measured_at_s[-1]) for ride in rides.values())
    seconds = np.arange(max(1, int(end_s - origin_s)))
    riding = np.zeros(len(seconds))
    for ride in rides.values():
        t_s = ride.measured_at_s - origin_s
        _, _, step_m = _EARTH.inv(
            ride.longitude_deg[:-1], ride.latitude_deg[:-1],
            ride.longitude_deg[1:], ride.latitude_deg[1:],
        )  # fmt: skip
        step_s = np.diff(t_s)
        moving = t_s[1:][(step_m > _MOVING_MPS * step_s) & (step_s < _PAUSE_S)]
        counts = np.histogram(moving, bins=np.append(seconds, seconds[-1] + 1))[0]
        busy = np.convolve((counts > 0).astype(float), np.ones(window_s))[window_s - 1 :]
        riding += busy > window_s / 4  # some record every two or three seconds only
    return float(np.argmax(riding))
