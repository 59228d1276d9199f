"""Small stages for the simulator's tests, made without files."""

import numpy as np

from hardware.stage import Checkpoint, Route, Stage, Starter
from hardware.virtual.course import loop_course

START_S = 1_800_000_000.0


def loop_stage(
    seed: int, length_m: float, kind: str = "road", checkpoints: tuple[Checkpoint, ...] = ()
) -> Stage:
    """A hilly loop, rounded as a file would round it."""
    course = loop_course(seed, length_m)
    columns = (course.latitude_deg, course.longitude_deg, course.altitude_m)
    lat, lon, altitude = (np.round(c, d) for c, d in zip(columns, (7, 7, 1), strict=True))
    return stage_on(Route(lat, lon, altitude), kind, checkpoints)


def straight_stage(length_m: float, gradient: float = 0.0) -> Stage:
    """A straight road to the east, of one slope."""
    along_m = np.arange(0.0, length_m + 1.0, 100.0)
    latitude = np.full(len(along_m), 47.0)
    longitude = np.round(2.0 + along_m / (111_320.0 * np.cos(np.radians(47.0))), 7)
    return stage_on(Route(latitude, longitude, 100.0 + gradient * along_m))


def stage_on(route: Route, kind: str = "road", checkpoints: tuple[Checkpoint, ...] = ()) -> Stage:
    """A stage without start list on a route."""
    no_riders: tuple[Starter, ...] = ()
    return Stage("Test", kind, START_S, None, 0.0, (), None, route, no_riders, checkpoints)
