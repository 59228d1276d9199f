"""Two roads held against each other: where they part, what moved, and how it is drawn."""

from pathlib import Path

import numpy as np
import pytest

from hardware.stage import load_stage
from hardware.virtual.course import course_of
from hardware.virtual.stage import Checkpoint, virtual_starters, write_stage
from truck.race.course import Course
from truck.rehearsal.picture import picture_of_both
from truck.rehearsal.roads import roads_apart


def road(folder: Path, aside_deg: float, sprint_km: float) -> Course:
    """20 km to the north, the last 8 km of it `aside_deg` further east."""
    north = np.linspace(0.0, 0.18, 400)
    east = aside_deg * np.clip((north - 0.108) / 0.01, 0.0, 1.0)
    course = course_of(45.0 + north, 6.0 + east, 300.0 + 400.0 * np.sin(north * 20.0))
    points = [Checkpoint(sprint_km, "sprint", "Bridge"), Checkpoint(4.0, "feed", "Mill")]
    write_stage(
        folder, course, virtual_starters([1]), name=folder.name, start_at_s=1.8e9,
        checkpoints=points,
    )  # fmt: skip
    return Course(load_stage(folder))


@pytest.fixture(scope="module")
def roads(tmp_path_factory: pytest.TempPathFactory) -> tuple[Course, Course]:
    folder = tmp_path_factory.mktemp("roads")
    return road(folder / "today", 0.0, 9.0), road(folder / "next", 0.02, 9.5)


def test_a_road_that_turns_off_is_told_by_where_and_how_much(roads: tuple[Course, Course]) -> None:
    apart = roads_apart(*roads)
    assert apart["parts_at_km"] == pytest.approx(12.1, abs=0.3)
    assert apart["shared_share"] == pytest.approx(12.1 / 20.6, abs=0.03)
    assert apart["finish_moved_m"] == pytest.approx(1570.0, abs=30.0)  # 0.02 degrees at 45 north
    assert apart["length_km"]["change"] > 0.5
    assert apart["points"][-1] == {
        "what": "sprint Bridge", "km": {"today": 9.0, "next": 9.5, "change": 0.5}
    }  # fmt: skip
    assert "feed Mill" not in {point["what"] for point in apart["points"]}


def test_the_same_road_differs_in_nothing(roads: tuple[Course, Course]) -> None:
    apart = roads_apart(roads[0], roads[0])
    assert (apart["shared_share"], apart["parts_at_km"], apart["finish_moved_m"]) == (1.0, None, 0)
    assert (apart["points"], apart["length_km"]["change"]) == ([], 0.0)


def test_another_road_is_drawn_as_such_and_the_same_is_not(roads: tuple[Course, Course]) -> None:
    stage = {"today": "<Today>", "next": "Next & more"}
    drawn = picture_of_both({"stage": stage, "course": roads_apart(*roads)}, *roads)
    same = picture_of_both(
        {"stage": stage, "course": roads_apart(roads[0], roads[0])}, roads[0], roads[0]
    )
    assert drawn.count('class="apart"') == 2  # in the legend and on the map
    assert same.count('class="apart"') == 1
    assert "Next &amp; more" in drawn
    assert "<Today>" not in drawn
