"""The CSV files of a stage: what spreadsheets make of them, units, status, kinds."""

import pytest

from hardware.checkpoints import read_checkpoints
from hardware.errors import Misconfigured
from hardware.stage import Checkpoint, Weather
from hardware.startlist import Starter, read_startlist
from hardware.weather import read_weather

HEAD = "km,from_time,temperature_degc,wind_mps,wind_from_deg,rain\n"
LINE = "12.5,2027-07-16T10:00:00Z,21,4.5,270,no\n"
NOON_S = 1_815_732_000.0  # 2027-07-16 10:00 UTC


def weather(text: str) -> tuple[Weather, ...]:
    return read_weather(text.encode())


def test_weather_by_kilometre_is_read_whole() -> None:
    assert weather(HEAD + LINE) == (Weather(NOON_S, 21.0, 4.5, 270.0, False, 12.5),)


@pytest.mark.parametrize("names", ["lat,lon", "latitude_deg,longitude_deg"])
def test_weather_by_place_is_read_whole(names: str) -> None:
    text = f"{names},from_time,temperature_degc,wind_mps,wind_from_deg\n"
    (found,) = weather(text + "42.9,-0.1,2027-07-16T12:00:00+02:00,21,4.5,270\n")
    assert (found.km, found.latitude_deg, found.longitude_deg) == (None, 42.9, -0.1)
    assert (found.from_s, found.rain) == (NOON_S, None)


def test_weather_comes_in_order_of_time() -> None:
    later = LINE.replace("10:00", "09:00").replace("12.5", "90")
    assert [w.km for w in weather(HEAD + LINE + later)] == [90.0, 12.5]


@pytest.mark.parametrize(
    ("said", "meant"),
    [("", None), ("0", False), ("0.0", False), ("2.5", True), ("yes", True), ("dry", False)],
)
def test_rain_is_yes_no_or_millimetres(said: str, meant: bool | None) -> None:
    assert weather(HEAD + LINE.replace("no\n", f"{said}\n"))[0].rain is meant


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (HEAD.replace("wind_mps", "wind_kmh") + LINE, ["'wind_kmh'", "wind_mps", "metres a s"]),
        (HEAD.replace("wind_mps", "wind_kn") + LINE, ["'wind_kn'", "wind_mps", "1.944"]),
        (HEAD.replace("temperature_degc", "temperature_f") + LINE, ["'temperature_f'", "Celsius"]),
        (HEAD.replace("temperature_degc", "temp_k") + LINE, ["'temp_k'", "Celsius"]),
        (HEAD.replace("wind_from_deg", "wind_dir") + LINE, ["'wind_dir'", "wind_from_deg"]),
        (HEAD.replace("wind_from_deg,", "") + LINE.replace(",270", ""),
         ["'wind_from_deg'", "missing"]),
        (HEAD.replace("from_time", "time") + LINE, ["'time'", "from_time", "zone"]),
        (HEAD + LINE.replace("4.5", "54"), ["weather.csv, line 2, wind_mps", "'54'", "0 to 45"]),
        (HEAD + LINE.replace("4.5", "-1"), ["line 2, wind_mps", "'-1'"]),
        (HEAD + LINE.replace(",21,", ",70,"), ["line 2, temperature_degc", "'70'", "-30 to 50"]),
        (HEAD + LINE.replace("270", "400"), ["line 2, wind_from_deg", "'400'", "0 to 360"]),
        (HEAD + LINE.replace("270", "NW"), ["line 2, wind_from_deg", "'NW'", "not a number"]),
        (HEAD + LINE.replace("4.5", ""), ["line 2, wind_mps", "empty"]),
        (HEAD + LINE.replace("12.5", ""), ["line 2, km", "no place"]),
        (HEAD + LINE.replace("Z", ""), ["line 2, from_time", "zone"]),
        (HEAD + LINE.replace("no\n", "maybe\n"), ["line 2, rain", "'maybe'"]),
    ],
)  # fmt: skip
def test_weather_in_another_unit_or_beyond_belief_is_one_sentence(
    text: str, parts: list[str]
) -> None:
    with pytest.raises(Misconfigured) as raised:
        weather(text)
    for part in parts:
        assert part in str(raised.value)


def test_a_spreadsheet_s_semicolons_mark_and_decimal_commas_are_read() -> None:
    text = "\ufeffsep=;\r\nKM ;Kind;Name\r\n12,5;Climb;Col, the high one\r\n"
    assert read_checkpoints(text.encode()) == (Checkpoint(12.5, "climb", "Col, the high one"),)
    assert read_checkpoints(b"km\tkind\tname\n1,5\tfeed\t\n") == (Checkpoint(1.5, "feed", ""),)


def test_a_decimal_comma_between_commas_says_what_to_do() -> None:
    with pytest.raises(Misconfigured, match=r"line 2: 4 cells under 3 columns\. .*decimal point"):
        read_checkpoints(b"km,kind,name\n12,5,climb,Col\n")


def test_a_column_twice_is_refused() -> None:
    with pytest.raises(Misconfigured, match="'km' stands twice"):
        read_checkpoints(b"km,kind,name,km\n12.5,climb,Col,13\n")


def test_checkpoints_keep_unknown_kinds_and_come_in_order() -> None:
    found = read_checkpoints(b"km,kind,name\n9,Gravel,Sector 2\n-1,start,\n3,intermediate,T1\n")
    assert [(c.km, c.kind) for c in found] == [(-1, "start"), (3, "intermediate"), (9, "gravel")]


def test_metres_in_the_kilometre_column_are_refused() -> None:
    with pytest.raises(Misconfigured, match=r"line 2, km: '12500' is outside -100 to 1000"):
        read_checkpoints(b"km,kind,name\n12500,climb,Col\n")


def test_starters_may_be_out_before_the_start() -> None:
    text = b"bib,name,team,status\n1,A,X,\n2,B,X,DNS\n3,C,X,abandoned\n4,D,X,dnf\n"
    statuses = [starter.status for starter in read_startlist(text)]
    assert statuses == [None, "dns", "abandoned", "abandoned"]
    with pytest.raises(Misconfigured, match=r"line 2, status: 'ill' is unknown"):
        read_startlist(b"bib,name,team,status\n1,A,X,ill\n")


def test_a_starter_of_a_time_trial_has_his_own_time() -> None:
    text = b"bib,name,team,gc_gap_s,start_at\n1,A,X,12.5,2027-07-16T10:00:00Z\n"
    assert read_startlist(text) == (Starter(1, "A", "X", 12.5, start_at_s=NOON_S),)
    with pytest.raises(Misconfigured, match=r"line 2, start_at: '10:00:00' is no time"):
        read_startlist(text.replace(b"2027-07-16T10:00:00Z", b"10:00:00"))
