"""The ground as it is, beside the route as it is drawn: what riders climb and the truck never sees.

An organiser's profile errs by a metre here and there. A scenario keeps the true heights in a file
of their own, one line a point of route.gpx; a stage without it is ridden as it is drawn.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from hardware.errors import Misconfigured
from hardware.sheet import read_sheet
from hardware.stage import Stage

GROUND = "ground.csv"


def grounded(stage: Stage, folder: Path) -> Stage:
    """The stage with the true heights of its folder, where there are any.

    Raises:
        Misconfigured: the heights are not those of this route.
    """
    try:
        data = (folder / GROUND).read_bytes()
    except FileNotFoundError:
        return stage
    except OSError as error:
        raise Misconfigured(
            f"cannot read {folder / GROUND}: {error.strerror}", "Check its permissions."
        ) from error
    rows = read_sheet(GROUND, data, ("altitude_m",))
    altitude_m = np.array([row.needed_number("altitude_m", -500.0, 9000.0) for row in rows])
    points = len(stage.route.latitude_deg)
    if len(altitude_m) != points:
        raise Misconfigured(
            f"{folder / GROUND} has {len(altitude_m)} heights and route.gpx {points} points",
            "Remove it, or make the scenario again.",
        )
    return replace(stage, route=replace(stage.route, altitude_m=altitude_m))
