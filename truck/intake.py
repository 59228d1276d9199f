"""Intake: what the relays' messages arrive by, and the acknowledgements leave by.

The network thread only appends to a deque. A message is acknowledged to the broker (MQTT PUBACK)
after the journal holds it, and to its relay by a signed commit acknowledgement of its own.
"""

import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from hardware import topics
from hardware.bundle import ACKED_MAX, Ack, Acked, encode_ack
from hardware.keys import Credentials
from hardware.signing import SigningKey
from truck.broker import MESSAGE_BYTES_MAX, Listener
from truck.pipeline import Message
from truck.tick import Tick

RECEIVE_MAX = 1000
TICK_BYTES_MAX = 4 << 20  # a record is at most thrice that, far below what a segment takes
_SESSION_S = 3600
_USER_TIMEOUT_MS = 5000


class Arrival(NamedTuple):
    """A message and the number by which the broker waits for its PUBACK."""

    message: Message
    mid: int
    qos: int


class Intake:
    """The truck's MQTT client. `take` and `acknowledge` are called from one thread."""

    def __init__(
        self,
        listener: Listener,
        credentials: Credentials,
        event: bytes,
        key: SigningKey,
        now_us: Callable[[], int],
    ) -> None:
        self._event, self._key, self._now_us = event, key, now_us
        self._listener = listener
        self._arrived: deque[Arrival] = deque()
        self._wake = threading.Event()
        self._roster = b""
        self.is_connected = False
        self.connections = 0
        """How often the broker took us; what it keeps for others it has to be told each time."""
        self.last_error = ""
        self.on_heartbeat: Callable[[str, bytes, int], None] = lambda _topic, _message, _at_us: None
        """Told of each heartbeat and when it came, on the network's thread."""
        client = Client(
            CallbackAPIVersion.VERSION2, "truck", protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )  # fmt: skip
        if listener.tls:
            ca, certificate, private = credentials.tls
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.load_cert_chain(certificate, private)
            client.tls_set_context(context)
        client.reconnect_delay_set(0.25, 1.0)  # type: ignore[arg-type] # any number will do
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_socket_open = _tune
        self._client = client

    def start(self) -> None:
        """Connect and stay connected; returns at once."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _SESSION_S
        properties.ReceiveMaximum = RECEIVE_MAX
        properties.MaximumPacketSize = MESSAGE_BYTES_MAX
        self._client.connect_async(
            self._listener.near, self._listener.port, keepalive=5, clean_start=False,
            properties=properties,
        )  # fmt: skip
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def keep_alive(self) -> None:
        """Start the network thread again if an error in paho has ended it; call now and then."""
        self._client.loop_start()

    def take(self, wait_s: float) -> list[Arrival]:
        """What has arrived, as much as one tick holds; waits for the first at most `wait_s`."""
        if not self._arrived:
            self._wake.wait(wait_s)
        self._wake.clear()
        taken: list[Arrival] = []
        taken_bytes = 0
        while self._arrived and taken_bytes < TICK_BYTES_MAX:
            taken.append(self._arrived.popleft())
            taken_bytes += len(taken[-1].message.payload)
        return taken

    def acknowledge(self, arrivals: Sequence[Arrival], tick: Tick, record: int) -> None:
        """Tell relays what is safe now, then let the broker forget the messages."""
        by_relay: dict[str, list[Acked]] = {}
        for relay, *acked in (*tick.bundles, *tick.resent):
            by_relay.setdefault(relay, []).append(Acked(*acked))
        for relay, bundles in by_relay.items():
            for at in range(0, len(bundles), ACKED_MAX):
                ack = Ack(relay, tuple(bundles[at : at + ACKED_MAX]), record)
                signed = encode_ack(ack, self._key, self._event)
                self._client.publish(topics.ack(relay), signed)
                if relay in tick.ways:  # it has no link: back by the way its bundle came
                    self._client.publish(topics.ack(tick.ways[relay]), signed)
        for arrival in arrivals:
            self._client.ack(arrival.mid, arrival.qos)

    def publish_head(self, stream: str, beat: bytes) -> None:
        """Have the broker keep a stream's newest beat, for who verifies the cloud copy."""
        self._client.publish(topics.head(stream), beat, qos=1, retain=True)

    def publish_roster(self, signed: bytes) -> None:
        """Have the broker keep the roster in force, for every relay that connects.

        A broker that was started anew has kept nothing: each connection tells it again.
        """
        self._roster = signed
        if self.is_connected:
            self._client.publish(topics.ROSTER, signed, qos=1, retain=True)

    def publish(self, topic: str, message: bytes, *, retain: bool = False) -> None:
        """Say something to a relay; what is to be retained goes with QoS 1."""
        self._client.publish(topic, message, qos=1 if retain else 0, retain=retain)

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        if code.is_failure:
            self.last_error = f"the broker refused the truck: {code}"
            return
        lanes = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        # without a PUBACK of their own: those must go out in the order the messages came (MQTT 5,
        # 4.6), and a bundle's goes out only after its commit
        beats = SubscribeOptions(qos=0, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        client.subscribe([*((topic, lanes) for topic in topics.BUNDLES), (topics.BEATS, beats)])
        if self._roster:
            client.publish(topics.ROSTER, self._roster, qos=1, retain=True)

        self.connections += 1
        self.is_connected, self.last_error = True, ""

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        self.is_connected = False
        if code.is_failure:
            self.last_error = f"the link to the broker was lost: {code}"

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if topics.is_heartbeat(message.topic):  # says nothing that a journal has to keep
            self.on_heartbeat(message.topic, bytes(message.payload), self._now_us())
            return
        if message.qos == 0:
            return  # relays never send it, and no window of the broker bounds it
        # an exception here would end paho's thread, so nothing is judged here
        arrived = Message(message.topic, bytes(message.payload), self._now_us())
        self._arrived.append(Arrival(arrived, message.mid, message.qos))
        self._wake.set()


def _tune(_client: Client, _data: Any, connection: Any) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
