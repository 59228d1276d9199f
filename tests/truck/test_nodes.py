"""The truck sees each relay's heartbeat, answers it, and has the broker keep its configuration."""

import queue
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_event import NOW_S, Event, make_event

from hardware import clock, topics
from hardware.errors import Refused
from hardware.heartbeat import Heartbeat, decode_seen, encode_heartbeat
from hardware.keys import Credentials, read_key
from hardware.node import config_digest, make_node, sign_node
from hardware.signing import SigningKey
from tests.truck.test_broker import Peer
from truck.alarms import Alarms
from truck.broker import Broker
from truck.cast import free_ports
from truck.intake import Intake
from truck.nodes import Nodes, offer

RELAY = "moto-1"


@pytest.fixture(scope="module")
def event(tmp_path_factory: pytest.TempPathFactory) -> Event:
    return make_event(tmp_path_factory.mktemp("event") / "event")


@pytest.fixture(scope="module")
def broker(
    event: Event, tmp_path_factory: pytest.TempPathFactory, mosquitto: Path
) -> Iterator[Broker]:
    (port,) = free_ports(1, socket.SOCK_STREAM)
    made = Broker(tmp_path_factory.mktemp("run"), "127.0.0.1", port, event.truck)
    made.start(clock.sleep_s)
    yield made
    made.stop()


@pytest.fixture
def intake(event: Event, broker: Broker) -> Iterator[Intake]:
    key = event.truck.signing_key("truck")
    made = Intake(broker.listener, event.truck, event.roster.event_id, key, lambda: 0)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def nodes(event: Event, intake: Intake, tmp_path: Path) -> Nodes:
    made = Nodes(
        tmp_path / "nodes", lambda: event.roster, event.truck.authority(),
        event.truck.signing_key("truck"), intake, Alarms(),
    )  # fmt: skip
    intake.on_heartbeat = made.arrived
    return made


def relay_of(event: Event) -> Credentials:
    return Credentials(event.folder / "relays" / RELAY)


def beat(event: Event, number: int = 1, *, key: SigningKey | None = None) -> bytes:
    said = Heartbeat(
        relay=RELAY, boot=7, number=number, at_us=2_940_000, digest="ab" * 32, version=3, slot="b",
        on_trial=True, roster_version=1, certificate_to_s=int(NOW_S) + 86400, heard_at_us=0,
        spool_bytes=1, spool_bytes_max=4,
    )  # fmt: skip
    return encode_heartbeat(
        said, key or relay_of(event).signing_key("relay"), event.roster.event_id
    )


def until(holds: Callable[[], bool], nodes: Nodes) -> None:
    end_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end_s
        nodes.turn()
        time.sleep(0.05)


def a_node(event: Event, /, **fields: object) -> bytes:
    authority = SigningKey(read_key(event.folder / "authority.key", "authority key"))
    whose = {"event": event.roster.event, "name": RELAY, "serial": "SN1", "version": 2}
    where = {
        "broker": {"host": "10.0.0.1", "port": 8883},
        "radio": {"host": "0.0.0.0", "port": 9100},
    }
    return sign_node(make_node("moto", **(whose | where | fields)), authority)


def test_a_heartbeat_is_shown_and_answered(event: Event, broker: Broker, nodes: Nodes) -> None:
    relay = Peer(broker, relay_of(event), RELAY)
    relay.codes.get(timeout=5)
    relay.client.subscribe(topics.seen(RELAY))
    relay.client.publish(topics.heartbeat(RELAY), beat(event), qos=1)
    until(lambda: not relay.messages.empty(), nodes)
    _, message = relay.messages.get()
    seen = decode_seen(message, RELAY, event.roster.truck_sign_public, event.roster.event_id)
    assert (seen.boot, seen.number, seen.digest) == (7, 1, "ab" * 32)
    row = nodes.row(RELAY, NOW_S)
    assert (row["config_version"], row["slot"], row["on_trial"]) == (3, "b", True)
    assert row["clock_ahead_s"] == 2.9  # the fixture's truck took it at its second 0
    assert (row["roster_version"], row["certificate_days"], row["spool_share"]) == (1, 1.0, 0.25)
    relay.close()


def test_a_replayed_or_forged_heartbeat_is_refused_by_name(event: Event, nodes: Nodes) -> None:
    topic = topics.heartbeat(RELAY)
    nodes.arrived(topic, beat(event, 2), 0)
    nodes.arrived(topic, beat(event, 2), 0)
    nodes.arrived(topic, beat(event, 1), 0)
    nodes.arrived(topic, beat(event, 3, key=SigningKey(bytes(32))), 0)
    nodes.arrived(topic, b"noise", 0)
    nodes.arrived(topics.heartbeat("nobody"), beat(event, 3), 0)
    nodes.turn()
    assert nodes.refused == {"replay": 2, "signature": 1, "malformed": 1, "unknown_key": 1}


def test_the_broker_keeps_a_configuration_for_who_comes_later(
    event: Event, broker: Broker, intake: Intake, nodes: Nodes, tmp_path: Path
) -> None:
    envelope = a_node(event)
    offer(tmp_path / "nodes", envelope, event.truck.authority(), event.roster.event)
    until(lambda: intake.is_connected, nodes)
    nodes.turn()
    relay = Peer(broker, relay_of(event), RELAY)
    relay.codes.get(timeout=5)
    relay.client.subscribe(topics.node(RELAY), qos=1)
    until(lambda: not relay.messages.empty(), nodes)
    assert relay.messages.get()[1] == envelope
    assert nodes.row(RELAY, NOW_S)["config_offered"] == config_digest(envelope)
    other = Peer(broker, Credentials(event.folder / "relays" / "heli"), "heli")
    other.codes.get(timeout=5)
    other.client.subscribe(topics.node(RELAY), qos=1)
    with pytest.raises(queue.Empty):  # not for others
        other.messages.get(timeout=1.0)
    other.close()
    relay.close()


def test_one_of_another_event_or_under_another_name_is_not_told(
    event: Event, nodes: Nodes, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="other_event"):
        offer(
            tmp_path / "nodes", a_node(event, event="giro"), event.truck.authority(),
            event.roster.event,
        )  # fmt: skip
    assert not (tmp_path / "nodes").exists()
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes" / "heli.json").write_bytes(a_node(event))
    nodes.turn()
    assert nodes.row("heli", NOW_S)["config_offered"] is None
