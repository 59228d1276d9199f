"""One tick: what the truck accepted, and refused, in one turn of its loop; one journal record.

Packets are kept as they came, byte for byte, so that custody is proven from the bike's signature
on. Columns run beside them in the same order.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import cbor2
import numpy as np
import numpy.typing as npt

VERSION = 1


class Heard(NamedTuple):
    """One hearing of one packet."""

    relay: str
    heard_at_us: int
    received_at_us: int
    rssi_dbm: int
    bundle_boot: int
    bundle_number: int


class Again(NamedTuple):
    """A byte-exact further hearing of a packet that another relay, or another bundle, brought."""

    device: int
    boot: int
    seq: int
    heard: Heard


class BundleSeen(NamedTuple):
    """A bundle whose packets this tick judged; the journal's promise to its relay."""

    relay: str
    boot: int
    number: int
    digest: int


class Evidence(NamedTuple):
    """Refused bytes, kept for whoever investigates; bounded per key, reason and minute."""

    reason: str
    key: str
    relay: str
    received_at_us: int
    data: bytes


@dataclass
class Tick:
    """The record.

    Attributes:
        at_us: the truck's clock when the tick was judged.
        packets: accepted packets, whole.
        heard: beside `packets`.
        live: beside `packets`; False for what is too old to move anything live.
        opened: beside `packets`, header and body in clear; not journalled, opened again on replay.
        resent: bundles the journal holds already, to be acknowledged again; not journalled.
        forked: those of `bundles` whose number other bytes had taken before; not journalled.
        ways: relay -> the relay that handed its bundle on; not journalled.
        refused: (reason, key) -> count; the key is `kid:...`, `relay:...`, `-` or `others`.
    """

    at_us: int
    packets: list[bytes] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    live: list[bool] = field(default_factory=list)
    opened: list[bytes] = field(default_factory=list)
    again: list[Again] = field(default_factory=list)
    bundles: list[BundleSeen] = field(default_factory=list)
    resent: list[BundleSeen] = field(default_factory=list)
    forked: list[BundleSeen] = field(default_factory=list)
    ways: dict[str, str] = field(default_factory=dict)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    evidence: list[Evidence] = field(default_factory=list)

    def is_empty(self) -> bool:
        """Whether there is nothing worth a record."""
        return not (self.packets or self.again or self.bundles or self.refused)

    def encode(self) -> bytes:
        """The journal payload, as `truck.stretch` reads it."""
        relays = sorted({h.relay for h in self.heard} | {a.heard.relay for a in self.again})
        index = {relay: i for i, relay in enumerate(relays)}

        def columns(heard: list[Heard]) -> list[bytes]:
            table: npt.NDArray[np.int64] = np.array(
                [(index[h.relay], *h[1:]) for h in heard], np.int64
            ).reshape(len(heard), len(Heard._fields))
            return [table[:, k].astype("<i8").tobytes() for k in range(table.shape[1])]

        payload = {
            1: VERSION,
            2: self.at_us,
            3: relays,
            4: b"".join(self.packets),
            5: np.array([len(p) for p in self.packets], "<u4").tobytes(),
            6: columns(self.heard),
            7: np.array(self.live, np.uint8).tobytes(),
            8: np.array([a[:3] for a in self.again], "<i8").tobytes(),
            9: columns([a.heard for a in self.again]),
            10: [list(b) for b in self.bundles],
            11: [[reason, key, count] for (reason, key), count in sorted(self.refused.items())],
            12: [list(e) for e in self.evidence],
        }
        return cbor2.dumps(payload)
