"""weather.csv: what the air does along the road, as forecast or measured."""

from dataclasses import dataclass

from hardware.errors import Misconfigured
from hardware.sheet import Row, read_sheet

# beyond these no race is held: stages are stopped long before 45 m/s (hurricane is 33)
_WIND_MOST_MPS = 45.0
_TEMPERATURE_DEGC = (-30.0, 50.0)
_UNITS = {
    "from_time": "date and time with its zone, as 2027-07-16T10:35:00Z",
    "temperature_degc": "degrees Celsius",
    "wind_mps": "metres a second (km/h divided by 3.6, knots by 1.944)",
    "wind_from_deg": "degrees clockwise from north, where the wind comes from",
}
_NO = ("0", "no", "none", "dry", "false", "n")
_YES = ("1", "yes", "wet", "rain", "true", "y", "light", "moderate", "heavy")


@dataclass(frozen=True)
class Weather:
    """The air at one place from one instant on; the place is a `km` or a latitude and longitude.

    Attributes:
        from_s: seconds since 1970 UTC.
        temperature_degc: of the air.
        wind_mps: at 10 m height, as forecasts give it.
        wind_from_deg: clockwise from north.
        rain: None where nothing is said.
        km: after the flag.
    """

    from_s: float
    temperature_degc: float
    wind_mps: float
    wind_from_deg: float
    rain: bool | None = None
    km: float | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None


def read_weather(data: bytes | None) -> tuple[Weather, ...]:
    """The weather in order of time; none without the file.

    Raises:
        Misconfigured: with line, field and the cure; also for a column in another unit.
    """
    if data is None:
        return ()
    rows: list[Weather] = []
    for row in read_sheet("weather.csv", data, ()):
        if not rows:
            _check_columns(row)
        rows.append(_weather(row))
    return tuple(sorted(rows, key=lambda weather: weather.from_s))


def _check_columns(row: Row) -> None:
    for column in _UNITS:
        if column in row.cells:
            continue
        wanted = f"'{column}', in {_UNITS[column]}"
        others = [name for name in sorted(row.cells) if _stands_for(name, column)]
        if others:
            raise Misconfigured(
                f"weather.csv, line 1: '{others[0]}' is in another unit or under another name",
                f"Give {wanted}.",
            )
        raise Misconfigured(
            f"weather.csv, line 1: the column '{column}' is missing", f"Add {wanted}."
        )


def _stands_for(name: str, column: str) -> bool:
    """Whether a column of another name means what ours does."""
    if name in _UNITS:
        return False
    direction = any(part in name for part in ("dir", "from", "deg", "bearing"))
    if column.startswith("wind"):
        return "wind" in name and direction == (column == "wind_from_deg")
    return name[:4] == column[:4] or (column == "from_time" and "time" in name)


def _weather(row: Row) -> Weather:
    row.needed("from_time")
    return Weather(
        from_s=row.instant_s("from_time") or 0.0,
        temperature_degc=row.needed_number("temperature_degc", *_TEMPERATURE_DEGC),
        wind_mps=row.needed_number("wind_mps", 0.0, _WIND_MOST_MPS),
        wind_from_deg=row.needed_number("wind_from_deg", 0.0, 360.0),
        rain=_rain(row),
        **_place(row),
    )


def _place(row: Row) -> dict[str, float | None]:
    km = row.number("km", -100.0, 1000.0)
    latitude, longitude = ("latitude_deg", "lat"), ("longitude_deg", "lon")
    lat = next((row.number(name, -90.0, 90.0) for name in latitude if row.text(name)), None)
    lon = next((row.number(name, -180.0, 180.0) for name in longitude if row.text(name)), None)
    if km is None and (lat is None or lon is None):
        raise row.wrong("km", "the line has no place", "Fill in km, or lat and lon.")
    return {"km": km, "latitude_deg": lat, "longitude_deg": lon}


def _rain(row: Row) -> bool | None:
    """Yes or no, or millimetres an hour."""
    text = (row.text("rain") or "").lower()
    if not text:
        return None
    if text in _NO or text in _YES:
        return text in _YES
    return row.needed_number("rain", 0.0, 500.0) > 0.0
