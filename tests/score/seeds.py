"""One seed from nothing to its figures: scenario, simulation, replay, measures.

What is made stays under build/score/<seed>, with a key of all it was made from: a change in truck/
replays again and does not simulate again, a change in hardware/ does both.

A simulated stage has so many gorges and misbound trackers whatever its length and field, for they
are those of a whole stage of 176 riders. Shorter stages of fewer riders get their part of them, so
that a kilometre and a rider meet as many as on a whole one.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import effort
import gaps
import groups
import incidents
import motion
import numpy as np
import progress
import pyarrow.parquet as pq
import sparse
import standings
import wind
from aims import Pair
from scene import Missing, Scene

from hardware.virtual.faults import Faults, faults_of
from hardware.virtual.scenario import kind_of, write_scenario
from hardware.virtual.simulate import simulate_stage
from truck.replay import replay

_ROOT = Path(__file__).resolve().parents[2]
# a race of so many minutes on the road is about so long; the last come in a quarter later
_KM_A_MINUTE = 0.6
_LATE = 1.25
_WHOLE_MINUTES, _WHOLE_RIDERS = 270.0, 176.0
_BY_ROAD = ("gorges", "tunnels")
_BY_RIDERS = (
    "clocks", "stale", "yesterday", "dead", "swaps", "swaps_silent", "wrong_pairs", "roofs",
    "doubles_on_roofs", "rider_gaps",
)  # fmt: skip
MEASURES: tuple[Callable[[Scene], dict[str, Pair]], ...] = (
    progress.figures, motion.figures, gaps.figures, groups.figures, incidents.figures,
    effort.figures, wind.figures, standings.figures,
)  # fmt: skip
RARE = {"plain": (wind.figures,), "mountain": (effort.figures,)}


class Size(NamedTuple):
    """How large the stages are; 0 minutes are whole stages of their usual length."""

    riders: int
    minutes: int


class Wish(NamedTuple):
    """A stage to score; one of a `kind` is there for what is rare on the others, for that alone."""

    seed: int
    size: Size
    kind: str | None = None

    @property
    def name(self) -> str:
        """Of its folder."""
        return str(self.seed) if self.kind is None else f"{self.seed}-{self.kind}"


class Outcome(NamedTuple):
    """What one stage gave; `missing` says by measure what was not there."""

    seed: int
    kind: str
    figures: dict[str, Pair]
    missing: dict[str, str]
    taken_s: dict[str, float]


def score_stage(wish: Wish, folder: Path) -> Outcome:
    """The figures of a stage; run in a process of its own, so that its memory goes with it."""
    taken_s: dict[str, float] = {}
    simulated, replayed = folder / "simulated", folder / "replayed"
    made_of = _simulate(wish, simulated, taken_s)
    _replay(simulated, simulated / "readings.parquet", replayed, made_of, taken_s)
    measures = MEASURES if wish.kind is None else RARE[wish.kind]
    figures, missing = _measure(Scene(simulated, replayed), measures, taken_s)
    if wish.kind is None:
        figures |= _deaf(simulated, folder, made_of, taken_s)
    return Outcome(wish.seed, wish.kind or kind_of(wish.seed), figures, missing, taken_s)


def _deaf(
    simulated: Path, folder: Path, made_of: str, taken_s: dict[str, float]
) -> dict[str, Pair]:
    """Incidents once more, from readings of devices that feel no impact: by position alone."""
    readings, replayed = folder / "deaf.parquet", folder / "deaf"
    pq.write_table(pq.read_table(simulated / "readings.parquet").drop(["impact"]), readings)
    _replay(simulated, readings, replayed, made_of, taken_s)
    figures, _ = _measure(Scene(simulated, replayed, readings), (incidents.figures,), taken_s)
    return {f"{name}, no impact bit": pair for name, pair in figures.items()}


def score_sparse(wish: Wish, folder: Path) -> Outcome:
    """A stage as television's feed has it (sparse.py)."""
    taken_s: dict[str, float] = {}
    simulated, replayed = folder / "simulated", folder / "replayed"
    made_of = _simulate(wish, simulated, taken_s)
    thinned = folder / "thinned.parquet"
    sparse.thin(simulated / "readings.parquet", thinned)
    _replay(simulated, thinned, replayed, made_of, taken_s)
    scene = Scene(simulated, replayed, thinned)
    figures, missing = _measure(scene, (sparse.figures,), taken_s)
    return Outcome(wish.seed, wish.kind or kind_of(wish.seed), figures, missing, taken_s)


def _simulate(wish: Wish, out: Path, taken_s: dict[str, float]) -> str:
    """Make the simulation, and say what it was made of."""
    seed, size, stage = wish.seed, wish.size, out.with_name("stage")
    length_km = size.minutes * _KM_A_MINUTE or None
    seconds = round(size.minutes * 60 * _LATE) or None

    def make() -> None:
        shutil.rmtree(stage, ignore_errors=True)
        write_scenario(stage, seed, wish.kind, length_km, size.riders)
        simulate_stage(stage, out, seed, seconds=seconds, faults=part_of_faults(seed, size))

    made_of = _key(_ROOT / "hardware", json.dumps(wish))
    _make(out, made_of, taken_s, make)
    return made_of


def part_of_faults(seed: int, size: Size) -> Faults:
    """The seed's faults, thinned to the size of the stage; each stays or goes by the seed."""
    minutes = size.minutes or _WHOLE_MINUTES
    whole = faults_of(seed, minutes / 60.0)
    draw = np.random.default_rng((seed, 11))
    kept = {
        name: int(draw.binomial(getattr(whole, name), min(1.0, share)))
        for names, share in (
            (_BY_ROAD, minutes / _WHOLE_MINUTES), (_BY_RIDERS, size.riders / _WHOLE_RIDERS)
        )
        for name in names
    }  # fmt: skip
    return replace(whole, **kept)


def _replay(
    simulated: Path, readings: Path, out: Path, made_of: str, taken_s: dict[str, float]
) -> None:
    key = _key(_ROOT / "truck", made_of)
    _make(out, key, taken_s, lambda: replay(simulated / "stage", [readings], out))


def _make(folder: Path, key: str, taken_s: dict[str, float], make: Callable[[], Any]) -> None:
    """Make a folder anew unless it was made of the same."""
    note = folder.with_suffix(".key")
    if note.exists() and note.read_text() == key and folder.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    note.unlink(missing_ok=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    begun_s = time.perf_counter()
    make()
    taken_s[folder.name] = round(time.perf_counter() - begun_s, 1)
    note.write_text(key)


def _key(sources: Path, made_of: str) -> str:
    """A hash of what a folder is made from: code, numpy and the wish."""
    digest = hashlib.sha256(f"{made_of} numpy {np.__version__}".encode())
    for path in sorted(sources.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _measure(
    scene: Scene, measures: tuple[Callable[[Scene], Any], ...], taken_s: dict[str, float]
) -> tuple[dict[str, Pair], dict[str, str]]:
    figures: dict[str, Pair] = {}
    missing: dict[str, str] = {}
    begun_s = time.perf_counter()
    for measure in measures:
        try:
            figures |= measure(scene)
        except Missing as error:
            missing[measure.__module__] = str(error)
    taken_s["measured"] = round(time.perf_counter() - begun_s, 1)
    return figures, missing
