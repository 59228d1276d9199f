"""The broker away for a while: what is live comes first again, then the rest, newest first."""

import json
import os
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from relay.lanes import FRESH_S
from truck import demo
from truck.cast import Cast

RIDERS = 198
RECOVERY_S = 2.0

Finish = Callable[[Cast], dict[str, Any]]


class Arrival(NamedTuple):
    """One bundle as the truck received it; seconds since 1970."""

    relay: str
    heard_s: float
    received_s: float


def arrivals(cast: Cast) -> list[Arrival]:
    """Every bundle, in the order of its arrival."""
    rows = cast.call(
        "truck", "query", str(cast.truck_home), "--json",
        "SELECT relay, epoch_us(min(heard_at)) / 1e6 AS heard_s, "
        "epoch_us(received_at) / 1e6 AS received_s "
        "FROM (SELECT relay, heard_at, received_at FROM readings "
        "UNION ALL SELECT relay, heard_at, received_at FROM hearings) "
        "GROUP BY relay, received_at ORDER BY received_at",
    )  # fmt: skip
    return [Arrival(**row) for row in json.loads(rows)["rows"]]


def broker(cast: Cast) -> dict[str, Any]:
    return dict(cast.truck_status().get("broker", {}))


def freeze_the_broker(cast: Cast, seconds: float) -> tuple[float, float]:
    """It takes connections and bytes and answers nothing; from when to when."""
    pid, from_s = broker(cast)["pid"], time.time()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)
    return from_s, time.time()


def stop_the_truck(cast: Cast, seconds: float) -> tuple[float, float]:
    """Truck and broker are gone; from when to when the link came back."""
    from_s, before = time.time(), broker(cast)["pid"]
    cast.kill("truck")
    time.sleep(seconds)
    cast.start_truck()
    cast.wait_for(
        "the broker's return",
        lambda: broker(cast)["connected"] and broker(cast)["pid"] != before,
        30.0,
    )
    return from_s, time.time()


def worst_delay_s(came: list[Arrival], from_s: float, to_s: float) -> float:
    """The longest that anything heard in a time took to the truck."""
    delays_s = [a.received_s - a.heard_s for a in came if from_s < a.heard_s < to_s]
    assert len(delays_s) > 5
    return max(delays_s)


def test_after_an_outage_live_comes_first_and_the_rest_newest_first(
    finish: Finish, trouble_s: float, tmp_path: Path, mosquitto: Path
) -> None:
    script = demo.Script(riders=RIDERS)
    cast = demo.set_the_stage(tmp_path / "demo", script)
    try:
        demo.start(cast, script)
        demo.start_bikes(cast, script)
        time.sleep(2.0)
        frozen = freeze_the_broker(cast, trouble_s)
        time.sleep(RECOVERY_S + 1.5)
        gone = stop_the_truck(cast, trouble_s)
        time.sleep(RECOVERY_S + 1.5)
        end_s = time.time()
        finish(cast)
        came = arrivals(cast)
    finally:
        cast.end_all()
    assert worst_delay_s(came, frozen[1] + RECOVERY_S, gone[0] - 0.5) < FRESH_S
    assert worst_delay_s(came, gone[1] + RECOVERY_S, end_s) < FRESH_S
    for name in cast.relays:
        after = [a for a in came if a.relay == name and a.received_s > gone[0] + trouble_s]
        stale_s = after[0].received_s - FRESH_S - 0.5
        back_fill = [a.heard_s for a in after if gone[0] + 0.5 < a.heard_s < stale_s]
        newest_first = [later > earlier for later, earlier in pairwise(back_fill)]
        assert after[0].heard_s > stale_s
        assert len(newest_first) > 10
        assert sum(newest_first) > 0.9 * len(newest_first), back_fill
