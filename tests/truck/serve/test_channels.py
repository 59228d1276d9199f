"""The channels of a race as it is ridden, held to their schemas; moments; GeoJSON."""

import json
from typing import Any

import jsonschema_rs
import pytest
from feed_race import FeedRace, second_of

from truck.race.rulings import Ruling
from truck.serve.channels import CHANNELS, PRIVATE, schema_of
from truck.serve.geo import encode_geo
from truck.serve.moments import Moments, Passed
from truck.serve.schemas import NAMES, schema


def held(name: str, document: Any) -> None:
    errors = list(jsonschema_rs.Draft202012Validator(schema(name)).iter_errors(document))
    assert not errors, f"{name}: {errors[0]}"


@pytest.fixture(scope="module")
def ridden() -> list[dict[str, Any]]:
    """Every channel of every second."""
    race = FeedRace()
    return [
        {name: json.loads(data) for name, data in race.at(second).items()}
        for second in race.seconds
    ]


def test_every_schema_is_one_and_allows_nothing_it_does_not_name() -> None:
    assert set(CHANNELS) < set(NAMES)
    for name in NAMES:
        jsonschema_rs.meta.validate(schema(name))
        assert schema(name)["$schema"].endswith("2020-12/schema")
        assert schema(name)["additionalProperties"] is False
    for name in CHANNELS:
        assert schema(name)["properties"]["schema"] == {"const": schema_of(name)}


def test_every_frame_of_a_race_is_what_its_schema_says(ridden: list[dict[str, Any]]) -> None:
    for documents in ridden:
        for name in CHANNELS:
            held(name, documents[name])
            numbers = {documents[name][key] for key in ("number", "at_us")}
            assert numbers == {documents["frame"]["at_us"]}


def test_columns_have_one_length_and_every_rider_his_age_and_quality(
    ridden: list[dict[str, Any]],
) -> None:
    for documents in ridden:
        for name in ("riders", "groups", "moments", "weather", "predictions"):
            assert len({len(column) for column in documents[name][name].values()}) == 1
    riders = ridden[-1]["riders"]["riders"]
    assert len(riders["bib"]) == 30
    heard = [n for n, status in enumerate(riders["status"]) if status != "not_seen"]
    assert len(heard) == 20
    assert all(riders["age_s"][n] is not None and riders["quality"][n] for n in heard)
    assert ridden[-1]["health"]["riders_heard"] == 20


def test_what_everybody_sees_tells_nobodys_heart_rate(ridden: list[dict[str, Any]]) -> None:
    text = json.dumps([{name: documents[name] for name in CHANNELS} for documents in ridden])
    for name in (*PRIVATE, "moto-1", "signature"):
        assert name not in text


def test_moments_are_points_of_the_road_and_the_crash(ridden: list[dict[str, Any]]) -> None:
    moments = ridden[-1]["moments"]["moments"]
    rows = dict(zip(moments["moment_id"], zip(*moments.values(), strict=True), strict=True))
    assert list(rows) == ["point-0", "incident-1", "point-2"]
    _, kind, at, bibs, at_m, name, probability, is_open = rows["point-0"]
    assert (kind, bibs, at_m, name, is_open) == ("climb", list(range(1, 11)), 1000.0, "Hill", False)
    # the first rider, bib 1, is 557 m after the flag at the first second and rides 12 m/s
    assert at.startswith("2026-07-16T10:36:36.9")
    assert probability is None
    assert rows["incident-1"][1:4] == ("crash", "2026-07-16T10:37:00.000Z", [7, 8, 9])
    assert set(rows["point-2"][3]).isdisjoint({7, 8, 9})
    was_open = [
        "incident-1" in one["moments"]["moments"]["moment_id"]
        and one["moments"]["moments"]["is_open"][1]
        for one in ridden
    ]
    assert was_open.index(True) < 70
    assert not was_open[-1]


def test_rulings_that_concern_everybody_are_moments_and_a_dismissed_incident_is_none() -> None:
    race = FeedRace(seconds=90)
    at_us = second_of(80) * 1_000_000
    race.rulings = [
        Ruling(1, at_us, "anna", "abandon", bib=8, note="collarbone"),
        Ruling(2, at_us, "anna", "dismiss", incident=1),
        Ruling(3, at_us, "anna", "swap", bib=9, device=77),
    ]
    documents = [race.at(second) for second in race.seconds]
    last = json.loads(documents[-1]["moments"])["moments"]
    assert last["moment_id"] == ["point-0", "ruling-1"]
    assert (last["kind"][1], last["bibs"][1]) == ("abandon", [8])
    assert b"collarbone" not in documents[-1]["moments"]


def test_moments_go_on_after_a_restart_with_what_the_view_tells(
    ridden: list[dict[str, Any]],
) -> None:
    begun = FeedRace()
    expected = [documents["moments"]["moments"] for documents in ridden]
    told = expected[99]
    for second in begun.seconds[:99]:
        begun.race.advance(begun._by_second[second])
    passed = [
        Passed(int(name.removeprefix("point-")), tuple(bibs), 0)
        for name, bibs in zip(told["moment_id"], told["bibs"], strict=True)
        if name.startswith("point-")
    ]
    said = list(begun.race.frame(begun.seconds[98] * 1_000_000).open)
    begun.channels._moments = Moments(begun.race.stage.checkpoints, passed, said)
    later = [json.loads(begun.at(s)["moments"])["moments"] for s in begun.seconds[99:]]
    for mine, theirs in zip(later, expected[99:], strict=True):
        assert sorted(mine["moment_id"]) == sorted(theirs["moment_id"])


def test_the_weather_is_between_its_stations_and_against_the_road(
    ridden: list[dict[str, Any]],
) -> None:
    weather = ridden[0]["weather"]["weather"]
    assert weather["distance_m"] == [0.0, 10_000.0, pytest.approx(20_000, abs=20)]
    assert weather["temperature_degc"] == [20.0, 22.0, 24.0]
    assert weather["wind_mps"][0] == 5.0
    assert weather["wind_from_deg"][::2] == [270.0, 10.0]
    assert weather["headwind_mps"][0] == pytest.approx(-5.0, abs=0.1), (
        "eastward, wind from the west"
    )
    assert weather["crosswind_mps"][2] == pytest.approx(7.0, abs=0.3), "from the left"


def test_the_map_is_geojson_of_the_road_the_points_the_groups_and_the_riders(
    ridden: list[dict[str, Any]],
) -> None:
    course = json.loads(FeedRace(seconds=1).course)
    held("course", course)
    last = ridden[-1]
    geo = json.loads(encode_geo(course, last["riders"], last["groups"]))
    held("geo", geo)
    kinds = [one["properties"]["kind"] for one in geo["features"]]
    groups = len(last["groups"]["groups"]["group_id"])
    assert kinds == ["route", *["checkpoint"] * 3, *["group"] * groups, *["rider"] * 20]
    assert len({one["id"] for one in geo["features"]}) == len(kinds)
    lon, lat = geo["features"][-1]["geometry"]["coordinates"]
    last_heard = last["riders"]["riders"]["status"].index("not_seen") - 1
    assert lat == last["riders"]["riders"]["latitude_deg"][last_heard]
    assert lon == last["riders"]["riders"]["longitude_deg"][last_heard]
