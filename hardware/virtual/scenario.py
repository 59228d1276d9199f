"""A made-up stage folder by seed: road, start list, checkpoints, weather, as organisers hand them.

The kind of stage goes round with the seed, so that any eight seeds from a multiple of eight, and
any eight even or odd ones from a multiple of sixteen, hold every kind.
"""

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import Geod, Proj

from hardware.errors import Misconfigured
from hardware.virtual.folder import check_free, new_folder
from hardware.virtual.ground import GROUND
from hardware.virtual.terrain import KINDS, STEP_M, Floats, Ground, ground_of, tops_of, wander

SCHEMA = "hardware.scenario/1"

_FIRST_DAY_S = 1_814_522_400.0  # 2027-07-02T10:00:00Z
_DAYS = 21
_LENGTH_KM = {"time-trial": (14.0, 40.0), "mountain": (125.0, 185.0)}
_USUAL_KM = (145.0, 200.0)
_SHORTEST_KM = 5.0
_NEUTRAL_KM = (2.5, 9.0)
_SPACINGS_M = (10.0, 15.0, 25.0, 40.0, 60.0, 100.0)
_KEPT_TURN = 0.3  # radians: whoever draws a route clicks where it turns
_BOOK_OFF = 0.003  # how far a road book's length is from the drawn line
_HEIGHTS_ABSENT = 1 / 12
_HEIGHT_NOISE_M = (0.2, 1.5)
_TEAM_RIDERS = 8
_TEAMS = (
    "Aurore", "Borealis", "Cantabria", "Delta", "Estrela", "Fjord", "Gazelle", "Helvetia", "Iris",
    "Jura", "Kestrel", "Lagune", "Mistral", "Norden", "Orion", "Pavane", "Quetzal", "Rivage",
    "Solstice", "Tramontane", "Ultramar", "Vesper", "Wallonie", "Zephyr",
)  # fmt: skip
_SYLLABLES = (
    "ba", "re", "mon", "di", "val", "ker", "lo", "san", "te", "ri", "vic", "an", "po", "gui", "el",
    "ma", "no", "du", "far", "is",
)  # fmt: skip
_LAPSE_DEGC_M = 0.0065  # ISA
_WIND_MPS = {"plain": (8.0, 13.0)}
_LIGHT_MPS = (0.5, 6.5)
_STARTS_S = (60.0, 120.0)  # time trial: between two riders, and between the last of them
_LATE_STARTERS = 15


def kind_of(seed: int) -> str:
    """The kind of stage a seed stands for."""
    return KINDS[(seed + seed // len(KINDS)) % len(KINDS)]


def write_scenario(
    folder: Path,
    seed: int,
    kind: str | None = None,
    length_km: float | None = None,
    riders: int | None = None,
) -> dict[str, Any]:
    """Write the stage folder of a seed.

    Args:
        folder: absent or empty; it appears only when it is whole.
        seed: the same seed writes the same bytes.
        kind: one of `terrain.KINDS`, otherwise the seed's own.
        length_km: from the flag to the line, otherwise usual for the kind.
        riders: otherwise most of 23 teams of eight.

    Returns:
        What was made, schema hardware.scenario/1.

    Raises:
        Misconfigured: an impossible wish, or a folder that cannot be written.
    """
    kind = kind_of(seed) if kind is None else kind
    if kind not in KINDS:
        raise Misconfigured(f"'{kind}' is no kind of stage", f"Choose of {', '.join(KINDS)}.")
    draw = np.random.default_rng((seed, KINDS.index(kind)))
    usual_km = float(draw.uniform(*_LENGTH_KM.get(kind, _USUAL_KM)))
    length_km = usual_km if length_km is None else length_km
    if not _SHORTEST_KM <= length_km <= 400.0:
        raise Misconfigured(
            f"a stage of {length_km:g} km is none", f"Ask for {_SHORTEST_KM:g} to 400 km."
        )
    present = int(draw.integers(150, 185))
    riders = present if riders is None else riders
    if not 1 <= riders <= 999:
        raise Misconfigured(f"{riders} riders are no field", "Ask for 1 to 999.")
    check_free(folder)
    draft = _Draft(seed, kind, length_km, riders, draw)
    with new_folder(folder) as temporary:
        for name, text in draft.files.items():
            (temporary / name).write_text(text, encoding="utf-8", newline="\n")
    return draft.summary


class _Draft:
    """The files of one stage; `draw` is used up in the order they are made."""

    def __init__(
        self, seed: int, kind: str, length_km: float, riders: int, draw: np.random.Generator
    ) -> None:
        self._draw = draw
        self._kind = kind
        self._riders = riders
        self._start_at_s = _FIRST_DAY_S + 86_400.0 * (seed % _DAYS) + 300.0 * (seed % 19)
        is_short = kind == "time-trial" or length_km < 40.0
        self._neutral_m = 0.0 if is_short else 1000.0 * round(draw.uniform(*_NEUTRAL_KM), 1)
        self._ground = ground_of(kind, 1000.0 * length_km + self._neutral_m, draw)
        plane = Proj(
            proj="aeqd",
            lat_0=draw.uniform(42.5, 50.0),
            lon_0=draw.uniform(-1.0, 7.0),
            ellps="WGS84",
        )
        lon, lat = plane(self._ground.x_m, self._ground.y_m, inverse=True)
        self._lat, self._lon = np.round(lat, 7), np.round(lon, 7)
        # the road book measures by its own car
        book = 1.0 + float(draw.normal(0.0, _BOOK_OFF))
        drawn_m = float(np.sum(Geod(ellps="WGS84").inv(lon[:-1], lat[:-1], lon[1:], lat[1:])[2]))
        self._scale = drawn_m * book / (STEP_M * (len(lon) - 1))
        self._length_km = round((drawn_m * book - self._neutral_m) / 1000.0, 1)
        starters, start_at_s = self._starters()
        self.files: dict[str, str] = {}  # the route adds the ground beside it
        self.files |= {
            "route.gpx": self._gpx(f"Scenario {seed}, {kind}"),
            "startlist.csv": starters,
            "checkpoints.csv": self._checkpoints(),
            "weather.csv": self._weather(),
            "stage.toml": self._toml(f"Scenario {seed}, {kind}", start_at_s),
        }
        self.summary = {
            "schema": SCHEMA,
            "seed": seed,
            "kind": kind,
            "length_km": self._length_km,
            "neutral_km": self._neutral_m / 1000.0,
            "riders": riders,
            "start_at": _iso(start_at_s),
        }

    def _km(self, along_m: float) -> float:
        """The road book's kilometre of a place on the ground."""
        return (along_m * self._scale - self._neutral_m) / 1000.0

    def _gpx(self, name: str) -> str:
        ground, draw = self._ground, self._draw
        spacing_m = float(draw.choice(_SPACINGS_M))
        noise_m = draw.uniform(*_HEIGHT_NOISE_M) * wander(draw, len(ground.x_m), 10.0)
        heights = np.round(ground.altitude_m + noise_m, 1)
        drawn = self._drawn(ground, spacing_m)
        self.files[GROUND] = "\n".join(
            ["altitude_m", *(f"{level_m:.2f}" for level_m in ground.altitude_m[drawn].tolist()), ""]
        )
        absent = draw.random() < _HEIGHTS_ABSENT
        points = [
            f'<trkpt lat="{lat:.7f}" lon="{lon:.7f}">'
            + ("</trkpt>" if absent else f"<ele>{height:.1f}</ele></trkpt>")
            for lat, lon, height in zip(
                self._lat[drawn].tolist(), self._lon[drawn].tolist(), heights[drawn].tolist(),
                strict=True,
            )
        ]  # fmt: skip
        return "\n".join(
            [
                '<?xml version="1.0" encoding="UTF-8"?>',
                '<gpx xmlns="http://www.topografix.com/GPX/1/1" version="1.1" creator="scenario">',
                f"<trk><name>{name}</name><trkseg>",
                *points,
                "</trkseg></trk></gpx>\n",
            ]
        )

    def _drawn(self, ground: Ground, spacing_m: float) -> list[int]:
        """The points that are drawn: every `spacing_m`, and where the road turns."""
        loop = ground.loop
        last = len(ground.x_m) - 1
        self._once = loop is not None and bool(self._draw.random() < 0.5)
        if loop is not None and self._once:
            last = round((loop.from_m + loop.length_m) / STEP_M)
        heading = np.unwrap(np.arctan2(np.diff(ground.x_m), np.diff(ground.y_m)))
        turns = np.append(heading, heading[-1]).tolist()
        kept = [0]
        for k in range(1, last):
            far = (k - kept[-1]) * STEP_M >= spacing_m - 0.1
            if far or abs(turns[k] - turns[kept[-1]]) > _KEPT_TURN:
                kept.append(k)
        return [*kept, last]

    def _starters(self) -> tuple[str, float]:
        """The start list, and when the first of them starts."""
        draw, count = self._draw, self._riders
        teams = [k // _TEAM_RIDERS for k in range(count)]
        bibs = [10 * team + k % _TEAM_RIDERS + 1 for k, team in enumerate(teams)]
        # after a first week: 1 min to the second, half an hour to the middle, 3 h to the last
        late = np.sort(draw.random(count)) ** 1.6 * draw.uniform(0.02, 1.0) * 3.2 * 3600.0
        gaps_s = np.zeros(count)
        gaps_s[draw.permutation(count)] = np.round(late - late.min())
        jerseys = {int(np.argmin(gaps_s)): "yellow"}
        others = draw.permutation(count)[:3].tolist()
        for rider, jersey in zip(others, ("green", "polka-dot", "white"), strict=False):
            jerseys.setdefault(rider, jersey)
        names = [self._name() for _ in range(count)]
        starts_s = self._starts(gaps_s)
        rows = [
            (bib, name, f"Team {_TEAMS[team % len(_TEAMS)]}", int(gap_s), jerseys.get(k, ""))
            + (() if starts_s is None else (_iso(starts_s[k]),))
            for k, (bib, name, team, gap_s) in enumerate(
                zip(bibs, names, teams, gaps_s.tolist(), strict=True)
            )
        ]
        header = ["bib", "name", "team", "gc_gap_s", "jersey"]
        header += [] if starts_s is None else ["start_at"]
        return _csv(header, rows), self._start_at_s

    def _starts(self, gaps_s: Floats) -> list[float] | None:
        """The last of the classification starts first."""
        if self._kind != "time-trial":
            return None
        order = np.argsort(-gaps_s, kind="stable")
        interval_s = np.full(len(order), _STARTS_S[0])
        interval_s[-_LATE_STARTERS:] = _STARTS_S[1]
        interval_s[0] = 0.0
        starts_s = np.zeros(len(order))
        starts_s[order] = self._start_at_s + np.cumsum(interval_s)
        return [float(s) for s in starts_s]

    def _name(self) -> str:
        first, *last = self._draw.choice(_SYLLABLES, int(self._draw.integers(3, 5))).tolist()
        return f"{first[0].upper()}. {''.join(last).capitalize()}"

    def _checkpoints(self) -> str:
        draw, length_km = self._draw, self._length_km
        rows: list[tuple[float, str, str]] = []
        for along_m, rise_m in tops_of(self._ground.altitude_m):
            rows.append((self._km(along_m), "climb", f"Climb of {rise_m:.0f} m"))
        if self._kind == "time-trial":
            rows += [(length_km * k / 3, "intermediate", f"Intermediate {k}") for k in (1, 2)]
        else:
            rows.append((length_km * draw.uniform(0.3, 0.7), "sprint", "Intermediate sprint"))
            rows.append((length_km * draw.uniform(0.7, 0.93), "bonus", "Bonus"))
            rows.append((length_km * draw.uniform(0.4, 0.6), "feed", "Feed zone"))
            rows += [
                (length_km * draw.uniform(0.05, 0.9), "crossing", f"Level crossing {k + 1}")
                for k in range(int(draw.integers(0, 4)))
            ]
        kept = sorted((round(km, 2), kind, name) for km, kind, name in rows if 0 < km <= length_km)
        return _csv(("km", "kind", "name"), kept)

    def _weather(self) -> str:
        """Every fifth part of the road, every two hours: a wind that turns and freshens slowly."""
        draw = self._draw
        low, high = _WIND_MPS.get(self._kind, _LIGHT_MPS)
        wind_mps, from_deg, warm_degc = draw.uniform((low, 0.0, 14.0), (high, 360.0, 33.0))
        base_m = float(self._ground.altitude_m[0])
        rows = []
        for hour in range(0, 7, 2):
            for part in range(6):
                along = round(part / 5 * (len(self._ground.x_m) - 1))
                level_m = float(self._ground.altitude_m[along]) - base_m
                rows.append(
                    (
                        round(self._length_km * part / 5, 1),
                        _iso(self._start_at_s + 3600.0 * hour),
                        round(warm_degc + 0.6 * hour - _LAPSE_DEGC_M * level_m, 1),
                        round(max(0.2, wind_mps + 0.3 * hour + draw.normal(0.0, 0.6)), 1),
                        round(from_deg + 6.0 * hour + draw.normal(0.0, 8.0)) % 360,
                    )
                )
        header = ("km", "from_time", "temperature_degc", "wind_mps", "wind_from_deg")
        return _csv(header, rows)

    def _toml(self, name: str, start_at_s: float) -> str:
        lines = [
            f"name = {json.dumps(name)}",
            f'kind = "{"time-trial" if self._kind == "time-trial" else "road"}"',
            f"start_at = {_iso(start_at_s)}",
            f"length_km = {self._length_km:.1f}",
        ]
        if self._neutral_m:
            lines.append(f"neutral_km = {self._neutral_m / 1000.0:.1f}")
        loop = self._ground.loop
        if loop is not None:
            lines.append(
                f"laps = [{{ from_km = {self._km(loop.from_m):.2f}, "
                f"length_km = {loop.length_m * self._scale / 1000.0:.2f}, count = {loop.laps} }}]"
            )
        if self._draw.random() < 0.5:
            lines += [
                "[finish]",
                f"latitude_deg = {self._lat[-1]:.5f}",
                f"longitude_deg = {self._lon[-1]:.5f}",
            ]
        return "\n".join(lines) + "\n"


def _csv(header: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
