"""The frame and the course as JSON: columns, units in the names, null where nothing is known.

Each column is encoded once, whatever documents it stands in.
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.stage import Stage
from truck.race.course import Course
from truck.race.frame import QUALITIES, Frame
from truck.race.incidents import Change
from truck.race.status import STATUSES

FRAME_SCHEMA = "truck.frame/1"
COURSE_SCHEMA = "truck.course/1"

_PROFILE_POINTS = 1200  # as many as a wide screen has pixels for
_DIGITS = {
    "distance_m": 1,
    "to_go_m": 1,
    "speed_mps": 2,
    "gradient_pct": 1,
    "lateral_m": 1,
    "gap_s": 1,
    "gap_m": 0,
    "age_s": 1,
    "latitude_deg": 6,
    "longitude_deg": 6,
    "power_w": 0,
    "heart_rate_bpm": 0,
    "gap_measured_s": 1,
    "gap_at_m": 0,
    "headwind_mps": 1,
    "crosswind_mps": 1,
    "shelter": 2,
    "echelon_risk": 2,
    "effort_w": 0,
    "effort_low_w": 0,
    "effort_high_w": 0,
    "w_balance": 2,
    "virtual_gap_s": 1,
    "bonus_s": 0,
}
_OF_GROUPS = ("distance_m", "gap_s", "gap_m", "gap_measured_s", "gap_at_m", "speed_mps")

Columns = dict[str, bytes]
"""Encoded columns by name."""


def encode_frame(frame: Frame, extras: Mapping[str, Any]) -> bytes:
    """One frame as a line of JSON, the same bytes for the same frame.

    Args:
        frame: of the race.
        extras: what the service adds beside riders and groups (latency, packets, relays, ...).
    """
    return frame_of(frame, rider_columns(frame), group_columns(frame), extras)


def frame_of(
    frame: Frame, riders: Columns, groups: Columns, extras: Mapping[str, Any]
) -> bytes:  # fmt: skip
    """As `encode_frame`, of columns that are encoded already."""
    return joined(
        {
            "schema": encoded(FRAME_SCHEMA),
            "at": encoded(iso(frame.at_us / 1e6)),
            "at_us": encoded(frame.at_us),
            "riders": joined(riders),
            "groups": joined(groups),
            "incidents": encoded(_incidents(frame.open)),
            **{name: encoded(finite(value)) for name, value in extras.items()},
        }
    )


def rider_columns(frame: Frame) -> Columns:
    """Every column of the riders, in standings order."""
    riders = frame.riders
    lists = {
        "bib": riders.bib.tolist(),
        "name": list(riders.name),
        "team": list(riders.team),
        "lap": riders.lap.tolist(),
        "group_id": [None if group < 0 else group for group in riders.group_id.tolist()],
        "status": [STATUSES[status] for status in riders.status.tolist()],
        "quality": [QUALITIES[quality] for quality in riders.quality.tolist()],
        "ruled": riders.ruled.tolist(),
        **{name: _column(name, getattr(riders, name)) for name in _DIGITS},
    }
    return {name: encoded(values) for name, values in lists.items()}


def group_columns(frame: Frame) -> Columns:
    """Every column of the groups, front first."""
    groups = frame.groups
    lists = {
        "group_id": groups.group_id.tolist(),
        "size": groups.size.tolist(),
        "first_bib": groups.first_bib.tolist(),
        "echelon": groups.echelon.tolist(),
        **{name: _column(name, getattr(groups, name)) for name in _OF_GROUPS},
    }
    return {name: encoded(values) for name, values in lists.items()}


def encode_course(stage: Stage, course: Course) -> bytes:
    """Profile, checkpoints and length of a stage as JSON."""
    on_road = course.distance_m <= course.length_m + 1e-6
    last = int(on_road.sum()) - 1
    picked = np.unique(np.linspace(0, last, min(last + 1, _PROFILE_POINTS)).astype(np.int64))
    document = {
        "schema": COURSE_SCHEMA,
        "name": stage.name,
        "kind": stage.kind,
        "start_at": None if stage.start_at_s is None else iso(stage.start_at_s),
        "length_m": round(course.length_m, 1),
        "neutral_m": round(-course.start_m, 1),
        "profile": {
            "distance_m": _column("distance_m", course.distance_m[picked]),
            "altitude_m": rounded(course.altitude_m[picked], 1),
            "latitude_deg": _column("latitude_deg", course.place(course.distance_m[picked])[0]),
            "longitude_deg": _column("longitude_deg", course.place(course.distance_m[picked])[1]),
        },
        "checkpoints": {
            "distance_m": [round(point.km * 1000, 1) for point in stage.checkpoints],
            "kind": [point.kind for point in stage.checkpoints],
            "name": [point.name for point in stage.checkpoints],
        },
    }
    return encoded(document)


def encoded(value: Any) -> bytes:
    """A value of finite numbers as JSON on one line."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def joined(members: Mapping[str, bytes]) -> bytes:
    """A JSON object of encoded members; their names need no escapes."""
    return b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), data) for name, data in members.items())


def rounded(values: NDArray[np.float64], digits: int) -> list[float | None]:
    """The numbers with so many digits after the point, None for those that are not known."""
    known = np.isfinite(values).tolist()
    # adding zero turns -0.0 into 0.0
    near = (np.round(values, digits) + 0.0).tolist()
    return [value if is_known else None for value, is_known in zip(near, known, strict=True)]


def iso(at_s: float) -> str:
    """An instant in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _incidents(said: list[Change]) -> dict[str, Any]:
    return {
        "incident_id": [one.incident_id for one in said],
        "kind": [one.kind for one in said],
        "probability": [round(one.probability, 2) for one in said],
        "bibs": [list(one.bibs) for one in said],
        "started_at": [iso(one.started_us / 1e6) for one in said],
        "distance_m": [
            round(one.distance_m, 1) if math.isfinite(one.distance_m) else None for one in said
        ],
    }


def _column(name: str, values: NDArray[np.float64]) -> list[float | None]:
    return rounded(values, _DIGITS[name])


def finite(value: Any) -> Any:
    """The same with null for every number that JSON cannot say."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
