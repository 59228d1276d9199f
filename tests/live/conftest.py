"""Knobs of the long tests, and what all of them do with a cast."""

import json
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hardware import home
from truck import demo
from truck.cast import Cast
from truck.config import TruckConfig


@pytest.fixture
def kills() -> int:
    """How often each part is killed; TRUCK_CHAOS_KILLS raises it (10 for the full run)."""
    return int(os.environ.get("TRUCK_CHAOS_KILLS", "2"))


@pytest.fixture
def seed() -> int:
    """Where the moments of the kills come from; TRUCK_CHAOS_SEED chooses others."""
    return int(os.environ.get("TRUCK_CHAOS_SEED", "1"))


@pytest.fixture
def trouble_s() -> float:
    """How long an attack, a full disk or an outage lasts; TRUCK_TROUBLE_SECONDS makes it longer."""
    return float(os.environ.get("TRUCK_TROUBLE_SECONDS", "3"))


@pytest.fixture
def ask() -> Callable[[Cast, str], dict[str, Any]]:
    """Asks a running truck's page for a document."""

    def get(cast: Cast, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(cast.page + path, timeout=5) as answer:
            return dict(json.load(answer))

    return get


@pytest.fixture
def ask_operator() -> Callable[[Cast, str], dict[str, Any]]:
    """Asks at a running truck's operators' door; the token is made at the first asking."""
    links: dict[Path, str] = {}

    def get(cast: Cast, path: str) -> dict[str, Any]:
        if cast.folder not in links:
            links[cast.folder] = demo.operator_link(cast)
        page, _, token = links[cast.folder].partition("#token=")
        headers = {"Authorization": f"Bearer {token}"}
        with urllib.request.urlopen(
            urllib.request.Request(page + path, headers=headers), timeout=5
        ) as answer:
            return dict(json.load(answer))

    return get


@pytest.fixture
def finish() -> Callable[[Cast], dict[str, Any]]:
    """Ends a race and counts it; whatever happened, what was heard is stored once and proven."""

    def count(cast: Cast) -> dict[str, Any]:
        demo.settle(cast, lambda _: None)
        config = home.load_settings(TruckConfig, cast.truck_home / "truck.toml", {})
        outcome = demo.account(cast, config, lambda _: None)
        packets, cloud = outcome["packets"], outcome["cloud"]
        assert packets["lost"] == 0, outcome
        assert packets["stored"] == packets["stored_distinct"] == packets["heard"] > 0, outcome
        assert cloud["verified"] is True, outcome
        assert cloud["rows_pulled"] == cloud["rows_sealed"] == cloud["rows_stored"], outcome
        assert cloud["rows_stored"] >= packets["stored"], outcome
        return outcome

    return count
