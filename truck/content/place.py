"""Where on a stage a point is, for what has a place but no bib."""

import numpy as np

from truck.race.course import Course

_BESIDE_M = 300.0


def km_of(course: Course, latitude_deg: float, longitude_deg: float) -> float | None:
    """Kilometres after the flag of the road nearest to a point; None if it is far from it.

    Where the road comes by twice the first passage is taken.
    """
    x_m, y_m = course.project(np.array([latitude_deg]), np.array([longitude_deg]))
    away_m = np.hypot(course.x_m - x_m, course.y_m - y_m)
    nearest = int(np.argmin(away_m))
    if not away_m[nearest] <= _BESIDE_M:
        return None
    return round(float(course.distance_m[nearest]) / 1000.0, 2)
