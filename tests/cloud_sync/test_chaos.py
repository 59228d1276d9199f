"""Chaos: kills of the sealing and the pushing process over every store, through a bad network.

A proxy before each real store loses the answers of 5 % of all requests, resets 5 % mid-body and
answers 503 to 5 %. Whatever happens, the rows that come back are the rows of the store, each once.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from http_proxy import Faults, Proxy
from odd_rows import odd_rows

from cloud_sync.outbox import Outbox
from cloud_sync.remote import open_remote
from cloud_sync.sealed_parquet import is_same
from hardware.errors import TruckError

STORES = ("folder", "s3", "az", "gs")
SHARE = 0.05
ROWS_A_BATCH = 200
SPOOL_BYTES_MAX = 150_000  # a dozen batches: the sealing process waits for the pusher
ENDLESS = 1 << 40
PUSH = [sys.executable, "-c", "from cloud_sync.cli import main; main()", "push"]
SEALING = Path(__file__).with_name("sealing_process.py")


def kills_of(store: str) -> int:
    """This store's share of TRUCK_CHAOS_KILLS."""
    kills, at = int(os.environ.get("TRUCK_CHAOS_KILLS", "50")), STORES.index(store)
    return kills * (at + 1) // len(STORES) - kills * at // len(STORES)


class Line:
    """The two processes of one truck's cloud copy; started again whenever they are dead."""

    def __init__(self, spool: Path, keys: Path, url: str, environment: dict) -> None:
        self._sealing = [sys.executable, str(SEALING), str(spool), str(keys)]
        self._commands = {
            "sealer": [*self._sealing, str(ENDLESS), str(ROWS_A_BATCH), str(SPOOL_BYTES_MAX)],
            "pusher": [*PUSH, str(spool), "--to", url, "--watch"],
        }
        self._environment = {**os.environ, **environment}
        self._running: dict[str, subprocess.Popen] = {}
        self.spool = spool

    def start(self) -> None:
        """Start what does not run, but for a sealing process that is done."""
        for name, command in self._commands.items():
            process = self._running.get(name)
            if process is None or process.poll() not in (None, 0):
                self._running[name] = subprocess.Popen(
                    command, env=self._environment, stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )  # fmt: skip

    def runs(self, name: str) -> bool:
        """Whether a process lives."""
        return self._running[name].poll() is None

    def kill(self, name: str) -> bool:
        """SIGKILL; whether it still ran."""
        process = self._running[name]
        ran = process.poll() is None
        process.kill()
        _, err = process.communicate()
        assert b"Traceback" not in err, err.decode()
        return ran

    def finish(self) -> int:
        """Seal one batch more and push all; how many rows the store holds then."""
        self.kill("sealer")
        with Outbox(self.spool) as outbox:
            rows = outbox.totals()["rows"] + ROWS_A_BATCH
        self._commands["sealer"][len(self._sealing)] = str(rows)
        self.start()
        deadline = time.monotonic() + 120
        while self._running["sealer"].poll() is None or self.progress()[1] < self.progress()[0]:
            assert self._running["pusher"].poll() is None
            assert time.monotonic() < deadline, self.progress()
            time.sleep(0.05)
        self._running["pusher"].send_signal(signal.SIGTERM)
        for process in self._running.values():
            _, err = process.communicate(timeout=20)
            assert process.returncode == 0, err.decode()
        return rows

    def progress(self) -> tuple[int, int]:
        """Batches sealed, and released."""
        try:
            with Outbox(self.spool) as outbox:
                totals = outbox.totals()
        except TruckError:
            return 0, 0
        return totals["batches"], totals["batches"] - totals["pending_batches"]

    def end(self) -> None:
        """Leave nothing running."""
        for process in self._running.values():
            process.kill()
            process.communicate()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("store", STORES)
def test_killed_over_a_bad_network_every_row_is_there_once(
    cli, crew, start_cloud, reach, tmp_path: Path, store: str
) -> None:
    kills, chance = kills_of(store), random.Random(f"{store}-2026")
    faults = Faults(chance.randrange(1 << 30), SHARE)
    environment: dict[str, str] = {}
    if store == "folder":
        url, proxy = str(tmp_path / "r"), None
    else:
        cloud = start_cloud(store)
        url, proxy = reach(cloud), Proxy(cloud.port, faults)
        environment = cloud.environment(proxy.port)
    line = Line(tmp_path / "spool", crew.folder, url, environment)
    killed = 0
    try:
        for number in range(kills):
            line.start()
            victim = ("sealer", "pusher")[number % 2]
            before, moved = line.progress(), chance.randrange(1, 5)
            deadline = time.monotonic() + 120
            at = 0 if victim == "sealer" else 1
            while line.progress()[at] < before[at] + moved:
                assert time.monotonic() < deadline, f"{victim} stood still at {before}"
                time.sleep(0.01)
            time.sleep(chance.uniform(0.0, 0.1))
            killed += line.kill(victim)
        line.start()
        rows = line.finish()
    finally:
        line.end()
        if proxy is not None:
            proxy.close()
    assert killed == kills, "one ended before it could be killed"
    done = cli(
        "pull", url, "--to", tmp_path / "out", "--json",
        "--truck", crew.truck.public.hex(), "--key", crew.key_file,
    )  # fmt: skip
    assert done.code == 0, done.err
    stream = done.json()["streams"][0]
    tables = [pq.read_table(path) for path in sorted((tmp_path / "out").rglob("*.parquet"))]
    assert is_same(pa.concat_tables(tables), odd_rows(0, rows))
    assert stream["unlisted"] == []
    if proxy is not None:
        remote = open_remote(url)
        kinds = ("data", "manifest", "beat")
        stored = sum(
            len(remote.get(key, 1 << 21))
            for kind in kinds
            for key in remote.keys(f"truck-1/{kind}/")
        )
        amplification = proxy.uploaded / stored
        sys.stdout.write(f"{store}: {kills} kills, {faults.met}, sent {amplification:.3f} times\n")
        assert sum(faults.met.values()) > 0
        assert amplification < 1.5
