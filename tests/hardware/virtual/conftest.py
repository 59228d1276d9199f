"""Two small simulated stages that several tests read: one sensed cleanly, one with every fault."""

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

from hardware.virtual.faults import Faults
from hardware.virtual.scenario import write_scenario
from hardware.virtual.simulate import simulate_stage

EVERY_FAULT = Faults(
    gorges=2, tunnels=1, clocks=2, stale=3, yesterday=1, dead=2, swaps=2, swaps_silent=1,
    wrong_pairs=2, corrected_share=0.5, roofs=2, doubles_on_roofs=1, holes=3, rider_gaps=8,
    stretch_gaps=2, filled_share=0.5, lost_share=0.01, doubled_share=0.02, straggling_share=0.01,
    power_share=0.5, heart_rate_share=0.6, cadence_share=0.5,
)  # fmt: skip


@dataclass(frozen=True)
class Simulated:
    """A simulated stage read back from its files."""

    folder: Path
    seed: int

    def _read(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.folder / name)

    @property
    def readings(self) -> pl.DataFrame:
        return self._read("readings.parquet")

    @property
    def truth(self) -> pl.DataFrame:
        return self._read("truth/riders.parquet").with_columns(pl.col("status").cast(pl.String))

    def events(self, kind: str) -> list[dict[str, object]]:
        return self._read("truth/events.parquet").filter(pl.col("kind") == kind).to_dicts()

    def of(self, bib: int) -> pl.DataFrame:
        """A bib's readings beside the truth of its second."""
        mine = self.readings.filter(pl.col("bib") == bib)
        return mine.join(self.truth, on=["measured_at", "bib"], how="inner", suffix="_true")


def simulated(folder: Path, faults: Faults, seconds: int) -> Simulated:
    write_scenario(folder / "stage", 4, kind="mountain", length_km=30.0, riders=40)
    simulate_stage(folder / "stage", folder / "out", 4, seconds=seconds, faults=faults)
    return Simulated(folder / "out", 4)


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulated(tmp_path_factory.mktemp("clean"), Faults(), 2_400)


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulated(tmp_path_factory.mktemp("faulty"), EVERY_FAULT, 6_000)


@pytest.fixture(scope="session")
def coarse(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """A feed of frames every six seconds, silent for half of every minute."""
    faults = replace(Faults(), every_s=6, step_deg=1e-5, hole_every_minute=True)
    return simulated(tmp_path_factory.mktemp("coarse"), faults, 900)
