"""The weather along a stage: wind by place and time, from its stage or made from a seed."""

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.route import Line
from hardware.weather import Weather as Reported

Floats = NDArray[np.float64]

_HEADER = "km,from_time,temperature_degc,wind_mps,wind_from_deg,rain"
_STREAM = 2
_EVERY_S = 1_800.0
_SPELLS = 16
_STATIONS = 5
_LOW_WIND = 0.6
_STRETCH_ROWS = 80
_HIDDEN_ODDS = 0.35


@dataclass(frozen=True)
class Spell:
    """What one station says from one time on; wind as stations measure it, 10 m above ground."""

    km: float
    from_s: float
    temperature_degc: float
    wind_mps: float
    wind_from_deg: float
    rain: float = 0.0


@dataclass(frozen=True)
class Weather:
    """All spells of a stage."""

    spells: tuple[Spell, ...]

    @property
    def temperature_degc(self) -> float:
        """The mean of all spells."""
        return round(sum(s.temperature_degc for s in self.spells) / len(self.spells), 2)

    def wind(self, distance_m: Floats, at_s: float) -> tuple[Floats, Floats]:
        """Where the air goes, m/s east and north, at places of the road and an epoch time."""
        latest: dict[float, Spell] = {}
        for spell in self.spells:
            if spell.km not in latest or spell.from_s <= at_s:
                latest[spell.km] = spell
        stations = [latest[km] for km in sorted(latest)]
        at_m = np.array([spell.km * 1000.0 for spell in stations])
        # rounded, because a sine's last bit differs between machines and a race would carry it on
        east, north = (
            np.array(
                [round(-s.wind_mps * turn(math.radians(s.wind_from_deg)), 6) for s in stations]
            )
            for turn in (math.sin, math.cos)
        )
        return np.interp(distance_m, at_m, east), np.interp(distance_m, at_m, north)

    def sheet(self) -> str:
        """The text of a weather.csv that reads back as this weather."""
        lines = [_HEADER]
        for s in self.spells:
            time = dt.datetime.fromtimestamp(s.from_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            lines.append(
                f"{s.km:g},{time},{s.temperature_degc:g},{s.wind_mps:g},{s.wind_from_deg:g},{s.rain:g}"
            )
        return "\n".join(lines) + "\n"


def weather_of(rows: Iterable[Reported], line: Line) -> Weather | None:
    """A stage's weather by kilometre of its road; None where the stage has none.

    Args:
        rows: of the stage; one by latitude and longitude speaks for the nearest point of the road.
        line: the road.
    """
    spells = [
        Spell(_km(row, line), row.from_s, row.temperature_degc, row.wind_mps, row.wind_from_deg,
              float(row.rain or False))
        for row in rows
    ]  # fmt: skip
    return Weather(tuple(sorted(spells, key=lambda s: (s.km, s.from_s)))) if spells else None


def _km(row: Reported, line: Line) -> float:
    if row.km is not None:
        return row.km
    place = row.latitude_deg or 0.0, row.longitude_deg or 0.0
    narrow = round(math.cos(math.radians(place[0])), 9)
    north, east = line.latitude_deg - place[0], (line.longitude_deg - place[1]) * narrow
    return round(float(line.distance_m[np.argmin(north * north + east * east)]) / 1000.0, 3)


def made_weather(
    seed: int, start_s: float, length_m: float, wind_mps: tuple[float, float] = (1.0, 8.0)
) -> Weather:
    """A day's weather: a wind within `wind_mps` that turns and grows slowly, by half hours."""
    draw = np.random.Generator(np.random.PCG64([seed, _STREAM]))
    speed, temperature = draw.uniform(wind_mps[0], wind_mps[1]), draw.uniform(14.0, 30.0)
    from_deg, turning_deg = draw.uniform(0.0, 360.0), draw.uniform(-4.0, 4.0)
    first_s = math.floor(start_s / _EVERY_S) * _EVERY_S
    kms = [round(length_m / 1000.0 * k / (_STATIONS - 1), 1) for k in range(_STATIONS)]
    return Weather(
        tuple(
            Spell(
                km=km,
                from_s=first_s + k * _EVERY_S,
                temperature_degc=round(temperature + 0.3 * k, 1),
                wind_mps=round(speed * draw.uniform(0.85, 1.15) * (1.0 + 0.02 * k), 1),
                wind_from_deg=round((from_deg + turning_deg * k + draw.uniform(-8.0, 8.0)) % 360),
            )
            for km in kms
            for k in range(_SPELLS)
        )
    )


def shade_of(rows: int, draw: np.random.Generator) -> Floats:
    """Wind at a rider's height over wind at 10 m, by row of the road.

    A log profile over short grass (roughness 0.03 m) leaves 0.6 at one metre; hedges, woods and
    villages leave less, in stretches of some hundred metres.
    """
    stretches = rows // _STRETCH_ROWS + 1
    hidden = draw.random(stretches) < _HIDDEN_ODDS
    share = np.where(hidden, 0.4 + 0.4 * draw.random(stretches), 1.0)
    return np.asarray(_LOW_WIND * np.repeat(share, _STRETCH_ROWS)[:rows])
