"""The truck's own boards: which cells the race fills them with at one moment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from truck.race.frame import QUALITIES, Frame
from truck.race.passes import Ints
from truck.race.status import (
    ABANDONED,
    ASTRAY,
    FINISHED,
    IN_CAR,
    NOT_SEEN,
    RACING,
    SIGNAL_LOST,
    STATUSES,
    STOPPED,
)  # fmt: skip
from truck.serve.records import ClimbTime, TopSpeed
from truck.serve.wording import gap_text, group_names, instant_text, time_text

_RANKED = (RACING, SIGNAL_LOST, STOPPED, FINISHED)
_NONE_KNOWN_S = float("inf")


class Row(NamedTuple):
    """A filled row of a board.

    Attributes:
        cells: a text a column.
        age_s: of the fix its values come from, at the moment; NaN where nothing in it grows old.
        quality: a rider's, as in `QUALITIES`.
    """

    cells: tuple[str, ...]
    age_s: float
    quality: str


@dataclass(frozen=True, eq=False)
class Moment:
    """What boards are filled from: a frame, and the race's records until then.

    Attributes:
        shown_s: when the frame was shown, by the monotonic clock.
        answers: rows of the boards that are SQL, as soon as they are there.
    """

    shown_s: float
    frame: Frame
    top_speeds: tuple[TopSpeed, ...]
    top_speed_of: Mapping[int, float]
    climb_times: tuple[ClimbTime, ...]
    answers: dict[str, tuple[Row, ...]] = field(default_factory=dict)


class Board(NamedTuple):
    """A board of the truck's own.

    Attributes:
        rows: how many it always has.
        columns: without the stamps.
        ageing: those whose values grow old; names and numbers do not.
        fill: its filled rows, at most `rows`; by the bib asked for where it is a rider's.
    """

    title: str
    rows: int
    columns: tuple[str, ...]
    ageing: frozenset[str]
    fill: Callable[[Moment, int | None], list[Row]]


def ranked(frame: Frame) -> Ints:
    """Rows of the riders in the race, the first one first."""
    status = frame.riders.status
    return np.flatnonzero(np.isin(status, _RANKED) & np.isfinite(frame.riders.distance_m))


def _leaders(moment: Moment, _: int | None) -> list[Row]:
    riders, names = moment.frame.riders, group_names(moment.frame)
    return [
        Row(
            (
                str(place), str(riders.bib[k]), riders.name[k], riders.team[k],
                gap_text(riders.gap_s[k]), _km(riders.to_go_m[k]), _kmh(riders.speed_mps[k]),
                names.get(int(riders.group_id[k]), ""),
            ),
            *_known(moment, int(k)),
        )
        for place, k in enumerate(ranked(moment.frame)[:10], 1)
    ]  # fmt: skip


def _groups(moment: Moment, _: int | None) -> list[Row]:
    frame, names = moment.frame, group_names(moment.frame)
    groups, rows = frame.groups, []
    for k, group in enumerate(groups.group_id[:8].tolist()):
        first = _row_of(frame, int(groups.first_bib[k]))
        cells = (
            str(k + 1), names[group], str(groups.size[k]), str(groups.first_bib[k]),
            frame.riders.name[first], gap_text(groups.gap_s[k]),
            _km(frame.riders.to_go_m[first]), _kmh(groups.speed_mps[k]),
        )  # fmt: skip
        rows.append(Row(cells, *_known(moment, first)))
    return rows


def _gap(moment: Moment, _: int | None) -> list[Row]:
    """Between the front and the peloton; while that leads, and the next group."""
    frame, names = moment.frame, list(group_names(moment.frame).values())
    groups = frame.groups
    if not len(groups.size):
        return []
    behind = names.index("Peloton") if "Peloton" in names[1:] else 1
    front = _row_of(frame, int(groups.first_bib[0]))
    age_s, quality = _known(moment, front)
    cells = [names[0], str(groups.size[0]), frame.riders.name[front]]
    if behind < len(names):
        chase = _row_of(frame, int(groups.first_bib[behind]))
        older_s, its = _known(moment, chase)
        if older_s > age_s:
            age_s, quality = older_s, its
        cells += [
            names[behind], str(groups.size[behind]), frame.riders.name[chase],
            gap_text(groups.gap_s[behind]), _whole(groups.gap_m[behind]),
        ]  # fmt: skip
    else:
        cells += ["", "", "", "", ""]
    return [Row((*cells, _km(frame.riders.to_go_m[front])), age_s, quality)]


def _rider_card(moment: Moment, bib: int | None) -> list[Row]:
    riders = moment.frame.riders
    if bib is None or bib not in riders.bib:
        return []
    k = _row_of(moment.frame, bib)
    places = ranked(moment.frame).tolist()
    virtual = _virtually(moment.frame).tolist()
    low, high = riders.effort_low_w[k], riders.effort_high_w[k]
    top_mps = moment.top_speed_of.get(int(riders.bib[k]), np.nan)
    status = int(riders.status[k])
    in_race = status in _RANKED
    cells = (
        str(riders.bib[k]), riders.name[k], riders.team[k], STATUSES[status].replace("_", " "),
        str(places.index(k) + 1) if k in places else "",
        group_names(moment.frame).get(int(riders.group_id[k]), ""),
        gap_text(riders.gap_s[k]) if in_race else "", _km(riders.to_go_m[k]) if in_race else "",
        _kmh(riders.speed_mps[k]) if in_race else "",
        f"{riders.gradient_pct[k]:.1f}" if in_race and np.isfinite(riders.gradient_pct[k]) else "",
        f"{low:.0f}-{high:.0f}" if in_race and np.isfinite(low + high) else "",
        f"{top_mps * 3.6:.1f}" if np.isfinite(top_mps) else "",
        str(virtual.index(k) + 1) if k in virtual else "", gap_text(riders.virtual_gap_s[k]),
    )  # fmt: skip
    return [Row(cells, *_known(moment, k))]


def _top_speeds(moment: Moment, _: int | None) -> list[Row]:
    return [
        Row(
            (
                str(place), *_called(moment.frame, top.bib), f"{top.speed_mps * 3.6:.1f}",
                f"{top.distance_m / 1000:.1f}", instant_text(top.at_us),
            ),
            float("nan"), "good",
        )
        for place, top in enumerate(moment.top_speeds, 1)
    ]  # fmt: skip


def _standings(moment: Moment, _: int | None) -> list[Row]:
    riders = moment.frame.riders
    return [
        Row(
            (
                str(place), *_called(moment.frame, int(riders.bib[k])),
                gap_text(riders.virtual_gap_s[k]), _whole(riders.bonus_s[k]),
                gap_text(riders.gap_s[k]),
            ),
            *_known(moment, int(k)),
        )
        for place, k in enumerate(_virtually(moment.frame)[:10], 1)
    ]  # fmt: skip


def _climb_times(moment: Moment, _: int | None) -> list[Row]:
    times = moment.climb_times
    return [
        Row(
            (
                str(place), *_called(moment.frame, time.bib), time.climb, time_text(time.time_s),
                f"+{time_text(time.time_s - times[0].time_s)}" if place > 1 else "",
            ),
            float("nan"), "good" if time.sure else "doubtful",
        )
        for place, time in enumerate(times, 1)
    ]  # fmt: skip


_RIDER = ("rank", "bib", "name", "team")
_MOVING = frozenset(
    ("gap", "gap_m", "to_go_km", "speed_kmh", "gradient_pct", "effort_w", "virtual_gap", "rank",
     "virtual_rank", "group", "place", "size", "front_size", "chase_size")
)  # fmt: skip
OWN = {
    "leaders": Board(
        "Leaders", 10, (*_RIDER, "gap", "to_go_km", "speed_kmh", "group"), _MOVING, _leaders
    ),
    "groups": Board(
        "Groups on the road", 8,
        ("place", "group", "size", "first_bib", "first_name", "gap", "to_go_km", "speed_kmh"),
        _MOVING, _groups,
    ),
    "gap": Board(
        "The gap", 1,
        ("front", "front_size", "front_name", "chase", "chase_size", "chase_name", "gap", "gap_m",
         "to_go_km"),
        _MOVING, _gap,
    ),
    "rider-card": Board(
        "Rider card", 1,
        ("bib", "name", "team", "status", "rank", "group", "gap", "to_go_km", "speed_kmh",
         "gradient_pct", "effort_w", "top_speed_kmh", "virtual_rank", "virtual_gap"),
        _MOVING, _rider_card,
    ),
    "top-speeds": Board(
        "Top speeds", 10, (*_RIDER, "speed_kmh", "at_km", "reached_at"), frozenset(), _top_speeds
    ),
    "standings": Board(
        "Virtual classification", 10, (*_RIDER, "virtual_gap", "bonus_s", "gap"), _MOVING,
        _standings,
    ),
    "climb-times": Board(
        "Climb times", 10, (*_RIDER, "climb", "time", "behind"), frozenset(), _climb_times
    ),
}  # fmt: skip


def _virtually(frame: Frame) -> Ints:
    riders = frame.riders
    out = np.isin(riders.status, (IN_CAR, ABANDONED, NOT_SEEN, ASTRAY))
    rows = np.flatnonzero(np.isfinite(riders.virtual_gap_s) & ~out)
    return rows[np.argsort(riders.virtual_gap_s[rows], kind="stable")]


def _known(moment: Moment, k: int) -> tuple[float, str]:
    """How old what is known of a rider is; who has finished has a result, which does not age."""
    riders = moment.frame.riders
    age_s = 0.0 if riders.status[k] == FINISHED else float(riders.age_s[k])
    return _NONE_KNOWN_S if np.isnan(age_s) else age_s, QUALITIES[riders.quality[k]]


def _row_of(frame: Frame, bib: int) -> int:
    return int(np.flatnonzero(frame.riders.bib == bib)[0])


def _called(frame: Frame, bib: int) -> tuple[str, str, str]:
    k = _row_of(frame, bib)
    return str(bib), frame.riders.name[k], frame.riders.team[k]


def _km(way_m: float) -> str:
    return f"{max(way_m, 0.0) / 1000:.1f}" if np.isfinite(way_m) else ""


def _kmh(speed_mps: float) -> str:
    return f"{speed_mps * 3.6:.0f}" if np.isfinite(speed_mps) else ""


def _whole(value: float) -> str:
    return f"{value:.0f}" if np.isfinite(value) else ""
