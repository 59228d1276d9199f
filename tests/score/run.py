"""`make score`: every aim of DESIGN 6 beside its figure and a naive baseline.

Prints a table and writes build/score.json, schema truck.score/1. The seeds kept aside are the odd
ones: nobody looks at them while developing, who uses `--seeds open`, the even ones.
"""

import json
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import aims
import real
import seeds
import typer
from figure import pooled
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

SCHEMA = "truck.score/1"
_ROOT = Path(__file__).resolve().parents[2]
_YES = {True: "yes", False: "NO", None: ""}
_PARITY = {"aside": (1, 2), "open": (0, 2), "both": (0, 1)}
_SPARSE_RIDERS, _SPARSE_KIND = 184, "mountain"  # where a hole hides most: who eases on a climb
Tell = Callable[[str], None]


def main(
    which: Annotated[
        str, typer.Option("--seeds", help="aside (odd), open (even), both, or a list as 2,4,8.")
    ] = "aside",
    stages: Annotated[
        int, typer.Option(min=1, envvar="TRUCK_SCORE_STAGES", help="How many seeds.")
    ] = 8,
    riders: Annotated[
        int, typer.Option(min=2, envvar="TRUCK_SCORE_RIDERS", help="Riders a stage.")
    ] = 60,
    minutes: Annotated[
        int,
        typer.Option(min=0, envvar="TRUCK_SCORE_MINUTES", help="Race minutes; 0: whole."),
    ] = 60,
    real_rides: Annotated[
        bool, typer.Option(help="The real rides and the sparse feed too.")
    ] = True,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("build", "score.json"),
) -> None:
    """Measure, print, write."""
    wishes = wishes_of(which, stages, seeds.Size(riders, minutes))
    failed: dict[str, str] = {}
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=len(wishes) + 3 * real_rides)

        def tell(what: str) -> None:
            done = 0 if bar.tasks[0].description == "" else 1
            bar.update(task, description=what, advance=done)

        outcomes = _stages(wishes, failed, tell)
        rows = _seed_rows(outcomes, failed)
        if real_rides:
            rows += _real_rows(failed, tell) + _sparse_rows(wishes[0].seed, minutes, failed, tell)
        bar.advance(task)
    document = {
        "schema": SCHEMA,
        "rows": rows,
        "seeds": [wish.name for wish in wishes],
        "riders": riders,
        "minutes": minutes,
        "git": _git(),
        "machine": _machine(),
        "failed": failed,
        "stages": [_stage(outcome) for outcome in outcomes],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    _show(document)
    if failed:
        raise typer.Exit(1)


def wishes_of(which: str, stages: int, size: seeds.Size) -> list[seeds.Wish]:
    """The stages that a word or a list means; to every four of a word's, one of each rare kind."""
    if which not in _PARITY:
        try:
            return [seeds.Wish(int(number), size) for number in which.split(",")]
        except ValueError as error:
            raise typer.BadParameter("say aside, open, both, or a list as 2,4,8") from error
    kinds = [None] * stages + sorted(seeds.RARE) * (stages // 4)
    first, step = _PARITY[which]
    return [seeds.Wish(first + step * k, size, kind) for k, kind in enumerate(kinds)]


def _stages(wishes: list[seeds.Wish], failed: dict[str, str], tell: Tell) -> list[seeds.Outcome]:
    """Each stage's outcome; one that fails is named, and is not the end of the others."""
    outcomes = []
    for wish in wishes:
        tell(f"seed {wish.name}")
        try:
            outcomes.append(_alone(seeds.score_stage, wish, _folder(wish.name)))
        except Exception as error:  # noqa: BLE001
            failed[f"seed {wish.name}"] = f"{type(error).__name__}: {error}"
    return outcomes


def _folder(name: str) -> Path:
    return _ROOT / "build" / "score" / name


def _alone(work: Any, *of: Any) -> Any:
    """Run in a process of its own, on one core, and wait."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *of).result()


def _seed_rows(outcomes: list[seeds.Outcome], failed: dict[str, str]) -> list[dict[str, Any]]:
    missing = sorted({what for outcome in outcomes for what in outcome.missing.values()})
    missing += [f"{what} failed" for what in failed]
    return aims.rows_of(aims.SEEDS, [o.figures for o in outcomes], ", ".join(missing))


def _real_rows(failed: dict[str, str], tell: Tell) -> list[dict[str, Any]]:
    """The rows of the real rides; where they are missing, each says why."""
    shared = Path(os.environ.get("TRUCK_SHARED_DATA", _ROOT.parent / "shared" / "data"))
    try:
        if not (shared / "MANIFEST.md").exists():
            raise FileNotFoundError(f"no shared data at {shared}")
        return real.rows(shared, _folder("real"), tell)
    except Exception as error:  # noqa: BLE001
        failed["real rides"] = f"{type(error).__name__}: {error}"
        nan = float("nan")
        return [aim.row(nan, nan, nan, nan, f"missing: {error}") for aim in aims.REAL]


def _sparse_rows(
    seed: int, minutes: int, failed: dict[str, str], tell: Tell
) -> list[dict[str, Any]]:
    tell("184 riders, frames of 6 s")
    wish = seeds.Wish(seed, seeds.Size(_SPARSE_RIDERS, min(minutes or 30, 30)), _SPARSE_KIND)
    outcomes: list[seeds.Outcome] = []
    try:
        outcomes.append(_alone(seeds.score_sparse, wish, _folder("sparse")))
    except Exception as error:  # noqa: BLE001
        failed["sparse feed"] = f"{type(error).__name__}: {error}"
    why = [what for outcome in outcomes for what in outcome.missing.values()]
    reason = ", ".join(why) or failed.get("sparse feed", "")
    return aims.rows_of(aims.SPARSE, [o.figures for o in outcomes], reason)


def _stage(outcome: seeds.Outcome) -> dict[str, Any]:
    figures = {
        name: [aims.number(pooled([figure])) for figure in pair]
        for name, pair in outcome.figures.items()
    }
    return {
        "seed": outcome.seed, "kind": outcome.kind, "taken_s": outcome.taken_s,
        "missing": outcome.missing, "figures": figures,
    }  # fmt: skip


def _git() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    found = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip()


def _machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "most_memory_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
    }


def _show(document: dict[str, Any]) -> None:
    table = Table("figure", "aim", "value", "95 %", "baseline", "beaten", "met", "the baseline is")
    for row in document["rows"]:
        met, beats = (_YES[row[name]] for name in ("met", "beats_baseline"))
        between = f"{_short(row['low'])} to {_short(row['high'])}" if row["low"] is not None else ""
        table.add_row(
            row["name"], row["aim"], _short(row["value"]), between, _short(row["baseline"]), beats,
            met, row["note"] or row["baseline_name"], style="red" if row["met"] is False else None,
        )  # fmt: skip
    Console(width=190 if not sys.stdout.isatty() else None).print(table)
    for what, why in document["failed"].items():
        Console(stderr=True).print(f"{what}: {why}")


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    typer.run(main)
