"""Where mosquitto is not installed, the small broker on loopback carries a demo just as well."""

import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from truck_home import SmallTruck

from truck.cast import free_ports

_LISTEN = "0A"


def wait_until(is_so: Callable[[], bool], wait_s: float = 30.0) -> None:
    end_s = time.monotonic() + wait_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def broker_of(home: Path) -> dict[str, Any]:
    """What the truck says of its broker; nothing before it runs."""
    path = home / "status.json"
    return dict(json.loads(path.read_text())["broker"]) if path.exists() else {}


def listeners(pid: int) -> list[tuple[str, int]]:
    """Addresses a process listens on, from the kernel's tables."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    own = {str(link.readlink()) for link in links}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTEN and f"socket:[{words[9]}]" in own:
                address, port = words[1].split(":")
                found.append((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)))
    return found


@pytest.fixture
def truck(
    without_mosquitto: list[str], tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Path, int]]:
    """A running truck, its home and its broker's port."""
    home = SmallTruck(tmp_path).home.folder
    port, page = free_ports(2, socket.SOCK_STREAM)
    process = subprocess.Popen(
        [*without_mosquitto, sys.executable, "-m", "truck", "run", str(home),
         "--broker-port", str(port), "--page-port", str(page)],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: bool(broker_of(home).get("connected")))
        yield process, home, port
    finally:
        process.kill()
        process.wait()


def test_a_demo_loses_nothing_even_when_its_broker_is_killed(
    without_mosquitto: list[str], tmp_path: Path
) -> None:
    home = tmp_path / "demo" / "truck"
    demo = subprocess.Popen(
        [*without_mosquitto, sys.executable, "-m", "truck", "demo", "--seconds", "8",
         "--riders", "20", "--headless", "--json", "--keep", str(tmp_path / "demo")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: bool(broker_of(home).get("connected")))
        time.sleep(4.0)
        first = broker_of(home)["pid"]
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: broker_of(home)["connected"] and broker_of(home)["pid"] != first)
        said, _ = demo.communicate(timeout=120)
    finally:
        demo.terminate()
        demo.wait(60)
    outcome = json.loads(said)
    assert demo.returncode == 0, outcome
    assert broker_of(home)["tls"] is False
    assert outcome["packets"]["lost"] == 0, outcome
    assert outcome["packets"]["stored"] == outcome["packets"]["heard"] > 100, outcome
    assert outcome["cloud"]["verified"] is True, outcome


def test_the_small_broker_is_on_loopback_only_and_dies_with_the_truck(
    truck: tuple[subprocess.Popen[bytes], Path, int],
) -> None:
    process, home, port = truck
    broker = broker_of(home)
    assert broker["tls"] is False
    assert listeners(broker["pid"]) == [("127.0.0.1", port)]
    process.kill()
    process.wait()
    wait_until(lambda: not Path(f"/proc/{broker['pid']}").exists(), 5.0)
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_the_small_broker_carries_two_mebibytes_at_least_once_by_mqtt_5(
    truck: tuple[subprocess.Popen[bytes], Path, int],
) -> None:
    _, _, port = truck
    arrived: queue.Queue[tuple[bytes, int]] = queue.Queue()
    subscribed: queue.Queue[Any] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = lambda _c, _d, m: arrived.put((bytes(m.payload), m.qos))
    client.on_subscribe = lambda *said: subscribed.put(said[3])
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        client.subscribe("other/+", qos=1)
        assert [code.value for code in subscribed.get(timeout=5)] == [1]
        message = random.Random(1).randbytes(2 << 20)
        client.publish("other/large", message, qos=1).wait_for_publish(10)
        assert arrived.get(timeout=10) == (message, 1)
    finally:
        client.disconnect()
        client.loop_stop()
