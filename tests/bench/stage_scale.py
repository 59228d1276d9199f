"""A whole stage in the journal: how long a start and `truck rebuild` take, and what they need.

198 riders at 1 Hz, every packet heard by two relays, ticks of 200 ms, a few readings late and some
too late for live. All packets are sealed (suite 0x12), so a rebuild opens every one; signatures
are noise, which is what the fold makes of them too: it does not look.

TRUCK_SCALE_SECONDS is the length of the race (600; a stage is 18000, of which the journal needs
1 GB and this needs about five minutes). TRUCK_SCALE_FOLDER keeps the journal there for the next
run. Prints a table and writes build/stage_scale.json, schema truck.stage_scale/1.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cbor2
import numpy as np
from race import NOW_S, RIDERS
from rich.console import Console
from rich.table import Table

from hardware import home as homes
from hardware.authority import create_event
from hardware.bundle import digest_of
from hardware.keys import Credentials
from hardware.packet import FIRST_DTYPE, HEADER_BYTES, SUITE_CCM8, kid_of
from hardware.roster import Roster
from hardware.sealing import packet_cipher
from hardware.stage import stage_files
from hardware.virtual.course import loop_course
from hardware.virtual.peloton import Peloton
from hardware.virtual.readings import Readings
from hardware.virtual.stage import virtual_starters, write_stage
from truck.config import TruckConfig, TruckHome
from truck.journal import Journal
from truck.opening import Opened, TruckKeys, begin, open_journal, remember
from truck.pipeline import LIVE_AGE_S_MAX, Pipeline
from truck.segment import Kind
from truck.store.append import Store
from truck.store.rebuild import catch_up, rebuild
from truck.tick import Again, BundleSeen, Heard, Tick

RELAYS = ("heli", "moto-1")
TICK_S = 0.2
LATE, TOO_LATE = 0.01, 0.002  # shares of readings that come by a minute, and by half an hour
_EPOCH_US = round(NOW_S * 1e6)
_PACKET = np.dtype(
    [
        ("suite", "u1"), ("n", "u1"), ("boot", "<u2"), ("kid", "<u4"), ("seq", "<u4"),
        ("t0", "<u4"), ("body", FIRST_DTYPE),
    ]
)  # fmt: skip
Hearing = tuple[int, int, float, bytes, Heard]  # device, seq, measured_s, packet, heard


class StageRace:
    """An event, a stage and a truck's home whose journal holds `seconds` of a race."""

    def __init__(self, folder: Path, seconds: int) -> None:
        self.folder, self.seconds = folder, seconds
        self.home = TruckHome(folder / "truck")
        self.credentials = Credentials(folder / "event" / "truck")
        if (folder / "made").exists():
            self.config = homes.load_settings(TruckConfig, self.home.config, {})
            self.keys = TruckKeys.read(self.credentials)
            return
        bibs = list(range(1, RIDERS + 1))
        roster = create_event(
            folder / "event", event="scale", now_s=NOW_S, bibs=bibs, relays=list(RELAYS)
        )
        course = loop_course(1, max(20_000.0, seconds * 11.0))
        write_stage(
            folder / "stage", course, virtual_starters(bibs), name="Stage", start_at_s=NOW_S
        )
        fields = {
            "name": "truck", "epoch": "20270115-080000", "credentials": folder / "event" / "truck",
            "stage": folder / "stage", "broker_port": 18883, "page_port": 18080,
        }  # fmt: skip
        self.config = homes.save_settings(TruckConfig, self.home.config, fields)
        self.keys = TruckKeys.read(self.credentials)
        journal = open_journal(self.home, self.config, self.keys, 0)
        journal.append(Kind.ROSTER, self.credentials.roster_bytes())
        journal.append(Kind.STAGE, cbor2.dumps(dict(sorted(stage_files(folder / "stage").items()))))
        self._fill(journal, roster, Peloton(course, RIDERS, 1))
        journal.sync()
        journal.close()
        (folder / "made").touch()

    def _fill(self, journal: Journal, roster: Roster, peloton: Peloton) -> None:
        draw = np.random.default_rng(1)
        sealer = _Sealer(roster, self.keys.event, draw)
        coming: dict[int, list[Hearing]] = defaultdict(list)
        seen: set[tuple[int, int]] = set()
        bundles = dict.fromkeys(RELAYS, 0)
        for second in range(self.seconds):
            readings = peloton.due(second - 1.0, float(second))
            for number, hearing in _heard(readings, sealer.packets(readings), draw):
                coming[number].append(hearing)
            for number in range(round((second - 1) / TICK_S), round(second / TICK_S)):
                self._append(journal, number, coming.pop(number, []), seen, bundles)
        for number in sorted(coming):
            self._append(journal, number, coming[number], seen, bundles)

    @staticmethod
    def _append(
        journal: Journal, number: int, hearings: list[Hearing], seen: set[tuple[int, int]],
        bundles: dict[str, int],
    ) -> None:  # fmt: skip
        tick = Tick(at_us=_EPOCH_US + round((number + 1) * TICK_S * 1e6))
        for device, seq, measured_s, raw, heard in hearings:
            if (device, seq) in seen:
                seen.remove((device, seq))
                tick.again.append(Again(device, 1, seq, heard))
                continue
            seen.add((device, seq))
            tick.packets.append(raw)
            tick.heard.append(heard)
            tick.live.append(measured_s >= tick.at_us / 1e6 - LIVE_AGE_S_MAX)
        for relay in sorted({hearing[4].relay for hearing in hearings}):
            bundles[relay] += 1
            digest = digest_of(f"{relay} {number}".encode())
            tick.bundles.append(BundleSeen(relay, 1, bundles[relay], digest))
        if not tick.is_empty():
            journal.append(Kind.TICK, tick.encode())


class _Sealer:
    """Packets of many readings at once; only their signatures are none."""

    def __init__(self, roster: Roster, event_secret: bytes, draw: np.random.Generator) -> None:
        self._draw = draw
        self._begins_cs = round((NOW_S - roster.epoch_s) * 100)
        self._kids = np.array([kid_of(device + 1, 1) for device in range(RIDERS)])
        self._ciphers = [
            packet_cipher(
                event_secret, roster.device_key(kid).box_public, roster.event_id, kid
            )
            for kid in self._kids.tolist()
        ]  # fmt: skip

    def packets(self, readings: Readings) -> list[bytes]:
        table = np.zeros(len(readings.rider), _PACKET)
        table["suite"], table["n"], table["boot"] = SUITE_CCM8, 1, 1
        table["kid"] = self._kids[readings.rider]
        table["seq"] = np.floor(readings.t_s)
        table["t0"] = self._begins_cs + np.rint(readings.t_s * 100)
        body = table["body"]
        body["lat"] = np.rint(readings.latitude_deg * 1e7)
        body["lon"] = np.rint(readings.longitude_deg * 1e7)
        body["alt"] = np.rint((readings.altitude_m + 500) * 10)
        body["speed"] = np.rint(readings.speed_mps * 100)
        body["course"] = np.rint(readings.course_deg * 100) % 36000
        body["power"], body["hr"] = readings.power_w, readings.heart_rate_bpm
        body["cadence"], body["accuracy"] = readings.cadence_rpm.clip(0, 254), 10
        body["status"] = 2 | 9 << 4
        data, size = table.tobytes(), _PACKET.itemsize
        noise = self._draw.bytes(64 * len(table))
        made = []
        for row, rider in enumerate(readings.rider.tolist()):
            clear = data[row * size : row * size + HEADER_BYTES]
            plain = data[row * size + HEADER_BYTES : (row + 1) * size]
            sealed = self._ciphers[rider].encrypt(clear[2:12], plain, clear)
            made.append(clear + sealed + noise[64 * row : 64 * row + 64])
        return made


def _heard(
    readings: Readings, packets: list[bytes], draw: np.random.Generator
) -> Iterator[tuple[int, Hearing]]:
    """Each packet twice, with the number of the tick it comes in."""
    count = len(packets)
    delay_s = draw.uniform(0.1, 0.7, (2, count))
    late = draw.random(count)
    delay_s += np.where(late < LATE, draw.uniform(2.0, 60.0, count), 0.0)
    delay_s += np.where(late < TOO_LATE, LIVE_AGE_S_MAX, 0.0)
    at_s = readings.t_s + delay_s
    tick = np.floor(at_s / TICK_S).astype(int).tolist()
    heard_us = (_EPOCH_US + np.rint((at_s - 0.05) * 1e6)).astype(int).tolist()
    received_us = (_EPOCH_US + np.rint(at_s * 1e6)).astype(int).tolist()
    rssi = draw.integers(-100, -50, (2, count)).tolist()
    seq = np.floor(readings.t_s).astype(int).tolist()
    measured_s = (NOW_S + readings.t_s).tolist()
    for row, rider in enumerate(readings.rider.tolist()):
        for k, relay in enumerate(RELAYS):
            number = tick[k][row]
            heard = Heard(relay, heard_us[k][row], received_us[k][row], rssi[k][row], 1, number + 1)
            yield number, (rider + 1, seq[row], measured_s[row], packets[row], heard)


@contextmanager
def _timed(figures: dict[str, float], name: str) -> Iterator[None]:
    begun_s = time.perf_counter()
    yield
    figures[name] = time.perf_counter() - begun_s


def measure_rebuild(race: StageRace) -> dict[str, float]:
    """`truck rebuild`, as its command does it."""
    figures: dict[str, float] = {}
    journal = open_journal(race.home, race.config, race.keys, 0)
    with _timed(figures, "rebuild_s"):
        digests = rebuild(race.home.view, race.keys.store, journal, race.keys.new_view)
    figures["records"] = journal.next_record
    figures["rows"] = digests["readings"][0]
    figures["view_mb"] = race.home.view.stat().st_size / 1e6
    figures["journal_mb"] = sum(p.stat().st_size for p in race.home.journal.iterdir()) / 1e6
    return figures


def measure_start(race: StageRace) -> dict[str, float]:
    """What `Service` does before a thread runs, an intact view at the journal's end."""
    figures: dict[str, float] = {}
    view = race.keys.new_view()
    with _timed(figures, "start_s"):
        with _timed(figures, "open and prove the view"):
            store = Store(race.home.view, race.keys.store)
        with _timed(figures, "open and prove the journal"):
            journal = open_journal(race.home, race.config, race.keys, store.records())
        with _timed(figures, "the live state from the last snapshot"):
            catch_up(store, journal, view)
        if view.roster is None:
            raise AssertionError("no roster in the journal")
        with _timed(figures, "the windows"):
            pipeline = Pipeline(view.roster, race.keys.event)
            remember(pipeline, store, _EPOCH_US + race.seconds * 1_000_000)
        with _timed(figures, "roster and stage compared with the journal's"):
            begin(Opened(journal, store, view), race.config, race.credentials)
    pipeline.close()
    store.close()
    journal.close()
    return figures


def measure(race: StageRace) -> dict[str, dict[str, float]]:
    """Each part in a process of its own, for its peak of memory and its cold start."""
    found = {}
    for part in ("rebuild", "start"):
        command = [sys.executable, __file__, part, str(race.folder), str(race.seconds)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[part] = json.loads(done.stdout)
    return found


def _measure_part(part: str, folder: Path, seconds: int) -> None:
    race = StageRace(folder, seconds)
    figures = measure_rebuild(race) if part == "rebuild" else measure_start(race)
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    sys.stdout.write(json.dumps(figures))


def main() -> None:
    """Measure, print, write."""
    if len(sys.argv) > 1:
        _measure_part(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
        return
    seconds = int(os.environ.get("TRUCK_SCALE_SECONDS", "600"))
    with tempfile.TemporaryDirectory(prefix="truck-scale-") as scratch:
        folder = Path(os.environ.get("TRUCK_SCALE_FOLDER", scratch))
        with Console(stderr=True).status(f"the journal of {seconds} s"):
            race = StageRace(folder, seconds)
        with Console(stderr=True).status("measuring"):
            found = measure(race)
    made = found["rebuild"]
    made["rows_per_s"] = made["rows"] / made["rebuild_s"]
    made["records_per_s"] = made["records"] / made["rebuild_s"]
    table = Table("part", "figure", "value")
    for part, figures in found.items():
        for name, value in figures.items():
            table.add_row(part, name, f"{value:,.0f}" if value >= 1000 else f"{value:.3f}")
    Console().print(table)
    out = Path("build", "stage_scale.json")
    out.parent.mkdir(exist_ok=True)
    document = {"schema": "truck.stage_scale/1", "seconds": seconds, **found}
    out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
