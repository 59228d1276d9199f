"""A consumer goes on from the public copy when the truck is cut off, and back, in order."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from clouds import s3_variables, start_weed
from cut_link import CutLink
from served import get

from truck import demo
from truck.cast import Cast

SWITCH_S = 10.0
IDENTITIES = [
    {"name": "anonymous", "actions": ["Read"]},
    {"name": "truck", "actions": ["Admin"],
     "credentials": [{"accessKey": "truck", "secretKey": "truck-secret"}]},
]  # fmt: skip


class Frame(NamedTuple):
    at_s: float
    base: str
    number: int


class Consumer:
    """`cloud-sync follow` in a process of its own, and every frame it showed."""

    def __init__(self, truck: str, cloud: str) -> None:
        self.truck, self.cloud = truck, cloud
        self.frames: list[Frame] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cloud_sync", "follow", truck, "--also", cloud, "--json",
             "--channel", "riders"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def wait_for(self, base: str, since_s: float, wait_s: float = SWITCH_S) -> float:
        """How long after `since_s` the next frame came from there."""
        while True:
            for frame in self.frames:
                if frame.base == base and frame.at_s > since_s:
                    return frame.at_s - since_s
            assert time.monotonic() - since_s < wait_s, f"nothing from {base} in {wait_s} s"
            time.sleep(0.05)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reading.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            frame = said["frame"]
            assert len(frame["riders"]["bib"]) == 5
            self.frames.append(Frame(time.monotonic(), said["base"], frame["number"]))


@pytest.fixture
def cast(tmp_path: Path) -> Iterator[Cast]:
    cast = demo.set_the_stage(tmp_path / "demo", demo.Script(riders=5))
    cast.start_truck()
    try:
        cast.wait_for("the truck's page", cast.is_up, demo.UP_S_MAX * 2)
        yield cast
    finally:
        cast.end_all()


def test_the_truck_cut_off_a_consumer_goes_on_from_the_cloud_and_back(
    cast: Cast,
    weed: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "weed").mkdir()
    store, s3_port = start_weed(weed, tmp_path / "weed", IDENTITIES)
    publisher = subprocess.Popen(
        [sys.executable, "-m", "cloud_sync", "publish", str(cast.outbox),
         "--from", f"{cast.page}api", "--to", "s3://cloud/live"],
        env={**os.environ, **s3_variables(s3_port)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    to_truck, to_cloud = CutLink(cast.page_port), CutLink(s3_port)
    consumer = Consumer(
        f"http://127.0.0.1:{to_truck.port}/api", f"http://127.0.0.1:{to_cloud.port}/cloud/live"
    )
    took: dict[str, float] = {}
    try:
        began_s = time.monotonic()
        consumer.wait_for(consumer.truck, began_s, 30)
        note = cast.outbox / "public.json"
        while not note.exists() or json.loads(note.read_text())["number"] == 0:
            assert time.monotonic() - began_s < 60, note.exists() and note.read_text()
            time.sleep(0.1)
        cut_s = time.monotonic()
        to_truck.cut()
        took["to the cloud"] = consumer.wait_for(consumer.cloud, cut_s + 0.1)
        mended_s = time.monotonic()
        to_truck.mend()
        took["back to the truck"] = consumer.wait_for(consumer.truck, mended_s)
        to_cloud.cut()
        cut_s = time.monotonic()
        took["the cloud cut"] = consumer.wait_for(consumer.truck, cut_s)
        to_cloud.mend()
        cast.kill("truck")
        cast.start_truck()
        took["the truck killed"] = consumer.wait_for(consumer.truck, time.monotonic(), 60)
        answer, body = get(s3_port, "/cloud/live/v1/riders.json")
        assert answer.headers["Cache-Control"] == "max-age=1"
        assert answer.headers["Content-Encoding"] == "gzip"
        assert body[:2] == b"\x1f\x8b"
        said = json.loads(note.read_text())
        assert said["objects"] > 20
    finally:
        consumer.close()
        publisher.terminate()
        publisher.wait(20)
        store.kill()
        store.wait()
        to_truck.close()
        to_cloud.close()
    assert all(before.number < after.number for before, after in pairwise(consumer.frames))
    for what in ("to the cloud", "back to the truck", "the cloud cut"):
        assert took[what] < SWITCH_S, took
    sys.stdout.write(f"seconds until the next frame: {took}\n")  # seen with -s
    assert json.loads(note.read_text())["state"] == "stopped"
