"""`hardware simulate`: a stage ridden, sensed and heard, written as readings and truth beside them.

The readings are what a truck would get, in the order in which it would get them; the truth is
what happened. Files depend on the stage, the seed and the wishes alone.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.errors import Misconfigured
from hardware.route import line_of
from hardware.stage import Stage, stage_files, stage_from_files
from hardware.virtual import archive, truth, weather
from hardware.virtual.asphalt import Asphalt
from hardware.virtual.devices import carry
from hardware.virtual.faults import Faults, faults_of
from hardware.virtual.folder import check_free, new_folder
from hardware.virtual.ground import grounded
from hardware.virtual.impacts import impacts_of
from hardware.virtual.reception import heard_again, receive
from hardware.virtual.ride import Event, Ride
from hardware.virtual.riders import Field, field_of
from hardware.virtual.road import Road, road_of
from hardware.virtual.sensing import Receivers
from hardware.virtual.shadows import cast
from hardware.virtual.simulation import begins_s, simulate

SCHEMA = "hardware.simulate/1"
Say = Callable[[str], None]

_RIDERS = 184
_STREAM, _ASPHALT_STREAM, _IMPACT_STREAM = 17, 18, 19


def simulate_stage(
    folder: Path,
    out: Path,
    seed: int,
    riders: int | None = None,
    seconds: int | None = None,
    faults: Faults | None = None,
    say: Say | None = None,
) -> dict[str, Any]:
    """Ride the stage in `folder` and write the folder `out`.

    Args:
        folder: a stage folder.
        out: absent or empty; it appears only when it is whole.
        seed: of riders, race, faults, and of the weather where the stage says nothing of it.
        riders: where the stage has no start list.
        seconds: how long to ride at most.
        faults: of trackers and radio, otherwise the seed's.
        say: told what is being done.

    Returns:
        What summary.json says, schema hardware.simulate/1.

    Raises:
        Misconfigured: a stage that cannot be read or ridden, a folder that cannot be written.
    """
    tell: Say = say or (lambda _: None)
    check_free(out)
    files = stage_files(folder)
    stage = stage_from_files(files)
    if riders is not None and stage.startlist:
        raise Misconfigured(
            f"{folder / 'startlist.csv'} names {len(stage.startlist)} riders",
            "Leave out --riders, or the start list.",
        )
    stage = grounded(stage, folder)
    road = road_of(stage)
    field = field_of(stage, seed, _RIDERS if riders is None else riders)
    air = weather.weather_of(stage.weather, line_of(stage))
    if air is None:
        air = weather.made_weather(seed, begins_s(stage, road), road.length_m)
        files["weather.csv"] = air.sheet().encode()
    if not any(starter.gc_gap_s is not None for starter in stage.startlist):
        files["startlist.csv"] = _start_list(stage, field).encode()
    tell("riding the stage")
    ride = simulate(stage, field, air, seed, seconds)
    if faults is None:
        faults = faults_of(seed, ride.seconds / 3600.0)
    with new_folder(out) as temporary:
        (temporary / "stage").mkdir()
        for name, data in files.items():
            (temporary / "stage" / name).write_bytes(data)
        (temporary / "truth").mkdir()
        tell("measuring and hearing it")
        reported, rows, events = _sense(temporary, stage, ride, road, faults, seed)
        tell("writing the truth")
        groups = truth.groups_of(ride)
        events = sorted([*events, *truth.moments_of(ride, groups)], key=_in_order)
        archive.write_riders(temporary / "truth" / "riders.parquet", ride, road, groups, reported)
        archive.write_events(temporary / "truth" / "events.parquet", ride, events)
        archive.write_standings(
            temporary / "truth" / "standings.parquet",
            ride.bibs,
            truth.standings_of(ride, field, stage.checkpoints),
        )
        summary = {
            "schema": SCHEMA,
            "stage": stage.name,
            "seed": seed,
            "riders": len(ride.bibs),
            "seconds": ride.seconds,
            "length_m": round(ride.length_m, 1),
            "readings": rows,
            "events": dict(sorted(Counter(event.kind for event in events).items())),
            "faults": asdict(faults),
        }
        (temporary / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def asphalt_of(stage: Stage, seed: int) -> Asphalt:
    """Where the road of a simulated stage really lies, for whoever compares readings with it."""
    return Asphalt(stage, np.random.default_rng((seed, _ASPHALT_STREAM)))


def _start_list(stage: Stage, field: Field) -> str:
    """The start list with the classification before the stage in it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    timed = stage.kind == "time-trial"
    writer.writerow(["bib", "name", "team", "gc_gap_s", "jersey", *["start_at"] * timed])
    for starter, gap_s, departs_s in zip(
        field.starters, field.gc_gap_s.tolist(), field.departs_s.tolist(), strict=True
    ):
        start_at = _iso((stage.start_at_s or 0.0) + departs_s)
        writer.writerow(
            [starter.bib, starter.name, starter.team, f"{gap_s:.0f}", starter.jersey or ""]
            + [start_at] * timed
        )
    return text.getvalue()


def _sense(
    folder: Path, stage: Stage, ride: Ride, road: Road, faults: Faults, seed: int
) -> tuple[NDArray[np.bool_], int, list[Event]]:
    """Write the readings; which riders' seconds are among them, their number, and the events."""
    draw = np.random.default_rng((seed, _STREAM))
    asphalt = asphalt_of(stage, seed)
    carried = carry(ride, road, faults, draw)
    reception = receive(ride, carried, faults, draw)
    shadows = cast(ride, carried, asphalt, faults, draw)
    felt = impacts_of(ride, carried, np.random.default_rng((seed, _IMPACT_STREAM)))
    receivers = Receivers(ride, carried, felt, asphalt, faults, draw)
    reported = np.zeros(ride.status.shape, np.bool_)
    parts = []
    for part in receivers.measure(reception, shadows):
        own = (part.column < len(ride.bibs)) & ~part.stale
        reported[part.second[own], part.column[own]] = True
        parts.append(part)
    reported &= ~carried.in_car
    twice, later_s = heard_again(sum(len(part.bib) for part in parts), faults.doubled_share, draw)
    rows = archive.write_readings(folder / "readings.parquet", parts, twice, later_s)
    return reported, rows, [*ride.events, *carried.events, *reception.events, *shadows.events]


def _in_order(event: Event) -> tuple[int, str, tuple[int, ...]]:
    return event.from_s, event.kind, event.bibs


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
