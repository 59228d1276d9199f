"""The running relay: the radio's thread, the uplink's thread, and the loop between them."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog

from hardware import clock, home, supervisor, topics
from hardware.bundle import decode_ack
from hardware.errors import Misconfigured, Reason, Refused
from hardware.heartbeat import Heartbeat, decode_seen, encode_heartbeat
from hardware.keys import Credentials
from hardware.roster import Roster
from relay.broker import Broker
from relay.config import RelayConfig
from relay.custody import Custody
from relay.home import RelayHome
from relay.lanes import Key
from relay.neighbours import Neighbours
from relay.orders import Orders
from relay.radio import Radio
from relay.roster_watch import RosterWatch
from relay.serial_line import SerialLine
from relay.slots import Slots
from relay.troubles import Troubles
from relay.uplink import Connected, Event, Lost, Taken, Uplink

STATUS_SCHEMA = "relay.status/1"
_TURN_S = 0.02
_PASSING_MAX = 256  # other relays' bundles that the broker has not taken yet
_PASSING_BOOT = -1  # no boot of ours
STATUS_S = 1.0
"""How often the status is written, the roster looked for, and a refusing disk tried again."""


class Service:
    """One relay in one home. `run` returns when `stop` was called."""

    def __init__(self, at_home: RelayHome, config: RelayConfig, slots: Slots) -> None:
        """Take the radio's port and the spool; the radio listens from here on.

        Args:
            at_home: a home whose lock we hold.
            config: what to do.
            slots: where that came from.

        Raises:
            Misconfigured: credentials, roster, port or folder are not as they must be.
        """
        self._folder, self._config = at_home.folder, config
        self._clock = clock.from_environment()
        self._log = structlog.get_logger()
        self._troubles = Troubles()
        self._credentials = Credentials(config.credentials)
        self._key = self._credentials.signing_key("relay")
        self._rosters = RosterWatch(
            self._credentials, config.name, self._key.public, self._troubles
        )
        self._radio = Radio(config.radio_host, config.radio_port, self._rosters.gate, self._clock)
        self._radio.start()
        self._serial: SerialLine | None = None
        if config.radio_serial:
            self._serial = SerialLine(
                config.radio_serial, config.radio_baud, self._radio, self._clock
            )
            self._serial.start()
        self._custody = Custody(
            at_home, config, self._key, self._roster.event_id, self._troubles, self._clock.now_s()
        )
        self._neighbours: Neighbours | None = None
        if config.forward_port:
            self._neighbours = Neighbours(
                config, self._custody.boot, self._key, self._roster.event_id
            )
        self._passing: set[Key] = set()
        self._happened = threading.Event()
        self._supervisor = supervisor.from_environment()
        self._broker = Broker(config.broker_host, config.broker_port, config.broker_tls)
        self._slots = slots
        self._orders = Orders(
            slots, self._custody.boot, config.trial_s, self._troubles, clock.monotonic_s()
        )
        self._hears: dict[str, Callable[[bytes], None]] = {
            topics.ack(config.name): self._acknowledge,
            topics.seen(config.name): self._seen,
            topics.node(config.name): self._orders.offer,
            topics.ROSTER: self._rosters.offer,
        }
        self._uplink = Uplink(
            config.name, self._broker, self._credentials,
            [(topic, 1) for topic in self._hears], self._happened,
        )  # fmt: skip
        self._stopping = False
        self._connected = False
        self._refused: Counter[str] = Counter()

    @property
    def restart(self) -> bool:
        """Whether `run` ended so that another configuration can be run."""
        return self._orders.restart

    def stop(self) -> None:
        """End `run` soon; safe in a signal handler."""
        self._stopping = True
        self._happened.set()

    def run(self) -> None:
        """Carry packets until stopped, then leave everything heard in the spool."""
        self._uplink.start()
        self._log.info("relay runs", boot=self._custody.boot, radio_port=self._radio.port)
        self._supervisor.ready()
        status_due_s = clock.monotonic_s()
        while not self._stopping and not self._orders.restart:
            self._happened.wait(_TURN_S)
            self._happened.clear()
            now_s = clock.monotonic_s()
            self._supervisor.alive(now_s)
            each_second = now_s >= status_due_s
            self._turn(now_s, retry=each_second)
            if each_second:
                status_due_s = now_s + STATUS_S
                self._rosters.look()
                self._orders.look(now_s)
                trouble = self._troubles.for_the_operator
                self._write_status("misconfigured" if trouble else "running")
        self._supervisor.stopping()
        if self._serial is not None:
            self._serial.stop()
        self._radio.stop()
        self._custody.close(self._radio.take(), now_s)
        self._uplink.stop()
        self._connected = False
        self._write_status("stopped")
        if self._neighbours is not None:
            self._neighbours.close()
        self._custody.spool.close()

    def _turn(self, now_s: float, *, retry: bool) -> None:
        for event in self._uplink.take():
            self._handle(event)
        self._custody.turn(self._radio.take(), now_s, retry=retry)
        lane = {True: topics.live(self._config.name), False: topics.backfill(self._config.name)}
        speaks = self._connected and self._rosters.may_speak
        while speaks and (bundle := self._custody.next(now_s)):
            send, message = bundle
            self._uplink.send(lane[send.live], message, send.key)
        if self._neighbours is not None:
            self._hand_on(self._neighbours, now_s)
        if self._connected and (number := self._orders.beat(now_s)):
            self._uplink.send(topics.heartbeat(self._config.name), self._heartbeat(number))

    def _hand_on(self, neighbours: Neighbours, now_s: float) -> None:
        """What neighbours bring goes to the truck or further; without a link ours goes to them."""
        for frame in neighbours.take(self._roster, now_s):
            if frame.is_ack and frame.origin == self._config.name:
                self._hear(topics.ack(self._config.name), frame.message)
            elif frame.is_ack:
                neighbours.send_down(frame.origin, frame.message, frame.hops + 1)
            elif not self._connected:
                neighbours.pass_on(frame)
            elif len(self._passing) >= _PASSING_MAX:
                neighbours.lost()
            elif message := neighbours.for_the_truck(frame):
                key = Key(_PASSING_BOOT, frame.number)
                self._passing.add(key)
                self._uplink.send(topics.forwarded(self._config.name), message, key)
        alone = self._rosters.may_speak and not self._connected
        while alone and (bundle := self._custody.next(now_s)):
            neighbours.offer(bundle[1])
            self._custody.lanes.taken(bundle[0].key)

    def _handle(self, event: Event) -> None:
        if isinstance(event, Connected):
            self._connected = True
            self._custody.lanes.disconnect()  # what neighbours were given goes by the link now
            self._troubles.clear("uplink")
            self._log.info("uplink connected")
        elif isinstance(event, Lost):
            if self._connected:
                self._custody.lanes.disconnect()
            self._connected = False
            self._passing.clear()
            self._troubles.set("uplink", event.error)
        elif isinstance(event, Taken):
            self._custody.lanes.taken(event.key)
            self._passing.discard(event.key)
            if event.refusal:
                what = f"a bundle: {event.refusal}"
                self._troubles.set("lane", self._broker.refuses(what, self._config.name))
            else:
                self._troubles.clear("lane")
        else:
            self._hear(event.topic, event.payload)

    def _hear(self, topic: str, message: bytes) -> None:
        """What the truck says, if it was the truck that said so; everything else is counted."""
        hears = self._hears.get(topic)
        if hears is None:
            return
        try:
            hears(message)
        except Refused as error:
            self._refused[error.reason.value] += 1
        except Misconfigured as error:
            self._troubles.set("slots", error)

    def _acknowledge(self, message: bytes) -> None:
        truck, event = self._roster.truck_sign_public, self._roster.event_id
        ack = decode_ack(message, None, truck, event)
        if ack.relay == self._config.name:
            self._custody.acknowledge(ack)
        elif self._neighbours is None or not self._neighbours.send_down(ack.relay, message, 1):
            raise Refused(Reason.WRONG_SENDER, "an acknowledgement for another relay")

    def _seen(self, message: bytes) -> None:
        truck, event = self._roster.truck_sign_public, self._roster.event_id
        self._orders.seen(decode_seen(message, self._config.name, truck, event))

    def _heartbeat(self, number: int) -> bytes:
        """What we say of ourselves now."""
        slot, spool = self._slots.current, self._custody.spool.status()
        beat = Heartbeat(
            relay=self._config.name,
            boot=self._custody.boot,
            number=number,
            at_us=self._clock.now_us(),
            digest=slot.digest if slot else "",
            version=slot.node.version if slot else 0,
            slot=slot.name if slot else "",
            on_trial=self._slots.on_trial,
            roster_version=self._roster.version,
            certificate_to_s=_certificate_to_s(self._credentials),
            heard_at_us=self._radio.heard_at_us,
            spool_bytes=spool["bytes"],
            spool_bytes_max=spool["bytes_max"],
        )
        return encode_heartbeat(beat, self._key, self._roster.event_id)

    @property
    def _roster(self) -> Roster:
        return self._rosters.current

    def _write_status(self, state: str) -> None:
        try:
            home.write_status(self._folder, self._status(state))
            self._troubles.clear("status")
        except Misconfigured as error:
            self._troubles.set("status", error)

    def _status(self, state: str) -> dict[str, Any]:
        return {
            "schema": STATUS_SCHEMA,
            "name": self._config.name,
            "state": state,
            "connected": self._connected,
            "errors": self._troubles.rows(),
            "last_error": self._troubles.last,
            "boot": self._custody.boot,
            "radio_port": self._radio.port,
            "heard": self._radio.counts(),
            "serial": self._serial.counts() if self._serial else None,
            "neighbours": self._neighbours.counts() if self._neighbours else None,
            "clock_ahead_s": self._radio.clock_ahead_s(),
            "heard_at_s": self._radio.heard_at_us / 1e6,
            "heard_distinct": self._custody.spool.counts.heard_distinct,
            "spool": self._custody.spool.status(),
            "uplink": self._custody.sent() | {"acks_refused": dict(self._refused)},
            "configuration": self._slots.status(),
            "roster_version": self._roster.version,
            "rosters_refused": dict(self._rosters.refused),
            "at_s": self._clock.now_s(),
        }


def _certificate_to_s(credentials: Credentials) -> int:
    """0 where there is none: the key stick may be out, or the broker needs none."""
    try:
        return credentials.certificate_to_s()
    except Misconfigured:
        return 0
