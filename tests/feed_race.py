"""A real race and its feed, for tests of what is served: a crash, points of the road, weather."""

import numpy as np
from bunch_race import FALLS, START_S, bunch, stopped
from rides_race import joined
from roads import drawn, straight

from hardware.stage import stage_from_files
from truck.race.race import Race
from truck.race.rulings import Ruling
from truck.serve.channels import Channels
from truck.serve.feed import encode_course
from truck.serve.moments import Moments

FARES = {
    "latency": {"p50_s": 0.8, "p99_s": 1.4, "p99_9_s": float("nan"), "budget_s": 3.0,
                "by_hop": {"radio": {"p50_s": 0.1, "p99_s": 0.2}}},
    "packets": {"stored": 1234, "doubled": 5, "refused": {"signature": 3}},
    "relays": [{"name": "moto-1", "last_heard_age_s": 0.4}],
    "cloud": {"state": "off"},
    "alarms": [],
}  # fmt: skip


class FeedRace:
    """A bunch of 20; riders 7 to 9 fall 60 s after the first frame, 110 s after the flag."""

    def __init__(self, seconds: int = 150) -> None:
        x_m, y_m = straight(20_000.0)
        bibs = "".join(f"{bib},Rider {bib},Team\n" for bib in range(1, 31))
        self.race = Race(stage_from_files({
            "stage.toml": b'name = "Straight"\nkind = "road"\nstart_at = 2026-07-16T10:35:00Z\n',
            "route.gpx": drawn(x_m, y_m, 100.0 + x_m * 0.02),
            "startlist.csv": f"bib,name,team\n{bibs}".encode(),
            "checkpoints.csv": b"km,kind,name\n1,climb,Hill\n1.5,feed,Food\n2,sprint,Town\n",
            "weather.csv": b"km,from_time,temperature_degc,wind_mps,wind_from_deg\n"
                           b"0,2026-07-16T10:00:00Z,20,5,270\n20,2026-07-16T10:00:00Z,24,7,10\n",
        }))  # fmt: skip
        falls = {bib: stopped(60, FALLS, 60, seconds) for bib in (7, 8, 9)}
        rows = joined(*bunch(self.race, falls, seconds))
        self._by_second = {
            int(second): rows.take(rows.measured_at_us // 1_000_000 == second)
            for second in np.unique(rows.measured_at_us // 1_000_000)
        }
        self.moments = Moments(self.race.stage.checkpoints)
        self.channels = Channels(self.race.stage, self.race.course, self.moments)
        self.course = encode_course(self.race.stage, self.race.course)
        self.rulings: list[Ruling] = []

    @property
    def seconds(self) -> list[int]:
        """Seconds since 1970 in which something was measured."""
        return sorted(self._by_second)

    def at(self, second: int) -> dict[str, bytes]:
        """The channels of one second; ask for one after the other."""
        self.race.advance(self._by_second[second])
        at_us = second * 1_000_000
        return self.channels.of(at_us, self.race.frame(at_us), self.rulings, FARES)


def second_of(since_first_frame_s: int) -> int:
    return START_S + 60 + since_first_frame_s
