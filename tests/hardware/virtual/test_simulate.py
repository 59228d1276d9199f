"""`hardware simulate`: whole folders or none, the same bytes anywhere, fit for a truck."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from plain_processor import on_a_plain_processor
from typer.testing import CliRunner

from hardware.cli import app
from hardware.errors import Misconfigured
from hardware.stage import load_stage
from hardware.virtual.faults import Faults, faults_of
from hardware.virtual.scenario import write_scenario
from hardware.virtual.simulate import simulate_stage
from tests.hardware.virtual.conftest import EVERY_FAULT, Simulated
from truck.replay import replay


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def made(folder: Path, seed: int = 2, seconds: int = 900) -> dict[str, str]:
    """A small scenario and its simulation."""
    write_scenario(folder / "scenario", seed, kind="circuit", length_km=12.0, riders=20)
    simulate_stage(folder / "scenario", folder / "out", seed, seconds=seconds, faults=EVERY_FAULT)
    return digests(folder)


def test_the_truth_has_a_row_a_rider_and_second(clean: Simulated) -> None:
    summary = json.loads((clean.folder / "summary.json").read_bytes())
    truth = clean.truth
    assert summary["schema"] == "hardware.simulate/1"
    assert truth.height == summary["riders"] * summary["seconds"] == 40 * 2_400
    assert truth.filter(pl.col("status") == "racing")["gap_s"].is_not_null().all()
    assert truth["distance_m"].max() <= summary["length_m"]
    assert summary["readings"] == clean.readings.height
    standings = pl.read_parquet(clean.folder / "truth" / "standings.parquet")
    assert set(standings["bib"]) == {s.bib for s in load_stage(clean.folder / "stage").startlist}


def test_what_was_reported_is_what_is_in_the_readings(faulty: Simulated) -> None:
    mishaps = ("wrong_binding", "clock_offset", "spare_on_roof", "in_car", "stale_fixes")
    odd = [bib for kind in mishaps for e in faulty.events(kind) for bib in e["bibs"]]
    truth = faulty.truth.filter(~pl.col("bib").is_in(odd))
    said = truth.filter(pl.col("reported")).select("measured_at", "bib")
    heard = faulty.readings.filter(~pl.col("bib").is_in(odd)).select("measured_at", "bib").unique()
    assert said.height == heard.height
    assert said.join(heard, on=["measured_at", "bib"], how="anti").height == 0


def test_the_truck_replays_what_was_simulated(tmp_path: Path) -> None:
    made(tmp_path, seconds=240)
    summary = replay(
        tmp_path / "out" / "stage", [tmp_path / "out" / "readings.parquet"], tmp_path / "replay"
    )
    assert summary["readings"]["rows"] > 2_000
    assert summary["frames"] <= 300
    bibs = {rider["bib"] for rider in summary["riders"]}
    assert {s.bib for s in load_stage(tmp_path / "out" / "stage").startlist} <= bibs


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first = made(tmp_path / "first")
    assert made(tmp_path / "again") == first
    other = made(tmp_path / "other", seed=4)
    assert all(other[name] != first[name] for name in first)


def test_a_plain_processor_writes_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys;"
        "from tests.hardware.virtual.test_simulate import made;"
        "made(pathlib.Path(sys.argv[1]))"
    )
    on_a_plain_processor(code, str(tmp_path / "plain"))
    assert digests(tmp_path / "plain") == made(tmp_path / "here")


def test_a_stage_without_start_list_and_weather_gets_both(tmp_path: Path) -> None:
    write_scenario(tmp_path / "stage", 2, kind="flat", length_km=10.0)
    for name in ("startlist.csv", "weather.csv"):
        (tmp_path / "stage" / name).unlink()
    simulate_stage(tmp_path / "stage", tmp_path / "out", 2, riders=12, seconds=120, faults=Faults())
    stage = load_stage(tmp_path / "out" / "stage")
    assert len(stage.startlist) == 12
    assert all(starter.gc_gap_s is not None for starter in stage.startlist)
    assert stage.weather


def test_days_differ_in_what_goes_wrong() -> None:
    days = [faults_of(seed, 5.0) for seed in range(0, 64, 2)]
    assert faults_of(2, 5.0) == faults_of(2, 5.0)
    assert any(day.hole_every_minute for day in days)
    assert 0.5 < sum(day.every_s == 1 for day in days) / len(days) < 0.9
    for name in ("gorges", "tunnels", "clocks", "stale", "dead", "wrong_pairs", "roofs", "holes"):
        counts = [getattr(day, name) for day in days]
        assert min(counts) < max(counts), name


def run(*arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "hardware", *map(str, arguments)], capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad") / "stage"
    write_scenario(folder, 2, length_km=10.0, riders=10)
    return folder


def test_the_commands_make_a_stage_and_ride_it(tmp_path: Path) -> None:
    code, said = run("scenario", tmp_path / "st", "--seed", 2, "--length-km", 9, "--riders", 9)
    assert (code, "circuit" in said) == (0, True)
    result = CliRunner().invoke(
        app,
        ["simulate", str(tmp_path / "st"), "--seed", "2", "--seconds", "90", "--json",
         "--faults", "none", "--out", str(tmp_path / "out")],
    )  # fmt: skip
    summary = json.loads(result.stdout)
    assert (summary["schema"], summary["riders"]) == ("hardware.simulate/1", 9)
    assert summary["seconds"] == 90


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        (["--riders", "0"], 2, "--riders"),
        (["--riders", "30"], 78, "names 10 riders. Leave out --riders"),
        (["--seed", "-1"], 2, "--seed"),
        (["--faults", "some"], 2, "--faults"),
    ],
)
def test_a_wrong_wish_is_one_sentence(
    wrong: list[str], code: int, said: str, stage: Path, tmp_path: Path
) -> None:
    done, error = run("simulate", stage, "--seed", 2, "--out", tmp_path / "out", *wrong)
    assert (done, said in error) == (code, True), error
    assert not list(tmp_path.iterdir())


def test_a_stage_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    code, error = run("simulate", tmp_path / "none", "--seed", 2, "--out", tmp_path / "out")
    assert (code, error.count("\n")) == (78, 0)
    assert "has no stage.toml" in error
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_or_unwritable_is_refused(stage: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("x")
    with pytest.raises(Misconfigured, match="is not empty"):
        simulate_stage(stage, tmp_path / "full", 2, seconds=60)
    with pytest.raises(Misconfigured, match="cannot write"):
        simulate_stage(stage, tmp_path / "full" / "precious" / "out", 2, seconds=60)
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "precious"]
