"""A stage as a document and as text: what `truck stage show` prints."""

import datetime as dt
import math
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from hardware.profile import profile_of
from hardware.stage import Stage
from truck.race.climbs import Climb, climbs_of
from truck.race.course import Course

SCHEMA = "truck.stage/1"


def document_of(stage: Stage, course: Course) -> dict[str, Any]:
    """The stage with what was derived from its files, ready for JSON."""
    road = course.road
    line = road.line
    profile = profile_of(line.distance_m, line.altitude_m)
    rise_m = np.diff(profile.altitude_m[::10])
    derived = [
        name
        for name, given in (("length_km", stage.length_km), ("finish", stage.finish),
                            ("start_at", stage.start_at_s))
        if given is None
    ]  # fmt: skip
    return {
        "schema": SCHEMA,
        "name": stage.name,
        "kind": stage.kind,
        "start_at": None if stage.start_at_s is None else _iso(stage.start_at_s),
        "length_km": round(course.length_m / 1000.0, 3),
        "neutral_km": round(road.neutral_m / 1000.0, 3),
        "drawn_km": round(road.drawn_m / 1000.0, 3),
        "derived": derived,
        "laps": [
            {
                "from_km": circuit.from_km,
                "length_km": circuit.length_km,
                "count": circuit.count,
                "drawn": None if lap is None else lap.drawn,
            }
            for circuit, lap in zip(stage.laps, road.laps, strict=True)
        ],
        "unfolded": road.unfolded,
        "profile": {
            "lowest_m": _rounded(np.min(profile.altitude_m), 0),
            "highest_m": _rounded(np.max(profile.altitude_m), 0),
            "climbing_m": _rounded(np.sum(rise_m[rise_m > 0.0]) if len(rise_m) else 0.0, 0)
            if np.isfinite(profile.altitude_m).all()
            else None,
            "steepest_pct": _rounded(np.max(profile.gradient_pct), 1),
            "gradient_over_m": round(profile.window_m),
        },
        "climbs": [_climb(climb) for climb in climbs_of(course)],
        "checkpoints": [
            {"km": point.km, "kind": point.kind, "name": point.name} for point in stage.checkpoints
        ],
        "route_points": len(stage.route.latitude_deg),
        "riders": len(stage.startlist),
        "not_starting": [s.bib for s in stage.startlist if s.status is not None],
        "teams": len({starter.team for starter in stage.startlist if starter.team}),
        "weather": _weather(stage),
    }


def print_stage(console: Console, document: dict[str, Any]) -> None:
    """The same for people."""
    console.print(f"{document['name']} ({document['kind']})", style="bold", highlight=False)
    facts = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _facts(document):
        facts.add_row(name, value)
    console.print(facts)
    if document["climbs"]:
        climbs = Table("climb", "from km", "top km", "km", "rise m", "mean %", "cat.")
        for climb in document["climbs"]:
            climbs.add_row(
                climb["name"] or "derived", *(_shown(climb[key]) for key in
                ("from_km", "top_km", "length_km", "rise_m", "gradient_pct")), climb["category"],
            )  # fmt: skip
        console.print(climbs)
    points = [point for point in document["checkpoints"] if point["kind"] != "climb"]
    if points:
        table = Table("km", "kind", "name")
        for point in points:
            table.add_row(f"{point['km']:.1f}", point["kind"], point["name"])
        console.print(table)


def _facts(document: dict[str, Any]) -> list[tuple[str, str]]:
    profile, weather = document["profile"], document["weather"]
    neutral = f", after {document['neutral_km']:.1f} km neutral" if document["neutral_km"] else ""
    drawn = f"; drawn {document['drawn_km']:.1f} km" if document["length_km"] else ""
    facts = [
        ("start", document["start_at"] or "not said"),
        ("length", f"{document['length_km']:.1f} km{neutral}{drawn}"),
    ]
    for lap in document["laps"]:
        drawn = "not found in the route" if lap["drawn"] is None else f"drawn {lap['drawn']} times"
        text = f"{lap['count']} of {lap['length_km']:g} km from km {lap['from_km']:g}, {drawn}"
        facts.append(("laps", text))
    heights = "no elevation"
    if profile["highest_m"] is not None:
        heights = (
            f"{profile['lowest_m']:.0f} to {profile['highest_m']:.0f} m, climbing "
            f"{profile['climbing_m']:.0f} m, steepest {profile['steepest_pct']:.1f} % over "
            f"{profile['gradient_over_m']} m"
        )
    facts.append(("profile", heights))
    riders, out = "no start list", len(document["not_starting"])
    if document["riders"]:
        riders = f"{document['riders']} of {document['teams']} teams"
        riders += f", {out} of them not starting" if out else ""
    facts.append(("riders", riders))
    facts.append(("weather", "none" if weather is None else (
        f"{weather['rows']} lines from {weather['from']} to {weather['to']}, "
        f"wind up to {weather['wind_most_mps']:.1f} m/s"
    )))  # fmt: skip
    if document["derived"]:
        facts.append(("derived", ", ".join(document["derived"])))
    return facts


def _climb(climb: Climb) -> dict[str, Any]:
    return {
        "name": climb.name,
        "derived": climb.derived,
        "from_km": _rounded(climb.start_m / 1000.0, 2),
        "top_km": _rounded(climb.top_m / 1000.0, 2),
        "length_km": _rounded(climb.length_m / 1000.0, 2),
        "rise_m": _rounded(climb.rise_m, 0),
        "gradient_pct": _rounded(climb.gradient_pct, 1),
        "category": climb.category,
    }


def _weather(stage: Stage) -> dict[str, Any] | None:
    if not stage.weather:
        return None
    return {
        "rows": len(stage.weather),
        "from": _iso(stage.weather[0].from_s),
        "to": _iso(stage.weather[-1].from_s),
        "wind_most_mps": max(weather.wind_mps for weather in stage.weather),
        "temperature_degc": [
            min(weather.temperature_degc for weather in stage.weather),
            max(weather.temperature_degc for weather in stage.weather),
        ],
    }


def _rounded(value: Any, digits: int) -> float | None:
    number = float(value)
    return round(number, digits) + 0.0 if math.isfinite(number) else None


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _iso(at_s: float) -> str:
    return dt.datetime.fromtimestamp(at_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
