"""Real rides through the real line: packets signed, heard, judged, journalled, committed.

Everything but sockets: transponders sign, a relay bundles, the pipeline judges, the journal keeps,
the view places, DuckDB holds. Race time is the rides' own.
"""

from collections.abc import Sequence
from pathlib import Path

from small_event import Event

from hardware import home as homes
from hardware.authority import create_event
from hardware.bundle import PACKETS_MAX, Bundle, encode_bundle
from hardware.keys import Credentials
from hardware.rides import Ride, bibs_of
from hardware.topics import live
from hardware.virtual.playback import Playback
from hardware.virtual.stage import write_stage_from_rides
from hardware.virtual.transponder import Transponder, fix_at, read_secrets
from truck.config import TruckConfig, TruckHome
from truck.opening import Opened, TruckKeys, begin, open_truck
from truck.pipeline import Message, Pipeline
from truck.segment import Kind
from truck.store.rebuild import catch_up

RELAY = "moto-1"
_TICK_S = 10


def ride_race(folder: Path, stages: Sequence[dict[str, Ride]]) -> Opened:
    """One truck over several stages, each the rides of that day from when all have begun."""
    begins = [Playback(rides).origin_s for rides in stages]
    bibs = sorted({bib for rides in stages for bib in bibs_of(rides).values()})
    roster = create_event(
        folder / "event", event="ridden", now_s=begins[0], bibs=bibs, relays=[RELAY]
    )
    event, home = Event(folder / "event", roster), TruckHome(folder / "truck")
    secrets = read_secrets(folder / "event" / "bikes" / "devices.json")
    bikes = {bib: Transponder(secrets[k], roster, 1) for k, bib in enumerate(bibs, start=1)}
    opened, pipeline = None, event.pipeline()
    for number, rides in enumerate(stages, start=1):
        stage = folder / f"stage-{number}"
        write_stage_from_rides(stage, rides)
        toml = (stage / "stage.toml").read_text().splitlines()
        (stage / "stage.toml").write_text("\n".join([f'name = "Stage {number}"', *toml[1:]]) + "\n")
        config = homes.save_settings(
            TruckConfig, home.config,
            {
                "name": "truck", "epoch": "20200725-080000", "credentials": folder / "event/truck",
                "stage": stage, "broker_port": 18883, "page_port": 18080,
            },
        )  # fmt: skip
        if opened is None:
            opened = open_truck(home, config, TruckKeys.read(event.truck))
        begin(opened, config, event.truck)
        _ride(opened, pipeline, event, bikes, rides)
    pipeline.close()
    assert opened is not None
    return opened


def _ride(
    opened: Opened, pipeline: Pipeline, event: Event, bikes: dict[int, Transponder],
    rides: dict[str, Ride],
) -> None:  # fmt: skip
    playback, bib_of = Playback(rides), bibs_of(rides)
    relay = Credentials(event.folder / "relays" / RELAY).signing_key("relay")
    for at_s in range(0, int(playback.ends_s) + 1, _TICK_S):
        due = playback.due(at_s - 1e-9, at_s + _TICK_S - 1e-9)
        now_s = playback.origin_s + at_s + _TICK_S
        packets = []
        for row, rider in enumerate(due.rider.tolist()):
            bike = bikes[bib_of[playback.names[rider]]]
            fix = fix_at(due, row, bike.ticks(playback.origin_s + float(due.t_s[row])))
            packets.append(bike.packet([fix])[0])
        messages = []
        for at in range(0, len(packets), PACKETS_MAX):
            part = tuple(packets[at : at + PACKETS_MAX])
            event.number += 1
            bundle = Bundle(
                RELAY, 1, event.number, part, (round(now_s * 1e6) - 50_000,) * len(part),
                (-70,) * len(part),
            )  # fmt: skip
            payload = encode_bundle(bundle, relay, event.roster.event_id)
            messages.append(Message(live(RELAY), payload, round(now_s * 1e6) - 20_000))
        tick = pipeline.accept(messages, round(now_s * 1e6))
        assert not tick.refused
        if not tick.is_empty():
            opened.journal.append(Kind.TICK, tick.encode())
            pipeline.commit(tick)
    opened.journal.sync()
    catch_up(opened.store, opened.journal, opened.view)
