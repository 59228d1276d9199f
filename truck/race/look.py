"""One look at the whole race: every room in its order, from memory and the latest fixes."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.stage import Stage
from truck.race.course import Course, Floats
from truck.race.effort import EffortColumns, Efforts, follow_effort
from truck.race.gaps import GapColumns, Gaps, follow_gaps
from truck.race.groups import Groups, follow_groups
from truck.race.incidents import Change, Incidents, follow_incidents
from truck.race.passes import Ints
from truck.race.places import Places, follow_places
from truck.race.progress import BACK_M
from truck.race.riders import Riders
from truck.race.rows import Rows, column
from truck.race.scene import Scene, scene_at
from truck.race.standings import Bonuses, StandingColumns, follow_standings
from truck.race.starters import begun_at, starters_of
from truck.race.status import ASTRAY, SIGNAL_LOST, counted_at, status_at
from truck.race.timetrial import Starts, follow_timetrial, timetrial_order
from truck.race.trackers import SUSPECT, Trackers, follow_trackers
from truck.race.trail import Trails, follow_trails
from truck.race.wind import Echelons, WindColumns, follow_wind
from truck.race.winds import Winds

_OWN_US = 3_000_000  # so long a rider is carried on at his own speed


@dataclass
class Shown(Rows):
    """Where each rider was shown at the last look, metres after the flag."""

    shown_m: Floats = column(np.float64, np.nan)


@dataclass
class Memory:
    """What the rooms remember from one look to the next, each its own rows."""

    shown: Shown
    trails: Trails
    trackers: Trackers
    places: Places
    groups: Groups
    gaps: Gaps
    echelons: Echelons
    efforts: Efforts
    starts: Starts
    bonuses: Bonuses
    incidents: Incidents

    def rooms(self) -> dict[str, Rows]:
        """Each room's memory by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def add(self, count: int) -> None:
        """Give riders seen for the first time their rows."""
        for rows in self.rooms().values():
            rows.add(count)

    def copy(self) -> "Memory":
        """One that may be changed without changing this one."""
        rooms: dict[str, Any] = {name: rows.copy() for name, rows in self.rooms().items()}
        return Memory(**rooms)


@dataclass(frozen=True, eq=False)
class Look:
    """The race at the scene's instant, columns in the rows of its riders.

    Attributes:
        shown_m: where riders are shown: by their own fixes, or as their group rode since.
        order: rows as the standings have them, the first one first.
        on_road: who counts for groups and gaps.
        echelons: ids of the groups that crosswind may split.
        changes: what is newly said of incidents.
    """

    scene: Scene
    shown_m: Floats
    order: Ints
    status: NDArray[np.int8]
    on_road: NDArray[np.bool_]
    group_id: NDArray[np.int32]
    gaps: GapColumns
    wind: WindColumns
    effort: EffortColumns
    standings: StandingColumns
    echelons: NDArray[np.int32]
    changes: list[Change]


def new_memory(count: int) -> Memory:
    """Memory of `count` riders of whom nothing is known."""
    return Memory(
        shown=Shown.of(count),
        trails=Trails.of(count),
        trackers=Trackers.of(count),
        places=Places.of(count),
        groups=Groups.of(count),
        gaps=Gaps.of(count),
        echelons=Echelons.of(count),
        efforts=Efforts.of(count),
        starts=Starts.of(count),
        bonuses=Bonuses.of(count),
        incidents=Incidents.of(count),
    )


def look(
    course: Course,
    stage: Stage,
    winds: Winds,
    riders: Riders,
    memory: Memory,
    out: NDArray[np.bool_],
    at_us: int,
) -> Look:
    """Look at the race once.

    Args:
        course: the stage's.
        stage: as its files say.
        winds: of the stage's weather on that course.
        riders: live state by the latest fixes, read only.
        memory: brought to the instant.
        out: who is out of the race by the start list or an operator's word.
        at_us: the instant, not before the readings taken in.
    """
    scene = scene_at(course, riders, at_us)
    starters = starters_of(stage, riders.bib)
    halted = follow_trails(memory.trails, scene)
    follow_trackers(memory.trackers, scene, memory.trails, starters)
    in_car = memory.trackers.in_car
    led = starters & ~out & ~in_car
    scene = replace(scene, finished=scene.finished & led)  # a car that crosses the line is none
    status = status_at(scene, memory.trails, in_car, out)
    on_road = counted_at(scene, status, starters)
    if stage.kind == "time-trial":
        shown_m = _shown(scene, memory.shown, scene.distance_m)
        group_id = memory.groups.group_id.copy()  # against the clock each rides alone
        gaps = follow_timetrial(memory.starts, memory.gaps, scene, stage, on_road)
        order = timetrial_order(scene, memory.starts, gaps)
    else:
        riding = on_road | (led & ~scene.finished & (status == SIGNAL_LOST))
        place_m, front = follow_places(
            memory.places, scene, riding, memory.groups.group_id, memory.gaps.trend,
            memory.trackers.driven >= SUSPECT,
        )  # fmt: skip
        shown_m = _shown(scene, memory.shown, np.where(on_road, place_m, np.nan))
        order = _standings_order(scene, shown_m, led)
        group_id = follow_groups(memory.groups, scene, place_m, on_road)
        gaps = follow_gaps(memory.gaps, scene, place_m, front, on_road)
    memory.shown.shown_m[:] = shown_m
    wind, echelons = follow_wind(memory.echelons, scene, winds, group_id)
    effort = follow_effort(memory.efforts, scene, winds, wind)
    standings = follow_standings(memory.bonuses, scene, stage, gaps, memory.gaps.likely_s)
    racing = led & (status != ASTRAY) & ~scene.finished & begun_at(stage, riders.bib, at_us)
    changes = follow_incidents(
        memory.incidents, scene, memory.trails, memory.trackers, halted, racing
    )
    return Look(
        scene,
        shown_m,
        order,
        status,
        on_road,
        group_id,
        gaps,
        wind,
        effort,
        standings,
        echelons,
        changes,
    )


def _shown(scene: Scene, memory: Shown, place_m: Floats) -> Floats:
    """By his own fixes, or as his group rode since; who was carried too far comes back by steps."""
    silent = scene.at_us - scene.riders.beam_at_us[:, 0] > _OWN_US
    carried_m = np.where(silent & np.isfinite(place_m), place_m, scene.distance_m)
    return np.minimum(np.fmax(carried_m, memory.shown_m - BACK_M), scene.course.length_m)


def _standings_order(scene: Scene, shown_m: Floats, ranked: NDArray[np.bool_]) -> Ints:
    """Finished riders by time, the others by distance, unranked ones after them, unplaced last."""
    place_m = np.where(np.isfinite(shown_m), shown_m, -np.inf)
    done = scene.finished
    finished_us = np.where(done, scene.riders.finished_us, 0)
    last = np.where(done | np.isfinite(place_m), np.where(ranked, 0, 1), 2)
    return np.lexsort((scene.riders.bib, np.where(done, 0.0, -place_m), finished_us, ~done, last))
