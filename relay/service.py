"""The running relay: the radio's thread, the uplink's thread, and the loop between them."""

import signal
import threading
from collections import Counter
from typing import Any

import structlog

from hardware import clock, home, topics
from hardware.bundle import decode_ack
from hardware.errors import Misconfigured, Refused, TruckError
from hardware.keys import Credentials
from hardware.roster import Roster, check_newer
from hardware.signing import SigningKey
from relay.broker import Broker
from relay.config import RelayConfig
from relay.custody import Custody
from relay.home import RelayHome
from relay.radio import Gate, Radio
from relay.troubles import Troubles
from relay.uplink import Connected, Event, Lost, Taken, Uplink

STATUS_SCHEMA = "relay.status/1"
_TURN_S = 0.02
STATUS_S = 1.0
"""How often the status is written, the roster looked for, and a refusing disk tried again."""


class Service:
    """One relay in one home. `run` returns when `stop` was called."""

    def __init__(self, at_home: RelayHome, config: RelayConfig) -> None:
        """Take the home, the radio's port and the spool; the radio listens from here on.

        Raises:
            Locked: another relay runs in this home.
            Misconfigured: credentials, roster, port or folder are not as they must be.
        """
        self._folder, self._config = at_home.folder, config
        self._clock = clock.from_environment()
        self._log = structlog.get_logger()
        self._troubles = Troubles()
        self._credentials = Credentials(config.credentials)
        self._roster_stamp = _stamp(self._credentials)
        self._roster = self._credentials.roster()
        key = self._credentials.signing_key("relay")
        _check_enrolled(self._roster, config.name, key)
        self._lock = home.lock(self._folder, "relay")
        self._radio = Radio(config.radio_host, config.radio_port, Gate(self._roster), self._clock)
        self._radio.start()
        self._custody = Custody(
            at_home, config, key, self._roster.event_id, self._troubles, self._clock.now_s()
        )
        self._happened = threading.Event()
        self._broker = Broker(config.broker_host, config.broker_port, config.broker_tls)
        heard_topics = [(topics.ack(config.name), 0)]
        self._uplink = Uplink(
            config.name, self._broker, self._credentials, heard_topics, self._happened
        )
        self._stopping = False
        self._connected = False
        self._acks_refused: Counter[str] = Counter()

    def stop(self) -> None:
        """End `run` soon; safe in a signal handler."""
        self._stopping = True
        self._happened.set()

    def run(self) -> None:
        """Carry packets until stopped, then leave everything heard in the spool."""
        self._uplink.start()
        self._log.info("relay runs", boot=self._custody.boot, radio_port=self._radio.port)
        status_due_s = clock.monotonic_s()
        while not self._stopping:
            self._happened.wait(_TURN_S)
            self._happened.clear()
            now_s = clock.monotonic_s()
            each_second = now_s >= status_due_s
            self._turn(now_s, retry=each_second)
            if each_second:
                status_due_s = now_s + STATUS_S
                self._renew_roster()
                trouble = self._troubles.for_the_operator
                self._write_status("misconfigured" if trouble else "running")
        self._radio.stop()
        self._custody.close(self._radio.take(), now_s)
        self._uplink.stop()
        self._connected = False
        self._write_status("stopped")
        self._custody.spool.close()

    def _turn(self, now_s: float, *, retry: bool) -> None:
        for event in self._uplink.take():
            self._handle(event)
        self._custody.turn(self._radio.take(), now_s, retry=retry)
        lane = {True: topics.live(self._config.name), False: topics.backfill(self._config.name)}
        while self._connected and (bundle := self._custody.next(now_s)):
            send, message = bundle
            self._uplink.send(lane[send.live], message, send.key)

    def _handle(self, event: Event) -> None:
        if isinstance(event, Connected):
            self._connected = True
            self._troubles.clear("uplink")
            self._log.info("uplink connected")
        elif isinstance(event, Lost):
            self._connected = False
            self._custody.lanes.disconnect()
            self._troubles.set("uplink", event.error)
        elif isinstance(event, Taken):
            self._custody.lanes.taken(event.key)
            if event.refusal:
                what = f"a bundle: {event.refusal}"
                self._troubles.set("lane", self._broker.refuses(what, self._config.name))
            else:
                self._troubles.clear("lane")
        else:
            self._acknowledge(event.payload)

    def _acknowledge(self, message: bytes) -> None:
        """Let go of what the truck has made durable, if it was the truck that said so."""
        roster = self._roster
        try:
            ack = decode_ack(message, self._config.name, roster.truck_sign_public, roster.event_id)
        except Refused as error:
            self._acks_refused[error.reason.value] += 1
            return
        self._custody.acknowledge(ack)

    def _renew_roster(self) -> None:
        """Take a newer roster from the credentials folder, if one was laid there."""
        stamp = _stamp(self._credentials)
        if stamp == self._roster_stamp:
            return
        self._roster_stamp = stamp
        try:
            offered = self._credentials.roster()
            check_newer(self._roster, offered)
        except TruckError as error:
            self._troubles.set("roster", error)
            return
        self._troubles.clear("roster")
        self._roster = self._radio.gate.roster = offered
        self._log.info("roster taken", version=offered.version)

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
            "heard_distinct": self._custody.spool.counts.heard_distinct,
            "spool": self._custody.spool.status(),
            "uplink": self._custody.sent() | {"acks_refused": dict(self._acks_refused)},
            "roster_version": self._roster.version,
            "at_s": self._clock.now_s(),
        }


def run_relay(at_home: RelayHome, config: RelayConfig) -> None:
    """Run a relay until SIGTERM or SIGINT.

    Raises:
        Locked: another relay runs in this home.
        Misconfigured: something the operator has to mend first.
    """
    service = Service(at_home, config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    service.run()


def _stamp(credentials: Credentials) -> tuple[int, ...]:
    """What changes whenever the roster file does."""
    try:
        found = (credentials.folder / "roster.json").stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size


def _check_enrolled(roster: Roster, name: str, key: SigningKey) -> None:
    hint = "Fetch the roster and the relay's credentials of this event."
    try:
        enrolled = roster.relay_key(name)
    except Refused as error:
        what = f"relay {name!r} is not in roster version {roster.version} ({error.reason})"
        raise Misconfigured(what, hint) from error
    if enrolled.sign_public != key.public:
        raise Misconfigured(f"relay.key is not the key of relay {name!r} in the roster", hint)
