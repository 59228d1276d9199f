"""Frames as JSON: columns, no NaN, the same bytes for the same frame."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rides_race import race_of, straight_readings

from truck.race.race import Race
from truck.serve.feed import encode_course, encode_frame


@pytest.fixture(scope="module")
def race(stage: Path) -> Race:
    return race_of(stage)


def strict(data: bytes) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    assert b"\n" not in data
    return json.loads(data, parse_constant=refuse)


def test_a_frame_is_columns_of_one_length_with_null_for_the_unknown(race: Race) -> None:
    begun_us = int(race.stage.start_at_s or 0) * 1_000_000
    at_us = begun_us + np.arange(100) * 1_000_000
    race.advance(straight_readings(race, 1, at_us, np.arange(100) * 10.0, np.nan))
    extras = {"latency": {"p50_s": math.nan, "by_hop": {"radio": {"p99_s": math.inf}}}}
    data = encode_frame(race.frame(int(at_us[-1])), extras)
    frame = strict(data)
    assert frame["schema"] == "truck.frame/1"
    assert frame["at_us"] == at_us[-1]
    assert frame["at"].endswith("Z")
    assert {len(column) for column in frame["riders"].values()} == {5}
    assert {len(column) for column in frame["groups"].values()} == {1}
    riders = frame["riders"]
    assert riders["bib"] == [1, 2, 3, 4, 5]
    assert riders["distance_m"][0] == pytest.approx(990, abs=20)
    assert riders["distance_m"][1] is None
    assert riders["power_w"][0] is None
    assert riders["status"] == ["racing", *["not_seen"] * 4]
    assert frame["latency"] == {"p50_s": None, "by_hop": {"radio": {"p99_s": None}}}
    assert data == encode_frame(race.frame(int(at_us[-1])), extras)


def test_the_course_is_a_profile_and_checkpoints(race: Race) -> None:
    course = strict(encode_course(race.stage, race.course))
    assert course["schema"] == "truck.course/1"
    assert course["length_m"] == pytest.approx(race.course.length_m, abs=0.1)
    profile = course["profile"]
    assert len({len(column) for column in profile.values()}) == 1
    assert profile["distance_m"][0] == 0.0
    assert profile["distance_m"][-1] == course["length_m"]
    assert len(course["checkpoints"]["name"]) == len(race.stage.checkpoints) > 0
