"""What is doubtful between the papers of a stage: road book, start list, weather, drawing."""

import datetime as dt
from collections.abc import Iterator

import numpy as np

from hardware.checkpoints import KINDS
from hardware.laps import Lap
from hardware.route import count_that_fits
from hardware.stage import Circuit, Stage
from truck.race.climbs import Climb, rises_of
from truck.race.course import Course
from truck.stage.doubt import Doubt, at_km, km

_LENGTH_OFF = 0.01
_FINISH_OFF_M = 50.0
_BEYOND_M = 500.0
_TOP_OFF_M = 1000.0
_SLOWEST_MPS = 8.0  # 29 km/h: no stage of a grand tour took longer for decades
_FORECAST_S = 6 * 3600.0
_DAY_S = 86_400.0
_WEATHER_OFF_M = 30_000.0
_STORM_MPS = 17.0  # Beaufort 8 as a mean over the day: rather km/h than m/s


def doubts_of_papers(stage: Stage, course: Course) -> Iterator[Doubt]:
    """Doubts that arise where the files are held against each other."""
    yield from _length(stage, course)
    for circuit, lap in zip(stage.laps, course.road.laps, strict=True):
        yield from _laps(stage, circuit, lap)
    yield from _finish(stage, course)
    yield from _start(stage)
    yield from _startlist(stage)
    yield from _checkpoints(stage, course)
    yield from _weather(stage, course)


def _length(stage: Stage, course: Course) -> Iterator[Doubt]:
    road = course.road
    if stage.length_km is None:
        yield Doubt(
            "length", "stage.toml", f"no length_km; the drawing's {km(course.length_m)} counts",
            "Add length_km from the road book.", note=True,
        )  # fmt: skip
    else:
        wanted_m = stage.length_km * 1000.0 + road.neutral_m
        off = road.drawn_m / wanted_m - 1.0
        fits = count_that_fits(stage, road.laps, wanted_m - road.drawn_m)
        if abs(off) > _LENGTH_OFF and fits is not None:
            yield Doubt(
                "laps", f"stage.toml, laps from km {fits[0].from_km:g}",
                f"{fits[0].count} laps make {km(road.drawn_m)} where length_km and neutral_km make "
                f"{km(wanted_m)}; {fits[1]} would fit", "Correct count or length_km.",
            )  # fmt: skip
        elif abs(off) > _LENGTH_OFF:
            yield Doubt(
                "length", "stage.toml, length_km",
                f"it says {km(wanted_m)} with the neutral zone where {km(road.drawn_m)} are "
                f"drawn, {off:+.1%}",
                "The drawing is scaled to it; correct length_km, neutral_km, laps or the route.",
            )  # fmt: skip
    if stage.neutral_km > 0.0 and road.neutral_m == 0.0:
        yield Doubt(
            "neutral", "stage.toml, neutral_km", "route.gpx begins at the flag",
            "The neutral zone stays off the course; export it too if you want it followed.",
            note=True,
        )  # fmt: skip


def _laps(stage: Stage, circuit: Circuit, lap: Lap | None) -> Iterator[Doubt]:
    where = f"stage.toml, laps from km {circuit.from_km:g}"
    whole_km = circuit.from_km + circuit.count * circuit.length_km
    if stage.length_km is not None and whole_km > stage.length_km * 1.01:
        yield Doubt(
            "laps", where,
            f"{circuit.count} laps of {circuit.length_km:g} km end at km {whole_km:.1f}, beyond "
            f"the stage's {stage.length_km:g} km",
            "Correct count, length_km of the lap, or that of the stage.",
        )  # fmt: skip
    if lap is None:
        yield Doubt(
            "laps", where, f"route.gpx does not come back there after {circuit.length_km:g} km",
            "Correct from_km or length_km of the lap.",
        )  # fmt: skip
        return
    if lap.drawn not in (1, circuit.count):
        yield Doubt(
            "laps", where,
            f"{circuit.count} laps, but route.gpx draws {lap.drawn}",
            "Correct count, or draw the circuit once or as often as it is ridden.",
        )  # fmt: skip
    off = lap.length_m / (circuit.length_km * 1000.0) - 1.0
    if abs(off) > 0.02:
        yield Doubt(
            "laps", where,
            f"a lap of {circuit.length_km:g} km, but the drawn one is {km(lap.length_m)}",
            "Correct its length_km.",
        )  # fmt: skip


def _finish(stage: Stage, course: Course) -> Iterator[Doubt]:
    road = course.road
    if stage.finish is None:
        yield Doubt(
            "finish", "stage.toml", "no finish; the line is the drawing's last point",
            "Add [finish] with its latitude_deg and longitude_deg.", note=True,
        )  # fmt: skip
        return
    if road.finish_off_m > _FINISH_OFF_M:
        yield Doubt(
            "finish", "stage.toml, finish", f"it lies {road.finish_off_m:.0f} m beside the drawing",
            "Correct the finish or the drawing.",
        )  # fmt: skip
    if len(road.finish_m) > 1:
        others = ", ".join(at_km(at - road.neutral_m) for at in road.finish_m if at < road.drawn_m
                           - 1.0)  # fmt: skip
        yield Doubt(
            "finish", "stage.toml, finish",
            f"the road passes it {len(road.finish_m)} times, before the end at {others or 'start'}",
            "Nothing to do if these are laps or the start.", note=True,
        )  # fmt: skip
    beyond_m = road.end_m - road.drawn_m
    if beyond_m > _BEYOND_M:
        yield Doubt(
            "finish", "stage.toml, finish", f"route.gpx goes on for {km(beyond_m)} beyond it",
            "The road is cut at the finish; check that it has not been left at an old place.",
        )  # fmt: skip


def _start(stage: Stage) -> Iterator[Doubt]:
    if stage.start_at_s is None:
        yield Doubt(
            "start_at", "stage.toml", "no start_at",
            "Add it, or the race is taken to begin with the first reading.",
        )  # fmt: skip


def _startlist(stage: Stage) -> Iterator[Doubt]:
    where = "startlist.csv"
    if not stage.startlist:
        yield Doubt("startlist", where, "there is none", "Add bib, name and team of each rider.")
        return
    racing = [starter for starter in stage.startlist if starter.status is None]
    if not racing:
        yield Doubt("startlist", where, "nobody starts", "Correct the column status.")
    unknown = [starter.bib for starter in racing if starter.gc_gap_s is None]
    if 0 < len(unknown) < len(racing):
        yield Doubt(
            "startlist", f"{where}, gc_gap_s",
            f"{len(unknown)} riders have none, first {unknown[0]}",
            "They are left out of the virtual standings.",
        )  # fmt: skip
    names: dict[str, int] = {}
    for starter in stage.startlist:
        if starter.name in names:
            yield Doubt(
                "startlist", f"{where}, bib {starter.bib}",
                f"{starter.name} is bib {names[starter.name]} too", "Correct one of them.",
            )  # fmt: skip
        names.setdefault(starter.name, starter.bib)
    devices: dict[str, int] = {}
    for starter in stage.startlist:
        if starter.device is not None and starter.device in devices:
            yield Doubt(
                "startlist", f"{where}, bib {starter.bib}, device",
                f"device {starter.device} is bib {devices[starter.device]}'s too",
                "Give each rider his own; one of them will not be seen.",
            )  # fmt: skip
        devices.setdefault(starter.device or "", starter.bib)
    yield from _start_times(stage)


def _start_times(stage: Stage) -> Iterator[Doubt]:
    where = "startlist.csv, start_at"
    racing = [starter for starter in stage.startlist if starter.status is None]
    timed = [starter for starter in racing if starter.start_at_s is not None]
    if stage.kind != "time-trial":
        if timed:
            yield Doubt(
                "startlist", where, "a road stage has start times", 'Say kind = "time-trial", or '
                "leave the column out.",
            )  # fmt: skip
        return
    missing = [starter.bib for starter in racing if starter.start_at_s is None]
    if missing:
        yield Doubt(
            "startlist", where,
            f"{len(missing)} riders of a time trial have no start time, first {missing[0]}",
            "Add the column start_at.",
        )  # fmt: skip
    first_s = min((starter.start_at_s or 0.0 for starter in timed), default=None)
    if stage.start_at_s is not None and first_s is not None:
        early_s = stage.start_at_s - first_s
        if not -_DAY_S / 2 < early_s <= 0.0:
            yield Doubt(
                "startlist", where,
                f"the first start is {_clock(first_s)} where stage.toml says "
                f"{_clock(stage.start_at_s)} UTC", "Correct one of them.",
            )  # fmt: skip


def _checkpoints(stage: Stage, course: Course) -> Iterator[Doubt]:
    where = "checkpoints.csv"
    for point in stage.checkpoints:
        if not course.start_m - 1.0 <= point.km * 1000.0 <= course.length_m + 1.0:
            yield Doubt(
                "checkpoints", f"{where}, km {point.km:g}",
                f"{point.name or point.kind} lies outside the stage of {km(course.length_m)}",
                "Write kilometres after the flag.",
            )  # fmt: skip
        if point.kind not in KINDS:
            yield Doubt(
                "checkpoints", f"{where}, km {point.km:g}", f"'{point.kind}' is no kind we know",
                f"It is shown as it is; known are {', '.join(KINDS)}.", note=True,
            )  # fmt: skip
    climbs = [point for point in stage.checkpoints if point.kind == "climb"]
    tops = rises_of(course)
    if not climbs or not tops:
        return
    off_m = np.array([_off(point.km * 1000.0, tops) for point in climbs])
    turned_m = np.array([_off(course.length_m - point.km * 1000.0, tops) for point in climbs])
    away_m, turned_away_m = np.median(np.abs(off_m)), np.median(np.abs(turned_m))
    if len(climbs) > 1 and away_m > _TOP_OFF_M > turned_away_m:
        yield Doubt(
            "backwards", "route.gpx", "its tops lie where the climbs would be the other way round",
            "It may be drawn from finish to start, or checkpoints.csv counts down: turn one.",
        )  # fmt: skip
    elif len(climbs) > 1 and away_m > _TOP_OFF_M and np.ptp(off_m) < _TOP_OFF_M:
        side = "after" if off_m[0] > 0.0 else "before"
        yield Doubt(
            "checkpoints", where, f"all its climbs lie {km(away_m)} {side} the profile's tops",
            "Count kilometres from the flag, not from the neutral start; check neutral_km.",
        )  # fmt: skip
    else:
        for point, beside_m in zip(climbs, np.abs(off_m).tolist(), strict=True):
            if beside_m > _TOP_OFF_M:
                yield Doubt(
                    "checkpoints", f"{where}, km {point.km:g}",
                    f"{point.name or 'the climb'} is {km(beside_m)} from the profile's nearest top",
                    "Check its km.",
                )  # fmt: skip


def _off(place_m: float, tops: tuple[Climb, ...]) -> float:
    """How far a place lies after the nearest top, negative before it."""
    return min((place_m - climb.top_m for climb in tops), key=abs)


def _weather(stage: Stage, course: Course) -> Iterator[Doubt]:
    where = "weather.csv"
    if not stage.weather:
        yield Doubt(
            "weather", where, "there is none", "Wind and its effort stay unknown.", note=True
        )
        return
    low_km, high_km = course.start_m / 1000.0 - 1.0, course.length_m / 1000.0 + 1.0
    placed = [weather.km for weather in stage.weather if weather.km is not None]
    outside = [at for at in placed if not low_km <= at <= high_km]
    if outside:
        yield Doubt(
            "weather", f"{where}, km {outside[0]:g}", "it lies outside the stage",
            "Write kilometres after the flag.",
        )  # fmt: skip
    for row in stage.weather:
        if row.km is None and row.latitude_deg is not None and row.longitude_deg is not None:
            x, y = course.project(np.array([row.latitude_deg]), np.array([row.longitude_deg]))
            off_m = float(np.min(np.hypot(course.x_m - x[0], course.y_m - y[0])))
            if off_m > _WEATHER_OFF_M:
                yield Doubt(
                    "weather", f"{where}, {row.latitude_deg:g}, {row.longitude_deg:g}",
                    f"it lies {km(off_m)} from the road", "Correct the place; are they swapped?",
                )  # fmt: skip
                break
    if np.mean([w.wind_mps for w in stage.weather]) > _STORM_MPS:
        yield Doubt(
            "weather", f"{where}, wind_mps", "a storm all day, or another unit",
            "Write metres a second: km/h divided by 3.6.",
        )  # fmt: skip
    if stage.start_at_s is None:
        return
    ends_s = stage.start_at_s + course.length_m / _SLOWEST_MPS
    first_s, last_s = stage.weather[0].from_s, stage.weather[-1].from_s
    if first_s > stage.start_at_s or last_s < ends_s - _FORECAST_S or first_s > ends_s:
        yield Doubt(
            "weather", f"{where}, from_time",
            f"it covers {_clock(first_s)} to {_clock(last_s)}, the stage "
            f"{_clock(stage.start_at_s)} to about {_clock(ends_s)} UTC",
            "Add lines for the hours of the stage.",
        )  # fmt: skip


def _clock(at_s: float) -> str:
    return dt.datetime.fromtimestamp(at_s, dt.UTC).strftime("%Y-%m-%d %H:%M")
