"""Custody: from packets heard to bundles that the truck's journal holds, and nothing between lost.

The forwarder closes batches, the key signs them, the spool makes them durable, the lanes say which
goes next. A bundle leaves only by the truck's signed acknowledgement of its very bytes.
"""

from collections import Counter
from typing import Any

from hardware.bundle import Ack, Bundle, digest_of, encode_bundle
from hardware.errors import Damaged, Misconfigured
from hardware.signing import SigningKey
from relay.config import RelayConfig
from relay.forwarder import Forwarder
from relay.home import RelayHome
from relay.lanes import Key, Lanes, Send
from relay.ledger import PacketId
from relay.radio import Heard
from relay.spool import Row, Spool
from relay.troubles import Troubles


class Custody:
    """What one relay has in its keeping. Use it from one thread."""

    def __init__(
        self,
        at_home: RelayHome,
        config: RelayConfig,
        key: SigningKey,
        event: bytes,
        troubles: Troubles,
        now_s: float,
    ) -> None:
        """Open the spool and take the next boot number; `now_s` is the clock's time.

        Raises:
            Misconfigured: when the folder is full, read-only or missing.
        """
        self._name, self._key, self._event, self._troubles = config.name, key, event, troubles
        self.spool = Spool(at_home.folder, config.spool_bytes_max)
        self.boot = at_home.next_boot(self.spool.newest_boot(), now_s)
        self._number = 0
        self.lanes = Lanes(config.backfill_bytes, config.uncommitted_bytes)
        for at, size in self.spool.sizes():
            self.lanes.add_backfill(at, size)
        self._forwarder = Forwarder(config.bundle_s)
        self._committed: list[Key] = []
        self._sent: Counter[str] = Counter()

    def turn(self, heard: list[Heard], now_s: float, *, retry: bool) -> None:
        """Take packets in; write what is due. `retry` tries a refusing disk again."""
        batches = self._forwarder.add(heard, now_s) + self._forwarder.due(now_s)
        if batches or self._committed or retry:
            self._keep(batches, now_s)

    def close(self, heard: list[Heard], now_s: float) -> None:
        """Leave everything heard in the spool."""
        self._keep(self._forwarder.add(heard, now_s) + self._forwarder.close(), now_s)

    def next(self, now_s: float) -> tuple[Send, bytes] | None:
        """The next bundle to send and its message; None where nothing may go now."""
        while send := self.lanes.next(now_s):
            message = self.spool.read(send.key)
            if message is None:
                self.lanes.forget(send.key)
                continue
            self._sent["live_sent" if send.live else "backfill_sent"] += 1
            self._sent["resent"] += send.again
            return send, message
        return None

    def acknowledge(self, ack: Ack) -> None:
        """Let go of what the truck has made durable."""
        for boot, number, digest in ack.bundles:
            key = Key(boot, number)
            held = self.spool.read(key)
            if held is None:
                continue
            if digest_of(held) != digest:
                self._dispute(key)
                continue
            if self.lanes.forget(key):
                self._sent["acked"] += 1
            self._committed.append(key)

    def sent(self) -> dict[str, Any]:
        """What became of bundles, as the status shows it."""
        names = ("live_sent", "backfill_sent", "acked", "disputed", "resent")
        sent: dict[str, Any] = {name: self._sent[name] for name in names}
        return sent | {"in_flight_bytes": self.lanes.in_flight_bytes}

    def _keep(self, batches: list[tuple[Heard, ...]], now_s: float) -> None:
        """Make batches durable bundles and strike off the committed ones, in one transaction."""
        rows = [self._seal(batch) for batch in batches]
        for row in rows:
            self.lanes.add_fresh(row.key, len(row.message), now_s)
        dropped = self.spool.commit(rows, self._committed, self.lanes.oldest_fresh())
        self._committed.clear()
        for key in dropped:
            self.lanes.forget(key)
        if self.spool.error:
            self._troubles.set("spool", Misconfigured(f"cannot spool: {self.spool.error}"))
        else:
            self._troubles.clear("spool")

    def _seal(self, batch: tuple[Heard, ...]) -> Row:
        key, self._number = Key(self.boot, self._number), self._number + 1
        bundle = Bundle(
            relay=self._name,
            boot=key.boot,
            number=key.number,
            packets=tuple(heard.raw for heard in batch),
            heard_at_us=tuple(heard.heard_at_us for heard in batch),
            rssi_dbm=tuple(heard.rssi_dbm for heard in batch),
        )
        ids = tuple(PacketId(h.header.kid, h.header.boot, h.header.seq) for h in batch)
        return Row(key, encode_bundle(bundle, self._key, self._event), ids)

    def _dispute(self, key: Key) -> None:
        """The truck has other bytes under our number: keep ours until it names these."""
        self._sent["disputed"] += 1
        what = (
            f"the truck holds another bundle {key.number} of boot {key.boot}: somebody else sends "
            "with this relay's key; ours is kept and sent. Tell the operator, who revokes the key"
        )
        self._troubles.set("key", Damaged(what))
