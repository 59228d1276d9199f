"""Seconds to catch up on 2,000 batches in a real object store on loopback, by a pull and by a head.

A pull proves the whole chain, fetches and opens every object and publishes the rows. The baseline
is one plain read of every object and manifest by the same threads, which proves nothing. Batches
are those of a live second or two: small, so that what counts is the number of them.
"""

import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sealing import Row, Telemetry

from cloud_sync.audit import Audit, prove_chain
from cloud_sync.batch import BatchName
from cloud_sync.fetching import THREADS
from cloud_sync.keyring import RecipientKey
from cloud_sync.manifest import NO_PREVIOUS, sign_manifest
from cloud_sync.pull import pull_stream
from cloud_sync.remote import Remote, open_remote
from cloud_sync.sealed_parquet import write_sealed
from hardware.errors import TruckError
from hardware.signing import SigningKey

BATCHES = int(os.environ.get("TRUCK_CATCH_UP_BATCHES", "2000"))
ROWS = 198
STREAM = "bench"
CREDENTIALS = [{"accessKey": "bench", "secretKey": "bench"}]
CONFIG = {"identities": [{"name": "bench", "credentials": CREDENTIALS, "actions": ["Admin"]}]}
PORTS = (
    "s3.port", "s3.port.grpc", "s3.port.iceberg", "s3.port.lance", "master.port",
    "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
    "admin.port", "admin.port.grpc", "metricsPort",
)  # fmt: skip


def measure() -> list[Row]:
    """Rows (name, value, unit, baseline, ratio): seconds of a first pull, the next one, a head."""
    truck = SigningKey(b"s" * 32)
    holders = [RecipientKey(name, name.encode() * 32) for name in "ab"]
    with tempfile.TemporaryDirectory() as folder, _object_store(Path(folder, "weed")) as remote:
        keys = _fill(remote, Path(folder), truck, [key.recipient() for key in holders])

        def pull() -> None:
            to = Path(folder, "out")
            audit = pull_stream(remote, STREAM, to, truck.public, holders[0], lambda *_: None)
            assert not audit.failures, audit.failures

        def prove() -> None:
            assert prove_chain(Audit(STREAM), remote, truck.public, ())

        def read() -> None:
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(lambda key: remote.get(key, 1 << 20), keys))

        plain_s, head_s, first_s, next_s = (_seconds(act) for act in (read, prove, pull, pull))
    said = f"plain reads {plain_s:.1f} s"
    return [
        (f"catching up, {BATCHES} batches pulled", first_s, "s", said, first_s / plain_s),
        (f"catching up, {BATCHES} manifests proven", head_s, "s", said, head_s / plain_s),
        ("catching up, a pull with nothing new", next_s, "s", said, next_s / plain_s),
    ]


def _seconds(act: Callable[[], None]) -> float:
    start, used = time.perf_counter(), time.process_time()
    act()
    took_s, cpu_s = time.perf_counter() - start, time.process_time() - used
    sys.stderr.write(f"{act.__name__}: {took_s:.1f} s, {cpu_s:.1f} s of CPU\n")
    return took_s


def _fill(remote: Remote, folder: Path, truck: SigningKey, recipients: list) -> list[str]:
    """Seal and store every batch; the keys of all objects."""
    source, prev = Telemetry(ROWS * BATCHES), NO_PREVIOUS
    things: list[tuple[str, bytes]] = []
    for seq in range(BATCHES):
        batch, lo, hi = BatchName(STREAM, seq), ROWS * seq, ROWS * (seq + 1)
        write_sealed(source.rows(lo, hi), folder / "sealed", batch, recipients)
        data = (folder / "sealed").read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        envelope, prev = sign_manifest(
            batch, prev=prev, rows=(lo, hi), sha256=sha256, size=len(data),
            recipients=[one.key_id for one in recipients], now_s=float(seq), key=truck,
        )  # fmt: skip
        things += [(batch.object_key(sha256), data), (batch.manifest_key(), envelope)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda thing: remote.put_new(*thing), things))
    return [key for key, _ in things]


@contextmanager
def _object_store(home: Path) -> Iterator[Remote]:
    """A SeaweedFS of our own, and a place in it."""
    home.mkdir()
    (home / "s3.json").write_text(json.dumps(CONFIG))
    ports = {name: _free_port() for name in PORTS}
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3.port']}",
    }  # fmt: skip
    command = [
        Path(sys.executable).with_name("weed"), "mini", f"-dir={home}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", "-master.telemetry=false", f"-s3.config={home / 's3.json'}",
        "-admin.ui=false", "-webdav=false", "-bucket=cloud",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=home)
    try:
        remote = open_remote("s3://cloud/bench")
        deadline = time.monotonic() + 60.0
        while True:
            try:
                remote.put_new("up/up", b"up")
                break
            except TruckError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        yield remote
    finally:
        server.kill()
        server.wait()


def _free_port() -> int:
    while True:
        port = secrets.randbelow(20_000) + 10_000  # below the ephemeral ones
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def main() -> None:
    """Print the figures."""
    for name, value, unit, baseline, ratio in measure():
        sys.stdout.write(f"{name}: {value:.2f} {unit}, {baseline}, ratio {ratio:.2f}\n")


if __name__ == "__main__":
    main()
