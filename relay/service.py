"""The running relay: the radio's thread, the uplink's thread, and the loop between them."""

import signal
import threading
from collections import Counter
from typing import Any

import structlog

from hardware import clock, home
from hardware.bundle import Bundle, decode_ack, digest_of, encode_bundle
from hardware.errors import Damaged, Misconfigured, Refused, TruckError
from hardware.keys import Credentials
from hardware.roster import Roster, check_newer
from hardware.signing import SigningKey
from relay.broker import Broker
from relay.config import RelayConfig
from relay.forwarder import Forwarder
from relay.home import RelayHome
from relay.lanes import Key, Lanes
from relay.ledger import PacketId
from relay.radio import Gate, Heard, Radio
from relay.spool import Row, Spool
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
        self._credentials = Credentials(config.credentials)
        self._roster_stamp = _stamp(self._credentials)
        self._roster = self._credentials.roster()
        self._key = self._credentials.signing_key("relay")
        _check_enrolled(self._roster, config.name, self._key)
        self._lock = home.lock(self._folder, "relay")
        self._radio = Radio(config.radio_host, config.radio_port, Gate(self._roster), self._clock)
        self._radio.start()
        self._spool = Spool(self._folder, config.spool_bytes_max)
        self._boot = at_home.next_boot(self._spool.newest_boot(), self._clock.now_s())
        self._number = 0
        self._lanes = Lanes()
        for key, size in self._spool.sizes():
            self._lanes.add_backfill(key, size)
        self._forwarder = Forwarder(config.bundle_s)
        self._happened = threading.Event()
        self._broker = Broker(config.broker_host, config.broker_port, config.broker_tls)
        self._uplink = Uplink(config.name, self._broker, self._credentials, self._happened)
        self._stopping = False
        self._connected = False
        self._committed: list[Key] = []
        self._sent: Counter[str] = Counter()
        self._acks_refused: Counter[str] = Counter()
        self._troubles: dict[str, TruckError] = {}
        self._last_error = ""

    def stop(self) -> None:
        """End `run` soon; safe in a signal handler."""
        self._stopping = True
        self._happened.set()

    def run(self) -> None:
        """Carry packets until stopped, then leave everything heard in the spool."""
        self._uplink.start()
        self._log.info("relay runs", boot=self._boot, radio_port=self._radio.port)
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
                self._write_status("misconfigured" if self._misconfigured() else "running")
        self._radio.stop()
        batches = self._forwarder.add(self._radio.take(), now_s) + self._forwarder.close()
        self._keep(batches, now_s)
        self._uplink.stop()
        self._connected = False
        self._write_status("stopped")
        self._spool.close()

    def _turn(self, now_s: float, *, retry: bool) -> None:
        for event in self._uplink.take():
            self._handle(event)
        batches = self._forwarder.add(self._radio.take(), now_s) + self._forwarder.due(now_s)
        if batches or self._committed or retry:
            self._keep(batches, now_s)
        while self._connected and (send := self._lanes.next(now_s)):
            message = self._spool.read(send.key)
            if message is None:
                self._lanes.forget(send.key)
                continue
            self._uplink.send(send.key, message, live=send.live)
            self._sent["live_sent" if send.live else "backfill_sent"] += 1
            self._sent["resent"] += send.again

    def _keep(self, batches: list[tuple[Heard, ...]], now_s: float) -> None:
        """Make batches durable bundles and strike off the committed ones, in one transaction."""
        rows = [self._seal(batch) for batch in batches]
        for row in rows:
            self._lanes.add_fresh(row.key, len(row.message), now_s)
        dropped = self._spool.commit(rows, self._committed, self._lanes.oldest_fresh())
        self._committed.clear()
        for key in dropped:
            self._lanes.forget(key)
        if self._spool.error:
            self._complain("spool", Misconfigured(f"cannot spool: {self._spool.error}"))
        else:
            self._troubles.pop("spool", None)

    def _seal(self, batch: tuple[Heard, ...]) -> Row:
        key, self._number = Key(self._boot, self._number), self._number + 1
        bundle = Bundle(
            relay=self._config.name,
            boot=key.boot,
            number=key.number,
            packets=tuple(heard.raw for heard in batch),
            heard_at_us=tuple(heard.heard_at_us for heard in batch),
            rssi_dbm=tuple(heard.rssi_dbm for heard in batch),
        )
        ids = tuple(PacketId(h.header.kid, h.header.boot, h.header.seq) for h in batch)
        return Row(key, encode_bundle(bundle, self._key, self._roster.event_id), ids)

    def _handle(self, event: Event) -> None:
        if isinstance(event, Connected):
            self._connected = True
            self._troubles.pop("uplink", None)
            self._log.info("uplink connected")
        elif isinstance(event, Lost):
            self._connected = False
            self._lanes.disconnect()
            self._complain("uplink", event.error)
        elif isinstance(event, Taken):
            self._lanes.taken(event.key)
            if event.refusal:
                what = f"a bundle: {event.refusal}"
                self._complain("lane", self._broker.refuses(what, self._config.name))
            else:
                self._troubles.pop("lane", None)
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
        for boot, number, digest in ack.bundles:
            key = Key(boot, number)
            held = self._spool.read(key)
            if held is None:
                continue
            if digest_of(held) != digest:
                self._dispute(key)
                continue
            if self._lanes.forget(key):
                self._sent["acked"] += 1
            self._committed.append(key)

    def _dispute(self, key: Key) -> None:
        """The truck has other bytes under our number: keep ours until it names these."""
        self._sent["disputed"] += 1
        what = (
            f"the truck holds another bundle {key.number} of boot {key.boot}: somebody else sends "
            "with this relay's key; ours is kept and sent. Tell the operator, who revokes the key"
        )
        self._complain("key", Damaged(what))

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
            self._complain("roster", error)
            return
        self._troubles.pop("roster", None)
        self._roster = self._radio.gate.roster = offered
        self._log.info("roster taken", version=offered.version)

    def _misconfigured(self) -> bool:
        return any(isinstance(trouble, Misconfigured) for trouble in self._troubles.values())

    def _complain(self, about: str, error: TruckError) -> None:
        known = self._troubles.get(about)
        self._troubles[about] = error
        self._last_error = str(error)
        if known is None or str(known) != str(error):
            self._log.warning("trouble", about=about, error=str(error))

    def _write_status(self, state: str) -> None:
        try:
            home.write_status(self._folder, self._status(state))
            self._troubles.pop("status", None)
        except Misconfigured as error:
            self._complain("status", error)

    def _status(self, state: str) -> dict[str, Any]:
        names = ("live_sent", "backfill_sent", "acked", "disputed", "resent")
        return {
            "schema": STATUS_SCHEMA,
            "name": self._config.name,
            "state": state,
            "connected": self._connected,
            "errors": {about: str(error) for about, error in self._troubles.items()},
            "last_error": self._last_error,
            "boot": self._boot,
            "radio_port": self._radio.port,
            "heard": self._radio.counts(),
            "heard_distinct": self._spool.counts.heard_distinct,
            "spool": self._spool.status(),
            "uplink": {name: self._sent[name] for name in names}
            | {
                "in_flight_bytes": self._lanes.in_flight_bytes,
                "acks_refused": dict(self._acks_refused),
            },
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
