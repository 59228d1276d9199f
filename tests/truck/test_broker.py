"""The broker lets in whom the event's CA knows, and each only on its own lanes."""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from small_event import Event, make_event

from hardware import clock
from hardware.bundle import Ack, Acked, decode_ack
from hardware.errors import Misconfigured
from hardware.keys import Credentials
from truck.broker import MESSAGE_BYTES_MAX, Broker
from truck.cast import free_ports
from truck.intake import TICK_BYTES_MAX, Arrival, Intake
from truck.tick import BundleSeen, Tick


@pytest.fixture(scope="module")
def event(tmp_path_factory: pytest.TempPathFactory) -> Event:
    return make_event(tmp_path_factory.mktemp("event") / "event")


@pytest.fixture(scope="module")
def broker(
    event: Event, tmp_path_factory: pytest.TempPathFactory, mosquitto: Path
) -> Iterator[Broker]:
    (port,) = free_ports(1, socket.SOCK_STREAM)
    broker = Broker(tmp_path_factory.mktemp("run"), "127.0.0.1", port, event.truck)
    broker.start(clock.sleep_s)
    yield broker
    broker.stop()


class Peer:
    """An MQTT client with some credentials."""

    def __init__(
        self, broker: Broker, credentials: Credentials, name: str = "", *, certificate: bool = True
    ) -> None:
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.codes: queue.Queue[Any] = queue.Queue()
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5
        )
        ca, own, key = credentials.tls
        context = ssl.create_default_context(cafile=str(ca))
        if certificate:
            context.load_cert_chain(own, key)
        self.client.tls_set_context(context)
        self.client.on_message = lambda _c, _d, m: self.messages.put((m.topic, bytes(m.payload)))
        self.client.on_connect = lambda *a: self.codes.put(a[3])
        self.client.on_subscribe = lambda *a: self.codes.put(a[3])
        self.client.on_publish = lambda *a: self.codes.put(a[3])
        self.client.connect("127.0.0.1", broker.listener.port, keepalive=10)
        self.client.loop_start()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def relay(event: Event, name: str) -> Credentials:
    return Credentials(event.folder / "relays" / name)


def test_a_relay_may_write_its_lanes_and_read_its_acks_and_nothing_else(
    event: Event, broker: Broker
) -> None:
    truck, moto = Peer(broker, event.truck), Peer(broker, relay(event, "moto-1"))
    try:
        assert not truck.codes.get(timeout=5).is_failure
        assert not moto.codes.get(timeout=5).is_failure
        truck.client.subscribe("up/#", qos=1)
        truck.codes.get(timeout=5)
        # a forgery is answered by a refusal or by hanging up; either way nobody hears it
        for topic in ("up/l/heli", "up/b/heli", "ack/heli", "up/l/moto-1/more", "elsewhere"):
            moto.client.publish(topic, b"forged", qos=1)
            time.sleep(0.3)
        wait_until(moto.client.is_connected)
        moto.client.publish("up/l/moto-1", b"own", qos=1)
        heard = {truck.messages.get(timeout=10)}
        time.sleep(0.5)
        heard |= {truck.messages.get() for _ in range(truck.messages.qsize())}
        assert heard == {("up/l/moto-1", b"own")}
        moto.client.subscribe("ack/#")
        moto.client.subscribe("ack/moto-1")
        time.sleep(0.3)
        for name in ("heli", "moto-1"):
            truck.client.publish(f"ack/{name}", name.encode())
        acks = {moto.messages.get(timeout=5)}
        time.sleep(0.5)
        acks |= {moto.messages.get() for _ in range(moto.messages.qsize())}
        assert acks == {("ack/moto-1", b"moto-1")}
    finally:
        truck.close()
        moto.close()


def test_a_stolen_relay_can_neither_take_the_trucks_session_nor_send_what_is_too_large(
    event: Event, broker: Broker
) -> None:
    truck = Peer(broker, event.truck, "truck")
    assert not truck.codes.get(timeout=5).is_failure
    hung_up: queue.Queue[str] = queue.Queue()
    truck.client.on_disconnect = lambda *_: hung_up.put("truck")
    thief = Peer(broker, relay(event, "moto-1"), "truck")
    thief.client.on_disconnect = lambda *_: hung_up.put("thief")
    try:
        assert not thief.codes.get(timeout=5).is_failure
        time.sleep(0.3)
        assert hung_up.empty()
        thief.client.publish("up/l/moto-1", bytes(MESSAGE_BYTES_MAX), qos=1)
        assert hung_up.get(timeout=5) == "thief"
        time.sleep(0.3)
        assert "truck" not in hung_up.queue
    finally:
        truck.close()
        thief.close()


def test_without_a_certificate_or_with_a_foreign_one_nobody_connects(
    event: Event, broker: Broker, tmp_path: Path
) -> None:
    stranger = make_event(tmp_path / "other").folder / "relays" / "moto-1"
    foreign = Credentials(tmp_path / "foreign")
    foreign.folder.mkdir()
    (foreign.folder / "ca.crt").write_bytes((event.folder / "truck" / "ca.crt").read_bytes())
    for name in ("tls.crt", "tls.key"):
        (foreign.folder / name).write_bytes((stranger / name).read_bytes())
    for credentials, certificate in ((foreign, True), (event.truck, False)):
        try:
            peer = Peer(broker, credentials, certificate=certificate)
        except (ssl.SSLError, ConnectionError):
            continue
        try:
            with pytest.raises(queue.Empty):
                peer.codes.get(timeout=1.5)
        finally:
            peer.close()


def test_tls_below_1_3_is_refused(event: Event, broker: Broker) -> None:
    ca, own, key = event.truck.tls
    context = ssl.create_default_context(cafile=str(ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(own, key)
    with (
        socket.create_connection(("127.0.0.1", broker.listener.port), 5) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1").recv(1)


def test_a_port_in_use_and_a_missing_certificate_are_one_sentence_each(
    event: Event, broker: Broker, tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured, match=r"cannot listen on .*broker_port"):
        Broker(tmp_path, "127.0.0.1", broker.listener.port, event.truck).start(clock.sleep_s)
    (port,) = free_ports(1, socket.SOCK_STREAM)
    nothing = Credentials(tmp_path / "nothing")
    with pytest.raises(Misconfigured, match="CA certificate"):
        Broker(tmp_path, "127.0.0.1", port, nothing).start(clock.sleep_s)


def test_what_no_window_bounds_is_not_taken(event: Event, broker: Broker) -> None:
    intake = Intake(
        broker.listener, event.truck, event.roster.event_id, event.truck.signing_key("truck"),
        lambda: 5,
    )  # fmt: skip
    moto = Peer(broker, relay(event, "moto-1"))
    try:
        intake.start()
        wait_until(lambda: intake.is_connected)
        time.sleep(0.3)
        moto.client.publish("up/l/moto-1", b"unbounded", qos=0)
        moto.client.publish("up/l/moto-1", b"bounded", qos=1)
        arrivals = intake.take(5.0)
        intake.acknowledge(arrivals, Tick(at_us=0), 0)
        assert [a.message.payload for a in arrivals] == [b"bounded"]
        time.sleep(0.3)
    finally:
        intake.stop()
        moto.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_error_in_the_network_thread_does_not_silence_the_truck(
    event: Event, broker: Broker
) -> None:
    intake = Intake(
        broker.listener, event.truck, event.roster.event_id, event.truck.signing_key("truck"),
        lambda: 5,
    )  # fmt: skip
    moto = Peer(broker, relay(event, "moto-1"))
    sound = intake._client.on_message
    failed = threading.Event()

    def fail(*_: Any) -> None:
        intake._client.on_message = sound
        failed.set()
        raise RuntimeError

    try:
        intake.start()
        wait_until(lambda: intake.is_connected)
        intake._client.on_message = fail
        time.sleep(0.3)
        moto.client.publish("up/l/moto-1", b"one", qos=1)
        assert failed.wait(5.0)
        moto.client.publish("up/l/moto-1", b"two", qos=1)
        assert intake.take(1.0) == []
        intake.keep_alive()
        arrivals: list[Arrival] = []
        wait_until(lambda: len(arrivals.extend(intake.take(0.1)) or arrivals) == 2)
        assert {a.message.payload for a in arrivals} == {b"one", b"two"}
        intake.acknowledge(arrivals, Tick(at_us=0), 0)
        time.sleep(0.3)
    finally:
        intake.stop()
        moto.close()


def test_one_tick_takes_a_few_mebibytes_and_leaves_the_rest_for_the_next(
    event: Event, broker: Broker
) -> None:
    intake = Intake(
        broker.listener, event.truck, event.roster.event_id, event.truck.signing_key("truck"),
        lambda: 5,
    )  # fmt: skip
    moto = Peer(broker, relay(event, "moto-1"))
    count, size = 24, 400_000
    try:
        intake.start()
        wait_until(lambda: intake.is_connected)
        time.sleep(0.3)
        for _ in range(count):
            moto.client.publish("up/b/moto-1", bytes(size), qos=1)
        time.sleep(1.5)
        sizes = []
        while sum(sizes) < count:
            arrivals = intake.take(5.0)
            intake.acknowledge(arrivals, Tick(at_us=0), 0)
            sizes.append(len(arrivals))
        assert sum(sizes) == count
        assert max(sizes) <= TICK_BYTES_MAX // size + 1 < count
        time.sleep(0.3)
    finally:
        intake.stop()
        moto.close()


def test_intake_takes_messages_and_acknowledges_what_a_tick_holds(
    event: Event, broker: Broker
) -> None:
    intake = Intake(
        broker.listener, event.truck, event.roster.event_id, event.truck.signing_key("truck"),
        lambda: 5,
    )  # fmt: skip
    heli = Peer(broker, relay(event, "heli"))
    try:
        intake.start()
        wait_until(lambda: intake.is_connected)
        heli.client.subscribe("ack/heli")
        while heli.codes.get(timeout=5) is None:
            pass
        time.sleep(0.3)
        heli.client.publish("up/b/heli", b"bundle", qos=1)
        arrivals = intake.take(5.0)
        assert [a.message for a in arrivals] == [("up/b/heli", b"bundle", 5)]
        tick = Tick(at_us=0, bundles=[BundleSeen("heli", 1, 7, 99)])
        intake.acknowledge(arrivals, tick, 3)
        topic, payload = heli.messages.get(timeout=5)
        assert topic == "ack/heli"
        public, event_id = event.roster.truck_sign_public, event.roster.event_id
        assert decode_ack(payload, "heli", public, event_id) == Ack("heli", (Acked(1, 7, 99),), 3)
    finally:
        intake.stop()
        heli.close()


def test_the_newest_head_waits_for_who_comes_later_and_no_relay_can_write_it(
    event: Event, broker: Broker
) -> None:
    intake = Intake(
        broker.listener, event.truck, event.roster.event_id, event.truck.signing_key("truck"),
        lambda: 5,
    )  # fmt: skip
    heli = Peer(broker, relay(event, "heli"))
    late = None
    try:
        intake.start()
        wait_until(lambda: intake.is_connected)
        for beat in (b"older", b"newest"):
            intake.publish_head("truck-1", beat)
        assert not heli.codes.get(timeout=5).is_failure
        heli.client.publish("head/truck-1", b"forged", qos=1, retain=True)
        time.sleep(0.5)
        late = Peer(broker, relay(event, "moto-1"))
        assert not late.codes.get(timeout=5).is_failure
        late.client.subscribe("head/truck-1", qos=1)
        assert late.messages.get(timeout=10) == ("head/truck-1", b"newest")
        time.sleep(0.3)
        assert late.messages.empty()
    finally:
        intake.stop()
        heli.close()
        if late is not None:
            late.close()


def test_the_roster_waits_for_relays_comes_again_after_the_broker_died_and_is_the_trucks_alone(
    event: Event, broker: Broker
) -> None:
    intake = Intake(
        broker.listener, event.truck, event.roster.event_id, event.truck.signing_key("truck"),
        lambda: 5,
    )  # fmt: skip
    intake.publish_roster(b"first")  # before there is any link
    relays = [Peer(broker, relay(event, "heli"))]
    try:
        intake.start()
        wait_until(lambda: intake.is_connected)
        wait_until(relays[0].client.is_connected)
        relays[0].client.publish("roster", b"forged", qos=1, retain=True)
        time.sleep(0.5)  # it may be hung up on for that
        wait_until(relays[0].client.is_connected)
        relays[0].client.subscribe("roster", qos=1)
        assert relays[0].messages.get(timeout=10) == ("roster", b"first")
        intake.publish_roster(b"second")
        assert relays[0].messages.get(timeout=10) == ("roster", b"second")
        broker.stop()
        wait_until(lambda: not intake.is_connected)
        broker.start(clock.sleep_s)
        wait_until(lambda: intake.is_connected)
        relays.append(Peer(broker, relay(event, "moto-1")))
        relays[1].client.subscribe("roster", qos=1)
        assert relays[1].messages.get(timeout=10) == ("roster", b"second")
    finally:
        intake.stop()
        for peer in relays:
            peer.close()
