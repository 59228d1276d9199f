"""What a race hands the benchmarks: an event, a stage, and signed packets of 198 bikes."""

from pathlib import Path

from hardware.authority import create_event
from hardware.bundle import PACKETS_MAX, Bundle, encode_bundle
from hardware.keys import Credentials
from hardware.roster import Roster
from hardware.topics import live
from hardware.virtual.bikes import transponders_of
from hardware.virtual.course import loop_course
from hardware.virtual.peloton import Peloton
from hardware.virtual.readings import Readings
from hardware.virtual.stage import virtual_starters, write_stage
from hardware.virtual.transponder import fix_at
from truck.pipeline import Message

NOW_S = 1_800_000_000.0
RIDERS = 198


class BenchRace:
    """198 bikes for `seconds`, one packet each a second, in bundles of one relay."""

    def __init__(self, folder: Path, seconds: int) -> None:
        self.folder = folder
        bibs = list(range(1, RIDERS + 1))
        self.roster: Roster = create_event(
            folder / "event", event="bench", now_s=NOW_S, bibs=bibs, relays=["moto-1"]
        )
        self.truck = Credentials(folder / "event" / "truck")
        self.course = loop_course(1)
        write_stage(
            folder / "stage", self.course, virtual_starters(bibs), name="Bench", start_at_s=NOW_S
        )
        self.packets = self._packets(seconds)

    def _packets(self, seconds: int) -> list[list[bytes]]:
        bibs = list(range(1, RIDERS + 1))
        fleet = transponders_of(self.folder / "event" / "bikes", self.roster, bibs, NOW_S)
        peloton = Peloton(self.course, RIDERS, 1)

        def packet(readings: Readings, row: int) -> bytes:
            bike = fleet[int(readings.rider[row])]
            t_cs = bike.ticks(NOW_S + float(readings.t_s[row]))
            return bike.packet([fix_at(readings, row, t_cs)])[0]

        by_second = [peloton.due(second - 1.0, float(second)) for second in range(seconds)]
        return [
            [packet(readings, row) for row in range(len(readings.rider))] for readings in by_second
        ]

    def messages(self, packets: list[bytes], number: int) -> list[Message]:
        """Bundles of up to 128 packets; `number` is the first bundle's."""
        key = Credentials(self.folder / "event" / "relays" / "moto-1").signing_key("relay")
        heard_at_us = round(NOW_S * 1e6)
        return [
            Message(
                live("moto-1"),
                encode_bundle(
                    Bundle(
                        "moto-1", 1, number + at // PACKETS_MAX,
                        tuple(packets[at : at + PACKETS_MAX]),
                        (heard_at_us,) * len(packets[at : at + PACKETS_MAX]),
                        (-70,) * len(packets[at : at + PACKETS_MAX]),
                    ),
                    key,
                    self.roster.event_id,
                ),
                heard_at_us,
            )
            for at in range(0, len(packets), PACKETS_MAX)
        ]  # fmt: skip
