"""The stage folder and readings of five real riders, and a truck that trusts a team, made once."""

from pathlib import Path

import pytest
from packed_truck import PackedTruck
from rides_race import RIDES

from hardware.rides import read_rides
from hardware.virtual.stage import write_stage_from_rides
from truck.race.readings import Readings
from truck.readings import read_readings


@pytest.fixture(scope="session")
def stage(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage folder whose route is the longest of the five rides."""
    folder = tmp_path_factory.mktemp("stage")
    write_stage_from_rides(folder, read_rides(shared / RIDES))
    return folder


@pytest.fixture(scope="session")
def readings(shared: Path) -> Readings:
    """All readings of the five, by time."""
    return read_readings([shared / RIDES])


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> PackedTruck:
    """For copies of it: keys and stage are made once."""
    return PackedTruck(tmp_path_factory.mktemp("packed"))
