"""The demo: the whole line on one machine, then an honest account of every packet.

sent     packets the bikes made          heard    of these, in at least one relay's spool
stored   in the truck's view             lost     heard and not stored
doubled  further hearings of a packet    refused  by reason
"""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from cloud_sync.batch import biometrics_of
from cloud_sync.keyring import create_key
from cloud_sync.status import spool_status
from hardware import clock
from hardware.authority import create_event
from hardware.keys import Credentials
from hardware.rides import Ride, bibs_of, read_rides
from hardware.virtual.course import Course, loop_course
from hardware.virtual.playback import first_movement_s
from hardware.virtual.stage import (
    Starter,
    checkpoints_of,
    course_of_ride,
    virtual_starters,
    write_stage,
)
from truck.broker import find_mosquitto
from truck.cast import Cast
from truck.config import TruckConfig
from truck.evening import read_demo_crew, spend_evening, starters_of
from truck.opening import TruckKeys
from truck.store.append import Store
from truck.store.export import Readings, biometrics
from truck.tokens_cli import make_token

SCHEMA = "truck.demo/1"
UP_S_MAX = 30.0
_SETTLE_S_MAX = 60.0


@dataclass(frozen=True)
class Script:
    """What is played.

    Attributes:
        seconds: how long the bikes ride, on the wall; None until they are stopped.
        riders: of the virtual peloton.
        seed: of peloton and radio.
        rides: recorded rides instead of the peloton; `speed` times as fast as they were.
        start_s: where in the rides to begin, seconds after the last rider's first fix; None
            where most of them first ride.
        radio: further options for `hardware bikes`, such as --loss 0.05.
        crew: a crew's sheet; relays and riders are its, and run from images that are flashed first.
    """

    seconds: float | None = None
    riders: int = 198
    seed: int = 1
    rides: tuple[Path, ...] = ()
    speed: float = 1.0
    start_s: float | None = None
    radio: tuple[str, ...] = ()
    crew: Path | None = None


def set_the_stage(folder: Path, script: Script) -> Cast:
    """Make event, stage, homes and keys under `folder`; nothing runs yet.

    Raises:
        TruckError: a ride or a sheet that cannot be read, a folder that cannot be written.
    """
    if script.crew is not None:
        return _from_crew(folder, script, script.crew)
    rides = _rides(script)
    race_clock = clock.faster(script.speed) if script.speed != 1.0 else clock.Clock()
    cast = Cast(folder, race_clock)
    bibs = sorted(bibs_of(rides).values()) if rides else list(range(1, script.riders + 1))
    create_event(
        cast.event, event=f"demo-{script.seed}", now_s=race_clock.now_s(), bibs=bibs,
        relays=list(cast.relays),
    )  # fmt: skip
    if rides:
        course = max((course_of_ride(ride) for ride in rides.values()), key=lambda c: c.length_m)
        starters = [Starter(bib, name, "") for name, bib in bibs_of(rides).items()]
    else:
        course, starters = loop_course(script.seed), virtual_starters(bibs)
    _prepare(cast, course, starters)
    return cast


def _from_crew(folder: Path, script: Script, sheet: Path) -> Cast:
    crew = read_demo_crew(sheet)
    cast = Cast(folder, relays=[member.name for member in crew.relays], flashed=folder / "flashed")
    spend_evening(cast, folder / "flashed", sheet, event=f"demo-{script.seed}")
    _prepare(cast, loop_course(script.seed), starters_of(crew))
    return cast


def _prepare(cast: Cast, course: Course, starters: list[Starter]) -> None:
    """The stage, the cloud copy's recipients and the homes."""
    write_stage(
        cast.stage, course, starters, name="Demonstration", start_at_s=cast.clock.now_s(),
        checkpoints=checkpoints_of(course),
    )  # fmt: skip
    for name in ("operations", "medical", "recovery"):
        create_key(cast.folder / name)
    cast.prepare(broker_tls=find_mosquitto() is not None)


def start(cast: Cast, script: Script) -> None:
    """Start everything but the bikes, and wait until the page is up and the relays are linked."""
    cast.start_truck()
    for name in cast.relays:
        cast.start_relay(name)
    cast.wait_for("the truck's page", cast.is_up, UP_S_MAX)
    cast.start_pusher()
    cast.wait_for(
        "the relays' links",
        lambda: all(cast.relay_status(name).get("connected") for name in cast.relays),
        UP_S_MAX,
    )


def start_bikes(cast: Cast, script: Script) -> None:
    """Let the bikes ride."""
    ridden = [] if script.crew else ["--riders", str(script.riders)]
    if script.rides:
        start_s = script.start_s
        if start_s is None:
            start_s = first_movement_s(_rides(script))
        ridden = ["--start-s", f"{start_s:g}"]
        for path in script.rides:
            ridden += ["--ride", str(path.resolve())]
    span = [] if script.seconds is None else ["--seconds", f"{script.seconds:g}"]
    cast.start_bikes(
        *ridden, "--stage", str(cast.stage), "--seed", str(script.seed), *span, *script.radio
    )


def operator_link(cast: Cast) -> str:
    """An address that signs in at the operators' page of this demo: a secret."""
    _, token = make_token(cast.truck_home, "operator", "Demo", 12.0, "demo")
    return f"{cast.operator_page}#token={token}"


@functools.cache
def _rides(script: Script) -> dict[str, Ride]:
    rides: dict[str, Ride] = {}
    for path in script.rides:
        rides |= read_rides(path)
    return rides


def settle(cast: Cast, say: Callable[[str], None]) -> None:
    """End the parts in the order of the flow, each after it has handed over what it had."""
    cast.end("bikes")
    say("the bikes have stopped; waiting until every relay has handed over what it heard")
    cast.wait_for("the relays' hand-over", cast.is_delivered, _SETTLE_S_MAX)
    for name in cast.relays:
        cast.end(name)
    say("ending the truck: last rows are committed and sealed")
    cast.end("truck")
    cast.wait_for(
        "the upload",
        lambda: _pending(cast) == 0 or not cast.is_running("pusher"),
        _SETTLE_S_MAX,
    )
    cast.end("pusher")


def account(cast: Cast, config: TruckConfig, say: Callable[[str], None]) -> dict[str, Any]:
    """Pull the cloud copy back, and count every packet from end to end; schema truck.demo/1."""
    say("pulling the cloud copy back and proving it")
    truck_keys = TruckKeys.read(Credentials(config.credentials))
    store = Store(cast.truck_home / "view.duckdb", truck_keys.store)
    try:
        stored = _stored(store)
        table = Readings(lambda: store).rows(0, store.row_end())
        bodies = biometrics(lambda: store).rows(0, store.row_end())
        doubled, refused = store.counts()[1], store.refused()
    finally:
        store.close()
    heard = heard_by_relays(cast)
    status = cast.truck_status()
    latency = status["latency"]
    # a race that ended before it began has no stream
    copy, batches, proven = table, 0, True
    bodies_copy, _, bodies_proven = bodies, 0, True
    if table.num_rows:
        public, stream = truck_keys.signing.public, config.stream
        copy, batches, proven = _pull(cast, stream, public, "operations")
        bodies_copy, _, bodies_proven = _pull(cast, biometrics_of(stream), public, "medical")
    return {
        "schema": SCHEMA,
        "packets": {
            "sent": cast.bikes_summary().get("sent", 0),
            "heard": len(heard),
            "stored": sum(stored.values()),
            "stored_distinct": len(stored),
            "lost": len(heard - stored.keys()),
            "doubled": doubled,
            "refused": refused,
        },
        "latency_s": {
            "p50": latency["p50_s"],
            "p99": latency["p99_s"],
            "p99_9": latency["p99_9_s"],
            "by_hop": latency["by_hop"],
        },
        "cloud": {
            "rows_stored": table.num_rows,
            "rows_sealed": _sealed(status["cloud"], config.stream),
            "rows_pulled": copy.num_rows,
            "batches": batches,
            "biometrics_pulled": bodies_copy.num_rows,
            "verified": proven
            and bodies_proven
            and _is_same(copy, table)
            and _is_same(bodies_copy, bodies),
        },
    }


def heard_by_relays(cast: Cast) -> set[tuple[int, int, int]]:
    """(kid, boot, seq) of every packet in at least one relay's ledger."""
    found: set[tuple[int, int, int]] = set()
    for name in cast.relays:
        document = json.loads(cast.call("relay", "heard", str(cast.relay_home(name)), "--json"))
        for row in document["heard"]:
            for lo, hi in row["ranges"]:
                found.update((row["kid"], row["boot"], seq) for seq in range(lo, hi + 1))
    return found


def _stored(store: Store) -> dict[tuple[int, int, int], int]:
    """How often each packet is stored."""
    rows = store.cursor().execute(
        "SELECT device * 256 + generation, boot, seq, count(*) FROM readings "
        "WHERE fix_index = 0 GROUP BY ALL"
    )
    return {(kid, boot, seq): count for kid, boot, seq, count in rows.fetchall()}


def _sealed(cloud: dict[str, Any], stream: str) -> int:
    """How many rows of a stream are sealed."""
    return sum(int(head["rows"]) for head in cloud["heads"] if head["stream"] == stream)


def _is_same(copy: pa.Table, table: pa.Table) -> bool:
    """Whether every value of `table` came back."""
    return bool(copy.select(table.column_names).equals(table.cast(table.schema)))


def _pull(cast: Cast, stream: str, truck_public: bytes, key: str) -> tuple[pa.Table, int, bool]:
    """All rows of a stream, in order; of how many batches; whether its chain was proven."""
    pulled = json.loads(
        cast.call(
            "cloud_sync", "pull", str(cast.cloud), "--to", str(cast.pulled), "--stream", stream,
            "--key", str(cast.folder / f"{key}.key"),
            "--truck", truck_public.hex(), "--json",
        )
    )["streams"][0]  # fmt: skip
    places = ds.partitioning(
        pa.schema([("stage", pa.string()), ("date", pa.date32())]), flavor="hive"
    )
    files = ds.dataset(cast.pulled / f"stream={stream}", format="parquet", partitioning=places)
    rows = files.to_table().drop_columns(["date"]).sort_by("row_id")
    return rows, int(pulled["batches"]), bool(pulled["verified"])


def _pending(cast: Cast) -> int:
    """Batches that wait to be uploaded."""
    return int(spool_status(cast.outbox, cast.clock.now_s())["pending"]["batches"])
