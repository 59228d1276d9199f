"""A truck's home with a filled journal and view, made without broker or relays."""

from pathlib import Path

from small_event import NOW_S, Event, make_event

from hardware import home as homes
from hardware.virtual.course import loop_course
from hardware.virtual.stage import virtual_starters, write_stage
from truck.config import TruckConfig, TruckHome
from truck.opening import Opened, TruckKeys, begin, open_truck, remember
from truck.segment import Kind
from truck.store.rebuild import catch_up


class SmallTruck:
    """An event, a stage and a truck; `ride` drives seconds of three bikes through it."""

    def __init__(self, folder: Path) -> None:
        self.event: Event = make_event(folder / "event")
        self.course = loop_course(3)
        write_stage(
            folder / "stage", self.course, virtual_starters([11, 12, 13]), name="Loop",
            start_at_s=NOW_S,
        )  # fmt: skip
        self.home = TruckHome(folder / "truck")
        fields = {
            "name": "truck",
            "epoch": "20270115-080000",
            "credentials": folder / "event" / "truck",
            "stage": folder / "stage",
            "broker_port": 18883,
            "page_port": 18080,
        }
        self.config = homes.save_settings(TruckConfig, self.home.config, fields)
        self.keys = TruckKeys.read(self.event.truck)

    def open(self) -> Opened:
        return open_truck(self.home, self.config, self.keys)

    def ride(self, seconds: int, from_s: int = 0, falls: dict[int, int] | None = None) -> Opened:
        """Judge, journal and commit a tick a second; leaves everything open.

        `falls` says from which second on a device lies where it fell.
        """
        opened = self.open()
        begin(opened, self.config, self.event.truck)
        pipeline = self.event.pipeline()
        remember(pipeline, opened.store, round((NOW_S + from_s) * 1e6))
        for second in range(from_s, from_s + seconds):
            now_us = round((NOW_S + second) * 1e6)
            lies = {d for d, fall in (falls or {}).items() if second > fall}
            places = {d: self._place(min(second, (falls or {}).get(d, second))) for d in (1, 2, 3)}
            packets = [
                self.event.packet(
                    device, second, at_s=NOW_S + second,
                    latitude_deg=float(self.course.latitude_deg[place]),
                    longitude_deg=float(self.course.longitude_deg[place]),
                    speed_mps=0.0 if device in lies else 10.0,
                    impact=(device, second) == (2, 5) or (falls or {}).get(device) == second - 1,
                )
                for device, place in places.items()
            ]  # fmt: skip
            messages = [
                self.event.message(*packets, b"junk"),
                self.event.message(*packets, relay="heli"),
            ]
            tick = pipeline.accept(messages, now_us)
            opened.journal.append(Kind.TICK, tick.encode())
            opened.journal.sync()
            pipeline.commit(tick)
        catch_up(opened.store, opened.journal, opened.view)
        return opened

    def _place(self, second: int) -> int:
        at_m = min(second * 10, int(self.course.distance_m[-1]) - 1)
        return int((self.course.distance_m <= at_m).sum()) - 1

    def close(self, opened: Opened) -> None:
        opened.store.close()
        opened.journal.close()
