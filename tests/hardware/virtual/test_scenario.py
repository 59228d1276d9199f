"""Made-up stages: every kind loads as a stage, and means what it says."""

from pathlib import Path

import numpy as np
import pytest

from hardware.errors import Misconfigured
from hardware.route import Line, line_of
from hardware.stage import Stage, load_stage
from hardware.virtual.ground import GROUND, grounded
from hardware.virtual.scenario import kind_of, write_scenario
from hardware.virtual.terrain import KINDS


def made(folder: Path, **wish: object) -> tuple[Stage, Line]:
    write_scenario(folder, **wish)  # type: ignore[arg-type]
    stage = load_stage(folder)
    return stage, line_of(stage)


def plane(line: Line) -> tuple[np.ndarray, np.ndarray]:
    narrow = np.cos(np.radians(line.latitude_deg.mean()))
    return line.longitude_deg * 111_200.0 * narrow, line.latitude_deg * 111_200.0


def test_eight_even_and_eight_odd_seeds_hold_every_kind() -> None:
    for first in (0, 1, 16, 17):
        assert {kind_of(seed) for seed in range(first, first + 16, 2)} == set(KINDS)
    assert {kind_of(seed) for seed in range(8, 16)} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_stage_the_truck_can_read(kind: str, tmp_path: Path) -> None:
    stage, line = made(tmp_path / "stage", seed=4, kind=kind, length_km=60.0, riders=30)
    assert len(stage.startlist) == 30
    assert min(starter.gc_gap_s or 0.0 for starter in stage.startlist) == 0.0
    assert sum(starter.jersey == "yellow" for starter in stage.startlist) == 1
    assert stage.weather
    assert line.distance_m[-1] == pytest.approx(60_000, rel=0.02)
    assert (stage.kind == "time-trial") == (kind == "time-trial")
    assert all(0 < checkpoint.km <= stage.length_km for checkpoint in stage.checkpoints)
    known = np.isfinite(line.altitude_m)
    assert known.all() or not known.any()


def test_the_riders_of_a_time_trial_start_one_by_one(tmp_path: Path) -> None:
    stage, _ = made(tmp_path / "stage", seed=4, kind="time-trial", riders=30)
    starts = sorted(starter.start_at_s for starter in stage.startlist if starter.start_at_s)
    assert len(starts) == 30
    assert set(np.diff(starts)) == {60.0, 120.0}
    last = max(stage.startlist, key=lambda starter: starter.start_at_s or 0.0)
    assert last.jersey == "yellow"


@pytest.mark.parametrize("seed", range(0, 8, 2))
def test_laps_drawn_once_or_drawn_out_are_the_same_road_again(seed: int, tmp_path: Path) -> None:
    stage, line = made(tmp_path / "stage", seed=seed, kind="circuit", length_km=120.0)
    (circuit,) = stage.laps
    assert 3 <= circuit.count <= 8
    x, y = plane(line)
    at_m = np.linspace(200.0, circuit.length_km * 1000.0 - 200.0, 40) + circuit.from_km * 1000.0
    first, second = (
        np.array([np.interp(at_m + lap_m, line.distance_m, c) for c in (x, y)])
        for lap_m in (0.0, circuit.length_km * 1000.0)
    )
    assert np.hypot(*(first - second)).max() < 60.0  # spacing, and lengths to 10 m in the book


def test_the_ways_of_drawing_laps_both_occur(tmp_path: Path) -> None:
    drawn_m = []
    for seed in range(0, 12, 2):
        stage, line = made(tmp_path / str(seed), seed=seed, kind="circuit", length_km=60.0)
        drawn_m.append(len(stage.route.latitude_deg) == len(line.distance_m))
    assert set(drawn_m) == {True, False}


def test_out_and_back_uses_one_road_twice(tmp_path: Path) -> None:
    _, line = made(tmp_path / "stage", seed=2, kind="out-and-back", length_km=60.0)
    x, y = plane(line)
    start_m, end_m = line.distance_m[0], line.distance_m[-1]
    out_m = np.linspace(start_m + 100, (start_m + end_m) / 2 - 100, 50)
    there, back = (
        np.array([np.interp(at_m, line.distance_m, c) for c in (x, y)])
        for at_m in (out_m, start_m + end_m - out_m)
    )
    assert np.hypot(*(there - back)).max() < 60.0


def test_a_mountain_stage_climbs_as_mountains_do(tmp_path: Path) -> None:
    stage, line = made(tmp_path / "stage", seed=8, kind="mountain", length_km=150.0)
    at_m = np.arange(0.0, line.distance_m[-1], 1000.0)
    grade_pct = np.diff(np.interp(at_m, line.distance_m, line.altitude_m)) / 10.0
    assert 5.0 < np.percentile(grade_pct, 90) < 9.5
    assert grade_pct.max() < 13.0
    climbs = [checkpoint for checkpoint in stage.checkpoints if checkpoint.kind == "climb"]
    assert len(climbs) >= 2


def test_one_seed_writes_one_folder_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("a", 2), ("b", 2), ("c", 18)):
        write_scenario(tmp_path / name, seed, kind="hilly", length_km=20.0)
    a, b, c = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in "abc"
    )
    assert a == b
    assert all(a[name] != c[name] for name in a)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"kind": "velodrome"}, "is no kind of stage. Choose of flat"),
        ({"length_km": 1.0}, "Ask for 5 to 400 km"),
        ({"riders": 0}, "Ask for 1 to 999"),
    ],
)
def test_an_impossible_wish_is_one_sentence(
    wish: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured, match=said):
        write_scenario(tmp_path / "stage", 2, **wish)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(Misconfigured, match="is not empty"):
        write_scenario(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Misconfigured, match="cannot write"):
        write_scenario(tmp_path / "file" / "stage", 2, length_km=10.0)


def test_riders_climb_the_ground_and_not_the_noise_of_its_drawing(tmp_path: Path) -> None:
    write_scenario(tmp_path / "stage", 0, riders=3)
    stage = load_stage(tmp_path / "stage")
    ground = grounded(stage, tmp_path / "stage")
    off_m = ground.route.altitude_m - stage.route.altitude_m
    assert 0.1 < np.nanstd(off_m) < 2.0
    (tmp_path / "stage" / GROUND).write_text("altitude_m\n1\n2\n")
    with pytest.raises(Misconfigured, match="2 heights"):
        grounded(stage, tmp_path / "stage")
    (tmp_path / "stage" / GROUND).unlink()
    assert grounded(stage, tmp_path / "stage") is stage
