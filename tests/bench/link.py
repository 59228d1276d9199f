"""Twenty batches over a 2 Mbit/s link with 100 ms there and back, beside their wire time.

Wire time is what the objects and manifests alone take at the link's rate. The link is a proxy on
loopback, the store behind it moto's S3 in a process of its own, the pusher the real one, with every
object read back over the same link.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from clouds import start_moto
from sealing import Telemetry
from slow_link import SlowLink

from cloud_sync.keyring import RecipientKey
from cloud_sync.outbox import Outbox
from cloud_sync.push import Orders, Pusher
from cloud_sync.remote import open_remote
from cloud_sync.replicate import Sealer
from hardware.clock import Clock
from hardware.signing import SigningKey

BATCHES = 20
ROWS_A_BATCH = 6_600  # about a quarter of a MiB
BYTES_PER_S = 250_000
LATENCY_S = 0.05  # each way
Row = tuple[str, float, str, str, float]


def measure() -> list[Row]:
    """The row of the bench: seconds on the link, beside wire time."""
    with tempfile.TemporaryDirectory(prefix="truck-link-") as folder:
        spool, home = Path(folder, "spool"), Path(folder, "store")
        home.mkdir()
        _seal(spool)
        server, cloud = start_moto(Path(sys.executable).with_name("moto_server"), home)
        link = SlowLink(cloud.port, BYTES_PER_S, LATENCY_S)
        os.environ.update(cloud.environment(link.port))
        try:
            with Outbox(spool) as outbox:
                entries = outbox.waiting()
                wire_s = sum(e.size + len(e.manifest) for e in entries) / BYTES_PER_S
                remote = open_remote(cloud.url("link"))
                stop = threading.Event()
                pusher = Pusher(spool, outbox, remote, Clock(), stop, lambda _entry: None, Orders())
                began_s = time.perf_counter()
                pusher.push()
                took_s = time.perf_counter() - began_s
                assert not outbox.waiting()
        finally:
            link.close()
            server.kill()
            server.wait()
    what = f"{BATCHES} batches over 2 Mbit/s and 100 ms"
    return [(what, took_s, "s", f"wire time {wire_s:.1f} s", took_s / wire_s)]


def _seal(spool: Path) -> None:
    pair = [RecipientKey(name, name.encode() * 32).recipient() for name in ("a", "b")]
    sealer = Sealer(spool, "bench", SigningKey(b"s" * 32), pair)
    rows = Telemetry(BATCHES * ROWS_A_BATCH)
    for number in range(1, BATCHES + 1):
        rows.end = number * ROWS_A_BATCH
        sealer.seal_due(rows, float(number), flush=True)
    sealer.close()
