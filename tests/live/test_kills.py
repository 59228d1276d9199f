"""kill -9 of every part, one at a time, while bikes ride: nothing lost, nothing twice."""

import random
import time
from pathlib import Path

import pytest

from hardware import home
from truck import demo
from truck.cast import Cast
from truck.config import TruckConfig

RIDERS = 40
PARTS = ("relay", "broker", "truck", "pusher")


def said(line: str) -> None:
    """Progress goes nowhere in a test."""


def kill_and_start(cast: Cast, part: str, rng: random.Random) -> None:
    """SIGKILL a part; what started it starts it again (the truck starts its broker itself)."""
    if part == "relay":
        name = rng.choice(list(cast.relays))
        cast.kill(name)
        cast.start_relay(name)
    elif part == "truck":
        cast.kill("truck")
        cast.start_truck()
    elif part == "pusher":
        cast.kill("pusher")
        cast.start_pusher()
    else:
        cast.wait_for(
            "a broker", lambda: bool(cast.truck_status().get("broker", {}).get("running")), 30.0
        )
        cast.kill_broker()


@pytest.mark.timeout(1800)
def test_killing_every_part_again_and_again_loses_and_doubles_nothing(
    kills: int, seed: int, tmp_path: Path, mosquitto: Path
) -> None:
    rng = random.Random(seed)
    script = demo.Script(riders=RIDERS, seed=seed, radio=("--double", "0.05", "--reorder", "0.05"))
    cast = demo.set_the_stage(tmp_path / "demo", script)
    victims = [part for part in PARTS for _ in range(kills)]
    rng.shuffle(victims)
    try:
        demo.start(cast, script)
        demo.start_bikes(cast, script)
        cast.wait_for("a stored packet", lambda: stored(cast) > RIDERS, 60.0)
        for part in victims:
            time.sleep(rng.uniform(0.3, 4.0))
            kill_and_start(cast, part, rng)
        time.sleep(2.0)
        demo.settle(cast, said)
        config = home.load_settings(TruckConfig, cast.truck_home / "truck.toml", {})
        outcome = demo.account(cast, config, said)
    finally:
        cast.end_all()
    packets, cloud = outcome["packets"], outcome["cloud"]
    assert packets["heard"] > RIDERS * len(victims) / 2, outcome
    assert packets["lost"] == 0, outcome
    assert packets["stored"] == packets["stored_distinct"] == packets["heard"], outcome
    assert packets["refused"] == {}, outcome
    assert cloud["verified"], outcome
    assert cloud["rows_pulled"] == cloud["rows_stored"] >= packets["stored"], outcome


def stored(cast: Cast) -> int:
    return int(cast.truck_status().get("packets", {}).get("stored", 0))
