"""The house's rules, read from the code: imports, the clock, randomness, DuckDB, length."""

import ast
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("hardware", "relay", "truck", "cloud_sync")
LINES_MAX = 330  # "about 300": a little over is a smell, far over is a second noun

MAY_IMPORT = {
    "hardware": {"hardware"},
    "relay": {"relay", "hardware"},
    "truck": {"truck", "hardware"},
    "cloud_sync": {"cloud_sync", "hardware"},
}
SEE_CLOUD_SYNC = {"truck/cli.py", "truck/service.py", "truck/demo.py"}
ASK_THE_TIME = {"hardware/clock.py"}
OPEN_DUCKDB = {  # and every room of truck/store
    "cloud_sync/engines/question.py",  # one SELECT over what was pulled, in memory
}
NAME_PAHO = {"truck/intake.py", "relay/uplink.py"}
DRAW_RANDOMNESS = {
    "hardware/keys.py": "secrets of an event",
    "truck/journal.py": "a segment's salt",
    "cloud_sync/sealed_parquet.py": "a batch's data key",
    "cloud_sync/keyring.py": "a recipient's seed",
    "cloud_sync/push.py": "jitter",
    "hardware/virtual/course.py": "seeded",
    "hardware/virtual/peloton.py": "seeded",
    "hardware/virtual/radio.py": "seeded",
    "hardware/virtual/places.py": "seeded",
    "hardware/virtual/riders.py": "seeded",
    "hardware/virtual/rollout.py": "seeded",
    "hardware/virtual/simulation.py": "seeded",
    "hardware/virtual/weather.py": "seeded",
    "hardware/virtual/scenario.py": "seeded",
    "hardware/virtual/faults.py": "seeded",
    "hardware/virtual/simulate.py": "seeded",
}
PURE = (
    "truck/race/", "truck/pipeline.py", "truck/view.py", "truck/stretch.py", "truck/columns.py",
    "truck/tick.py", "truck/happenings.py", "truck/replay_window.py", "relay/lanes.py",
)  # fmt: skip


def rooms() -> list[str]:
    return sorted(
        str(path.relative_to(ROOT)) for p in PACKAGES for path in (ROOT / p).rglob("*.py")
    )


def imports(room: str) -> Iterator[str]:
    """Every module a room imports, wherever in it."""
    for node in ast.walk(ast.parse((ROOT / room).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{room}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(room: str) -> Iterator[str]:
    """Dotted names of what a room calls."""
    for node in ast.walk(ast.parse((ROOT / room).read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def test_there_are_rooms_in_every_package() -> None:
    assert {room.split("/")[0] for room in rooms()} == set(PACKAGES)


@pytest.mark.parametrize("room", rooms())
def test_imports_run_one_way(room: str) -> None:
    package = room.split("/")[0]
    seen = {name.split(".")[0] for name in imports(room)} & set(PACKAGES)
    allowed = MAY_IMPORT[package] | ({"cloud_sync"} if room in SEE_CLOUD_SYNC else set())
    assert seen <= allowed
    assert "tests" not in {name.split(".")[0] for name in imports(room)}


@pytest.mark.parametrize("room", rooms())
def test_a_room_is_about_300_lines_at_most(room: str) -> None:
    assert len((ROOT / room).read_text().splitlines()) <= LINES_MAX


@pytest.mark.parametrize("room", sorted(set(rooms()) - ASK_THE_TIME))
def test_only_the_clock_asks_the_time(room: str) -> None:
    assert "time" not in set(imports(room))
    asked = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
    assert not [c for c in calls(room) if ".".join(c.split(".")[-2:]) in asked]


@pytest.mark.parametrize("room", rooms())
def test_only_named_rooms_draw_randomness(room: str) -> None:
    drawn = {"random", "secrets"} & set(imports(room))
    drawn |= {c for c in calls(room) if "default_rng" in c or "urandom" in c or "generate_key" in c}
    assert not drawn or room in DRAW_RANDOMNESS, drawn


@pytest.mark.parametrize("room", rooms())
def test_only_the_store_and_the_questions_of_the_cloud_open_duckdb(room: str) -> None:
    if "connect" in {c.removeprefix("duckdb.") for c in calls(room) if c.startswith("duckdb.")}:
        assert room in OPEN_DUCKDB or room.startswith("truck/store/")


@pytest.mark.parametrize("room", rooms())
def test_only_intake_and_uplink_name_paho(room: str) -> None:
    if any(name.startswith("paho") for name in imports(room)):
        assert room in NAME_PAHO


@pytest.mark.parametrize("room", [r for r in rooms() if r.startswith(PURE)])
def test_pure_rooms_know_no_clock_socket_thread_or_file(room: str) -> None:
    edge = {"socket", "subprocess", "threading", "hardware.clock"} & set(imports(room))
    opened = {c for c in calls(room) if c == "open" or c.endswith((".open", ".write_bytes"))}
    assert not edge
    assert not opened


@pytest.mark.parametrize("room", rooms())
def test_nothing_happens_at_import(room: str) -> None:
    work = (ast.For, ast.While, ast.With, ast.Try)
    tree = ast.parse((ROOT / room).read_text())
    assert not [node for node in tree.body if isinstance(node, work)]
    if not room.endswith("__main__.py"):
        assert not [
            node
            for node in tree.body
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            and ast.unparse(node.value.func) not in {"app.add_typer"}
        ]  # fmt: skip


@pytest.mark.parametrize("room", rooms())
def test_no_drawer_for_helpers(room: str) -> None:
    assert Path(room).stem not in {"utils", "util", "helpers", "helper", "common", "misc", "base"}


def test_a_relay_needs_neither_store_nor_page() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for heavy in ("duckdb", "pyarrow", "starlette", "obstore"):
        assert not [r for r in project["dependencies"] if r.startswith(heavy)]
        assert not [r for r in project["optional-dependencies"]["relay"] if r.startswith(heavy)]


def test_the_lock_pins_every_package_by_hash_and_names_no_address() -> None:
    for lock in (ROOT / "requirements.lock", *(ROOT / "tests" / "peers").glob("*.lock")):
        text = lock.read_text()
        assert "://" not in text
        assert "--index" not in text
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins)
        assert text.count("--hash=sha256:") >= len(pins)


@pytest.mark.parametrize("peer", ["azurite", "axe"])
def test_an_npm_lock_pins_every_package_by_hash_and_names_no_address(peer: str) -> None:
    text = (ROOT / "tests" / "peers" / peer / "package-lock.json").read_text()
    assert "://" not in text
    packages = json.loads(text)["packages"]
    del packages[""]
    assert packages
    assert all("integrity" in package for package in packages.values())


def test_the_interpreter_is_one_we_support() -> None:
    assert sys.version_info >= (3, 11)
