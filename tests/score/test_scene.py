"""The measures on a stage of three riders, from files as a simulation and a replay write them."""

import datetime as dt
import math
from pathlib import Path
from typing import Any

import gaps
import groups
import naive
import progress
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import run
import seeds
import sparse
import typer
from figure import pooled
from scene import Missing, Scene

NAN = float("nan")
START_S = 1_800_000_000


def write_tables(folder: Path, **tables: list[dict[str, Any]]) -> None:
    for name, rows in tables.items():
        path = folder / f"{name.replace('__', '/')}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path)


def write_road(folder: Path) -> None:
    """Four kilometres north."""
    folder.mkdir(parents=True)
    points = "".join(f'<trkpt lat="{45 + k * 0.009:.4f}" lon="5.0"/>' for k in range(5))
    (folder / "route.gpx").write_text(
        f'<gpx version="1.1" creator="t"><trk><trkseg>{points}</trkseg></trk></gpx>'
    )
    (folder / "stage.toml").write_text('name = "North"\nkind = "road"\n')


def at(second: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(START_S + second, dt.UTC)


@pytest.fixture
def three(tmp_path: Path) -> Scene:
    """Riders 1 and 2 together, 3 alone 100 m behind; all at 10 m/s, ours 2 m ahead of the truth."""
    riders = {1: 0.0, 2: 5.0, 3: 100.0}
    truth, states, readings = [], [], []
    for second in range(120):
        for bib, behind_m in riders.items():
            distance_m = 1000.0 + 10.0 * second - behind_m
            truth.append({
                "measured_at": at(second), "bib": bib, "distance_m": distance_m, "speed_mps": 10.0,
                "gap_s": behind_m / 10.0, "group_id": 1 if bib < 3 else 2, "status": "racing",
            })  # fmt: skip
            states.append({
                "measured_at": at(second), "bib": bib, "distance_m": distance_m + 2.0,
                "gap_s": behind_m / 10.0 + 0.5 * (bib == 3), "speed_mps": 10.0, "age_s": 0.0,
                "group_id": 4 if bib < 3 else 9, "status": "racing",
            })  # fmt: skip
            north_deg = 45.0 + distance_m / 111_130.0
            readings.append({
                "measured_at": at(second), "bib": bib, "latitude_deg": north_deg,
                "longitude_deg": 5.0,
                "speed_mps": 0.0 if bib == 3 and second >= 60 else 10.0,
            })  # fmt: skip
    events = [{
        "kind": "in_car", "bibs": [2], "started_at": at(0), "ended_at": None, "distance_m": None,
    }]  # fmt: skip
    simulated, replayed = tmp_path / "simulated", tmp_path / "replayed"
    write_road(simulated / "stage")
    write_tables(simulated, truth__riders=truth, truth__events=events, readings=readings)
    write_tables(replayed, states=states)
    return Scene(simulated, replayed)


def test_a_scene_lays_truth_states_and_readings_on_one_grid(three: Scene) -> None:
    assert three.seconds.tolist() == list(range(START_S, START_S + 120))
    assert three.bibs.tolist() == [1, 2, 3]
    assert (three.ours("distance_m") - three.truth("distance_m") == 2.0).all()
    assert three.sound.tolist() == [True, False, True]
    assert three.racing.all()
    assert three.shown.all()
    with pytest.raises(Missing, match=r"states\.effort_w"):
        three.ours("effort_w")


def test_gaps_are_judged_on_sound_devices_against_distance_by_speed(three: Scene) -> None:
    found = gaps.figures(three)
    ours, plain = found["gap, 1 Hz, mean error"]
    assert pooled([ours]) == pytest.approx(0.25)  # half a second of one rider of two
    assert pooled([plain]) == pytest.approx(0.0)
    assert math.isnan(pooled([found["gap, in holes, p95"][0]]))


def test_groups_of_a_scene(three: Scene) -> None:
    found = groups.figures(three)
    assert pooled([found["groups, ARI"][0]]) == 1.0
    assert pooled([found["groups, id switches"][0]]) == 0.0
    assert pooled([found["groups, share of riders in one"][0]]) == 1.0


def test_the_baseline_of_incidents_is_thirty_seconds_of_standing(three: Scene) -> None:
    (found,) = naive.still_alarms(three)
    assert found.bibs == {3}
    assert found.raised_s == START_S + 89


def test_a_rider_is_lost_after_a_minute_far_from_where_he_is(three: Scene) -> None:
    ours_m = three.ours("distance_m").copy()
    assert sparse.lost(three, ours_m, three.shown_on) == 0
    ours_m[:59, 2] += 300.0
    assert sparse.lost(three, ours_m, three.shown_on) == 0
    ours_m[:61, 2] = NAN
    assert sparse.lost(three, ours_m, three.shown_on) == 1


def test_thinning_leaves_frames_of_six_seconds_and_holes_of_thirty(tmp_path: Path) -> None:
    rows = [{"measured_at": at(second), "bib": 1} for second in range(120)]
    write_tables(tmp_path, readings=rows)
    sparse.thin(tmp_path / "readings.parquet", tmp_path / "thin.parquet")
    seconds = [
        int(row["measured_at"].timestamp()) - START_S
        for row in pq.read_table(tmp_path / "thin.parquet").to_pylist()
    ]
    assert seconds == [30, 36, 42, 48, 54, 90, 96, 102, 108, 114]


def test_a_rider_is_held_against_his_latest_fix_for_ten_seconds(three: Scene) -> None:
    readings = {name: column[:105] for name, column in three.readings.items()}
    three.__dict__["readings"] = readings  # rider 1 goes silent after 105 s
    held = three.held(readings["at_s"])
    assert held[104, 0] == START_S + 104
    assert held[114, 0] == START_S + 104
    assert math.isnan(held[115, 0])
    assert math.isnan(held[0, 2])


def test_seeds_kept_aside_are_odd_and_open_ones_even() -> None:
    size = seeds.Size(60, 60)
    assert [wish.seed for wish in run.wishes_of("aside", 3, size)] == [1, 3, 5]
    assert [wish.seed for wish in run.wishes_of("open", 3, size)] == [0, 2, 4]
    assert [wish.seed for wish in run.wishes_of("both", 3, size)] == [0, 1, 2]
    assert [wish.name for wish in run.wishes_of("2,12", 8, size)] == ["2", "12"]
    with pytest.raises(typer.BadParameter):
        run.wishes_of("odd ones", 8, size)


def test_to_every_four_stages_comes_one_of_each_rare_kind_of_seeds_of_its_own() -> None:
    wishes = run.wishes_of("aside", 8, seeds.Size(60, 60))
    names = [wish.name for wish in wishes]
    assert names[8:] == ["17-mountain", "19-plain", "21-mountain", "23-plain"]
    assert len({wish.seed for wish in wishes}) == 12


def test_a_short_stage_of_few_riders_has_its_part_of_the_faults_of_a_whole_one() -> None:
    short = [seeds.part_of_faults(seed, seeds.Size(60, 60)) for seed in range(0, 800, 2)]
    whole = [seeds.faults_of(seed, 4.5) for seed in range(0, 800, 2)]
    for name, share in (("gorges", 60 / 270), ("clocks", 60 / 176)):
        counts = [sum(getattr(faults, name) for faults in each) for each in (short, whole)]
        assert counts[0] == pytest.approx(share * counts[1], rel=0.2)
    assert short == [seeds.part_of_faults(seed, seeds.Size(60, 60)) for seed in range(0, 800, 2)]
    assert seeds.part_of_faults(2, seeds.Size(176, 0)) == seeds.faults_of(2, 4.5)


# --- progress


def test_progress_of_a_scene_against_the_nearest_point(three: Scene) -> None:
    found = progress.figures(three)
    ours, plain = found["progress, sound devices, median"]
    assert pooled([ours]) == pytest.approx(2.0)
    assert pooled([plain]) < 6.0
    for name in ("wrong laps or legs", "steps back"):
        assert pooled([found[f"progress, all devices, {name}"][0]]) == 0.0
    assert pooled([found["progress, share of heard riders placed"][0]]) == 1.0
