"""What is doubtful about the drawn road itself: gaps, steps back, altitudes, laps it repeats."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hardware.gpx import Route
from hardware.polyline import steps
from hardware.profile import profile_of
from hardware.stage import Stage
from truck.race.course import Course
from truck.race.meetings import CROSSING, OPPOSITE, SAME, Meeting, meetings_of
from truck.stage.doubt import Doubt, at_km, km

Floats = NDArray[np.float64]

_GAP_M = 2000.0
_COARSE_M = 200.0
_BACK_RAD = np.deg2rad(150.0)
_BACK_M = (30.0, 500.0)  # shorter is a recorder's jitter, longer a road that turns round twice
_DETOUR_M = 500.0
_LOOP_M = 500.0
_SHOWN = 5  # of each kind; the rest is counted
_AGAIN = "Export the route again, all of it and in riding order."


def doubts_of_drawing(stage: Stage, course: Course) -> Iterator[Doubt]:
    """Doubts that the points alone raise."""
    drawn = stage.route
    step_m = steps(drawn)
    along_m = np.concatenate([[0.0], np.cumsum(step_m)]) - course.road.neutral_m
    yield from _gaps(step_m, along_m)
    yield from _back_steps(drawn, step_m, along_m)
    yield from _altitudes(stage, course)
    yield from _meetings(course)
    if not stage.laps:
        yield from _unnamed_laps(course)


def _gaps(step_m: Floats, along_m: Floats) -> Iterator[Doubt]:
    gaps = np.flatnonzero(step_m > _GAP_M)
    for k in gaps[:_SHOWN].tolist():
        yield Doubt(
            "gap", f"route.gpx, points {k + 1} and {k + 2} ({at_km(along_m[k])})",
            f"{km(step_m[k])} apart, crossed in a straight line", _AGAIN,
        )  # fmt: skip
    if len(gaps) > _SHOWN:
        yield Doubt("gap", "route.gpx", f"{len(gaps) - _SHOWN} more gaps over 2 km", _AGAIN)
    moved = step_m[step_m > 0.5]
    if len(moved) and len(gaps) == 0 and float(np.median(moved)) > _COARSE_M:
        yield Doubt(
            "coarse", "route.gpx", f"its points lie {np.median(moved):.0f} m apart",
            "Export it with a point every 10 to 50 m, or riders will seem to leave the road.",
        )  # fmt: skip


def _back_steps(drawn: Route, step_m: Floats, along_m: Floats) -> Iterator[Doubt]:
    """Points out of order: the line turns round twice, or leaps aside and back."""
    moved = np.concatenate([[0], np.flatnonzero(step_m > 0.5) + 1])
    lat, lon = drawn.latitude_deg[moved], drawn.longitude_deg[moved]
    east = np.diff(lon) * np.cos(np.radians(lat[:-1])) * 111_200.0
    north = np.diff(lat) * 111_200.0
    length_m = np.hypot(east, north)
    if len(length_m) < 3:
        return
    heading = np.arctan2(east, north)
    turn = np.abs((np.diff(heading) + np.pi) % (2 * np.pi) - np.pi)
    turned = np.flatnonzero(turn > _BACK_RAD) + 1
    back_m = np.diff(np.concatenate([[0.0], np.cumsum(length_m)])[turned])
    back = turned[:-1][(back_m > _BACK_M[0]) & (back_m < _BACK_M[1])]
    aside = np.flatnonzero(
        (turn > _BACK_RAD) & (np.minimum(length_m[:-1], length_m[1:]) > _DETOUR_M)
    )
    for k in aside[:_SHOWN].tolist():
        point = int(moved[k + 1])
        far_m = min(length_m[k], length_m[k + 1])
        yield Doubt(
            "leap", f"route.gpx, point {point + 1} ({at_km(along_m[point])})",
            f"it lies {km(far_m)} beside the road, which goes there and straight back",
            "Remove that point.",
        )  # fmt: skip
    plain = back[~np.isin(back, np.concatenate([aside, aside + 1, aside + 2]))]
    if len(plain):
        first = int(moved[plain[0]])
        yield Doubt(
            "order", f"route.gpx, point {first + 1} ({at_km(along_m[first])})",
            f"the line steps back there and forward again, {len(plain)} times in all",
            "Its points are out of order, or a recorder stood still; export the route again.",
        )  # fmt: skip


def _altitudes(stage: Stage, course: Course) -> Iterator[Doubt]:
    altitude_m = stage.route.altitude_m
    known = np.isfinite(altitude_m)
    if not known.any():
        yield Doubt(
            "elevation", "route.gpx", "it has no elevation",
            "Gradients, climbs and effort stay unknown; export it with elevation if you can.",
        )  # fmt: skip
        return
    if np.ptp(altitude_m[known]) == 0.0:
        yield Doubt(
            "elevation", "route.gpx", f"it is {altitude_m[known][0]:g} m high everywhere",
            "Export it with real elevation, or with none.",
        )  # fmt: skip
        return
    if known.mean() < 0.8:
        yield Doubt(
            "elevation", "route.gpx", f"{1 - known.mean():.0%} of its points have no elevation",
            "Between the others the profile is a straight line; export it again if you can.",
        )  # fmt: skip
    line = course.road.line
    profile = profile_of(line.distance_m, line.altitude_m)
    begins = np.flatnonzero(np.diff(profile.jump.astype(np.int8), prepend=0) == 1)
    for k in begins[:_SHOWN].tolist():
        end = k + int(np.argmin(np.append(profile.jump[k:], False)))
        rise_m = profile.altitude_m[min(end, len(profile.altitude_m) - 1)] - profile.altitude_m[k]
        yield Doubt(
            "elevation", f"route.gpx, {at_km(profile.distance_m[k])}",
            f"its elevation jumps by {rise_m:+.0f} m as no road does",
            "The gradient is bridged there; correct the elevation if you can.",
        )  # fmt: skip
    if len(begins) > _SHOWN:
        more = len(begins) - _SHOWN
        yield Doubt("elevation", "route.gpx", f"it jumps in {more} more places", _AGAIN)


def _meetings(course: Course) -> Iterator[Doubt]:
    """Notes where the road meets itself: a bib may be on either pass there."""
    meetings = [meeting for meeting in meetings_of(course) if not _is_lap(course, meeting)]
    for kind in (SAME, OPPOSITE):
        ones = sorted((m for m in meetings if m.kind == kind), key=lambda m: -m.length_m)
        for meeting in ones[:_SHOWN]:
            direction = "the same direction" if kind == SAME else "opposite directions"
            yield Doubt(
                "meeting", f"{at_km(meeting.from_m)} and {at_km(meeting.again_m)}",
                f"they share the road in {direction} for {km(meeting.length_m)}",
                "Nothing to do, unless these are laps: then name them." if kind == SAME
                else "Nothing to do.", note=True,
            )  # fmt: skip
    crossings = [m for m in meetings if m.kind == CROSSING]
    if crossings:
        named = ", ".join(
            f"{at_km(m.from_m)} and {m.again_m / 1000.0:.1f}" for m in crossings[:_SHOWN]
        )
        more = f" and {len(crossings) - _SHOWN} more" if len(crossings) > _SHOWN else ""
        yield Doubt(
            "crossing", named + more, "the road crosses itself", "Nothing to do.", note=True
        )


def _is_lap(course: Course, meeting: Meeting) -> bool:
    """Whether the stage's laps explain why the road is met again."""
    lag_m = meeting.again_m - meeting.from_m
    laps_m = [circuit.length_km * 1000.0 for circuit in course.circuits]
    return meeting.kind == SAME and any(abs(lag_m / lap_m - 1.0) < 0.05 for lap_m in laps_m)


def _unnamed_laps(course: Course) -> Iterator[Doubt]:
    ring = max(
        (m for m in meetings_of(course) if m.kind == SAME),
        key=lambda m: m.length_m, default=Meeting(SAME, 0.0, 0.0, 0.0),
    )  # fmt: skip
    lap_m = ring.again_m - ring.from_m
    if lap_m > 0.0 and ring.length_m > 0.8 * lap_m:
        count = 1 + round(ring.length_m / lap_m)
        yield Doubt(
            "laps", f"route.gpx, {at_km(ring.from_m)}",
            f"a circuit of {km(lap_m)} is drawn {count} times, and stage.toml names no laps",
            f"Add laps = [{{ from_km = {max(0.0, ring.from_m / 1000.0):.1f}, length_km = "
            f"{lap_m / 1000.0:.1f}, count = {count} }}], so that laps are counted.",
        )  # fmt: skip
        return
    ends_m = float(np.hypot(
        course.x_m[0] - np.interp(course.length_m, course.distance_m, course.x_m),
        course.y_m[0] - np.interp(course.length_m, course.distance_m, course.y_m),
    ))  # fmt: skip
    if ends_m < _LOOP_M:
        yield Doubt(
            "loop", "route.gpx", f"it ends {ends_m:.0f} m from where it begins",
            "If it is ridden more than once, name the laps in stage.toml.", note=True,
        )  # fmt: skip
