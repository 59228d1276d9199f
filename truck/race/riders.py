"""What the race remembers of every rider, in columns: a row each, and nothing else."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEVER_US = np.iinfo(np.int64).min // 2
BEAM = 6  # hypotheses a rider
NODES = 1024  # passages remembered a rider: 51 km of road at 50 m

_SHAPES: dict[str, tuple[Any, float, tuple[int, ...]]] = {
    # name: dtype, value of a new row, trailing shape
    "bib": (np.int32, 0, ()),
    "seen_us": (np.int64, NEVER_US, ()),
    "latitude_deg": (np.float64, np.nan, ()),
    "longitude_deg": (np.float64, np.nan, ()),
    "x_m": (np.float64, np.nan, ()),
    "y_m": (np.float64, np.nan, ()),
    "power_w": (np.float64, np.nan, ()),
    "heart_rate_bpm": (np.float64, np.nan, ()),
    "speed_mps": (np.float64, np.nan, ()),
    "speed_us": (np.int64, NEVER_US, ()),
    "pace_mps": (np.float64, np.nan, ()),
    "moving_us": (np.int64, NEVER_US, ()),
    "distance_m": (np.float64, np.nan, ()),
    "lateral_m": (np.float64, np.nan, ()),
    "quality": (np.int8, 4, ()),
    "placed_us": (np.int64, NEVER_US, ()),
    "seeded_us": (np.int64, NEVER_US, ()),
    "finished_us": (np.int64, NEVER_US, ()),
    "beam_m": (np.float64, np.nan, (BEAM,)),
    "beam_high_m": (np.float64, np.nan, (BEAM,)),
    "beam_cost": (np.float64, np.inf, (BEAM,)),
    "beam_prior": (np.float64, 0.0, (BEAM,)),
    "beam_placed_us": (np.int64, NEVER_US, (BEAM,)),
    "beam_born_us": (np.int64, NEVER_US, (BEAM,)),
    "node_us": (np.int64, NEVER_US, (NODES,)),
    "node_bridged": (np.bool_, False, (NODES,)),
    "first_node": (np.int64, 0, ()),
    "next_node": (np.int64, 0, ()),
}


@dataclass
class Riders:
    """Live state; times are `measured_at`, microseconds since 1970 UTC.

    Attributes:
        bib: of each row; rows are in start-list order, then in order of appearance.
        seen_us: of the latest fix.
        speed_mps: filtered.
        pace_mps: the speed's mean over about a minute.
        moving_us: when the rider was last moving.
        distance_m: along the course, NaN until placed.
        lateral_m: off its line, positive to the right.
        placed_us: when a fix last lay on the course.
        seeded_us: when the rider was first placed.
        finished_us: when the line was crossed.
        beam_m: the places the rider may be at, best first.
        beam_high_m: the furthest each of them has been.
        beam_cost: decaying cost of their fits, inf where there is none.
        beam_prior: how unlikely the first place was.
        beam_placed_us: when a fix last agreed with them.
        beam_born_us: when they parted from a better one.
        node_us: ring of the times at which road nodes were passed.
        node_bridged: which of them lie in a hole of the signal, timed at even speed across it.
        first_node: the oldest node in the ring.
        next_node: one past the newest.
    """

    bib: NDArray[np.int32]
    seen_us: NDArray[np.int64]
    latitude_deg: NDArray[np.float64]
    longitude_deg: NDArray[np.float64]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    power_w: NDArray[np.float64]
    heart_rate_bpm: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    speed_us: NDArray[np.int64]
    pace_mps: NDArray[np.float64]
    moving_us: NDArray[np.int64]
    distance_m: NDArray[np.float64]
    lateral_m: NDArray[np.float64]
    quality: NDArray[np.int8]
    placed_us: NDArray[np.int64]
    seeded_us: NDArray[np.int64]
    finished_us: NDArray[np.int64]
    beam_m: NDArray[np.float64]
    beam_high_m: NDArray[np.float64]
    beam_cost: NDArray[np.float64]
    beam_prior: NDArray[np.float64]
    beam_placed_us: NDArray[np.int64]
    beam_born_us: NDArray[np.int64]
    node_us: NDArray[np.int64]
    node_bridged: NDArray[np.bool_]
    first_node: NDArray[np.int64]
    next_node: NDArray[np.int64]

    def add(self, bibs: NDArray[np.int32]) -> None:
        """Give riders seen for the first time their rows."""
        for name, column in new_riders(bibs).columns().items():
            setattr(self, name, np.concatenate([getattr(self, name), column]))

    def columns(self) -> dict[str, NDArray[Any]]:
        """Every column by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def new_riders(bibs: NDArray[np.int32]) -> Riders:
    """Rows of riders of whom nothing is known yet."""
    columns = {
        name: np.full((len(bibs), *shape), value, dtype)
        for name, (dtype, value, shape) in _SHAPES.items()
    }
    columns["bib"] = np.array(bibs, np.int32)
    return Riders(**columns)
