"""The MQTT link to the truck's broker; the only room of the relay that knows paho.

One thread owns the client, through paho's functions for a foreign event loop, and each connection
gets a new client. So paho never re-sends from a queue of its own, no two threads publish, and an
error in it ends a connection and not the thread. Callbacks only append; the main loop takes.
"""

import collections
import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode

from hardware.clock import monotonic_s
from hardware.errors import TruckError, Unavailable
from hardware.keys import Credentials
from relay.broker import Broker, tls_context
from relay.lanes import Key

_KEEPALIVE_S = 5
_USER_TIMEOUT_MS = 5000
_CONNECT_S = 10.0
_DELAY_MIN_S = 0.25
DELAY_MAX_S = 1.0
"""The longest wait before it connects again."""
_STEP_S = 0.5
_FAILURE = 0x80  # MQTT 5: reason codes from here on say no


class Connected(NamedTuple):
    """The broker took us, and acknowledgements will reach us."""


class Lost(NamedTuple):
    """The link is gone or could not be made."""

    error: TruckError


class Taken(NamedTuple):
    """The broker answered for one bundle; `refusal` is empty where it took it."""

    key: Key
    refusal: str


class Message(NamedTuple):
    """Bytes that came on one of our topics, from whomever."""

    topic: str
    payload: bytes


Event = Connected | Lost | Taken | Message


class Uplink:
    """Publishes bundles, tells what became of them, reconnects for ever."""

    def __init__(
        self,
        name: str,
        broker: Broker,
        credentials: Credentials,
        topics: Sequence[tuple[str, int]],
        happened: threading.Event,
    ) -> None:
        """Prepare; `happened` is set whenever `take` has something new.

        Args:
            name: the relay's.
            broker: where to connect.
            credentials: read again for each connection.
            topics: what to hear, and with which QoS.
            happened: see above.
        """
        self._name, self._topics = name, list(topics)
        self._broker = broker
        self._credentials = credentials
        self._happened = happened
        self._events: collections.deque[Event] = collections.deque()
        self._outbox: collections.deque[tuple[str, bytes, Key | None]] = collections.deque()
        self._bell, self._ringer = socket.socketpair()
        self._ringer.setblocking(False)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """Disconnect; what was not committed stays in the spool."""
        self._stopping.set()
        self._ring()
        if self._thread.is_alive():
            self._thread.join(_CONNECT_S)

    def send(self, topic: str, message: bytes, key: Key | None = None) -> None:
        """Publish with QoS 1; of a bundle with a key a `Taken` tells, or a `Lost` for all."""
        self._outbox.append((topic, message, key))
        self._ring()

    def take(self) -> list[Event]:
        """Everything that happened since the last call, in order."""
        return [self._events.popleft() for _ in range(len(self._events))]

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it rings already
            self._ringer.send(b"!")

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        self._happened.set()

    def _run(self) -> None:
        delay_s = _DELAY_MIN_S
        while not self._stopping.is_set():
            session = _Session(self._name, self._broker, self._topics, self._tell)
            try:
                session.open(self._credentials)
                self._serve(session)
            except TruckError as error:
                self._tell(Lost(error))
            except Exception as error:  # noqa: BLE001 - hostile bytes in paho end a connection only
                self._tell(Lost(Unavailable(f"{self._broker}: {type(error).__name__}: {error}")))
            finally:
                session.close()
            delay_s = _DELAY_MIN_S if session.welcome else min(2 * delay_s, DELAY_MAX_S)
            self._stopping.wait(delay_s)

    def _serve(self, session: "_Session") -> None:
        """Move bytes until the connection ends."""
        self._outbox.clear()  # of an earlier connection; the spool has them
        while not self._stopping.is_set():
            session.step(self._bell)
            while session.welcome and self._outbox:
                session.publish(*self._outbox.popleft())


class _Session:
    """One connection, with a paho client of its own."""

    def __init__(
        self,
        name: str,
        broker: Broker,
        topics: list[tuple[str, int]],
        tell: Callable[[Event], None],
    ) -> None:
        self.welcome = False
        self._name, self._topics = name, topics
        self._broker = broker
        self._tell = tell
        self._context: ssl.SSLContext | None = None
        self._sent: dict[int, Key] = {}
        self._said: list[str] = []
        self._opened_s = monotonic_s()
        self._refusal: TruckError | None = None
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"relay-{name}", protocol=mqtt.MQTTv5
        )
        client.max_inflight_messages = 0  # the lanes hold the window
        client.on_socket_open = _tune
        client.on_log = self._on_log
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message

    def open(self, credentials: Credentials) -> None:
        try:
            if self._broker.tls:
                self._context = tls_context(credentials)
                self._client.tls_set_context(self._context)
            self._client.connect(
                self._broker.host, self._broker.port, _KEEPALIVE_S, clean_start=True
            )
        except (OSError, ValueError) as error:
            raise self._broker.unreachable(error) from error

    def step(self, bell: socket.socket) -> None:
        """Wait for bytes, the bell or half a second, then let paho work.

        Raises:
            TruckError: the connection has ended, and why.
        """
        client, wire = self._client, self._client.socket()
        if wire is None:
            raise self._why()
        pending = isinstance(wire, ssl.SSLSocket) and wire.pending() > 0
        writers = [wire] if client.want_write() else []
        readable, writable, _ = select.select(
            [wire, bell], writers, [], 0.0 if pending else _STEP_S
        )
        if bell in readable:
            bell.recv(4096)
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        if pending or wire in readable:
            code = client.loop_read()
        if writable and code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            code = client.loop_write()
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            code = client.loop_misc()
        late = not self.welcome and monotonic_s() - self._opened_s > _CONNECT_S
        if self._refusal or late or code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._why()

    def publish(self, topic: str, message: bytes, key: Key | None) -> None:
        mid = self._client.publish(topic, message, qos=1).mid
        if key is not None:
            self._sent[mid] = key

    def close(self) -> None:
        with contextlib.suppress(Exception):  # whatever is wrong with it, it goes
            self._client.disconnect()
        wire = self._client.socket()
        if wire is not None:
            with contextlib.suppress(OSError):
                wire.close()

    def _why(self) -> TruckError:
        """The sentence for a connection that has ended."""
        said = "; ".join(self._said[-2:])
        if self._refusal is not None:
            return self._refusal
        if "ALERT" in said.upper():
            return self._broker.rejects(said)
        if self.welcome:
            return Unavailable(f"the link to {self._broker} broke{': ' if said else ''}{said}")
        if self._context is None:
            return Unavailable(f"{self._broker} closed the connection before it answered")
        return self._broker.silence(self._context)

    def _on_log(self, client: Any, userdata: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._said.append(text)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, _: Any) -> None:
        if reason.value >= _FAILURE:
            self._refusal = self._broker.refuses(f"us: {reason}", self._name)
        else:
            client.subscribe(self._topics)

    def _on_subscribe(self, client: Any, userdata: Any, mid: Any, reasons: Any, _: Any) -> None:
        if any(reason.value >= _FAILURE for reason in reasons):
            refused = next(reason for reason in reasons if reason.value >= _FAILURE)
            what = f"to send us acknowledgements: {refused}"
            self._refusal = self._broker.refuses(what, self._name)
        else:
            self.welcome = True
            self._tell(Connected())

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason: Any, _: Any) -> None:
        key = self._sent.pop(mid, None)
        if key is not None:
            self._tell(Taken(key, str(reason) if reason.value >= _FAILURE else ""))

    def _on_message(self, client: Any, userdata: Any, message: mqtt.MQTTMessage) -> None:
        self._tell(Message(message.topic, bytes(message.payload)))


def _tune(client: Any, userdata: Any, wire: Any) -> None:
    """Send at once, and notice a dead link within seconds."""
    with contextlib.suppress(OSError):
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
