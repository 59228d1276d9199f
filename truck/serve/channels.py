"""The channels of the feed: what each of them says of one frame, as a line of JSON.

    state        the stage, its front, how many riders are what
    groups       front first            riders       in standings order
    moments      see `moments`          weather      brought to now, along the road
    predictions  none yet, but their columns; the page of the schemas says what they mean
    health       how old what is shown is, hop by hop, and how many riders are heard

They are for everybody, so they hold no heart rate and no power meter's reading.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from hardware.stage import Stage
from truck.race.course import Course
from truck.race.frame import Frame
from truck.race.riders import NEVER_US
from truck.race.rulings import Ruling, Rulings
from truck.race.status import STATUSES
from truck.race.winds import Winds
from truck.serve.feed import (
    Columns,
    encoded,
    finite,
    frame_of,
    group_columns,
    iso,
    joined,
    rider_columns,
    rounded,
)
from truck.serve.hidden import seen_of
from truck.serve.moments import Moment, Moments

CHANNELS = ("state", "groups", "riders", "moments", "weather", "predictions", "health")
PRIVATE = ("power_w", "heart_rate_bpm")
_WEATHER_EVERY_M = 10_000.0
_HEARD_S = 10.0
_PREDICTIONS: dict[str, list[Any]] = {"kind": [], "bibs": [], "distance_m": [], "probability": []}


class Channels:
    """Makes every channel of one frame after the other, of one stage."""

    def __init__(self, stage: Stage, course: Course, moments: Moments) -> None:
        self._stage, self._course, self._moments = stage, course, moments
        self._winds = Winds(stage.weather, course)
        last_m = np.nextafter(course.length_m, -math.inf)
        self._weather_m = np.append(np.arange(0.0, last_m, _WEATHER_EVERY_M), course.length_m)

    def of(
        self, number: int, frame: Frame, rulings: Iterable[Ruling], fares: Mapping[str, Any]
    ) -> dict[str, bytes]:
        """Each channel's document, and under "frame" the page's.

        Args:
            number: of the frame.
            frame: later than the one before.
            rulings: in force.
            fares: how the truck fares, as `Screen.fares` says.
        """
        riders, groups = rider_columns(frame), group_columns(frame)
        in_force = list(rulings)
        moments = seen_of(self._moments.follow(frame, in_force), Rulings(in_force).hidden_bibs)
        public = {name: column for name, column in riders.items() if name not in PRIVATE}
        crossed = [
            None if at_us == NEVER_US else iso(at_us / 1e6)
            for at_us in frame.riders.finished_us.tolist()
        ]
        said: dict[str, Columns] = {
            "state": {name: encoded(value) for name, value in self._state(frame).items()},
            "groups": {"groups": joined(groups)},
            "riders": {"riders": joined(public | {"finished_at": encoded(crossed)})},
            "moments": {"moments": encoded(_moments(moments))},
            "weather": {"weather": encoded(self._weather(frame.at_us))},
            "predictions": {"predictions": encoded(_PREDICTIONS)},
            "health": {
                name: encoded(value) for name, value in _health(frame, finite(fares)).items()
            },
        }
        head = {
            "number": encoded(number),
            "at": encoded(iso(frame.at_us / 1e6)),
            "at_us": encoded(frame.at_us),
            "stage": encoded(self._stage.name),
        }
        documents = {
            name: joined({"schema": encoded(schema_of(name)), **head, **members})
            for name, members in said.items()
        }
        return documents | {"frame": frame_of(frame, riders, groups, fares)}

    def _state(self, frame: Frame) -> dict[str, Any]:
        riders, groups = frame.riders, frame.groups
        counts = np.bincount(riders.status, minlength=len(STATUSES)).tolist()
        front = None
        if len(groups.group_id):
            at_m, speed_mps = float(groups.distance_m[0]), float(groups.speed_mps[0])
            front = {
                "first_bib": int(groups.first_bib[0]),
                "distance_m": round(at_m, 1) if math.isfinite(at_m) else None,
                "to_go_m": round(self._course.length_m - at_m, 1) if math.isfinite(at_m) else None,
                "speed_mps": round(speed_mps, 2) if math.isfinite(speed_mps) else None,
            }
        start_at_s = self._stage.start_at_s
        return {
            "kind": self._stage.kind,
            "start_at": None if start_at_s is None else iso(start_at_s),
            "length_m": round(self._course.length_m, 1),
            "front": front,
            "groups": len(groups.group_id),
            "riders": len(riders.bib),
            "by_status": dict(zip(STATUSES, counts, strict=True)),
        }

    def _weather(self, at_us: int) -> dict[str, Any]:
        at_m = self._weather_m if self._winds.known else self._weather_m[:0]
        wind_mps, from_deg, degc = self._winds.over(at_m, at_us)
        head_mps, cross_mps = self._winds.against(at_m, at_us)
        return {
            "distance_m": rounded(at_m, 1),
            "temperature_degc": rounded(degc, 1),
            "wind_mps": rounded(wind_mps, 1),
            "wind_from_deg": rounded(np.rint(from_deg) % 360.0, 0),
            "headwind_mps": rounded(head_mps, 1),
            "crosswind_mps": rounded(cross_mps, 1),
        }


def schema_of(channel: str) -> str:
    """The schema's name of a channel; another version has another number."""
    return f"truck.feed.{channel}/1"


def _moments(moments: list[Moment]) -> dict[str, Any]:
    return {
        "moment_id": [one.moment_id for one in moments],
        "kind": [one.kind for one in moments],
        "started_at": [iso(one.at_us / 1e6) for one in moments],
        "bibs": [list(one.bibs) for one in moments],
        "distance_m": rounded(np.array([one.distance_m for one in moments], np.float64), 1),
        "name": [one.name for one in moments],
        "probability": rounded(np.array([one.probability for one in moments], np.float64), 2),
        "is_open": [one.is_open for one in moments],
    }


def _health(frame: Frame, fares: Mapping[str, Any]) -> dict[str, Any]:
    """What a consumer has to know of the truck, and nothing that helps an intruder."""
    latency = fares.get("latency", {})
    ages_s = frame.riders.age_s
    return {
        "latency_s": {name: latency.get(f"{name}_s") for name in ("p50", "p99", "p99_9")},
        "budget_s": latency.get("budget_s"),
        "by_hop_p99_s": {name: hop.get("p99_s") for name, hop in latency.get("by_hop", {}).items()},
        "riders_heard": int((ages_s <= _HEARD_S).sum()),
        "relays": len(fares.get("relays", ())),
    }
