"""What a tracker's accelerometer says: most falls, and some knocks that are none.

Assumed, for want of published figures of race devices: four falls in five are felt; a bike that
is laid down at a puncture, leant on a wall or thrown on a car seems a fall sometimes, and kerbs,
potholes and cobbles do so a few times a stage. The bit stands for some seconds, so that a lost
reading does not lose it.
"""

import numpy as np

from hardware.virtual.devices import Carried, Flags
from hardware.virtual.ride import Ride, Status

_STANDS_S = 15
_LATE_S = 3  # a device judges the seconds after the knock too
_FELT = {"crash": 0.8, "mechanical": 0.1, "comfort_stop": 0.04}
_THROWN = 0.3  # of bikes loaded on a car
_KNOCKS_S = 150_000.0  # rider seconds to a knock: some twenty-two a stage of 184 riders and 5 h


def impacts_of(ride: Ride, carried: Carried, draw: np.random.Generator) -> Flags:
    """Where the trackers' impact bits are set, [seconds, trackers]."""
    felt = np.zeros(carried.on.shape, np.bool_)

    def knock(column: int, at_s: int) -> None:
        from_s = at_s + int(draw.integers(0, _LATE_S))
        felt[from_s : from_s + _STANDS_S, column] = True

    for event in ride.events:
        for column in np.flatnonzero(np.isin(ride.bibs, event.bibs)).tolist():
            mine = event.from_s < ride.seconds and not carried.in_car[event.from_s, column]
            if mine and draw.random() < _FELT.get(event.kind, 0.0):
                knock(column, event.from_s)
    for column in np.flatnonzero(carried.in_car.any(axis=0)).tolist():
        if draw.random() < _THROWN:
            knock(column, int(carried.in_car[:, column].argmax()))
    racing = ride.status == Status.RACING
    seconds, columns = np.nonzero(racing)
    for k in draw.integers(0, max(1, len(seconds)), draw.poisson(len(seconds) / _KNOCKS_S)):
        knock(int(columns[k]), int(seconds[k]))
    return felt
