"""A link that cannot be made ends as one sentence in the status, and loses nothing."""

import shutil
import socket
import threading

import iotcore
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from hardware.bundle import Ack, Acked, decode_bundle, digest_of, encode_ack


@pytest.fixture
def owned(own_event, relay):
    """A relay whose credentials folder the test may change, and that folder."""
    relay.settings["RELAY_CREDENTIALS"] = str(own_event.credentials)
    return relay, own_event.credentials


class Nonsense:
    """A peer on the broker's port that answers each connection with other wrong bytes."""

    answers = (
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\xff\xff\xff\xff\xff",  # a length that never ends
        b"\x20\x03\x00\x00\x05",  # CONNACK cut short within its properties
        b"\x20\x03\x00\x00\x00\x40\x02\xff\xff",  # welcome, and a PUBACK of nothing
        b"\x20\x03\x00\x00\x00\x30\x05\x00\x02\xff\xfe\x00",  # a topic that is no text
        bytes(range(256)) * 16,
    )

    def __init__(self):
        self.served = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        try:
            while True:
                peer, _ = self._listener.accept()
                with peer:
                    peer.recv(4096)
                    peer.sendall(self.answers[self.served % len(self.answers)])
                self.served += 1
        except OSError:
            return  # closed

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


@pytest.fixture
def nonsense():
    made = Nonsense()
    yield made
    made.close()


@pytest.fixture
def link_elsewhere(make_link):
    """The broker, reachable under an address that its certificate does not know."""
    made = make_link("127.0.0.2")
    made.mend()
    return made


@pytest.fixture
def small_broker(tmp_path, make_port):
    """iotcore, which checks neither certificates nor access lists; its port."""
    port = make_port()
    (tmp_path / "rumqttd.toml").write_text(RUMQTTD.format(port=port))
    with iotcore.Broker(config_path=str(tmp_path / "rumqttd.toml"), port=port):
        yield port


RUMQTTD = """
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 1000
dynamic_filters = true
"""


def in_trouble(relay, words, about="uplink"):
    status = relay.wait_for(lambda s: words in s["errors"].get(about, ""), words)
    assert not status["connected"] or about == "lane"
    assert "Traceback" not in (relay.home / "log").read_text()
    return status


def mended(event, relay, truck, seq):
    """Whatever was wrong is right again: all that was heard meanwhile arrives."""
    sent = relay.hear(event.packet(2, seq))
    truck.wait_for(sent)
    relay.wait_for(lambda s: s["spool"]["bundles"] == 0 and not s["errors"], "all is well")


def test_a_foreign_certificate_is_named_and_loses_nothing(event, other_event, truck, owned):
    relay, credentials = owned
    for part in ("tls.crt", "tls.key"):
        shutil.copy(other_event.credentials / part, credentials / part)
    relay.start()
    sent = relay.hear(*(event.packet(1, seq) for seq in range(10)))
    status = in_trouble(relay, "rejects our certificate")
    assert status["state"] == "misconfigured"
    done = relay.command("status", relay.home)
    assert done.returncode == 1
    assert "rejects our certificate" in done.stderr
    relay.wait_for(lambda s: s["heard_distinct"] == 10, "custody is kept meanwhile")
    for part in ("tls.crt", "tls.key"):
        shutil.copy(event.credentials / part, credentials / part)
    truck.wait_for(sent)
    mended(event, relay, truck, 10)


def test_missing_certificate_files_are_named_one_by_one_and_nothing_is_lost(event, truck, owned):
    relay, credentials = owned
    parts = ("ca.crt", "tls.crt", "tls.key")
    for part in parts:
        (credentials / part).unlink()
    relay.start()
    sent = relay.hear(event.packet(1, 0))
    for part in parts:
        assert in_trouble(relay, f"{part}: No such file")["state"] == "misconfigured"
        shutil.copy(event.credentials / part, credentials / part)
    truck.wait_for(sent)


def test_files_that_are_no_certificates_are_named(event, other_event, truck, owned):
    relay, credentials = owned
    shutil.copy(other_event.credentials / "tls.key", credentials / "tls.key")
    relay.start()
    in_trouble(relay, "are no pair")
    (credentials / "ca.crt").write_text("not a certificate\n")
    in_trouble(relay, "is no certificate")


def test_a_broker_of_another_event_is_not_trusted(event, other_event, owned):
    relay, credentials = owned
    shutil.copy(other_event.credentials / "ca.crt", credentials / "ca.crt")
    relay.start()
    assert in_trouble(relay, "a certificate we do not trust")["state"] == "misconfigured"


def test_a_broker_under_a_name_that_is_not_in_its_certificate_is_refused(relay):
    relay.settings["RELAY_BROKER_HOST"] = "127.0.0.1.nip.invalid"
    relay.start()
    in_trouble(relay, "cannot be looked up")


def test_a_broker_at_an_address_that_is_not_in_its_certificate_is_refused(link_elsewhere, relay):
    relay.settings |= {
        "RELAY_BROKER_HOST": "127.0.0.2",
        "RELAY_BROKER_PORT": str(link_elsewhere.port),
    }
    relay.start()
    in_trouble(relay, "IP address mismatch")


def test_a_name_the_access_list_does_not_know_is_refused_and_loses_nothing(event, truck, owned):
    relay, credentials = owned
    other = event.folder / "relays" / "r2"
    for part in ("tls.crt", "tls.key"):
        shutil.copy(other / part, credentials / part)
    relay.start()
    relay.hear(event.packet(1, 0))
    status = in_trouble(relay, "refused a bundle: Not authorized", about="lane")
    assert status["state"] == "misconfigured"
    assert status["spool"]["bundles"] == 1
    assert truck.arrived == []


def test_a_peer_that_talks_nonsense_ends_a_connection_and_not_the_relay(event, relay, nonsense):
    relay.settings |= {"RELAY_BROKER_TLS": "false", "RELAY_BROKER_PORT": str(nonsense.port)}
    relay.start()
    relay.hear(event.packet(1, 0))
    relay.wait_for(lambda s: nonsense.served > len(nonsense.answers), "it tries on", 30)
    status = relay.wait_for(lambda s: s["heard_distinct"] == 1, "and keeps custody")
    assert status["spool"]["bundles"] == 1
    assert "Traceback" not in (relay.home / "log").read_text()


def test_without_tls_it_speaks_to_the_small_broker_on_loopback(event, relay, small_broker):
    stored = set()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "truck", protocol=mqtt.MQTTv5)

    def store(_client, _userdata, message):
        roster = event.roster
        public = roster.relay_key("r1").sign_public
        bundle = decode_bundle(message.payload, "r1", public, roster.event_id)
        stored.update(bundle.packets)
        done = Acked(bundle.boot, bundle.number, digest_of(message.payload))
        ack = Ack("r1", (done,), 1)
        client.publish("ack/r1", encode_ack(ack, event.truck_key, roster.event_id))

    client.on_message = store
    client.connect("127.0.0.1", small_broker)
    client.loop_start()
    client.subscribe([("up/l/+", 1), ("up/b/+", 1)])
    relay.settings |= {"RELAY_BROKER_TLS": "false", "RELAY_BROKER_PORT": str(small_broker)}
    relay.start()
    sent = relay.hear(*(event.packet(1, seq) for seq in range(5)))
    relay.wait_for(lambda s: s["uplink"]["acked"] >= 1 and s["spool"]["bundles"] == 0, "committed")
    assert stored == sent
    client.disconnect()
    client.loop_stop()
