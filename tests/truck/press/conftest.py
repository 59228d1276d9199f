"""A short stage that riders finish, simulated once and replayed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hardware.cli import app as hardware
from hardware.stage import load_stage
from truck.press.day import Day, day_of
from truck.race.course import Course
from truck.rehearsal.ride import Ridden
from truck.replay import replay


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("press")
    run = CliRunner().invoke
    made = ["scenario", str(folder / "road"), "--seed", "4", "--kind", "mountain"]
    assert run(hardware, [*made, "--length-km", "14", "--riders", "24"]).exit_code == 0
    ridden = ["simulate", str(folder / "road"), "--seed", "4", "--faults", "none"]
    assert run(hardware, [*ridden, "--out", str(folder / "day")]).exit_code == 0
    return folder / "day"


@pytest.fixture(scope="session")
def replayed(simulated: Path) -> Path:
    replay(simulated / "stage", [simulated / "readings.parquet"], simulated / "tables")
    return simulated / "tables"


@pytest.fixture(scope="session")
def day(simulated: Path, replayed: Path) -> Day:
    stage = load_stage(simulated / "stage")
    summary = json.loads((replayed / "summary.json").read_bytes())
    return day_of(Ridden(stage, Course(stage), replayed, summary))
