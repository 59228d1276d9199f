"""A thousand listeners beside a live race of 198: how late they hear of a frame, and what it costs.

The listeners are a process of their own on another core. It is told nothing of when a frame was
published: each frame carries the monotonic time of its publication, which all processes share.
"""

import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import psutil
from race import BenchRace

from hardware.stage import load_stage
from truck.race.race import Race
from truck.race.readings import Readings
from truck.serve.channels import Channels
from truck.serve.feed import encode_course
from truck.serve.http import serve
from truck.serve.hub import Hub
from truck.serve.moments import Moments
from truck.serve.site import routes

LISTENERS, STALLED = 1000, 50
LATE_S, CORE = 0.3, 0.15
PATH = "/api/v1/stream?channels=riders,groups"
Row = tuple[str, float, str, str, float]


class Heard:
    """What the listeners say: seconds from publication to the last byte of a frame.

    `fewest` is how many frames the one of them got who got fewest.
    """

    def __init__(self, lines: str) -> None:
        said = json.loads(lines)
        self.late_s = np.array(said["late_s"])
        self.out_of_order, self.fewest = said["out_of_order"], said["fewest"]


class LiveRace:
    """198 riders at 1 Hz on a loop, their frames published as the truck does."""

    def __init__(self, folder: Path) -> None:
        bench = BenchRace(folder, 1)
        self.stage = load_stage(bench.folder / "stage")
        self.race = Race(self.stage)
        self.hub = Hub()
        course = self.race.course
        self.course = encode_course(self.stage, course)
        self.channels = Channels(self.stage, course, Moments(self.stage.checkpoints))
        self._at_us = round(float(self.stage.start_at_s or 0) * 1e6)
        self.spent_s = 0.0

    def second(self) -> float:
        """Ride a second and publish it; how long intake and frame took."""
        began_s = time.perf_counter()
        self._at_us += 1_000_000
        count = len(self.stage.startlist)
        bib = np.array([starter.bib for starter in self.stage.startlist], np.int32)
        ridden_s = (self._at_us / 1e6) - float(self.stage.start_at_s or 0)
        at_m = 100.0 + ridden_s * 12.0 - np.arange(count) * 2.0
        lat, lon = self.race.course.place(at_m)
        none = np.full(count, np.nan)
        self.race.advance(
            Readings(bib, np.full(count, self._at_us), lat, lon, none, np.full(count, 12.0),
                     none, none, none, none)
        )  # fmt: skip
        number = self.hub.number_at(self._at_us)
        said = self.channels.of(number, self.race.frame(self._at_us), [], {})
        took_s = time.perf_counter() - began_s
        # the last channel of a frame says when it was published
        stamp = b'"published_s":%.6f,' % time.monotonic()
        said["riders"] = said["riders"].replace(b"{", b"{" + stamp, 1)
        self.hub.publish(number, said)
        self.spent_s += took_s
        return took_s


def measure(seconds: float = 20.0, count: int = LISTENERS, stalled: int = STALLED) -> list[Row]:
    """Rows (name, value, unit, baseline, ratio)."""
    with tempfile.TemporaryDirectory(prefix="truck-listeners-") as folder:
        alone_s, _, _, _ = run(Path(folder, "alone"), seconds / 2, 0, 0)
        took_s, heard, core, bytes_per_s = run(Path(folder, "heard"), seconds, count, stalled)
    assert heard is not None
    assert not heard.out_of_order
    p50_s, p95_s, p99_s = np.quantile(heard.late_s, (0.5, 0.95, 0.99)).tolist()
    intake_ms, alone_ms = (float(np.median(one) * 1e3) for one in (took_s, alone_s))
    return [
        (f"{count} listeners, delivery p50", p50_s, "s", f"{LATE_S} s", p50_s / LATE_S),
        (f"{count} listeners, delivery p95", p95_s, "s", f"{LATE_S} s", p95_s / LATE_S),
        (f"{count} listeners, delivery p99", p99_s, "s", f"{LATE_S} s", p99_s / LATE_S),
        ("the same, of a core", core, "core", f"{CORE}", core / CORE),
        ("the same, sent", bytes_per_s / 1e6, "MB/s", "", 0.0),
        ("race and frame, a second", intake_ms, "ms", f"alone {alone_ms:.1f} ms",
         intake_ms / alone_ms),
    ]  # fmt: skip


def run(
    folder: Path, seconds: float, count: int, stalled: int
) -> tuple[list[float], Heard | None, float, float]:
    """Time of each second's race and frame, what was heard, the server's share of a core, bytes/s.

    The server's share leaves the race's own work out: it is the serving thread's CPU time.
    """
    race = LiveRace(folder)
    page = serve(
        race.hub, "127.0.0.1", 0, routes(race.hub, race.course)
    )  # fmt: skip
    listeners = None
    try:
        race.second()
        if count:
            listeners = subprocess.Popen(
                [sys.executable, __file__, str(page.port), str(count), str(stalled)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert listeners.stdout is not None
            assert listeners.stdout.readline() == "listening\n"
        race.second()
        time.sleep(1.0)
        took_s, before, sent = [], _thread_cpu_s(page), _sent()
        began_s = time.monotonic()
        while (due := began_s + len(took_s)) - began_s < seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            took_s.append(race.second())
        time.sleep(1.0)
        spent_s = time.monotonic() - began_s
        core = (_thread_cpu_s(page) - before) / spent_s
        heard = None
        if listeners is not None:
            heard = Heard(listeners.communicate("end\n", timeout=60)[0])
        return took_s, heard, core, (_sent() - sent) / spent_s
    finally:
        page.stop()
        if listeners is not None and listeners.poll() is None:
            listeners.kill()
            listeners.wait()


def _thread_cpu_s(page: object) -> float:
    """CPU seconds of the serving thread so far."""
    thread: threading.Thread = page._thread  # type: ignore[attr-defined]
    times = {one.id: one for one in psutil.Process().threads()}
    mine = times[thread.native_id]
    return float(mine.user_time + mine.system_time)


def _sent() -> int:
    return int(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)


def listen(port: int, count: int, stalled: int) -> None:
    """Hold the connections; say when each frame was whole, on `end`."""
    chooser = selectors.DefaultSelector()
    ask = (
        f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n"
    ).encode()  # fmt: skip
    idle, late_s, disorder = [], [], 0
    tails, last, count_of = {}, {}, {}
    for number in range(count):
        line = socket.create_connection(("127.0.0.1", port))
        line.sendall(ask)
        if number < stalled:
            idle.append(line)  # it never reads again
            continue
        line.setblocking(False)
        chooser.register(line, selectors.EVENT_READ)
        tails[line], last[line], count_of[line] = b"", 0, 0
    chooser.register(sys.stdin, selectors.EVENT_READ)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    seen: dict[bytes, tuple[float, int]] = {}
    while True:
        for key, _ in chooser.select():
            if key.fileobj is sys.stdin:
                skip = len(tails)  # the first frame is older than its listener
                said = {"late_s": late_s[skip:], "out_of_order": disorder,
                        "fewest": min(count_of.values())}  # fmt: skip
                sys.stdout.write(json.dumps(said))
                return
            line = key.fileobj
            assert isinstance(line, socket.socket)
            data = tails[line] + line.recv(1 << 18)
            # a chunk of HTTP holds a frame, and all listeners get the same bytes of it
            while (end := data.find(b"\x00\x00\xff\xff\r\n")) >= 0:
                chunk, data = data[: end + 4], data[end + 6 :]
                part = chunk.partition(b"\r\n")[2] if b"\r\n\r\n" not in chunk else b""
                if part not in seen and part:
                    seen[part] = _opened(part)
                published_s, frame = seen.get(part, (0.0, 0))
                if published_s:
                    late_s.append(time.monotonic() - published_s)
                    disorder += frame <= last[line]
                    last[line] = frame
                    count_of[line] += 1
            tails[line] = data


def _opened(part: bytes) -> tuple[float, int]:
    """When a frame was published, and its number; zeros of what is none."""
    text = zlib.decompressobj(-15).decompress(part)
    at = text.find(b'"published_s":')
    number = text.find(b"id: ")
    if at < 0 or number < 0:
        return 0.0, 0
    published = text[at + 14 : text.index(b",", at)]
    return float(published), int(text[number + 4 : text.index(b"\n", number)])


if __name__ == "__main__":
    os.nice(5)  # the server goes first where there are too few cores
    listen(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
