"""A race by hand, for tests of the completeness ledger: who was heard when, in which bundle."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from small_event import NOW_S
from truck_home import SmallTruck

from hardware.bundle import Bundle, encode_bundle
from hardware.completeness import document, find_stage
from hardware.keys import Credentials
from hardware.topics import live
from truck.ledger import make_ledger
from truck.opening import Opened, begin, remember
from truck.pipeline import Message
from truck.segment import Kind
from truck.store.rebuild import catch_up
from truck.store.stored import Reached, read_labels, read_stored

ALL = Reached(1 << 62, 1 << 62, 1 << 62)


class Road:
    """Seconds of a race by hand: who is heard when, in which bundle of which relay."""

    def __init__(self, folder: Path) -> None:
        self.truck = SmallTruck(folder)
        self.opened: Opened = self.truck.open()
        begin(self.opened, self.truck.config, self.truck.event.truck)
        self.pipeline = self.truck.event.pipeline()
        remember(self.pipeline, self.opened.store, round(NOW_S * 1e6))
        self.numbers: dict[str, int] = {}

    def packets(self, device: int, seqs: Iterable[int], ahead_s: float = 0.0) -> list[bytes]:
        event = self.truck.event
        return [event.packet(device, seq, at_s=NOW_S + seq + ahead_s) for seq in seqs]

    def hear(self, *packets: bytes, at_s: float, relay: str = "moto-1", number: int = -1) -> None:
        """One bundle that was made at `at_s`, judged and kept; without a number the next one."""
        if number < 0:
            number = self.numbers[relay] = self.numbers.get(relay, -1) + 1
        at_us, key = round((NOW_S + at_s) * 1e6), self.truck.event.folder / "relays" / relay
        times, rssi = (at_us,) * len(packets), (-70,) * len(packets)
        signed = encode_bundle(
            Bundle(relay, 1, number, packets, times, rssi),
            Credentials(key).signing_key("relay"), self.truck.event.roster.event_id,
        )  # fmt: skip
        tick = self.pipeline.accept([Message(live(relay), signed, at_us)], at_us)
        self.opened.journal.append(Kind.TICK, tick.encode())
        self.opened.journal.sync()
        self.pipeline.commit(tick)

    def ledger(self, stage: str | None = None, reached: Reached = ALL) -> dict[str, Any]:
        catch_up(self.opened.store, self.opened.journal, self.opened.view)
        label = find_stage(read_labels(self.opened.store), stage)
        return document(make_ledger(read_stored(self.opened.store, label, reached)))

    def holes(self, stage: str | None = None, reached: Reached = ALL) -> list[tuple[Any, ...]]:
        return [
            (bike["device"], *hole["seq"], hole["state"], hole["reason"])
            for bike in self.ledger(stage, reached)["bikes"]
            for hole in bike["holes"]
        ]
