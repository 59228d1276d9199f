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
    "impact_us": (np.int64, NEVER_US, ()),
    "feels": (np.bool_, False, ()),
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
    "sensed_us": (np.int64, NEVER_US, ()),
    "field_m": (np.float64, np.nan, ()),
    "floor_m": (np.float64, -np.inf, ()),
    "due_us": (np.int64, NEVER_US, ()),
    "due_from_us": (np.int64, NEVER_US, ()),
    "anchor_x_m": (np.float64, np.nan, ()),
    "anchor_y_m": (np.float64, np.nan, ()),
    "anchor_us": (np.int64, NEVER_US, ()),
    "stray_x_m": (np.float64, np.nan, ()),
    "stray_y_m": (np.float64, np.nan, ()),
    "stray_us": (np.int64, NEVER_US, ()),
    "stray_from_us": (np.int64, NEVER_US, ()),
    "stray_far": (np.bool_, False, ()),
    "beam_m": (np.float64, np.nan, (BEAM,)),
    "beam_var_m2": (np.float64, np.nan, (BEAM,)),
    "beam_at_us": (np.int64, NEVER_US, (BEAM,)),
    "beam_high_m": (np.float64, np.nan, (BEAM,)),
    "beam_cost": (np.float64, np.inf, (BEAM,)),
    "beam_prior": (np.float64, 0.0, (BEAM,)),
    "beam_placed_us": (np.int64, NEVER_US, (BEAM,)),
    "beam_born_us": (np.int64, NEVER_US, (BEAM,)),
    "beam_fixed_m": (np.float64, np.nan, (BEAM,)),
    "beam_way_m": (np.float64, np.nan, (BEAM,)),
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
        impact_us: when his device last said that it had felt an impact.
        feels: whether it can tell.
        speed_mps: filtered.
        pace_mps: the speed's mean over about a minute.
        moving_us: when the rider was last moving.
        distance_m: along the course, NaN until placed.
        lateral_m: off its line, positive to the right.
        placed_us: when a fix last lay on the course.
        seeded_us: when the rider was first placed.
        finished_us: when the line was crossed.
        sensed_us: when his sensor's speed was last believed.
        field_m: his distance when the present second began, NaN when it was not known.
        floor_m: he is not looked for anew behind this.
        due_us: when he is thought to have crossed the line unseen.
        due_from_us: the first fix after that hole.
        anchor_x_m, anchor_y_m: the last fix that agreed with his place, for the way he heads.
        anchor_us: when.
        stray_x_m, stray_y_m: the last fix that did not agree.
        stray_us: when.
        stray_from_us: since when such fixes run along the course, one after the other.
        stray_far: whether they are of another place than he can be at.
        beam_m: the places the rider may be at, best first.
        beam_var_m2: how sure each of them is.
        beam_at_us: the instant each of them speaks of.
        beam_high_m: the furthest each of them has been.
        beam_cost: decaying cost of their fits, inf where there is none.
        beam_prior: how unlikely the first place was.
        beam_placed_us: when a fix last agreed with them.
        beam_born_us: when they parted from a better one.
        beam_fixed_m: where the last agreeing fix lay on the road.
        beam_way_m: how far along the road it came to that fix from the one before.
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
    impact_us: NDArray[np.int64]
    feels: NDArray[np.bool_]
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
    sensed_us: NDArray[np.int64]
    field_m: NDArray[np.float64]
    floor_m: NDArray[np.float64]
    due_us: NDArray[np.int64]
    due_from_us: NDArray[np.int64]
    anchor_x_m: NDArray[np.float64]
    anchor_y_m: NDArray[np.float64]
    anchor_us: NDArray[np.int64]
    stray_x_m: NDArray[np.float64]
    stray_y_m: NDArray[np.float64]
    stray_us: NDArray[np.int64]
    stray_from_us: NDArray[np.int64]
    stray_far: NDArray[np.bool_]
    beam_m: NDArray[np.float64]
    beam_var_m2: NDArray[np.float64]
    beam_at_us: NDArray[np.int64]
    beam_high_m: NDArray[np.float64]
    beam_cost: NDArray[np.float64]
    beam_prior: NDArray[np.float64]
    beam_placed_us: NDArray[np.int64]
    beam_born_us: NDArray[np.int64]
    beam_fixed_m: NDArray[np.float64]
    beam_way_m: NDArray[np.float64]
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
