"""Knobs of the long tests."""

import os

import pytest


@pytest.fixture
def kills() -> int:
    """How often each part is killed; TRUCK_CHAOS_KILLS raises it (10 for the full run)."""
    return int(os.environ.get("TRUCK_CHAOS_KILLS", "2"))


@pytest.fixture
def seed() -> int:
    """Where the moments of the kills come from; TRUCK_CHAOS_SEED chooses others."""
    return int(os.environ.get("TRUCK_CHAOS_SEED", "1"))
